"""A private PostgreSQL server for tests and the demo: Debian's package, a scratch directory, a UNIX socket, no network.

PostgreSQL refuses to run as root; there it runs as `postgres` (or `nobody`). Durability is switched off (fsync and the
like): what a crash of the machine would lose is thrown away anyway.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import quote_plus

from bridge.lab.processes import ProcessTree, Unavailable

_START_TIMEOUT = 30.0  # seconds
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SMALL = ("autovacuum=on", "shared_buffers=32MB", "max_connections=50", "listen_addresses=")


class PostgresServer:
    """One running PostgreSQL server with the database `schoolbridge`; `url` is for SQLAlchemy."""

    def __init__(self, directory: Path, tree: ProcessTree, binaries: Path, user: str) -> None:
        self.directory = directory
        self.user = user
        self._tree = tree
        self._binaries = binaries

    @classmethod
    def start(cls, *, scratch: Path | None = None, durable: bool = False) -> Self:
        """Start one; `scratch`: where its directory is made (the path must be short, UNIX sockets stop at 107 bytes).

        `durable`: every commit is on the disk, as in production. Raises Unavailable where PostgreSQL is not installed,
        RuntimeError with the log when it does not start.
        """
        binaries = find_binaries()
        user = _user()
        directory = Path(tempfile.mkdtemp(prefix="sb-pg-", dir=scratch))
        try:
            if os.geteuid() == 0:
                shutil.chown(directory, user)
            cluster = directory / "cluster"
            _run([*_as(user), binaries / "initdb", "-D", cluster, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync",
                  "--locale=C.UTF-8"])  # fmt: skip
            settings = [part for setting in (*(() if durable else _FAST), *_SMALL) for part in ("-c", setting)]
            tree = ProcessTree.start(
                [*_as(user), binaries / "postgres", "-D", cluster, "-k", directory, *settings],
                log=directory / "postgres.log",
                scratch=directory,
                ending=signal.SIGINT,  # "fast": SIGTERM would wait for open connections
                grace=5.0,
            )
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        server = cls(directory, tree, binaries, user)
        server._wait_until_ready()
        server.create_database("schoolbridge")
        return server

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `schoolbridge`."""
        return self.url_of("schoolbridge")

    def url_of(self, database: str) -> str:
        """The SQLAlchemy URL of a database of this server."""
        return f"postgresql+psycopg://{self.user}@/{database}?host={quote_plus(str(self.directory))}"

    def create_database(self, name: str) -> str:
        """Make another, empty database, for example one a test; its URL."""
        _run([self._binaries / "createdb", "-h", self.directory, "-U", self.user, name])
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        _run([self._binaries / "dropdb", "--force", "-h", self.directory, "-U", self.user, name])

    def stop(self) -> None:
        """Stop the server and remove its directory."""
        self._tree.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        probe = [str(self._binaries / "pg_isready"), "-q", "-h", str(self.directory), "-U", self.user]
        while subprocess.run(probe, check=False).returncode:
            if not self._tree.alive() or time.monotonic() > deadline:
                words = self._tree.last_words()
                self.stop()
                raise RuntimeError(f"PostgreSQL did not become ready:\n{words}")
            time.sleep(0.03)


def find_binaries() -> Path:
    """The directory of the newest installed PostgreSQL server; raises Unavailable when there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    if (initdb := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(initdb).resolve().parent
    raise Unavailable("PostgreSQL is not installed (as root: python -m bridge.lab.packages postgresql)")


def _user() -> str:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    if not shutil.which("setpriv"):
        raise Unavailable("PostgreSQL refuses to run as root, and setpriv (package util-linux) is missing")
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as(user: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


def _run(command: list[str | Path]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{Path(command[-1]).name}: {' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
