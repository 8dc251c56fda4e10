"""``python -m tests.benchmarks.api``: 50 clients poll the API of 41 schools, at rest and during a mirror.

Every client asks for the board and for a school every two seconds, with ``If-None-Match``: 50 requests a second. The
clients are one process of their own. Files are mirrored between folders by the same daemon, in rounds with and without
clients, turn and turn about in the order of A B B A, so that what grows meanwhile, and other work, meets both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.core.model import Side
from tests.benchmarks.__main__ import line
from tests.daemon.folders import Folders

CLIENTS, SCHOOLS, HOMES = 50, 41, 4
PERIOD = 2.0


def cpu(pid: int) -> float:
    """Seconds of the processor that a process took."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Ground:
    """The daemon of 41 schools; the homes of the first one are mirrored into folders."""

    def __init__(self, root: Path) -> None:
        self.school = Folders(root, people=HOMES)
        self.runtime = root / "run"
        if os.access("/dev/shm", os.W_OK):  # in memory, as a unit's RuntimeDirectory is
            self.runtime = Path(tempfile.mkdtemp(prefix="schoolbridge-api-", dir="/dev/shm"))
        more = "api: {listen: '127.0.0.1:0', per_minute: 1000000}\n"
        text = self.school.config.read_text().replace("runtime: run\n", f"runtime: {self.runtime}\n")
        self.school.config.write_text(text + more)
        plain = self.school.school_file.read_text().partition("shares:")[0]
        for number in range(1, SCHOOLS):
            text = plain.replace('"0123"', f'"s{number:02}"')
            text = text.replace("/cloud.json", f"/cloud{number}.json").replace("/school.json", f"/school{number}.json")
            (root / f"school{number}.json").write_bytes((root / "school.json").read_bytes())
            self.school.school_file.with_name(f"s{number:02}.yaml").write_text(text)
        made = self.school.run("token", "make", "--label", "bench", "--scopes", "read,operate", "--json")
        self.token: str = made.json["token"]
        self.root = root
        self.url = ""
        self.pid = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """The daemon, until all of its schools are green."""
        with (self.root / "log").open("w") as log:
            daemon = subprocess.Popen(
                [sys.executable, "-m", "bridge", "run"], env=self.school.environment(), stderr=log
            )
        try:
            while not self.url:
                time.sleep(0.5)
                status = self.runtime / "status.json"
                self.url = json.loads(status.read_text()).get("api", "") if status.exists() else ""
            while self.school.run("status").code != 0:
                time.sleep(1)
            self.pid = daemon.pid
            yield
        finally:
            daemon.terminate()
            daemon.wait(60)
            if self.runtime.parent != self.root:
                shutil.rmtree(self.runtime)

    def cpu(self) -> float:
        """Seconds of CPU that the daemon took up to now."""
        return cpu(self.pid)

    def clients(self, seconds: float) -> subprocess.Popen[str]:
        """50 clients for so long; they print what each request took."""
        command = [sys.executable, "-m", "tests.benchmarks.api", "--poll", str(seconds), self.url]
        environment = {**os.environ, "BENCH_TOKEN": self.token}
        made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert made.stdout is not None
        made.stdout.readline()  # they ask from now on; what it took to load them counts for nothing
        return made

    def mirror(self, number: int, files: int) -> float:
        """Make so many small files in each home, wake the school, wait until all are on the other side."""
        for home in self.school.places(Side.SCHOOL):
            folder = home / f"round {number}"
            folder.mkdir()
            for one in range(files):
                (folder / f"{one}.txt").write_bytes(os.urandom(8192))
        begun = time.monotonic()
        asyncio.run(self._sync())
        drives = [drive / f"round {number}" for drive in self.school.places(Side.CLOUD)]
        while sum(len(list(drive.iterdir())) if drive.exists() else 0 for drive in drives) < files * HOMES:
            time.sleep(0.1)
            if time.monotonic() > begun + 600:
                raise RuntimeError("the files were not mirrored in ten minutes")
        return time.monotonic() - begun

    async def _sync(self) -> None:
        import aiohttp

        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"}) as session:
            body = {"action": "sync", "reason": "benchmark"}
            async with session.post(f"{self.url}/api/v1/schools/0123/actions", json=body) as answer:
                answer.raise_for_status()


