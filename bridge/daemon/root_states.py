"""Roots of a share that are not simply in step: what the status file names them for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.core.model import Side
from bridge.daemon.share_rows import RootRow, ShareRow


class State(StrEnum):
    """How a root is."""

    IN_STEP = "in step"
    AT_WORK = "at work"
    WAITS = "waits"
    ELSEWHERE = "lies elsewhere"
    STANDS_STILL = "stands still"
    NO_FOLDER = "no folder"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RootState:
    """``since`` is ISO 8601, UTC; ``why`` is for a person; ``doing`` is the progress of what is under way."""

    state: State
    since: str | None = None
    why: str = ""
    doing: str = ""


def away(share: ShareRow) -> dict[str, Any]:
    """For the status file: every root that is not at rest in step, and every owner without one.

    Roots that stand still for the same reason share its text: a file server that is gone stops thousands of them.
    """
    still: dict[str, dict[str, str | None]] = {}
    absent: dict[str, list[str]] = {}
    for owner, row in share.roots.items():
        if row.error:
            still.setdefault(row.error, {})[owner] = row.error_since
        if row.waiting:
            absent.setdefault(row.absent, []).append(owner)
    return {
        "still": still,
        "working": {owner: row.doing for owner, row in share.roots.items() if row.doing},
        "not_there": absent,
        "made": [owner for owner, row in share.roots.items() if row.made],
        "not_read": [owner for owner, row in share.roots.items() if not row.waiting and len(row.complete) < len(Side)],
        "elsewhere": {owner: row.elsewhere for owner, row in share.roots.items() if row.elsewhere},
        "unfit": dict(share.unfit),
        "sending": {owner: _numbers(row) for owner, row in share.roots.items() if row.load.left.files},
    }


def _numbers(row: RootRow) -> list[int]:
    load = row.load
    done = load.sent.less(load.since) + load.parts
    return [int(done.files), int(done.files + load.left.files), done.bytes, done.bytes + load.left.bytes]


def sending(share: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """What ``away`` told of the files of one root, as JSON; ``complete`` False: its plan was not counted yet."""
    told = share.get("away", {})
    names = ("files", "files_total", "bytes", "bytes_total")
    numbers = told.get("sending", {}).get(owner)
    complete = numbers is not None or (bool(told) and owner not in told.get("not_read", ()))
    return {**dict(zip(names, numbers or (0, 0, 0, 0), strict=True)), "complete": complete}


def states(share: Mapping[str, Any]) -> Iterator[tuple[str, RootState]]:
    """Owner's link -> state, of those that ``away`` named; all others are in step. The last one of an owner counts."""
    told = share.get("away", {})
    for owner in told.get("made", ()):
        yield owner, RootState(State.IN_STEP, why="its folder was made by the bridge")
    for owner in told.get("not_read", ()):
        yield owner, RootState(State.WAITS, why="its turn to be read for the first time has not come yet")
    for why, owners in told.get("not_there", {}).items():
        for owner in owners:
            yield owner, RootState(State.WAITS, why=why)
    for owner, doing in told.get("working", {}).items():
        yield owner, RootState(State.AT_WORK, doing=doing)
    for owner, why in told.get("elsewhere", {}).items():
        yield owner, RootState(State.ELSEWHERE, why=why, doing=told.get("working", {}).get(owner, ""))
    for why, owners in told.get("still", {}).items():
        for owner, since in owners.items():
            yield owner, RootState(State.STANDS_STILL, since, why, told.get("working", {}).get(owner, ""))
    for owner, why in told.get("unfit", {}).items():
        yield owner, RootState(State.NO_FOLDER, why=why)
