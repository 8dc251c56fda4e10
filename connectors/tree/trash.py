"""The trash of a root: ``.schoolbridge-trash/<day>/<anchor>/<name>`` and beside it ``origin.json`` that says whence.

It lies in the root itself, so that everything gets there by rename, never by copying.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from connectors.tree.rules import OURS

TRASH = OURS + "trash"
RECORD = "origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something in the trash came from. ``deleted`` False: it was overwritten. ``size`` in bytes."""

    anchor: str
    kind: str
    name: str
    path: str
    moment: str
    deleted: bool
    size: int

    @property
    def day(self) -> date:
        """The day under which it lies."""
        return date.fromisoformat(self.moment[:10])

    def written(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Trashed:
    """One entry of the trash; ``place`` is its path below the root."""

    origin: Origin
    place: str

    @property
    def path(self) -> str:
        """The path of what lies there."""
        return f"{self.place}/{self.origin.name}"


class Shelf(Protocol):
    """How the trash of a storage is read."""

    def names(self, path: str) -> list[str]:
        """What is in a folder of ours, sorted; nothing when it is not there."""
        ...

    def read(self, path: str) -> bytes:
        """A small file of ours; empty when it can't be read."""
        ...

    def expire(self, today: date, days: int) -> int:
        """Remove what lies there for longer; returns how many days' folders went."""
        ...


def place_of(origin: Origin, number: int) -> str:
    """Where a version goes; ``number`` from 1 on, because the same file may be overwritten many times a day."""
    more = f".{number}" if number > 1 else ""
    return f"{TRASH}/{origin.day.isoformat()}/{origin.anchor.replace(':', '-')}{more}"


def moment_of(now: datetime) -> str:
    """How ``Origin.moment`` is written: sortable, UTC."""
    return now.isoformat(timespec="microseconds")


def entries(shelf: Shelf) -> Iterator[Trashed]:
    """All there is, the latest day first; what is not ours or not readable is left out."""
    for day in days(shelf):
        for name in shelf.names(f"{TRASH}/{day}"):
            if (one := _entry(shelf, f"{TRASH}/{day}/{name}")) is not None:
                yield one


def last_deleted(shelf: Shelf, anchor: str) -> Trashed | None:
    """What was deleted last with this anchor; an overwritten version is none of it."""
    wanted = anchor.replace(":", "-")
    for day in days(shelf):
        here = [one for one in shelf.names(f"{TRASH}/{day}") if one == wanted or one.startswith(wanted + ".")]
        found = [one for name in here if (one := _entry(shelf, f"{TRASH}/{day}/{name}")) is not None]
        deleted = [one for one in found if one.origin.anchor == anchor and one.origin.deleted]
        if deleted:
            return max(reversed(deleted), key=lambda one: one.origin.moment)
    return None


def expired(shelf: Shelf, today: date, days_kept: int) -> Iterator[str]:
    """Days whose folders are kept no longer."""
    oldest = today - timedelta(days=days_kept)
    return (day for day in list(days(shelf)) if date.fromisoformat(day) < oldest)


def days(shelf: Shelf) -> Iterator[str]:
    """The days of which something lies there, the latest first."""
    for name in reversed(shelf.names(TRASH)):
        with contextlib.suppress(ValueError):
            date.fromisoformat(name)
            yield name


def _entry(shelf: Shelf, place: str) -> Trashed | None:
    try:
        return Trashed(Origin(**json.loads(shelf.read(f"{place}/{RECORD}").decode(errors="surrogateescape"))), place)
    except (ValueError, TypeError):
        return None
