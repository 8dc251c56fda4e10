"""``schoolbridge``: the command line. Exit codes: 0 nothing to do, 2 something to do (``plan``), 1 an error."""

from __future__ import annotations

import functools
import gc
import io
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.exceptions import TyperException

from bridge import __version__
from bridge.commands.session import DEFAULT_CONFIG, ERROR, Session, nowhere
from bridge.daemon import logs
from bridge.daemon.trouble import said
from bridge.ports import BridgeError
from bridge.settings import SettingsError

INTERRUPTED = 130
EPILOG = "Every command also takes --config FILE, --json and --verbose. Secrets never stand on the command line."

#: Module -> its commands, in the order of the help. A command loads its own module: all of them take most of a second.
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check",),
    "mirror": ("plan", "sync"),
    "notify": ("notify",),
    "run": ("run", "status"),
    "reload": ("reload",),
    "shares": ("shares",),
    "verify": ("verify",),
    "waves": ("waves", "appoint"),
    "restore": ("restore",),
    "backup": ("backup", "restore-state"),
    "restored": ("restored",),
    "explain": ("explain",),
    "people": ("release", "link", "letters"),
    "quarantine": ("quarantine",),
    "password": ("password",),
    "page": ("page",),
    "conflicts": ("conflicts",),
    "cutover": ("cutover",),
    "drift": ("drift",),
    "leavers": ("leavers",),
    "hold": ("hold", "unhold"),
    "person": ("person",),
    "report": ("report",),
    "stage": ("stage",),
    "readiness": ("readiness", "gate"),
    "year": ("year",),
    "journal": ("journal",),
    "token": ("token",),
    "uplink": ("uplink",),
    "samba_shares": ("samba-shares",),
    "schema": ("schema", "sandbox", "demo", "demo-fleet"),
    "hub": ("hub",),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"schoolbridge {__version__}\n")
        sys.stdout.flush()
        raise typer.Exit


def _options(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", envvar="SCHOOLBRIDGE_CONFIG", help="The bridge's configuration file.")
    ] = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more; tracebacks of internal errors.")] = False,
    shown_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    session = _SESSION
    session.config, session.as_json, session.verbose = config, as_json, verbose
    context.obj = session
    logs.configure("debug" if verbose else "warning")


_SESSION = Session()
_ANYWHERE = {"--json": 0, "--verbose": 0, "-v": 0, "--config": 1}


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options first: they may stand anywhere before a ``--``."""
    ours: list[str] = []
    others: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            others += [word, *rest]
            break
        if word in _ANYWHERE:
            count = _ANYWHERE[word]
            ours += [word, *rest[:count]]
            del rest[:count]
        elif word.startswith("--config="):
            ours.append(word)
        else:
            others.append(word)
    return ours + others


def spare_the_collector() -> None:
    """Let Python look for circular garbage seldom: of a mirror's time it took a sixth, and there is hardly any."""
    gc.freeze()  # what is loaded by now stays to the end
    gc.set_threshold(50_000, 20, 100)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code; a person's mistake never shows a traceback."""
    global _SESSION
    words = hoisted(sys.argv[1:] if arguments is None else arguments)
    sys.stdout, sys.stderr = (one or Path(os.devnull).open("w") for one in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or file that can't show every letter: no reason to stop
            stream.reconfigure(errors="backslashreplace")
    _SESSION = Session(as_json="--json" in words, verbose="--verbose" in words)
    sys.exit(_run(words, _SESSION))


def app(modules: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """The command line with the commands of these modules."""
    made = typer.Typer(
        name="schoolbridge",
        help="Mirrors a school's people from Active Directory to Microsoft 365, and its file shares both ways.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for name in modules:
        import_module(f"bridge.commands.{name}").register(made)
    return made


def _needed(words: Sequence[str]) -> tuple[str, ...]:
    """The module of the command that is asked for; all of them where none is, or one that does not exist."""
    rest = iter(words)
    for word in rest:
        if word == "--config":
            next(rest, None)
        elif not word.startswith("-"):
            return tuple(name for name, commands in COMMANDS.items() if word in commands) or tuple(COMMANDS)
    return tuple(COMMANDS)


@functools.cache
def _command(modules: tuple[str, ...]) -> Any:
    """Commands as typer builds them: once a process, for that takes as long as a small command."""
    return typer.main.get_command(app(modules))


def _run(words: Sequence[str], session: Session) -> int:
    try:
        command = _command(_needed(words))
        spare_the_collector()
        code = command(args=list(words), prog_name="schoolbridge", standalone_mode=False)
    except SettingsError as error:
        return _settings(error, session)
    except TyperException as error:
        session.fail(f"{error.format_message()} Try: schoolbridge --help")
    except (KeyboardInterrupt, typer.Abort):
        return _ended(INTERRUPTED, session)
    except BrokenPipeError:
        nowhere()  # nobody reads on
    except (BridgeError, OSError, SQLAlchemyError, MemoryError) as error:
        session.fail(said(error))
        if session.verbose:
            traceback.print_exc()
    except Exception as error:  # noqa: BLE001 - the last net: a bug, told as one
        session.fail(f"internal error ({type(error).__name__}); nothing more was done. --verbose shows where")
        if session.verbose:
            traceback.print_exc()
    else:
        return _ended(code if isinstance(code, int) else 0, session)
    return ERROR


def _ended(code: int, session: Session) -> int:
    """typer turns Ctrl-C into exit code 130 without a word."""
    if code == INTERRUPTED:
        session.fail("stopped by Ctrl-C; what was done up to here is recorded")
    return code


def _settings(error: SettingsError, session: Session) -> int:
    problems = [
        {name: getattr(one, name) for name in ("file", "line", "column", "path", "wrong", "right")}
        for one in error.problems
    ]
    count = len(problems)
    for one in error.problems:
        session.err.print(str(one), markup=False)
    session.fail(f"{count} problem{'s' if count != 1 else ''} in the configuration", problems=problems)
    return ERROR
