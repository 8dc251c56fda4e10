"""The figures of a directory: ``python -m tests.benchmarks.tree [--folders N]``.

Each measurement runs in a process of its own, with its floor (os.scandir and stat of the same tree) beside it:

- a rescan of 10,000 folders with 100 files each, nothing changed: wall against the floor, peak memory
- one changed file by hint in trees of 10^4, 10^5 and 10^6 files: from the change to its page, folders listed
- 100,000 files made at full speed while the watch lives: how many are lost
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bridge.ports import Context
from connectors.folder import FolderConnector, Options

FILES = 100


def context(folder: Path) -> Context:
    return Context(
        school="bench",
        secret=lambda _: b"",
        clock=lambda: datetime.now(UTC),
        sleep=asyncio.sleep,
        monotonic=time.monotonic,
        random=lambda: 0.5,
        directory=folder / "index",
    )


def grow(root: Path, folders: int) -> None:
    """``folders`` folders, 100 in one, each with 100 files."""
    for number in range(folders):
        here = root / f"{number // 100:04}" / f"{number:05}"
        here.mkdir(parents=True, exist_ok=True)
        for name in range(FILES):
            os.close(os.open(here / f"Datei {name:03}.docx", os.O_CREAT | os.O_WRONLY))


def floor(root: Path) -> int:
    """What any scan has to do at least: list every folder and stat every file."""
    count, stack = 0, [os.fspath(root)]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def connector(folder: Path, *, watch: bool) -> FolderConnector:
    return FolderConnector(Options(base=folder / "tree", quiet_seconds=0, watch=watch), context(folder))


async def look(one: FolderConnector, token: str | None) -> tuple[str, int]:
    """The next token and how many records came."""
    count = 0
    async for page in one.observe(token):
        token = page.token
        count += len(page.observations) + len(page.removals)
    assert token is not None
    return token, count


async def first(folder: Path) -> dict[str, object]:
    """The first listing; its token is kept."""
    one = connector(folder, watch=False)
    begun = time.perf_counter()
    token, count = await look(one, None)
    await one.close()
    (folder / "token").write_text(token)
    return {"seconds": time.perf_counter() - begun, "records": count}


async def rescan(folder: Path) -> dict[str, object]:
    """Everything scanned again, twice; the best counts, as for the floor."""
    one = connector(folder, watch=False)
    token = (folder / "token").read_text()
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        token, count = await look(one, token)
        times.append(time.perf_counter() - begun)
        if count:
            raise RuntimeError(f"{count} records of a tree in which nothing changed")
    await one.close()
    (folder / "token").write_text(token)
    return {"seconds": min(times)}


async def hint(folder: Path) -> dict[str, object]:
    """One changed file: seconds from the change to the end of the observation, and folders that were listed."""
    one = connector(folder, watch=True)
    token, _ = await look(one, (folder / "token").read_text())
    hints = one.hints()
    times: list[float] = []
    for number in range(3):
        asking = asyncio.ensure_future(anext(hints))
        await asyncio.sleep(0.5)
        begun = time.perf_counter()
        (folder / "tree" / "0000" / "00007" / "Datei 050.docx").write_text(f"another text {number}")
        await asking
        token, count = await look(one, token)
        times.append(time.perf_counter() - begun)
        if count != 1:
            raise RuntimeError(f"{count} records for one change")
    await one.close()
    (folder / "token").write_text(token)
    return {"seconds": max(times), "listed": one.sight.listed}


async def burst(folder: Path) -> dict[str, object]:
    """100,000 files made by another process at full speed, while every hint is followed."""
    one = connector(folder, watch=True)
    token, _ = await look(one, (folder / "token").read_text())
    program = (
        "import os, sys\n"
        "for number in range(100_000):\n"
        "    os.close(os.open(f'{sys.argv[1]}/{number // 1000 % 10:04}/burst {number}', os.O_CREAT | os.O_WRONLY))\n"
    )
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(folder / "tree"))
    seen: set[str] = set()
    while True:
        running = process.returncode is None
        async for page in one.observe(token):
            token = page.token or token
            seen |= {str(record.fields["name"]) for record in page.observations}
        if not running:
            break
        await asyncio.sleep(0.2)
    await one.close()
    found = sum(1 for name in seen if name.startswith("burst "))
    return {"seconds": time.perf_counter() - begun, "lost": 100_000 - found}


def alone(what: str, folder: Path) -> dict[str, float]:
    """Measure in a process of its own; memory is its peak in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.tree", "--alone", what, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _alone(what: str, folder: Path) -> None:
    if what == "floor":
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            floor(folder / "tree")
            times.append(time.perf_counter() - begun)
        found: dict[str, object] = {"seconds": min(times)}
    else:
        found = asyncio.run({"first": first, "rescan": rescan, "hint": hint, "burst": burst}[what](folder))
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def measure(folders: int, *, scratch: Path | None = None) -> None:
    """Print the rows of the table for trees of up to ``folders`` folders."""
    hints = []
    for count in sorted({min(folders, one) for one in (100, 1_000, folders)}):
        with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            grow(folder / "tree", count)
            begin = alone("first", folder)
            sys.stderr.write(f"{count * FILES} files, first listing: {json.dumps(begin)}\n")
            if count == folders:
                least, again = alone("floor", folder), alone("rescan", folder)
                print(
                    f"| rescan of {count * FILES:,} files in {count:,} folders | {again['seconds']:.2f} s, peak "
                    f"{again['peak']:.0f} MB | scandir + stat {least['seconds']:.2f} s: × "
                    f"{again['seconds'] / least['seconds']:.2f} | ≤ 2 ×, ≤ 150 MB |",
                    flush=True,
                )
            found = alone("hint", folder)
            hints.append(f"{count * FILES:,}: {found['seconds']:.2f} s, {found['listed']:.0f} folder listed")
            if count == folders:
                lost = alone("burst", folder)
                print(f"| burst of 100,000 creates | {lost['lost']:.0f} lost | – | 0 lost |", flush=True)
    print(f"| one changed file by hint | {'; '.join(hints)} | – | ≤ 1 s, work independent of the tree |", flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.benchmarks.tree")
    arguments.add_argument("--folders", type=int, default=10_000)
    arguments.add_argument("--scratch", type=Path)
    arguments.add_argument("--alone", nargs=2)
    given = arguments.parse_args()
    if given.alone:
        _alone(given.alone[0], Path(given.alone[1]))
    else:
        measure(given.folders, scratch=given.scratch)
