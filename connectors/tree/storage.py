"""What a tree asks of the place where it lies. Everything here blocks and is called from threads.

A ``Storage`` raises Unreachable, Refused, Waiting or ConfigurationError when the root can't be used, and its own
``failure`` (OSError, a status of a server) when only one folder or file is affected.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bridge.ports import BridgeError
from connectors.tree.hands import Hands
from connectors.tree.index import Directory, Entry, Index, Vanished
from connectors.tree.traits import Traits

if TYPE_CHECKING:
    from connectors.tree.scan import Scan


class Task(NamedTuple):
    """A folder to list: its path below the root, its row where it is known, and whether all below it is listed too."""

    path: str
    row: int | None
    whole: bool


class Listed(Protocol):
    """One folder as it was listed; valid until the next one is asked for."""

    @property
    def anchor(self) -> str:
        """The folder's own."""
        ...

    @property
    def folders(self) -> Mapping[str, Traits]:
        """The folders in it by name."""
        ...

    @property
    def odd(self) -> list[tuple[str, str]]:
        """(name, why) of what is there and not mirrored."""
        ...

    @property
    def parts(self) -> list[str]:
        """Names of files that are being written, or were left so."""
        ...

    @property
    def hidden(self) -> Sequence[int]:
        """Ids of what the patterns exclude here, but for what is ours."""
        ...

    @property
    def shut(self) -> Sequence[str]:
        """Names of folders that the patterns exclude here, but for recycle bins and the like (``rules.is_waste``)."""
        ...

    def sweep(self, name: str) -> bool:
        """Remove one of ``parts`` if a process that was killed left it; False when not. Never raises ``failure``.

        Nothing is lost: what it held is on the other side, or in the trash as well.
        """
        ...

    @property
    def digest(self) -> bytes:
        """The fingerprint: the same as long as nothing in the folder changes."""
        ...

    def files(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, id, mtime, ctime, size of each file."""
        ...

    def look(self, name: str) -> Traits | None:
        """All there is to know of one of the files; None when it is gone, or no file any more. Raises ``failure``."""
        ...

    def sort_out(self, index: Index, here: Directory) -> None:
        """Before anything is compared: take out (to ``odd``) what the index shows to be the same as something else."""
        ...

    def recognise(self, index: Index, here: Directory) -> None:
        """Before a detailed comparison: correct what ``look`` will tell where the index knows a file better."""
        ...


class Wanted(Protocol):
    """What is looked for, by id; there may be a million of them."""

    def get(self, ino: int, /) -> Vanished | None:
        """The one with this id."""
        ...

    def __len__(self) -> int: ...


class Lister(Protocol):
    """Lists folders for one scan."""

    def each(self, stack: list[Task]) -> Generator[tuple[Task, Listed | str | None], None, None]:
        """List what is on the stack, the last one first, while the scan puts more on it, until nothing is left.

        In place of a folder: None when nothing is there (any more), or why it can't be read. Raises ``failure`` when
        the root itself can't be read. Several may be listed at a time; they are told one after the other.
        """
        ...

    def find(self, path: str, wanted: Wanted) -> tuple[set[int], Sequence[str]]:
        """Which of these (by id) are in a folder, excluded or not, and the names of the folders in it.

        Nothing where it can't be read. An id alone is given away again: the rest has to fit too.
        """
        ...

    def still(self, path: str, known: Entry) -> bool:
        """Whether a file of the index is still at a path."""
        ...


class Reading(Protocol):
    """A file that is open for reading."""

    def read(self, position: int) -> bytes:
        """Some bytes from a position on, none at the end. Raises ``failure``."""
        ...

    def look(self) -> Traits:
        """What it is now."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...


class Storage(Protocol):
    """Where a tree lies."""

    #: What is raised when one file or folder can't be used.
    failure: type[Exception]
    #: How far time stamps may lie behind the clock, in ns.
    tick: int
    #: Whether the time at which a folder was made may be told otherwise later, so that its id has to do.
    drifts: bool
    #: How many contents may be written at a time.
    parallel: int
    #: Files up to so many bytes are read so soon that nobody minds waiting for the index meanwhile.
    soon: int

    @property
    def where(self) -> str:
        """The root for a person."""
        ...

    def now(self) -> int:
        """The clock of the time stamps, in ns."""
        ...

    def identity(self) -> str:
        """What tells the root from every other folder, proved anew. Raises Unreachable when it is another one now."""
        ...

    def refused(self, error: Exception) -> BridgeError:
        """A ``failure`` of the root itself, as what it means for the whole root."""
        ...

    def why(self, error: Exception) -> str:
        """A ``failure`` of one folder or file in a few words for a person."""
        ...

    def cause(self, error: Exception) -> tuple[str, str, bool]:
        """A ``failure`` of a write: cause (see ``bridge.ports.Failed``), what to do, whether trying again may help."""
        ...

    def listen(self, wake: Callable[[], None]) -> None:
        """What to call, from any thread, when something happened; before anything else is asked."""
        ...

    # --- looking ----------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Before anything is looked at or written: undo what a crash left half done."""
        ...

    def lister(self) -> Lister: ...

    def told(self) -> tuple[set[str], bool]:
        """Folders in which something happened since last time; True: something was missed, or nobody tells."""
        ...

    def rest(self, scan: Scan, index: Index, *, begun: int) -> set[str]:
        """Scan again where things came or went while others were scanned: what vanished here may have come up there.

        ``begun`` is when the scan began (``now``). Returns the folders that don't come to rest: nothing may be
        concluded about what vanished unless there is none.
        """
        ...

    @property
    def watching(self) -> bool:
        """Whether a watch lives, so that an observation costs what changed only."""
        ...

    @property
    def deaf(self) -> str:
        """A sentence for a person why there is no watch although one is wanted; empty otherwise."""
        ...

    # --- reading and writing ----------------------------------------------------------------------------------------

    def open(self, path: str, entry: Entry) -> Reading:
        """Open a file to read it. Raises ``failure``; Busy while somebody writes it."""
        ...

    def unread(self, error: Exception, anchor: str) -> Exception:
        """A ``failure`` while a file was opened or read: ContentChanged, Busy or Unreachable."""
        ...

    def hands(self) -> AbstractContextManager[Hands]:
        """What one write is carried out with."""
        ...

    def empty_trash(self, today: date, days: int) -> None:
        """Take away what was kept for so many days. Raises ``failure``."""
        ...

    def close(self) -> None: ...
