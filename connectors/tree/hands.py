"""What a tree asks for to change something where it lies: one rename, one creation at a time, nothing ever replaced.

Everything raises ``Storage.failure`` as the storage does; ``Raced`` when what is there turns out at the last moment to
be something else, after everything was put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.core.model import Digest
from connectors.tree.rules import join
from connectors.tree.tables import Entry
from connectors.tree.traits import Traits
from connectors.tree.trash import Origin, Trashed


class Rejected(Exception):
    """A write that is not carried out; see ``bridge.ports.Failed``."""

    def __init__(self, cause: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.cause, self.transient = cause, transient


class Raced(Exception):
    """Somebody else was faster at the very moment; nothing was written."""


class Spot(Protocol):
    """A folder that is open, or only known to be there; ``anchor`` is its own."""

    @property
    def anchor(self) -> str: ...


class Held(Protocol):
    """Something that is open so that it can be renamed or replaced."""

    @property
    def node(self) -> Traits: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a folder: ``row`` and ``anchor`` of the folder (empty: the root), ``path`` of it.

    ``spot`` is the folder as ``Hands.folder`` gave it.
    """

    row: int
    anchor: str
    path: str
    name: str
    spot: Any

    @property
    def full(self) -> str:
        return join(self.path, self.name)


class Part(Protocol):
    """A file on its way in, beside its place under a name of ours."""

    def write(self, piece: bytes) -> None: ...

    @property
    def digest(self) -> Digest: ...

    @property
    def made(self) -> tuple[int | None, int]:
        """Its mtime (ns; None: not known) and size when it was complete, before anybody else could write into it."""
        ...

    def end(self) -> None:
        """Close it, and remove it where it still bears the temporary name."""
        ...


#: Raises Rejected when what is in a folder (name, whether it is a folder) must not go with it.
Check = Callable[[Iterable[tuple[str, bool]]], None]


class Hands(Protocol):
    """See above. Used by one thread at a time."""

    def checked(self, name: str) -> str:
        """The name, if the storage takes it; raises Rejected."""
        ...

    def folder(self, path: str) -> AbstractContextManager[Spot | None]:
        """Open a folder; None when nothing is there, or no folder."""
        ...

    def hold(self, place: Place, *, folder: bool) -> AbstractContextManager[Held | None]:
        """Open what is at a place to change it; None when nothing is there. Others are kept out where that is possible.

        Raises ``failure`` where a program has it open and that is in the way.
        """
        ...

    def refuse_while_written(self, held: Any, place: Place) -> None:
        """Raise Busy when somebody has the file open for writing and ``hold`` did not find out."""
        ...

    def look(self, place: Place, held: Any = None) -> Traits:
        """What is at a place now that all is done; what was held is let go first."""
        ...

    # --- files ------------------------------------------------------------------------------------------------------

    def begin(self, place: Place) -> Part:
        """Make a part in the folder of a place."""
        ...

    def put(self, part: Any, place: Place, *, mtime: int | None) -> None:
        """Flush a part and give it its time and name."""
        ...

    def exchange(self, held: Any, place: Place, entry: Entry, part: Any, *, mtime: int | None, origin: Origin) -> None:
        """Put a part where the held file is, which is in the trash before and after every step, or comes back."""
        ...

    def set_time(self, held: Any, place: Place, mtime: int) -> None:
        """Set the time of the last write."""
        ...

    # --- files and folders ------------------------------------------------------------------------------------------

    def move(self, held: Any, place: Place, target: Place) -> Traits:
        """Rename what is held; returns what it is now."""
        ...

    def make(self, place: Place) -> tuple[str, bool]:
        """Make a folder: its anchor, and whether it was made. One that is there is taken as it is."""
        ...

    def entries(self, held: Any, place: Place) -> Iterator[tuple[str, bool]]:
        """Each name in a held folder, and whether it is a folder."""
        ...

    def discard(self, held: Any, place: Place, origin: Origin, *, entry: Entry | None, check: Check) -> None:
        """Rename what is held into the trash. ``entry`` is the file that it has to be.

        ``check`` is asked about what is in a folder when it lies there and nobody can put more into it.
        """
        ...

    def trashed(self, anchor: str) -> Trashed | None:
        """What was deleted last with this anchor; an overwritten version is none of it."""
        ...

    def take_out(self, one: Trashed, place: Place) -> None:
        """Rename what lies in the trash to a place."""
        ...
