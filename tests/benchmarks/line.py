"""A school's line of 2 Mbit/s with 5 % loss and 80 ms delay: ``python -m tests.benchmarks.line [--full]``.

The production daemon at the school's end mirrors two homes with the sandbox at the other end. One large file goes up,
then another comes down; meanwhile somebody saves a small file every few seconds, in the same home and in another.

- used: bytes of IP packets that were on the line, lost ones among them, of those that it could have carried meanwhile
- small files: seconds from being saved until the other side has them
- the floor: what plain TCP gets out of the same line in the same run, with one connection and with eight
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.shares_ground import raise_loopback
from tests.benchmarks.slow_line import SlowLine
from tests.daemon.live import Live

BITS, LOSS, DELAY = 2e6, 0.05, 0.08
#: Seconds between small files, and their bytes.
EVERY, SMALL = 5.0, 20_000
FLOOR_SECONDS = 30.0
LARGE_HOME, OTHER_HOME = "anna0", "anna1"

_SENDER = """
import socket, sys, threading, time
port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds
def send():
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 131072)
        line.settimeout(seconds)
        while time.monotonic() < end:
            line.send(bytes(16384))
every = [threading.Thread(target=send) for _ in range(count)]
for one in every: one.start()
for one in every: one.join()
"""


class FarSchool(Live):
    """A school whose daemon is at the other end of the line; all else is at the cloud's."""

    def __init__(self, root: Path, line: SlowLine, *, poll: float = 10.0) -> None:
        super().__init__(root, people=2)
        self.line = line
        text = self.school.school_file.read_text().replace("poll_seconds: 0.5", f"poll_seconds: {poll:g}")
        self.school.school_file.write_text(text.replace("      fragment: 1310720\n", ""))

    def start(self) -> None:
        """The daemon, inside."""
        with (self.root / "log").open("a") as log:
            command = [*self.line.inside, sys.executable, "-m", "bridge", "run"]
            self.daemon = subprocess.Popen(command, env=self.school.environment(), stderr=log)


@dataclass(slots=True)
class Savers:
    """Somebody who saves small files all the time. ``waits``: what it took until the other side had them, by home."""

    save: Callable[[str, str, bytes], None]
    there: Callable[[str], set[str]]
    homes: tuple[str, ...] = (LARGE_HOME, OTHER_HOME)
    waits: dict[str, list[float]] = field(default_factory=dict)
    open: dict[str, tuple[str, float]] = field(default_factory=dict)
    _number: int = 0
    _next: float = 0.0

    def look(self) -> None:
        """Save the next file when it is time, and see which have arrived."""
        now = time.monotonic()
        if now >= self._next:
            home = self.homes[self._number % len(self.homes)]
            name = f"klein {self._number:04}.txt"
            self.save(home, name, random.randbytes(SMALL))
            self.open[name] = home, now
            self._number, self._next = self._number + 1, now + EVERY
        for home in {home for home, _ in self.open.values()}:
            for name in self.there(home) & set(self.open):
                begun = self.open.pop(name)[1]
                self.waits.setdefault(home, []).append(time.monotonic() - begun)

    def told(self) -> str:
        """One text for the table; a file that is still on its way counts with its age."""
        now = time.monotonic()
        for home, begun in self.open.values():
            self.waits.setdefault(home, []).append(now - begun)
        names = {LARGE_HOME: "beside it", OTHER_HOME: "in another home"}
        return "; ".join(
            f"{len(waits)} small files {names[home]}: p50 {statistics.median(waits):.1f} s, max {max(waits):.1f} s"
            for home, waits in sorted(self.waits.items())
        )


