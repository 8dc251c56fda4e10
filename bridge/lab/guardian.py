"""Keeps one server's process tree, and ends all of it when the process that wanted the server is gone.

Run as a file (`python -I -S guardian.py SIGNAL GRACE SCRATCH COMMAND...`), standard library only, so that it starts in
about 20 ms. Standard input is the life line: it is a pipe whose other end only the starting process holds. It closes
when that process ends, even by SIGKILL, and then every descendant is killed and SCRATCH ("" for none) removed. A byte
written to it before (`KEEP`) means: stop, but leave the directory, the server will be started again.

Descendants that start sessions of their own (smbd, winbindd) are found all the same, because a child subreaper
(prctl(2), PR_SET_CHILD_SUBREAPER) inherits every orphan below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

KEEP = b"k"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_REMOVING = 20.0  # seconds


def children_of(pid: int) -> list[int]:
    """Process ids whose parent is `pid`, from /proc/PID/stat (proc(5): the fourth field, after the name)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (entry / "stat").read_bytes()
            if int(stat.rpartition(b")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def _spawn(command: list[str], prctl: ctypes._NamedFuncPointer) -> int:
    guardian = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        # Should the guardian itself be killed, its child goes too (not its grandchildren: a fork clears it).
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian:
            os._exit(1)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.stderr.flush()
    os._exit(127)


def _reap(main: int, code: int | None) -> int | None:
    """Collect what has ended; the exit code of `main` once it has one."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == main:
                code = os.waitstatus_to_exitcode(status)
    return code


def _end_all(main: int, code: int | None, *, ending: int, grace: float) -> int | None:
    """The signal `ending` to the main process, `grace` seconds, then SIGKILL until no descendant is left."""
    if code is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(main, ending)
    deadline = time.monotonic() + grace
    while (code := _reap(main, code)) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    while children := children_of(os.getpid()):  # orphans come up to us generation by generation
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
        code = _reap(main, code)
    return code


def _remove(scratch: str) -> None:
    """All of it, also while servers of another guardian, which end at the same moment, still write into it."""
    deadline = time.monotonic() + _REMOVING
    while os.path.lexists(scratch) and time.monotonic() < deadline:
        shutil.rmtree(scratch, ignore_errors=True)
        time.sleep(0.005)


def guard(command: list[str], *, ending: int, grace: float, scratch: str) -> int:
    """Run `command` until it ends or the life line does; the exit code that `command` had."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Before any signal is handled here: a child between fork and exec would run the handler and forget the signal.
    main = _spawn(command, prctl)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    wanted = True

    def leave(_number: int, _frame: object) -> None:
        nonlocal wanted
        wanted = False

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    keep = False
    while (code := _reap(main, None)) is None and wanted:
        ready, _, _ = select.select([0, wake_read], [], [])
        if 0 in ready:
            keep = os.read(0, 1) == KEEP
            wanted = False
        with contextlib.suppress(BlockingIOError):
            os.read(wake_read, 4096)
    crashed = wanted
    code = _end_all(main, code, ending=ending, grace=grace)
    if scratch and not keep and not crashed:
        _remove(scratch)
    return code if code is not None and code >= 0 else 1


if __name__ == "__main__":
    sys.exit(guard(sys.argv[4:], ending=int(sys.argv[1]), grace=float(sys.argv[2]), scratch=sys.argv[3]))
