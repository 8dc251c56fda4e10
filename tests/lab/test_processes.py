"""Servers end with the process that wanted them, whatever they started and however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.lab.guardian import children_of
from bridge.lab.processes import Address, ProcessTree, Unavailable, _bindable, _try_lock

# A server whose children run in sessions of their own, as smbd's do; one of them is an orphan at once.
_STUBBORN = """
trap '' TERM
(setsid sleep 1000 &)
setsid sh -c 'trap "" TERM; sleep 1001 & wait; sleep 1002' &
echo ready
while :; do wait; sleep 0.1; done
"""
_PARENT = """
import signal, sys, time
from pathlib import Path
from bridge.lab.processes import ProcessTree
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts tests in the background ignores it
tree = ProcessTree.start(["sh", "-c", sys.argv[1]], log=Path(sys.argv[2]), scratch=Path(sys.argv[3]), grace=0.1)
print(tree.pid, flush=True)
time.sleep(1000)
"""


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def all_below(pid: int) -> set[int]:
    return {pid}.union(*(all_below(child) for child in children_of(pid)))


def running(pids: set[int]) -> set[int]:
    return {pid for pid in pids if state(pid) not in ("", "Z")}


def state(pid: int) -> str:
    """The process's state letter (proc(5)); Z has ended, and waits for an init that may take its time; "" is gone."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def stubborn(tmp_path: Path) -> ProcessTree:
    (tmp_path / "scratch").mkdir()
    log = tmp_path / "log"
    tree = ProcessTree.start(["sh", "-c", _STUBBORN], log=log, scratch=tmp_path / "scratch", grace=0.1)
    assert eventually(lambda: len(all_below(tree.pid)) >= 5)
    return tree


def test_stop_ends_all_and_removes_the_directory(stubborn: ProcessTree, tmp_path: Path) -> None:
    pids = all_below(stubborn.pid)
    stubborn.stop()
    assert not running(pids)
    assert not (tmp_path / "scratch").exists()
    assert not stubborn.alive()
    stubborn.stop()  # harmless


def test_stop_can_keep_the_directory(stubborn: ProcessTree, tmp_path: Path) -> None:
    stubborn.stop(keep=True)
    assert (tmp_path / "scratch").is_dir()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_starter_is_killed(tmp_path: Path, ending: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", _PARENT, _STUBBORN, str(tmp_path / "log"), str(scratch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        guardian = int(parent.stdout.readline())
        assert eventually(lambda: len(all_below(guardian)) >= 5)
        pids = all_below(guardian)
        parent.send_signal(ending)
    assert eventually(lambda: not running(pids)), running(pids)
    assert not scratch.exists()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    tree = ProcessTree.start(["/no/such/server"], log=tmp_path / "log")
    assert eventually(lambda: not tree.alive())
    assert "/no/such/server: No such file or directory" in tree.last_words()
    tree.stop()


def test_an_address_is_lent_once_until_it_is_given_back() -> None:
    first, second = Address.borrow([8389]), Address.borrow([8389])
    try:
        assert first.ip != second.ip
        assert first.ip.startswith("127.0.0.")
        assert _try_lock(first.ip) is None
        first.give_back()
        lock = _try_lock(first.ip)
        assert lock is not None
        lock.close()
    finally:
        first.give_back()
        second.give_back()


def test_a_lab_with_another_temporary_directory_is_lent_another_address(tmp_path: Path) -> None:
    address = Address.borrow([8389])
    try:
        program = "from bridge.lab.processes import Address; print(Address.borrow([8389]).ip)"
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
        )
        assert done.stdout.strip().startswith("127.0.0."), done.stderr
        assert done.stdout.strip() != address.ip, "it is not used, but lent, as that of a server during its outage"
    finally:
        address.give_back()


def test_an_address_stays_lent_while_a_server_holds_it(tmp_path: Path) -> None:
    address = Address.borrow([8389])
    tree = ProcessTree.start(["sleep", "1000"], log=tmp_path / "log", hold=(address.lock,))
    address.give_back()
    assert _try_lock(address.ip) is None
    tree.stop()
    lock = _try_lock(address.ip)
    assert lock is not None
    lock.close()


def test_a_port_that_may_not_be_bound_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        _bindable("192.0.2.1", [8389])  # TEST-NET-1: never an address of this machine