def floor(line: SlowLine, connections: int) -> float:
    """The part of the line that plain TCP uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def swallow(one: socket.socket) -> None:
            with one, suppress(OSError):
                while one.recv(65536):
                    pass

        def accept() -> None:
            for _ in range(connections):
                one, _address = server.accept()
                threading.Thread(target=swallow, args=(one,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        before = line.counted()
        command = [*line.inside, sys.executable, "-c", _SENDER, str(server.getsockname()[1]), str(connections)]
        subprocess.run([*command, str(FLOOR_SECONDS)], check=True)
        return used(before, line.counted(), "up", line.bits)


def used(before: dict[str, float], after: dict[str, float], way: str, bits: float) -> float:
    """The part of what the line could carry."""
    return (after[way] - before[way]) * 8 / (after["at"] - before["at"]) / bits


def wait(line: SlowLine, way: str, savers: Savers, arrived: Callable[[], bool], limit: float) -> tuple[float, float]:
    """(part of the line used, seconds) from the first bytes of content until it arrived."""
    at_rest = begun = line.counted()
    begins = time.monotonic()
    while True:
        with suppress(LookupError, OSError):
            savers.look()
            if arrived():
                break
        now = line.counted()
        if now[way] - at_rest[way] < 100_000:
            begun = now
        if time.monotonic() - begins > limit:
            raise RuntimeError(f"not there after {limit:.0f} s; {savers.told()}")
        time.sleep(0.3)
    after = line.counted()
    sys.stderr.write(f"{way}: {begun} {after}\n")
    return used(begun, after, way, line.bits), after["at"] - begun["at"]


def upward(school: FarSchool, size: int) -> tuple[float, float, str]:
    """A large file saved at the school."""
    content = random.randbytes(size)
    account = {home: school.account(home) for home in (LARGE_HOME, OTHER_HOME)}

    def save(home: str, name: str, text: bytes) -> None:
        (school.home(home) / name).write_bytes(text)

    def there(home: str) -> set[str]:
        return set(school.drives.tree(account[home]))

    savers = Savers(save, there)
    part = school.home(LARGE_HOME) / ".film.part"
    part.write_bytes(content)
    part.rename(school.home(LARGE_HOME) / "Film.mp4")

    def arrived() -> bool:
        return "Film.mp4" in there(LARGE_HOME)

    share, seconds = wait(school.line, "up", savers, arrived, 60 + 40 * size / BITS)
    found = school.drives.content(account[LARGE_HOME], "Film.mp4")
    if hashlib.sha256(found).digest() != hashlib.sha256(content).digest():
        raise RuntimeError("it arrived, but not whole")
    return share, seconds, savers.told()


def downward(school: FarSchool, size: int) -> tuple[float, float, str]:
    """A large file put into the OneDrive."""
    content = random.randbytes(size)
    account = {home: school.account(home) for home in (LARGE_HOME, OTHER_HOME)}
    savers = Savers(
        lambda home, name, text: school.drives.put(account[home], f"von {name}", text),
        lambda home: {path.name.removeprefix("von ") for path in school.home(home).glob("von *")},
    )
    school.drives.put(account[LARGE_HOME], "Musik.mp3", content)
    target = school.home(LARGE_HOME) / "Musik.mp3"
    share, seconds = wait(school.line, "down", savers, target.exists, 60 + 40 * size / BITS)
    if target.read_bytes() != content:
        raise RuntimeError("it arrived, but not whole")
    return share, seconds, savers.told()


def measure(size: int, control: str, ways: str = "up,down") -> None:
    """Print the rows."""
    with (
        tempfile.TemporaryDirectory(prefix="schoolbridge-line-", ignore_cleanup_errors=True) as name,
        SlowLine(bits=BITS, loss=LOSS, delay=DELAY, control=control) as line,
    ):
        plain = ", ".join(f"{count} × {floor(line, count):.0%}" for count in (1, 8))
        school = FarSchool(Path(name), line)
        try:
            begin(school)
            for way, run in (("up", upward), ("down", downward)):
                if way not in ways.split(","):
                    continue
                share, seconds, small = run(school, size)
                print(
                    f"| 2 Mbit/s, 5 % loss, 80 ms each way, {control}: {size / 1e6:.0f} MB {way} | {share:.1%} of the "
                    f"line used, {size * 8 / seconds / BITS:.1%} content, {seconds:.0f} s; {small} | plain TCP up: "
                    f"{plain} | ≥ 95 %, small files not starved |",
                    flush=True,
                )
        finally:
            school.stop()


def begin(school: FarSchool) -> None:
    """Both homes mirrored."""
    for home in (LARGE_HOME, OTHER_HOME):
        (school.home(home) / "Anfang.txt").write_text("Anfang")
    school.start()
    school.until(lambda: all("Anfang.txt" in school.both(home)[1] for home in (LARGE_HOME, OTHER_HOME)), seconds=120)


def main() -> None:
    """Measure, in namespaces of our own."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.line")
    parser.add_argument("--size", type=int, default=20, help="MB of the large files (default %(default)s)")
    parser.add_argument("--full", action="store_true", help="200 MB")
    parser.add_argument("--control", default="reno", help="congestion control of the school (default %(default)s)")
    parser.add_argument("--ways", default="up,down")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.inside:
        command = ["unshare", "-rn", sys.executable, "-m", "tests.benchmarks.line", "--inside", *sys.argv[1:]]
        sys.exit(subprocess.run(command, check=False).returncode)
    raise_loopback()
    sys.stderr.write(f"load {os.getloadavg()[0]:.1f}\n")
    measure((200 if given.full else given.size) * 1_000_000, given.control, given.ways)


if __name__ == "__main__":
    main()
