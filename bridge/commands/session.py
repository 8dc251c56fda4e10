"""What every command shares: where the configuration is, how answers are shown, how errors end the program.

An answer is one plain tree: printed as one JSON document with ``--json``, drawn for people otherwise. Logs and progress
go to standard error, so that standard output can always be piped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bridge.core.local_time import Unclear, moment
from bridge.daemon.catalog import Catalog
from bridge.ports import ConfigurationError
from bridge.settings import School, Settings, load
from bridge.settings.render import guess

DEFAULT_CONFIG = Path("/etc/schoolbridge/bridge.yaml")

NOTHING, ERROR, SOMETHING = 0, 1, 2


class Mistake(ConfigurationError):
    """What somebody typed can't be done; ``str`` says what would be right."""


def plain(text: object) -> str:
    """Text from a directory or a person, safe to print: no terminal escapes, no markup of rich."""
    return escape("".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in str(text)))


def moment_typed(text: str, zone: tzinfo, *, of: str) -> datetime:
    """The moment that somebody typed; raises Mistake, which names ``of`` what it was to be the time."""
    try:
        return moment(text, zone)
    except Unclear as error:
        wrong, _, right = str(error).partition("|")
        raise Mistake(f"{of} {plain(text)}: {wrong}; {right}") from None


def must_be_new(file: Path | None) -> None:
    """Raises Mistake where a file that is to be written is there already, before any work was done for it."""
    if file is not None and (file.exists() or file.is_symlink()):
        raise Mistake(f"{plain(file)} exists already; name another file")


@dataclass(slots=False)
class Session:
    """One run of the command."""

    config: Path = DEFAULT_CONFIG
    as_json: bool = False
    verbose: bool = False
    catalog: Catalog = field(default_factory=Catalog)
    answered: bool = False

    @cached_property
    def out(self) -> Console:
        """Standard output. Lines are cut in a terminal only."""
        return Console(soft_wrap=not sys.stdout.isatty(), highlight=False, emoji=False)

    @cached_property
    def err(self) -> Console:
        """Standard error."""
        return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)

    @cached_property
    def settings(self) -> Settings:
        """The whole configuration; raises SettingsError with all its problems."""
        return load(self.config, self.catalog)

    def schools(self, code: str | None) -> tuple[School, ...]:
        """The school of this code, or all of them."""
        if code is None:
            return self.settings.schools
        return (self.school(code),)

    def school(self, code: str | None) -> School:
        """The school of this code; without a code the only one there is."""
        schools = self.settings.schools
        if code is None:
            if len(schools) == 1:
                return schools[0]
            raise Mistake(f"which school? say --school CODE; there are {', '.join(one.code for one in schools)}")
        found = self.settings.school(code)
        if found is None:
            raise Mistake(f'no school has the code "{plain(code)}"; {guess(code, (one.code for one in schools))}')
        return found

    def show(self, answer: Mapping[str, Any], draw: Callable[[Console], None]) -> None:
        """Print the answer: as JSON, or as ``draw`` draws it."""
        if self.as_json:
            _document(answer)
        else:
            draw(self.out)
        self.answered = True

    def fail(self, message: str, **more: Any) -> None:
        """Say why it did not work; with ``--json`` also as the one document on standard output."""
        if self.as_json and not self.answered:
            try:
                _document({"ok": False, "error": message, **more})
            except OSError:
                nowhere()
        self.err.print(f"[bold red]error:[/] {plain(message)}")

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """A callback (phase, done, total) that draws bars in a terminal and plain lines otherwise."""
        if self.as_json:
            yield lambda phase, done, total: None
        elif not sys.stderr.isatty():
            yield _lines()
        else:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            with Progress(*columns, TimeElapsedColumn(), console=self.err, transient=True) as bars:
                tasks: dict[str, Any] = {}

                def update(phase: str, done: int, total: int | None) -> None:
                    if phase not in tasks:
                        tasks[phase] = bars.add_task(phase, total=total)
                    bars.update(tasks[phase], completed=done, total=total)

                yield update


def nowhere() -> None:
    """Standard output can't be written: keep the interpreter from complaining when it flushes at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _document(tree: Mapping[str, Any]) -> None:
    """Print one JSON document, in plain ASCII where standard output can't take every letter (RFC 8259 section 7)."""
    everything = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(tree, ensure_ascii=not everything, default=str) + "\n")
    sys.stdout.flush()


def _lines() -> Callable[[str, int, int | None], None]:
    """One line when a phase begins and one for each of its tenths, for logs."""
    shown: dict[str, int] = {}

    def line(phase: str, done: int, total: int | None) -> None:
        tenth = done * 10 // total if total else done // 1000
        if shown.get(phase) != tenth:
            shown[phase] = tenth
            sys.stderr.write(f"{phase}: {done}" + (f" of {total}\n" if total else "\n"))

    return line


def session_of(context: typer.Context) -> Session:
    """The session of this run."""
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("no session")
    return session
