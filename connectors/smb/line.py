"""One connection to the share, used by one thread at a time: what can be asked of a server of files.

Paths are those below the root, with slashes; what is opened is never a link itself (FILE_OPEN_REPARSE_POINT), and a
link on the way ends in ``ServerStatus``. Requests that belong together are sent at once (MS-SMB2 3.2.4.1.4).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smbprotocol.open import (  # type: ignore[import-untyped]
    SMB2CloseRequest,
    SMB2CreateRequest,
    SMB2FlushRequest,
    SMB2QueryDirectoryRequest,
    SMB2QueryInfoRequest,
    SMB2ReadRequest,
    SMB2SetInfoRequest,
    SMB2WriteRequest,
)

from bridge.ports import ConfigurationError
from connectors.smb import errors
from connectors.smb.channel import Channel
from connectors.smb.errors import ServerStatus
from connectors.smb.wire import ID_FULL_DIRECTORY, Node, Rows, has_id, read_created, read_entries

READ, WRITE, APPEND, READ_ATTRIBUTES, WRITE_ATTRIBUTES = 0x1, 0x2, 0x4, 0x80, 0x100
DELETE, READ_CONTROL, WRITE_DAC, WRITE_OWNER, LIST = 0x10000, 0x20000, 0x40000, 0x80000, 0x1
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 0x1, 0x2, 0x4
SHARE_ALL = SHARE_READ | SHARE_WRITE | SHARE_DELETE
OPEN, CREATE = 1, 2
OWNER, DACL = 0x1, 0x4
FOLDER, FILE, _REPARSE_POINT, DELETE_ON_CLOSE = 0x1, 0x40, 0x200000, 0x1000
_RELATED = b"\xff" * 16
_FILE, _FILE_SYSTEM, _SECURITY = 1, 2, 3
_INTERNAL, _VOLUME, _FULL_SIZE = 6, 1, 7
_LISTED = 1 << 18
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Handle:
    """Something open on the server. ``path`` is where it was opened; ``made``: this opening made it."""

    id: bytes
    node: Node
    path: str
    made: bool = False


class Line(Channel):
    """See above. Everything raises Unreachable or Refused, ConfigurationError, or ServerStatus for one object."""

    # --- opening ----------------------------------------------------------------------------------------------------

    def full(self, path: str) -> str:
        """The path from the share on, with backslashes."""
        return "/".join(one for one in (self._root, path) if one).replace("/", "\\")

    def _create(self, path: str, *, access: int, share: int, disposition: int, options: int) -> Any:
        message = SMB2CreateRequest()
        message["impersonation_level"] = 2
        message["desired_access"] = access | READ_ATTRIBUTES
        message["share_access"] = share
        message["create_disposition"] = disposition
        message["create_options"] = options | _REPARSE_POINT
        name = self.full(path)
        message["buffer_path"] = name.encode("utf-16-le", "surrogatepass") if name else b"\0\0"
        return message

    def open(
        self, path: str, *, access: int = 0, share: int = SHARE_ALL, disposition: int = OPEN, options: int = 0
    ) -> Handle:
        """Open what is at a path and learn its id, in one round trip."""
        create = self._create(path, access=access, share=share, disposition=disposition, options=options)
        made, known = self.ask(create, _query(_RELATED, _FILE, _INTERNAL, 8), related=True)
        handle = self._opened(path, made, known)
        if handle.node.is_link and path:
            self.close_handle(handle)
            raise ServerStatus(errors.STOPPED_ON_SYMLINK)
        return handle

    def _opened(self, path: str, made: bytes | ServerStatus, known: bytes | ServerStatus) -> Handle:
        if isinstance(made, ServerStatus):
            raise made
        number = 0 if isinstance(known, ServerStatus) else struct.unpack_from("<Q", _buffer(known))[0]
        handle, node, new = read_created(made, number)
        if not has_id(number):
            self.close_handle(Handle(handle, node, path))
            raise self.without_ids()
        return Handle(handle, node, path, new)

    def without_ids(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._place}: the server gives its files no ids, so a moved file can't be known again: such a share "
            f"(FAT, some NAS systems, a share of a share) can't be mirrored; share it from NTFS, ReFS, ext4, XFS or ZFS"
        )

    @contextlib.contextmanager
    def opened(
        self, path: str, *, access: int = 0, share: int = SHARE_ALL, disposition: int = OPEN, options: int = 0
    ) -> Iterator[Handle]:
        """``open``, closed at the end."""
        handle = self.open(path, access=access, share=share, disposition=disposition, options=options)
        try:
            yield handle
        finally:
            self.close_handle(handle)

    def close_handle(self, handle: Handle) -> None:
        """Never raises: a broken line has closed everything."""
        message = SMB2CloseRequest()
        message["file_id"] = handle.id
        with contextlib.suppress(Exception):
            self.ask(message)

    # --- listing ----------------------------------------------------------------------------------------------------

    def list(self, path: str) -> tuple[Node, Rows]:
        """What a folder is and what is in it; never a request for a single entry.

        The next part is asked for before one is taken apart, so that server and client work at the same time.
        """
        create = self._create(path, access=LIST, share=SHARE_ALL, disposition=OPEN, options=FOLDER)
        # Two parts at once: the second one says of most folders already that there is no more.
        first = [create, _query(_RELATED, _FILE, _INTERNAL, 8), _listing(_RELATED), _listing(_RELATED)]
        made, known, *parts = self.ask(*first, related=True)
        handle = self._opened(path, made, known)
        rows = Rows()
        try:
            if handle.node.is_link and path:
                raise ServerStatus(errors.STOPPED_ON_SYMLINK)
            if not handle.node.is_folder:
                raise ServerStatus(errors.NOT_A_DIRECTORY)
            self._read_parts(handle, parts, rows)
        finally:
            self.close_handle(handle)
        if rows.unidentified:
            raise self.without_ids()
        return handle.node, rows

    def _read_parts(self, handle: Handle, parts: Sequence[bytes | ServerStatus], rows: Rows) -> None:
        for part in parts:
            if isinstance(part, ServerStatus):
                if part.code in (errors.NO_MORE_FILES, errors.NO_SUCH_FILE):
                    return
                raise part
            read_entries(_buffer(part), rows)
        (request,) = self.send(_listing(handle.id))
        while True:
            try:
                part = self.receive(request)
            except ServerStatus as status:
                if status.code in (errors.NO_MORE_FILES, errors.NO_SUCH_FILE):
                    return
                raise
            (request,) = self.send(_listing(handle.id))
            read_entries(_buffer(part), rows)

    # --- reading and writing ----------------------------------------------------------------------------------------

    @property
    def chunk(self) -> int:
        """Bytes that go into one request."""
        connection = self._connection
        most = min(connection.max_read_size, connection.max_write_size, CHUNK)
        return int(most if connection.supports_multi_credit else min(most, 1 << 16))

    def read(self, handle: Handle, offset: int, length: int) -> bytes:
        """Bytes from an offset on; fewer at the end, none after it."""
        message = SMB2ReadRequest()
        message["length"], message["offset"], message["file_id"] = length, offset, handle.id
        message["padding"] = b"\x50"
        (answer,) = self.ask(message)
        if isinstance(answer, ServerStatus):
            if answer.code == errors.END_OF_FILE:
                return b""
            raise answer
        start, count = answer[2] - 64, struct.unpack_from("<I", answer, 4)[0]
        return answer[start : start + count]

    def write(self, handle: Handle, offset: int, piece: bytes) -> None:
        """Write all of a piece."""
        view, most = memoryview(piece), self.chunk
        while view:
            message = SMB2WriteRequest()
            part = view[:most]
            message["length"], message["offset"], message["file_id"] = len(part), offset, handle.id
            message["buffer"] = bytes(part)
            count = struct.unpack_from("<I", self.good(message), 4)[0]
            offset, view = offset + count, view[count:]

    def flush(self, handle: Handle) -> None:
        """Let the server put it on its disk."""
        message = SMB2FlushRequest()
        message["file_id"] = handle.id
        self.good(message)

    def set(self, handle: Handle, kind: int, buffer: bytes) -> None:
        """SET_INFO of a file: ``kind`` is a number of MS-FSCC 2.4."""
        message = SMB2SetInfoRequest()
        message["info_type"], message["file_info_class"] = _FILE, kind
        message["file_id"], message["buffer"] = handle.id, buffer
        self.good(message)

    def look(self, handle: Handle) -> Node:
        """What an open file is now: the same as ``open`` tells (FileAllInformation, MS-FSCC 2.4.2)."""
        answer = self.good(_query(handle.id, _FILE, 18, 4096))
        got = _buffer(answer)
        born, _, wrote, changed, attributes = struct.unpack_from("<QQQQI", got)
        (size,) = struct.unpack_from("<Q", got, 48)
        (number,) = struct.unpack_from("<Q", got, 64)
        created = struct.pack("<2xBBIQQQQQQI4x16s", 0, 0, 1, born, 0, wrote, changed, 0, size, attributes, handle.id)
        return read_created(created, number)[1]

    # --- the file system --------------------------------------------------------------------------------------------

    def volume(self, handle: Handle) -> int:
        """The serial number of the volume (FileFsVolumeInformation, MS-FSCC 2.5.9)."""
        got = _buffer(self.good(_query(handle.id, _FILE_SYSTEM, _VOLUME, 1024)))
        return int(struct.unpack_from("<I", got, 8)[0])

    def room(self, handle: Handle) -> tuple[int, int]:
        """Bytes that the bridge's account may still write, and bytes in all (MS-FSCC 2.5.4)."""
        got = _buffer(self.good(_query(handle.id, _FILE_SYSTEM, _FULL_SIZE, 64)))
        total, ours, _, sectors, length = struct.unpack_from("<QQQII", got)
        return ours * sectors * length, total * sectors * length

    def descriptor(self, handle: Handle) -> bytes:
        """Owner, group and DACL as the server keeps them (MS-DTYP 2.4.6); the handle needs READ_CONTROL."""
        message = _query(handle.id, _SECURITY, 0, 1 << 16)
        message["additional_information"] = 0x7
        return _buffer(self.good(message))

    def set_descriptor(self, handle: Handle, parts: int, descriptor: bytes) -> None:
        """Set ``parts`` (``OWNER``, ``DACL``) of it; the handle needs WRITE_OWNER and WRITE_DAC for that."""
        message = SMB2SetInfoRequest()
        message["info_type"], message["file_info_class"], message["additional_information"] = _SECURITY, 0, parts
        message["file_id"], message["buffer"] = handle.id, descriptor
        self.good(message)


def _query(handle: bytes, kind: int, number: int, length: int) -> Any:
    message = SMB2QueryInfoRequest()
    message["info_type"], message["file_info_class"] = kind, number
    message["output_buffer_length"], message["file_id"] = length, handle
    return message


def _listing(handle: bytes) -> Any:
    message = SMB2QueryDirectoryRequest()
    message["file_information_class"] = ID_FULL_DIRECTORY
    message["file_id"], message["output_buffer_length"] = handle, _LISTED
    message["buffer"] = "*".encode("utf-16-le")
    return message


def _buffer(answer: bytes) -> bytes:
    """The variable part of a response: offset from the header on and length stand in the same places in all of them."""
    start, length = struct.unpack_from("<HI", answer, 2)
    return answer[start - 64 : start - 64 + length]
