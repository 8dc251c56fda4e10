"""Starting servers so that none outlives its starter, and lending each its own loopback address.

`Unavailable` is what everything in the lab raises when a real server cannot be had here; its text is for people.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.lab import guardian

_FIRST, _LAST = 64, 250  # 127.0.0.x; the low ones and 127.0.0.53 belong to resolvers and to people


class Unavailable(Exception):
    """A real server cannot be had on this machine; the text says why and what to do."""


class ProcessTree:
    """A running server with everything it starts, under a `guardian`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    def start(
        cls,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        scratch: Path | None = None,
        hold: Sequence[int] = (),
        ending: signal.Signals = signal.SIGTERM,
        grace: float = 2.0,
    ) -> ProcessTree:
        """Start `command`, output appended to `log`; `environment` is added to this process's own.

        `scratch` is removed when the tree ends, unless `stop(keep=True)`. File descriptors in `hold` (locks) stay open
        until the whole tree is gone. `ending` asks the server to end; `grace` seconds later comes SIGKILL.
        """
        arguments = [sys.executable, "-I", "-S", guardian.__file__, str(int(ending)), str(grace), str(scratch or "")]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*arguments, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                pass_fds=tuple(hold),
                start_new_session=True,  # Ctrl-C is for the starter, which then stops its servers in order
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """Of the guardian; the server itself is below it."""
        return self._process.pid

    def alive(self) -> bool:
        """True until the server has ended."""
        return self._process.poll() is None

    def stop(self, *, keep: bool = False) -> None:
        """End the whole tree and wait for it; with `keep` its scratch directory stays. Harmless when ended already."""
        line = self._process.stdin
        if line is None or line.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            if keep:
                line.write(guardian.KEEP)
                line.flush()
        with contextlib.suppress(BrokenPipeError):
            line.close()
        self._process.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of the log, for an error message."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if missing), between processes as well as threads."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Address:
    """A loopback address (127.0.0.x) lent to one server; nobody else on this machine is lent it meanwhile."""

    def __init__(self, ip: str, lock: socket.socket) -> None:
        self.ip = ip
        self.lock = lock.fileno()  # pass it on as `hold`, then the loan lasts as long as the server
        self._lock = lock

    @classmethod
    def borrow(cls, ports: Sequence[int]) -> Address:
        """The first free address on which all TCP `ports` can be bound.

        Raises Unavailable when a port may not be bound at all (below 1024 for ordinary users) or none is free.
        """
        for last in range(_FIRST, _LAST + 1):
            ip = f"127.0.0.{last}"
            lock = _try_lock(ip)
            if lock is None:
                continue
            if _bindable(ip, ports):
                return cls(ip, lock)
            lock.close()
        raise Unavailable(
            f"no free loopback address between 127.0.0.{_FIRST} and 127.0.0.{_LAST}: stop other labs first"
        )

    def give_back(self) -> None:
        """End this process's part of the loan; a server that holds the lock too keeps it until it ends."""
        self._lock.close()
        self.lock = -1


def _try_lock(ip: str) -> socket.socket | None:
    """The loan itself: a name in the abstract namespace (unix(7)), gone with the last process that has it open.

    No file: labs with different temporary directories, users or roots would lock different ones, while loopback
    addresses, like these names, are the same for all of one network namespace. So a stopped server keeps its address.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0schoolbridge-lab-{ip}")
    except OSError:
        lock.close()
        return None
    return lock


def _bindable(ip: str, ports: Sequence[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except PermissionError as error:
                raise Unavailable(
                    f"port {port} may not be bound by this user: run as root, or set {_LOW_PORTS}"
                ) from error
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise Unavailable(
                    f"{ip} cannot be used: {error.strerror}; the loopback interface must be up"
                ) from error
    return True


_LOW_PORTS = "net.ipv4.ip_unprivileged_port_start=0"
