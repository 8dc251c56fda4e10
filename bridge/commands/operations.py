"""How a plan's operations and holds are shown, of people as of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from bridge.commands.session import plain
from bridge.core.model import Hold, Operation
from bridge.engine.bridged import Report

#: A message about one object, as the engine addresses it: school, kind, link, text.
_ADDRESSED = re.compile(r"(?P<school>\S+): (?P<kind>[a-z_]+) \S+: (?P<text>.+)", re.DOTALL)


def operation_tree(one: Operation) -> dict[str, Any]:
    """As JSON."""
    return {
        "link": one.link,
        "kind": one.kind,
        "side": one.side.value,
        "action": one.action.value,
        "role": one.role,
        "before": {name: _json(value) for name, value in one.before.items()},
        "after": {name: _json(value) for name, value in one.after.items()},
        "reason": one.reason,
    }


def hold_tree(one: Hold) -> dict[str, Any]:
    """As JSON."""
    return {**operation_tree(one.operation), "rule": one.rule, "message": one.message}


def _json(value: object) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def draw_operation(out: Console, one: Operation) -> None:
    """What would be done to one object, with before and after."""
    label = one.after.get("display_name") or one.before.get("display_name") or one.after.get("name") or one.link
    out.print(f"  {plain(one.action)} {plain(one.kind)} [bold]{plain(label)}[/] ({plain(one.reason)})")
    for name in sorted({*one.before, *one.after}):
        out.print(f"      {plain(name)}: {_shown(one.before.get(name))} → {_shown(one.after.get(name))}")


def _shown(value: object) -> str:
    if value is None or value in ("", frozenset()):
        return "–"
    if isinstance(value, frozenset):
        return plain(f"{len(value)} entries") if len(value) > 3 else plain(", ".join(sorted(value)))
    return plain(value)


def _grouped(messages: Sequence[str]) -> list[str]:
    """One line for all objects of which the same is said (a missing consent); `explain` tells of each of them."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for message in messages:
        found = _ADDRESSED.fullmatch(message)
        key = (found["school"], found["kind"], found["text"]) if found else ("", "", message)
        same.setdefault(key, []).append(message)
    return [
        several[0] if len(several) == 1 else f"{school}: {len(several)} × {kind}: {text} Whom: schoolbridge quarantine"
        for (school, kind, text), several in same.items()
    ]


def draw_held(out: Console, report: Report) -> None:
    """What is held, and why."""
    for rule, number in sorted(report.held.items()):
        out.print(f"  [yellow]held[/]: {number} × {plain(rule)}")
    for message in _grouped(report.messages):
        out.print(f"  [yellow]![/] {plain(message)}")
    for warning in report.warnings:
        out.print(f"  [yellow]![/] {plain(warning)}")