async def poll(url: str, seconds: float) -> None:
    """The clients' process: prints the milliseconds of every request, and how many were answered by 304.

    Its clients are bare: they run on the machine that they measure, and are to take little of it.
    """
    took: list[float] = []
    known: list[bool] = []
    codes = [row["code"] for row in await _once(url)]
    host, _, port = url.removeprefix("http://").rpartition(":")
    print("ready", flush=True)
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        tags: dict[str, str] = {}
        mine = ("", f"/{codes[number % len(codes)]}")
        await asyncio.sleep(PERIOD * number / CLIENTS)
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.monotonic() < end:
            next_time = time.monotonic() + PERIOD
            for path in mine:
                begun = time.perf_counter()
                tag = f"If-None-Match: {tags[path]}\r\n" if path in tags else ""
                line = f"GET /api/v1/schools{path} HTTP/1.1\r\nHost: localhost\r\n"
                writer.write(f"{line}Authorization: Bearer {os.environ['BENCH_TOKEN']}\r\n{tag}\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = dict(row.split(": ", 1) for row in head[1:] if row)
                await reader.readexactly(int(headers.get("Content-Length", 0)))
                took.append((time.perf_counter() - begun) * 1000)
                known.append(" 304 " in head[0])
                tags[path] = headers["ETag"]
            await asyncio.sleep(max(0.0, next_time - time.monotonic()))
        writer.close()

    late: list[float] = []

    async def idle() -> None:
        """How late this process itself is woken: what of it all is the machine's."""
        while time.monotonic() < end:
            begun = time.perf_counter()
            await asyncio.sleep(0.02)
            late.append((time.perf_counter() - begun - 0.02) * 1000)

    await asyncio.gather(idle(), *(client(number) for number in range(CLIENTS)))
    took.sort()
    late.sort()
    tails = {"p99": took[int(len(took) * 0.99)], "worst": took[-1], "late": late[int(len(late) * 0.99)]}
    found = {"count": len(took), "p50": took[len(took) // 2], **tails, "known": sum(known) / len(known)}
    print(json.dumps(found), flush=True)


async def _once(url: str) -> list[dict[str, str]]:
    import aiohttp

    session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"})
    async with session, session.get(f"{url}/api/v1/schools") as answer:
        rows: list[dict[str, str]] = await answer.json()
        return rows


def _spent(ground: Ground, what: Callable[[], object]) -> float:
    """The daemon's CPU while something is done, in seconds."""
    before = ground.cpu()
    what()
    return ground.cpu() - before


def measure(seconds: float, rounds: int, files: int) -> None:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="schoolbridge-api-") as place:
        ground = Ground(Path(place))
        with ground.running():
            resting = _spent(ground, lambda: time.sleep(seconds))
            idle: dict[str, float] = {}
            first = ground.clients(seconds)
            asked = _spent(ground, lambda: idle.update(json.loads(first.communicate()[0])))
            cost = (asked - resting) / idle["count"] * 1000
            sys.stderr.write(f"idle {json.dumps(idle)}, {cost:.2f} ms of CPU a request\n")
            alone: list[float] = []
            beside: list[float] = []
            spent: dict[bool, float] = {False: 0.0, True: 0.0}
            busy: list[dict[str, float]] = []
            usual = ground.mirror(0, files)  # warm
            for number in range(1, 2 * rounds + 1):
                # One with, two without, two with ...: the share grows from round to round, and a scan of it with it.
                polled = number % 4 in (2, 3)
                clients = ground.clients(max(5.0, usual * 1.1)) if polled else None
                before = ground.cpu()
                (beside if polled else alone).append(ground.mirror(number, files))
                spent[clients is not None] += ground.cpu() - before
                if clients is not None:
                    busy.append(json.loads(clients.communicate()[0]))
                    sys.stderr.write(f"{beside[-1]:.2f} s beside {json.dumps(busy[-1])}\n")
                else:
                    usual = alone[-1]
                    sys.stderr.write(f"{alone[-1]:.2f} s alone\n")
    # Neighbours are compared: the machine's own speed changes by a third from one minute to the next.
    ratio = statistics.median(much / little for little, much in zip(alone, beside, strict=True))
    worst, usual_p99 = max(one["p99"] for one in busy), statistics.median(one["p99"] for one in busy)
    line(
        f"{CLIENTS} clients polling {SCHOOLS} schools, at rest",
        f"p50 {idle['p50']:.1f} ms, p99 {idle['p99']:.1f} ms, {idle['known']:.0%} by 304, {cost:.2f} ms CPU each",
        f"a sleep of the clients' process is late by {idle['late']:.1f} ms (p99)",
        "p99 ≤ 50 ms",
    )
    line(
        "the same while files are mirrored",
        f"p50 {statistics.median(one['p50'] for one in busy):.1f} ms, p99 {usual_p99:.1f} ms in half of the "
        f"rounds, {worst:.1f} ms in the worst",
        f"late by {max(one['late'] for one in busy):.1f} ms",
        "p99 ≤ 50 ms",
    )
    line(
        f"{HOMES * files:,} files mirrored beside the clients",
        f"{statistics.median(beside):.2f} s, {spent[True] / rounds:.2f} s CPU",
        f"without clients {statistics.median(alone):.2f} s, {spent[False] / rounds:.2f} s CPU: × {ratio:.3f} "
        f"(median of {rounds} pairs)",
        "≤ 1.05 ×",
    )


def main() -> None:
    """Measure, or (``--poll``) be the clients."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--poll", nargs=2, metavar=("SECONDS", "URL"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=1000)
    said = parser.parse_args()
    if said.poll:
        asyncio.run(poll(said.poll[1], float(said.poll[0])))
    else:
        measure(said.seconds, said.rounds, said.files)


if __name__ == "__main__":
    main()
