"""Who may get at the root of a share, read from the security descriptors of the server (MS-SMB2 2.2.37)."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.ports import Refused, Rights
from connectors.rights import FOLDERS, LEVELS, Descriptor, NotReadable, read_descriptor, told
from connectors.smb.errors import ServerStatus
from connectors.smb.line import FOLDER, READ_CONTROL, Line
from connectors.smb.storage import ShareStorage


def granted(storage: ShareStorage) -> Rights:
    """The root's rights, and what can't be expressed in the first levels below it. Blocking.

    Raises Refused when the root's descriptor can't be read, Unreachable when the server is gone.
    """
    with storage.lines.borrow() as line:
        try:
            return told(_descriptors(storage, line))
        except NotReadable as error:
            raise Refused(
                f"{storage.where}: its permissions can't be read ({error}): give the bridge's account READ_CONTROL"
            ) from None
        except ServerStatus as status:
            raise storage.refused(status) from None


def _descriptors(storage: ShareStorage, line: Line) -> Iterator[tuple[str, Descriptor | str]]:
    yield "", _descriptor(line, "")
    level, looked = [""], 0
    for _ in range(LEVELS):
        below = []
        for path in level:
            for name in sorted(_folders(storage, line, path)):
                if looked == FOLDERS:
                    return
                looked += 1
                below.append(f"{path}\\{name}" if path else name)
                yield below[-1].replace("\\", "/"), _descriptor(line, below[-1])
        level = below


def _folders(storage: ShareStorage, line: Line, path: str) -> Iterator[str]:
    try:
        found = line.list(path)[1]
    except ServerStatus:
        return  # said already: its descriptor can hardly be read then
    for name, node in found:
        if node.is_folder and not node.is_link and not storage.rules.excludes_name(name):
            yield name


def _descriptor(line: Line, path: str) -> Descriptor | str:
    try:
        with line.opened(path, access=READ_CONTROL, options=FOLDER) as handle:
            return read_descriptor(line.descriptor(handle))
    except (ServerStatus, NotReadable) as error:
        return str(error)
