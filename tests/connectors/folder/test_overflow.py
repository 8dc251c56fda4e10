"""R2: a watcher that loses events loses no change: the process sleeps while more happens than the kernel remembers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.folder.watch import Mirror, Watch

_CHILD = """
import asyncio, json, sys
from pathlib import Path
from tests.connectors.folder.conftest import Mirrored

async def main():
    one = Mirrored(Path(sys.argv[1]))
    while True:
        await one.look()
        sight = one.connector.sight
        print(json.dumps({"files": len(one.tree()), "listed": sight.listed, "watching": sight.watching}), flush=True)
        await asyncio.sleep(0.2)

asyncio.run(main())
"""
FOLDERS = 40
#: The folders in which something happens: that it looks at the others, too, shows that it knows of the loss.
TOUCHED = 10


class Watcher:
    """A process that looks at a root over and over and says what it knows."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", _CHILD, str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        self.listed = 0

    def until(self, known: int) -> None:
        assert self.process.stdout is not None
        end = time.monotonic() + 120
        while time.monotonic() < end:
            said = json.loads(self.process.stdout.readline())
            self.listed = max(self.listed, said["listed"])
            if said["files"] == known and said["watching"]:
                return
        raise AssertionError(f"knows {said} instead of {known}")


@pytest.fixture
def queue() -> int:
    """Events that the kernel remembers for a reader that does not read."""
    size = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if size > 50_000:
        pytest.skip(f"the kernel's queue holds {size} events: too many to overflow in a test")
    return size


def test_more_events_than_the_kernel_remembers_lose_no_change(tmp_path: Path, queue: int) -> None:
    root = tmp_path / "base" / "root"
    for number in range(FOLDERS):
        (root / str(number)).mkdir(parents=True)
    watcher = Watcher(tmp_path)
    try:
        watcher.until(FOLDERS)
        watcher.listed = 0
        os.kill(watcher.process.pid, signal.SIGSTOP)
        for number in range(queue + 500):  # at least one event each
            (root / str(number % TOUCHED) / f"{number}.txt").touch()
        os.kill(watcher.process.pid, signal.SIGCONT)
        watcher.until(FOLDERS + queue + 500)
        assert watcher.listed >= FOLDERS, "events were lost, and it looked at everything"
        watcher.listed = 0
        for number in range(100):
            (root / "0" / f"after {number}.txt").touch()
        watcher.until(FOLDERS + queue + 600)
        assert watcher.listed < FOLDERS, "it hears again: one folder was looked at, not all"
    finally:
        os.kill(watcher.process.pid, signal.SIGCONT)
        watcher.process.kill()
        watcher.process.wait()


def test_a_root_that_was_made_a_moment_ago_is_heard_of_though_nobody_has_read_that_yet(tmp_path: Path) -> None:
    """Else it would be deaf until the schedule comes to it."""
    watch = Watch(os.fsencode(tmp_path))
    try:
        with watch._lock:  # the thread that reads is slow
            (tmp_path / "new").mkdir()
            mirror = Mirror(os.fsencode(tmp_path / "new"), ignores=lambda _: False, wake=lambda: None)
            watch.add(mirror)
            assert watch.hears(mirror)
    finally:
        watch.close()
