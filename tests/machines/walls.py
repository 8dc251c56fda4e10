"""Walls between the bridge and what it stands on: each counts what passes, and breaks the one that is asked for.

``Accesses``   the databases: the store's, the folder's index, the drive's ledger
``Calls``      the file system, as the folder connector calls it (system calls that Python has not, too)
``Requests``   HTTP, at the sandbox: the line breaks before a request, after it was carried out, or in its content
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from connectors.folder import system
from connectors.graph_drive import ledger
from connectors.sandbox import Sandbox
from connectors.sandbox.faults import Fault, Faults
from connectors.tree import tables
from tests.machines.rig import Ends


class Broken(Exception):
    """The database did not answer."""


class Wall:
    """Counts, and lets the call number ``at`` fail; None: none."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def struck(self) -> bool:
        """Whether this call is the one."""
        self.count += 1
        return self.count == self.at


class Switched(Wall):
    """Stands only for a while; ``broke`` names what failed."""

    on, broke = False, ""

    @contextmanager
    def around(self) -> Iterator[None]:
        """As long as this lasts."""
        self.on = True
        try:
            yield
        finally:
            self.on = False


class Accesses(Wall):
    """Statements and commits of all databases."""

    on = False

    def pass_(self, *_: Any) -> None:
        if self.struck():
            raise Broken(f"access {self.at}")

    def own(self) -> None:
        """An access to a database that a connector keeps for itself."""
        if self.on and self.struck():
            raise sqlite3.OperationalError("disk I/O error")

    @contextmanager
    def around(self, one: Ends) -> Iterator[None]:
        """As long as this lasts."""
        engine = one.database.engine
        event.listen(engine, "before_cursor_execute", self.pass_)
        event.listen(engine, "commit", self.pass_)
        self.on = True
        try:
            yield
        finally:
            self.on = False
            event.remove(engine, "before_cursor_execute", self.pass_)
            event.remove(engine, "commit", self.pass_)

    def between(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before the databases of connectors that are opened from now on."""
        for module in (tables, ledger):
            patch.setattr(module, "sqlite3", _Sqlite(self))


class _Sqlite:
    def __init__(self, wall: Accesses) -> None:
        class Connection(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                wall.own()
                return super().execute(*args)

            def executemany(self, *args: Any) -> sqlite3.Cursor:
                wall.own()
                return super().executemany(*args)

        self._factory = Connection

    def connect(self, *args: Any, **more: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=self._factory, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)


#: What the folder connector asks of the file system; closing gives nothing back that could be lost.
CALLS = frozenset(
    {
        "open", "read", "pread", "write", "fsync", "mkdir", "rmdir", "unlink", "link", "rename", "utime", "stat",
        "fstat", "scandir", "listdir", "fchmod", "fchown", "listxattr", "getxattr", "setxattr",
    }
)  # fmt: skip
#: How a call fails: with this error, or (of a write) with a part of the bytes first.
FAILURES = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES, "short": errno.ENOSPC}
#: Calls that ask for a right or a name; a full disk can't take what these and writes bring.
_NAMES = {"open", "mkdir", "rmdir", "unlink", "link", "rename", "renameat2", "syscall", "scandir", "listdir"}


class Calls(Switched):
    """``failure`` is one of ``FAILURES``."""

    def __init__(self, at: int | None, failure: str = "EIO") -> None:
        super().__init__(at)
        self.short, self.error = failure == "short", FAILURES[failure]
        self.full = False

    def call(self, name: str, real: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """One call of the os module."""
        if not self.on:
            return real(*args, **more)
        if name == "write" and self.full:
            self.full = False
            raise OSError(self.error, os.strerror(self.error))
        if not self.struck():
            return real(*args, **more)
        self.broke = name
        if name == "write" and self.short and len(args[1]) > 1:
            self.full = True
            return real(args[0], args[1][: len(args[1]) // 2])
        raise OSError(self.error, os.strerror(self.error))

    def between(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before the file system for all modules of the folder connector."""
        stand_in = _Os(self)
        for name, module in list(sys.modules.items()):
            if name.startswith("connectors.folder.") and getattr(module, "os", None) is os:
                patch.setattr(module, "os", stand_in)
        patch.setattr(system, "_LIBC", _Libc(self))


class _Os:
    def __init__(self, wall: Calls) -> None:
        self._wall = wall

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real
        return lambda *args, **more: self._wall.call(name, real, *args, **more)


class _Libc:
    """statx, renameat2, openat2: -1 and errno, as the C library says it."""

    def __init__(self, wall: Calls) -> None:
        self._wall, self._real = wall, system._LIBC

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)

        def call(*args: Any) -> int:
            if self._wall.on and self._wall.struck():
                self._wall.broke = name
                system.ctypes.set_errno(self._wall.error)
                return -1
            return int(real(*args))

        return call


#: Where the line breaks.
BREAKS = ("before", "after", "during")


class Requests(Wall):
    """``where``: one of ``BREAKS``; ``during`` counts bodies of content instead of requests."""

    def __init__(self, at: int | None, where: str = "before") -> None:
        super().__init__(at)
        self.where = where

    @contextmanager
    def around(self, sandbox: Sandbox) -> Iterator[None]:
        """As long as this lasts."""
        calm = sandbox.service.faults
        sandbox.service.faults = _Line(self)
        try:
            yield
        finally:
            sandbox.service.faults = calm


class _Line(Faults):
    def __init__(self, wall: Requests) -> None:
        super().__init__(rules=[Fault("slow", path="(?!)")])
        self._wall = wall
        self._due: tuple[str, str] | None = None

    def fires(self, kinds: tuple[str, ...], method: str, path: str, *, part: bool) -> Fault | None:
        wall = self._wall
        if kinds == ("drop-before",) and wall.where != "during" and wall.struck():
            if wall.where == "before":
                return Fault("drop-before")
            self._due = (method, path)
        elif kinds == ("drop-after",) and self._due == (method, path):
            self._due = None
            return Fault("drop-after")
        elif kinds in (("cut-upload",), ("cut-download",)) and wall.where == "during" and wall.struck():
            return Fault(kinds[0], after=3)
        return None
