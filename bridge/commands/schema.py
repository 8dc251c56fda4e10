"""``schema`` prints the JSON Schema of the configuration; ``sandbox`` and ``demo`` need no configuration at all."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from bridge.commands.session import Mistake, session_of
from bridge.daemon.catalog import Catalog
from bridge.settings.reference import reference
from bridge.settings.schema import bridge_schema, hub_schema, school_schema

FILES = {
    "bridge": "bridge.schema.json",
    "school": "school.schema.json",
    "hub": "hub.schema.json",
    "reference": "reference.md",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(schema)
    app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        add_help_option=False,
    )(sandbox)
    app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        add_help_option=False,
    )(demo)
    app.command(
        name="demo-fleet",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        add_help_option=False,
    )(demo_fleet)


def schema(
    context: typer.Context,
    which: Annotated[
        Literal["bridge", "school", "hub", "reference"],
        typer.Argument(help="Schema of bridge.yaml, of a school's file, of hub.yaml, or the reference for people."),
    ] = "school",
    write: Annotated[Path | None, typer.Option(help="Directory to write all of them into.")] = None,
) -> None:
    """Print the JSON Schema of the configuration files, connectors' options included."""
    session = session_of(context)
    drawn = texts(session.catalog)
    if write is None:
        sys.stdout.write(drawn[which])
        sys.stdout.flush()
        return
    for name, content in drawn.items():
        (write / FILES[name]).write_text(content, encoding="utf-8")
    written = [str(write / name) for name in FILES.values()]
    session.show({"ok": True, "written": written}, lambda out: out.print(*written, sep="\n"))


def schemas(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """All schemas by name."""
    return {"bridge": bridge_schema(), "school": school_schema(catalog), "hub": hub_schema()}


def texts(catalog: Catalog) -> dict[str, str]:
    """The schemas and the reference as they stand in their files."""
    trees = schemas(catalog)
    drawn = {name: json.dumps(tree, indent=2, ensure_ascii=False) + "\n" for name, tree in trees.items()}
    return {**drawn, "reference": reference(trees["bridge"], trees["school"], trees["hub"])}


def sandbox(context: typer.Context) -> None:
    """Start the sandbox: a Graph-compatible cloud for trying things out. Its options: sandbox --help."""
    _module("connectors.sandbox", context.args)


def demo(context: typer.Context) -> None:
    """Show the bridge at work on real servers, from nothing. Options: --report FILE, --keep."""
    _module("bridge.lab", context.args)


def demo_fleet(context: typer.Context) -> None:
    """Show a city of schools and its hub at work, from nothing. Options: --sites N, --report FILE, --keep."""
    _module("bridge.lab.fleet", context.args)


def _module(name: str, arguments: list[str]) -> NoReturn:
    """Become ``python -m name``: signals then reach it without anybody in between."""
    if importlib.util.find_spec(name) is None:
        raise Mistake(f"{name} is not installed here")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", name, *arguments])  # noqa: S606 - no shell, our own module
