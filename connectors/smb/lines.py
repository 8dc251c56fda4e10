"""Lends connections: each is used by one thread at a time and comes back to be used again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from bridge.ports import BridgeError
from connectors.smb.line import Line
from connectors.smb.options import Options


class Lines:
    """Keeps up to ``connections`` idle ones; one that broke is dropped, and the next borrower gets a new one."""

    def __init__(self, options: Options, password: Callable[[], str]) -> None:
        self.options, self._password = options, password
        self._idle: list[Line] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Line]:
        """A connection for a while. Raises Unreachable, Refused, ConfigurationError."""
        line = self.take()
        try:
            yield line
        except BridgeError:
            if not line.alive:
                line.close()
            raise
        finally:
            self.give_back(line)

    def take(self) -> Line:
        """A connection to keep until ``give_back``."""
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if line.alive:
                    return line
        return Line(self.options, self._password())

    def give_back(self, line: Line) -> None:
        with self._lock:
            if line.alive and not self._closed and len(self._idle) < self.options.connections:
                self._idle.append(line)
                return
        line.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()
