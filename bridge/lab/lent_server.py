"""What real servers have in common that run below a directory of their own, each on a loopback address lent to it."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from smbprotocol.connection import Connection  # type: ignore[import-untyped]
from smbprotocol.session import Session  # type: ignore[import-untyped]

from bridge.lab.processes import Address, ProcessTree


class LentServer(ABC):
    """One running (or, during an outage, stopped) server; ``grace``: seconds that it has to end by itself."""

    #: What people call it.
    name: str
    grace = 0.5
    #: Seconds until it has to answer.
    patience = 30.0

    def __init__(self, directory: Path, address: Address) -> None:
        self.directory = directory
        self._address = address
        self._tree: ProcessTree | None = None

    @property
    def ip(self) -> str:
        """The address that it listens on."""
        return self._address.ip

    def alive(self) -> bool:
        """False during an outage, or when the server died."""
        return self._tree is not None and self._tree.alive()

    def outage(self) -> None:
        """Kill the server with all connections; `restart` brings it back with the same directory and address."""
        if self._tree is not None:
            self._tree.stop(keep=True)
            self._tree = None

    def restart(self) -> None:
        """Start the server (again) and wait until it answers. Raises RuntimeError with its log where it does not."""
        self.outage()
        tree = self._tree = ProcessTree.start(
            self._command(),
            log=self.directory / "server.log",
            environment=self._environment(),
            scratch=self.directory,
            hold=(self._address.lock,),
            grace=self.grace,
        )
        deadline = time.monotonic() + self.patience
        while (why := self._refusal()) is not None:
            if tree.alive() and time.monotonic() < deadline:
                time.sleep(0.03)
                continue
            words = tree.last_words()
            self.outage()
            raise RuntimeError(f"{self.name} on {self.ip} did not become ready ({why}):\n{words}") from why

    def stop(self) -> None:
        """Stop the server for good and remove its directory."""
        if self._tree is not None:
            self._tree.stop()
            self._tree = None
        shutil.rmtree(self.directory, ignore_errors=True)
        self._address.give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What starts it in the foreground."""

    @abstractmethod
    def _environment(self) -> Mapping[str, str]:
        """What is added to this process's own."""

    @abstractmethod
    def _refusal(self) -> Exception | None:
        """Why it can't be used yet; None when it can."""


def wrapped(environment: Mapping[str, str], *wrappers: str) -> dict[str, str]:
    """With these libraries preloaded, and one that makes a program believe to be root where it is not."""
    found = dict(environment)
    if os.geteuid() != 0:
        wrappers += ("libuid_wrapper.so",)
        found |= {"UID_WRAPPER": "1", "UID_WRAPPER_ROOT": "1"}
    return {**found, "LD_PRELOAD": " ".join(wrappers)} if wrappers else found


def log_in_by_smb(ip: str, port: int, *, user: str, password: str) -> None:
    """A port accepts before a login is answered: only this shows that files can be had."""
    connection = Connection(uuid.uuid4(), ip, port)
    try:
        connection.connect(timeout=5)
        Session(connection, user, password, require_encryption=False).connect()
    finally:
        with suppress(Exception):
            connection.disconnect(close=True, timeout=1)
