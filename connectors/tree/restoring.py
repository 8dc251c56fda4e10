"""The trash as people use it: listed, and brought back to where it was. Needs no index: another process may hold it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, Protocol

from bridge.ports import Kept, Refused
from connectors.tree.rules import join
from connectors.tree.trash import TRASH, Shelf, Trashed, entries

#: How many free names are looked for beside a taken one.
_NAMES = 1000


class Restorer(Protocol):
    """What brings back needs of a root that is open."""

    @property
    def shelf(self) -> Shelf: ...

    def within(self, path: str) -> AbstractContextManager[Any]:
        """The folder at a path, made where it is gone, with the rights of the one above."""
        ...

    def take_out(self, one: Trashed, folder: Any, name: str) -> None:
        """Rename what lies in the trash; raises FileExistsError where the name is taken."""
        ...

    def copy(self, one: Trashed, folder: Any, name: str) -> None:
        """Copy it, with its time; raises FileExistsError where the name is taken."""
        ...


class TreeTrash:
    """See ``bridge.ports.Trash``. What was deleted comes back by rename, an overwritten version as a copy.

    A copy, because the newer version still bears the anchor of the file that it replaced. ``opened`` opens the root;
    it turns what goes wrong into Unreachable or Refused.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Restorer]], clock: Callable[[], datetime]) -> None:
        self._opened, self._clock = opened, clock

    async def kept(self) -> AsyncIterator[Kept]:
        for one in await asyncio.to_thread(self._entries):
            yield one

    async def bring_back(self, id: str) -> str:  # noqa: A002
        return await asyncio.to_thread(self._bring_back, id)

    async def empty(self) -> int:
        return await asyncio.to_thread(self._empty)

    def _empty(self) -> int:
        with self._opened() as root:
            number = len(list(entries(root.shelf)))
            root.shelf.expire(date.max, 0)
            return number

    def _entries(self) -> list[Kept]:
        with self._opened() as root:
            return [_kept(one) for one in entries(root.shelf)]

    def _bring_back(self, wanted: str) -> str:
        with self._opened() as root:
            one = next((one for one in entries(root.shelf) if _kept(one).id == wanted), None)
            if one is None:
                raise KeyError(wanted)
            path, _, name = one.origin.path.rpartition("/")
            put = root.take_out if one.origin.deleted else root.copy
            with root.within(path) as folder:
                for free in _free(name, self._clock()):
                    try:
                        put(one, folder, free)
                    except FileExistsError:
                        continue
                    return join(path, free)
            raise Refused(f"{one.origin.path}: no name beside it is free: make room in that folder")


def _kept(one: Trashed) -> Kept:
    origin = one.origin
    place = one.place.removeprefix(f"{TRASH}/")
    return Kept(
        place, origin.kind, origin.path, origin.moment, deleted=origin.deleted, size=origin.size, anchor=origin.anchor
    )


def _free(name: str, now: datetime) -> Iterator[str]:
    """The name, then names beside it that say what they are."""
    yield name
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(1, _NAMES):
        more = f" {number}" if number > 1 else ""
        yield f"{stem} (restored {now:%Y-%m-%d %H-%M}{more}){dot}{ending}"
