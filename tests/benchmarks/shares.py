"""The figures of shares: ``python -m tests.benchmarks.shares [--files N] [--large MIB] [--full]``.

One root, a folder of this machine and a OneDrive of the sandbox (a process of its own over TLS, no budgets), driven as
the daemon drives it; every client is a process of its own. All of it runs in a network namespace, whose loopback
device counts the bytes on the wire, headers included.

first    the first mirror against ``rclone copy`` with its best settings, into an empty drive each
passes   nothing changed and ten changes, as a pass of a running bridge whose hints are off, against ``rclone sync``,
         ``rclone bisync`` and Unison between two local folders (as processes: they know no other way)
rename   a folder with many files, renamed on either side
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.shares_ground import RCLONE, Cost, SharesGround, ask, change, grow, raise_loopback

#: rclone's settings that are tried; the fastest counts. Its chunks are multiples of 320 KiB.
COPIES = (
    ("--transfers", "16", "--checkers", "16"),
    ("--transfers", "32", "--checkers", "32", "--onedrive-chunk-size", "50Mi", "--no-check-dest"),
    ("--transfers", "16", "--checkers", "32", "--onedrive-chunk-size", "50Mi", "--no-check-dest", "--no-traverse"),
)
LISTING = ("--fast-list", "--onedrive-delta", "--transfers", "16", "--checkers", "32")


def line(what: str, found: str, peer: str, required: str) -> None:
    """One row of the table."""
    print(f"| {what} | {found} | {peer} | {required} |", flush=True)


def note(what: str, found: object) -> None:
    """What is found on the way, for who wants to know more than the table."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}: {what}: {found}\n")


def bridge(config: Path, owner: str, *more: str) -> list[str]:
    """The command of a bridge with that one root."""
    return [sys.executable, "-m", "tests.benchmarks.shares_alone", str(config), owner, *more]


