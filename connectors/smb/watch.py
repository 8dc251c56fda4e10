"""Hints of the server: one CHANGE_NOTIFY with WATCH_TREE on the root, on a connection of its own (MS-SMB2 2.2.35).

Between two requests the server keeps what happens in the open handle's buffer; when that overflows it says so
(STATUS_NOTIFY_ENUM_DIR), and everything is dirty. When the connection breaks, everything is dirty too.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from smbprotocol.change_notify import SMB2ChangeNotifyRequest  # type: ignore[import-untyped]

from bridge.ports import BridgeError
from connectors.smb.errors import NOTIFY_ENUM_DIR, ServerStatus
from connectors.smb.line import FOLDER, LIST, Handle, Line
from connectors.smb.wire import read_notified

#: File and folder names, size, last write, creation.
_FILTER, _TREE, _ROOM = 0x1 | 0x2 | 0x8 | 0x10 | 0x40, 1, 1 << 16


class Watch:
    """Listens from when it is made; takes over the line. Raises as ``Line`` when it is made.

    ``wake`` is called from its thread. ``heard``: the names that the server told last.
    """

    def __init__(self, line: Line, *, ignores: Callable[[str], object], wake: Callable[[], None]) -> None:
        self._line, self._ignores, self._wake = line, ignores, wake
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._lost = False
        self.heard: deque[str] = deque(maxlen=64)
        self._handle = line.open("", access=LIST, options=FOLDER)
        self._request = self._ask(self._handle)
        self._thread = threading.Thread(target=self._run, name="schoolbridge-smb-watch", daemon=True)
        self._thread.start()

    def _ask(self, handle: Handle) -> Any:
        message = SMB2ChangeNotifyRequest()
        message["flags"], message["completion_filter"] = _TREE, _FILTER
        message["output_buffer_length"], message["file_id"] = _ROOM, handle.id
        (request,) = self._line.send(message)
        return request

    def _run(self) -> None:
        try:
            while True:
                names = self._next()
                with self._lock:
                    self._take(names)
                self._wake()
        except (BridgeError, ServerStatus):
            with self._lock:
                self._lost = True
            self._line.close()
            self._wake()

    def _next(self) -> list[str]:
        """The names of the next answer; none when something was missed."""
        try:
            answer = self._line.receive(self._request, timeout=None)
        except ServerStatus as status:
            if status.code != NOTIFY_ENUM_DIR:
                raise
            answer = b""
        self._request = self._ask(self._handle)
        if len(answer) < 8:
            return []
        start, length = struct.unpack_from("<HI", answer, 2)
        return read_notified(answer[start - 64 : start - 64 + length])

    def _take(self, names: list[str]) -> None:
        if not names:
            self._lost = True
        self.heard.extend(names)
        for name in names:
            if not any(self._ignores(step) for step in name.split("/")):
                self._dirty.add(name.rpartition("/")[0])

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and self._line.alive

    def hears(self) -> bool:
        """The canary: the server still answers on this connection, and what it sent before has arrived.

        False: nothing may be concluded from its silence.
        """
        if not self.alive:
            return False
        try:
            self._line.echo()
        except BridgeError:
            self._line.close()
            return False
        return self.alive

    def take_dirty(self) -> tuple[set[str], bool]:
        """Folders in which something happened, and whether something was missed; both are clean afterwards."""
        with self._lock:
            dirty, self._dirty = self._dirty, set()
            lost, self._lost = self._lost, False
            return dirty, lost

    def close(self) -> None:
        self._line.close()
        self._thread.join(5)
