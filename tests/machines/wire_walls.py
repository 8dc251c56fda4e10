"""A wall between the bridge and a file server: what goes over the line is counted, and the one asked for is broken."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from smbprotocol.open import SMB2CloseRequest  # type: ignore[import-untyped]

from bridge.ports import Unreachable
from connectors.smb.channel import Channel
from connectors.smb.errors import ACCESS_DENIED, DISK_FULL, SHARING_VIOLATION, ServerStatus
from tests.machines.walls import Switched

#: The line breaks before the server got it, or when it was carried out; or the server refuses it (MS-ERREF 2.3.1).
ANSWERS = {"before": 0, "after": 0, "denied": ACCESS_DENIED, "full": DISK_FULL, "violation": SHARING_VIOLATION}


class Sendings(Switched):
    """What is sent at once is one. ``how``: a key of ``ANSWERS``."""

    def __init__(self, at: int | None, how: str = "before") -> None:
        super().__init__(at)
        self.how = how
        self._lock = threading.Lock()  # listings have connections of their own

    def _falls(self, messages: tuple[Any, ...]) -> bool:
        # A server closes what is open, unless the line has ended that already.
        if not self.on or (ANSWERS[self.how] and isinstance(messages[0], SMB2CloseRequest)):
            return False
        with self._lock:
            if not self.struck():
                return False
        self.broke = " + ".join(type(one).__name__ for one in messages)
        return True

    def between(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before the server."""
        wall, send, ask = self, Channel.send, Channel.ask

        def sending(channel: Channel, *messages: Any, related: bool = False) -> list[Any]:
            if not wall._falls(messages):
                return send(channel, *messages, related=related)
            if wall.how == "after":
                for one in send(channel, *messages, related=related):
                    with contextlib.suppress(ServerStatus):
                        channel.receive(one)
            channel.close()
            raise Unreachable("the line broke")

        def asking(channel: Channel, *messages: Any, related: bool = False) -> list[bytes | ServerStatus]:
            if ANSWERS[wall.how] and wall._falls(messages):
                return [ServerStatus(ANSWERS[wall.how]) for _ in messages]
            return ask(channel, *messages, related=related)

        if ANSWERS[self.how]:
            patch.setattr(Channel, "ask", asking)
        else:
            patch.setattr(Channel, "send", sending)