@contextmanager
def living(config: Path, owner: str) -> Iterator[subprocess.Popen[str]]:
    """A bridge that does a pass for each line that it is given."""
    with subprocess.Popen(
        bridge(config, owner, "follow"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def copy(base: Path, name: str) -> Path:
    """The same tree again, times included."""
    return Path(shutil.copytree(base, base.with_name(name)))


def first(ground: SharesGround, base: Path, content: int, files: int) -> tuple[Path, str, str]:
    """The first mirror; gives the configuration, the owner and the drive that rclone filled."""
    for tree in (base, copy(base, "of-rclone")):
        subprocess.run(["cat", *map(str, tree.rglob("*.bin"))], stdout=subprocess.DEVNULL, check=True)  # all in cache
    best: Cost | None = None
    drive = options = ""
    for given in COPIES if RCLONE.exists() else ():
        _, at = ground.user()
        cost = ground.rclone(at, "copy", str(base.with_name("of-rclone")), "cloud:", *given)
        note(f"rclone copy {' '.join(given)}", f"{cost}, {cost.wire} bytes")
        if best is None or cost.wall < best.wall:
            best, drive, options = cost, at, " ".join(given)
    config = ground.configure("bridge", base)
    owner, _ = ground.user()
    mine = ground.run(bridge(config, owner))
    note("first mirror", f"{mine}, {mine.wire} bytes\n{mine.said}")
    allowed = 1.02 * content + 2048 * files
    peer = f"rclone ({options}): {best}, {best.wire / allowed:.2f} × that limit" if best else "no rclone"
    ratio = f"; wall × {mine.wall / best.wall:.2f}, CPU × {mine.cpu / best.cpu:.2f}" if best else ""
    line(
        f"first mirror of {files:,} × 4 KiB + one file, {content / 2**20:,.0f} MiB in all",
        f"{mine}; {mine.wire:,} bytes on the wire, {mine.wire / allowed:.2f} × the limit{ratio}",
        peer,
        "faster than rclone, wall and CPU; wire ≤ 1.02 × content + 2 KiB a file",
    )
    return config, owner, drive


def passes(ground: SharesGround, base: Path, config: Path, owner: str, drive: str) -> None:
    """A pass in which nothing changed, and one of ten changes."""
    with living(config, owner) as process:
        note("first pass of a new process", ask(process, ground))
        quiet = min((ask(process, ground) for _ in range(3)), key=lambda one: float(one["wall"]))
        note("no change", quiet)
        found = []
        for mark in ("mine", "mine again", "and again"):
            change(base, mark)
            found.append(ask(process, ground))
            note("ten changes", found[-1])
        busy = min(found, key=lambda one: float(one["wall"]))
    other, state = base.with_name("of-rclone"), str(ground.root / "bisync")
    peers: dict[str, tuple[Cost, Cost]] = {}

    def measure(name: str, tree: Path, run: Callable[[], Cost]) -> None:
        run()
        still = min((run() for _ in range(3)), key=lambda one: one.wall)
        found = []
        for mark in (name, f"{name} again", f"{name} and again"):
            time.sleep(1.1)  # Unison looks at whole seconds: of what changed twice within one it sends nothing
            change(tree, mark)
            found.append(run())
        peers[name] = still, min(found, key=lambda one: one.wall)
        note(name, f"no change {peers[name][0]}; ten changes {peers[name][1]}")

    if drive:
        measure("rclone sync", other, lambda: ground.rclone(drive, "sync", str(other), "cloud:", *LISTING))
        both = ("bisync", str(other), "cloud:", "--workdir", state, *LISTING)
        ground.rclone(drive, *both, "--resync")
        measure("rclone bisync", other, lambda: ground.rclone(drive, *both))
    if shutil.which("unison"):
        pair = [str(copy(base, name)) for name in ("unison-1", "unison-2")]
        environment = {**os.environ, "UNISON": str(ground.root / "unison")}
        command = ["unison", *pair, "-batch", "-auto", "-times", "-fastcheck", "true", "-ui", "text", "-silent"]
        measure("Unison local to local", Path(pair[0]), lambda: ground.run(command, environment))
    for what, mine, which in (("no-change pass", quiet, 0), ("pass of ten changes", busy, 1)):
        line(
            what,
            f"{mine['wall']:.2f} s, {mine['cpu']:.2f} s CPU, {mine['requests']} requests, {mine['wire']:,} bytes",
            "; ".join(f"{name}: {cost[which]}" for name, cost in peers.items()) or "none installed",
            "wall and CPU below all of them",
        )


def rename(ground: SharesGround, files: int) -> None:
    """A folder with so many files, renamed on either side; both sides begin equal, so nothing is sent before."""
    base = ground.root / "renamed"
    names = {f"/all/{number // 1000:04}/Datei {number:06}.txt": f"text {number}" for number in range(files)}
    owner, drive = ground.user(names)
    for path, row in ground.cloud.admin("POST", "drives/tree", {"drive": drive})["value"].items():
        here = base / path.lstrip("/")
        if path in names:
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_text(names[path])
            os.utime(here, (row["modified"], row["modified"]))
    found = {}
    with living(ground.configure("renaming", base), owner) as process:
        note("equal trees met", ask(process, ground))
        note("nothing", ask(process, ground))
        (base / "all").rename(base / "everything")
        found["at the school"] = ask(process, ground)
        ground.drives.rename(owner, "everything", "all again")
        found["in the cloud"] = ask(process, ground)
        assert (base / "all again").is_dir()
    for side, cost in found.items():
        note(f"renamed {side}", cost)
    line(
        f"rename of a folder holding {files:,} files",
        "; ".join(
            f"{side}: {cost['wall']:.2f} s, {cost['cpu']:.2f} s CPU, {cost['requests']} requests with the reading, "
            f"{cost['wire']:,} bytes" for side, cost in found.items()
        ),
        "–",
        "1 request, 0 bytes of content, ≤ 2 s",
    )  # fmt: skip


def measure(files: int, large: int, renamed: int, only: str = "") -> None:
    """All figures; ``large`` in bytes."""
    wanted = set(filter(None, only.split(","))) or {"first", "passes", "rename"}
    with SharesGround() as ground:
        base = ground.root / "tree"
        if wanted & {"first", "passes"}:
            content = grow(base, files, large)
            config, owner, drive = first(ground, base, content, files + 1)
            if "passes" in wanted:
                passes(ground, base, config, owner, drive)
        if "rename" in wanted:
            rename(ground, renamed)


def main() -> None:
    """Measure, in a network namespace of our own."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.shares")
    parser.add_argument("--files", type=int, default=2000, help="files of 4 KiB (default %(default)s)")
    parser.add_argument("--large", type=int, default=64, help="MiB of the large file (default %(default)s)")
    parser.add_argument("--renamed", type=int, default=10_000, help="files of the renamed folder (default %(default)s)")
    parser.add_argument("--full", action="store_true", help="10,000 × 4 KiB and 1 GiB, 100,000 files renamed")
    parser.add_argument("--only", default="", help="first, passes, rename; separated by commas")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.inside:
        command = ["unshare", "-rn", sys.executable, "-m", "tests.benchmarks.shares", "--inside", *sys.argv[1:]]
        sys.exit(subprocess.run(command, check=False).returncode)
    else:
        raise_loopback()
        files, large, renamed = (10_000, 1024, 100_000) if given.full else (given.files, given.large, given.renamed)
        measure(files, large << 20, renamed, given.only)


if __name__ == "__main__":
    main()
