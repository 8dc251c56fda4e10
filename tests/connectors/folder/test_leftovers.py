"""What a killed process leaves in people's folders: removed by the next scan, and nothing else is."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.folder.parts import Part, sweep
from connectors.tree.rules import PART
from tests.connectors.folder.conftest import Mirrored

#: Writes a file into a root until it is killed: says so when some of it is on the disk.
_WRITER = """
import asyncio, dataclasses, sys
from bridge.core.model import Action
from bridge.ports import Write
from tests.connectors.folder.conftest import Bytes, Mirrored
from pathlib import Path

class Endless(Bytes):
    async def chunks(self, start=0):
        yield b"half of it"
        print("writing", flush=True)
        await asyncio.sleep(3600)

async def work():
    mirrored = Mirrored(Path(sys.argv[1]), watch=False)
    await mirrored.look()
    content = Endless(b"0123456789" * 2)
    write = Write("w1", "file", Action.CREATE, None, {"name": "b.docx", "parent": mirrored.at("Kurs")}, content=content)
    async for one in mirrored.connector.apply([write]):
        print(one, flush=True)

asyncio.run(work())
"""


def parts(mirrored: Mirrored) -> list[str]:
    return sorted(path.name for path in mirrored.root.rglob(PART + "*"))


async def test_a_killed_process_leaves_nothing_for_long(mirrored: Mirrored) -> None:
    mirrored.put("Kurs/a.txt", "1")
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(mirrored.folder)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])  # noqa: ASYNC220
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == "writing\n"
        await mirrored.look()
        assert len(parts(mirrored)) == 1, "another process is writing it"
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    assert len(parts(mirrored)) == 1
    await mirrored.restart()
    await mirrored.look()
    assert parts(mirrored) == []
    assert mirrored.tree() == {"Kurs": "folder", "Kurs/a.txt": "file"}
    assert any("1 unfinished files" in line for line in mirrored.seen.pages[-1].warnings)


async def test_only_what_is_ours_is_removed(mirrored: Mirrored) -> None:
    outside = mirrored.folder / "outside"
    outside.write_text("x")
    alike = [PART + "notes.txt", PART + "0123", PART + "0" * 17, PART + "ABCDEF0123456789"]
    for name in alike:
        mirrored.put(name, "mine")
    (mirrored.root / (PART + "0" * 16)).symlink_to(outside)
    (mirrored.root / (PART + "1" * 16)).mkdir()
    os.mkfifo(mirrored.root / (PART + "2" * 16))
    left = mirrored.put("Kurs/" + PART + "3" * 16, "left")
    before = parts(mirrored)
    await mirrored.look()
    assert parts(mirrored) == [one for one in before if one != left.name]
    assert outside.read_text() == "x"


async def test_a_side_that_is_only_read_is_not_swept(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path, read_only=True)
    mirrored.put(PART + "3" * 16, "left")
    await mirrored.look()
    assert len(parts(mirrored)) == 1
    await mirrored.connector.close()


def test_where_nothing_can_be_locked_age_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unknown)
    folder = os.open(tmp_path, os.O_RDONLY)
    part = Part.begin(folder)
    now = os.fstat(part.fd).st_mtime_ns
    assert not sweep(folder, part.name, now=now + 23 * 3600 * 10**9)
    assert sweep(folder, part.name, now=now + 25 * 3600 * 10**9)
    part.end()
    os.close(folder)


def test_a_part_that_was_taken_for_a_left_one_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process scans between the making of a part and its lock."""
    folder = os.open(tmp_path, os.O_RDONLY)
    really: Callable[[int, int], None] = fcntl.flock
    swept: list[bool] = []

    def late(fd: int, how: int) -> None:
        if not swept:
            monkeypatch.setattr(fcntl, "flock", really)
            swept.append(sweep(folder, next(tmp_path.iterdir()).name, now=0))
        really(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    part = Part.begin(folder)
    assert swept == [True]
    assert [one.name for one in tmp_path.iterdir()] == [part.name]
    assert not sweep(folder, part.name, now=0)
    part.end()
    os.close(folder)
