"""What brings back needs of a share; see ``connectors.tree.restoring``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from bridge.ports import Refused, Unreachable
from connectors.smb.errors import ACCESS_DENIED, NAME_COLLISION, ServerStatus
from connectors.smb.line import FILE, READ, Line
from connectors.smb.lines import Lines
from connectors.smb.options import Options
from connectors.smb.parts import Part
from connectors.smb.trash import Trash, make_folder
from connectors.tree.rules import join
from connectors.tree.trash import Trashed


@contextlib.contextmanager
def opened(options: Options, password: Callable[[], str]) -> Iterator[ShareRestorer]:
    """Connections of its own. Raises Unreachable or Refused, also for what goes wrong with one file."""
    lines = Lines(options, password)
    try:
        with lines.borrow() as line:
            yield ShareRestorer(line, lines)
    except ServerStatus as status:
        where = f"share {options.place}"
        if status.code == ACCESS_DENIED:
            raise Refused(f"{where}: access is denied; give {options.username} the right to change it") from None
        raise Unreachable(f"{where}: nothing was brought back ({status}): see the server") from None
    finally:
        lines.close()


class ShareRestorer:
    """See ``connectors.tree.restoring.Restorer``: a folder is its path. Blocking; raises as the line."""

    def __init__(self, line: Line, lines: Lines) -> None:
        self._line, self._lines, self.shelf = line, lines, Trash(line)

    @contextlib.contextmanager
    def within(self, path: str) -> Iterator[str]:
        """What is made inherits the permissions of the folder above, as always on a server."""
        steps = path.split("/") if path else []
        for count in range(1, len(steps) + 1):
            make_folder(self._line, "/".join(steps[:count]))
        yield path

    def take_out(self, one: Trashed, folder: str, name: str) -> None:
        with _taken(name):
            self.shelf.take_out(one, join(folder, name))

    def copy(self, one: Trashed, folder: str, name: str) -> None:
        with self._line.opened(one.path, access=READ, options=FILE) as handle:
            part = Part.begin(self._lines, folder)
            try:
                position = 0
                while piece := self._line.read(handle, position, self._line.chunk):
                    part.write(piece)
                    position += len(piece)
                part.finish(mtime=handle.node.mtime)
                with _taken(name):
                    part.place(join(folder, name))
            finally:
                part.end()


@contextlib.contextmanager
def _taken(name: str) -> Iterator[None]:
    try:
        yield
    except ServerStatus as status:
        if status.code != NAME_COLLISION:
            raise
        raise FileExistsError(17, "the name is taken", name) from None
