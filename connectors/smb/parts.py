"""A file on its way in: written beside its place under a name of ours, flushed, and only then given its name.

It is made in the folder where it will lie, so that it inherits that folder's permissions.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from bridge.core.model import Digest
from bridge.ports import QUICKXOR
from connectors.quickxor import QuickXor
from connectors.smb.line import CREATE, DELETE, FILE, READ, SHARE_READ, WRITE, WRITE_ATTRIBUTES, Handle, Line
from connectors.smb.lines import Lines
from connectors.smb.trash import delete, rename
from connectors.smb.wire import BY_HAND, basic
from connectors.tree.rules import join, part_name

_BASIC = 4


@dataclass(slots=True)
class Part:
    """A temporary file at ``path``, with a line of its own; ``hash`` takes in what is written."""

    lines: Lines
    line: Line
    handle: Handle
    path: str
    hash: QuickXor
    placed: bool = False
    made: tuple[int | None, int] = (None, 0)

    @classmethod
    def begin(cls, lines: Lines, folder: str) -> Part:
        """Make one in a folder. Raises as the line."""
        path = join(folder, part_name(secrets.token_hex(8)))
        line = lines.take()
        try:
            access = READ | WRITE | DELETE | WRITE_ATTRIBUTES
            handle = line.open(path, access=access, share=SHARE_READ, disposition=CREATE, options=FILE)
        except BaseException:
            lines.give_back(line)
            raise
        return cls(lines, line, handle, path, QuickXor())

    def write(self, piece: bytes) -> None:
        self.line.write(self.handle, self.hash.size, piece)
        self.hash.update(piece)

    def finish(self, *, mtime: int | None, attributes: int = 0) -> None:
        """Flush it to the server's disk, give it its time (ns) and what somebody set on the file that it replaces."""
        self.line.flush(self.handle)
        if mtime is not None or attributes & BY_HAND:
            self.line.set(self.handle, _BASIC, basic(mtime=mtime, attributes=attributes & BY_HAND))
        # A server keeps 100 ns; what time it gives by itself is not asked for.
        self.made = mtime // 100 * 100 if mtime is not None else None, self.hash.size

    def place(self, path: str) -> None:
        """Give it its name and close it; NAME_COLLISION where that is taken."""
        rename(self.line, self.handle, path)
        self.placed = True
        self.line.close_handle(self.handle)

    @property
    def digest(self) -> Digest:
        return Digest(QUICKXOR, self.hash.hexdigest(), self.hash.size)

    def end(self) -> None:
        """Close it, and remove it where it still bears the temporary name."""
        if not self.placed:
            with contextlib.suppress(Exception):
                delete(self.line, self.handle)
            self.line.close_handle(self.handle)
        self.lines.give_back(self.line)
