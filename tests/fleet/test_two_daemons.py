"""Two real daemons on one PostgreSQL: one looks after the school, the other stands by, and they change places."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.embedded import Embedded, person
from tests.daemon.sinks import until

pytestmark = pytest.mark.postgresql


class Pair:
    """Two machines, as far as they know: the same sides and state, a configuration and a runtime directory each."""

    def __init__(self, root: Path, url: str) -> None:
        (root / "one").mkdir()
        (root / "two").mkdir()
        self.one, self.two = Embedded(root / "one"), Embedded(root / "two")
        self.two.school_file.write_text(self.one.school_file.read_text())
        for each in (self.one, self.two):
            each.config.write_text(
                f"version: 1\nstate: {{url: '{url}', lease_seconds: 2}}\nruntime: run\napi: {{enabled: false}}\n"
            )
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, which: Embedded) -> subprocess.Popen[bytes]:
        with (which.root / "log").open("a") as stream:
            process = subprocess.Popen([sys.executable, "-m", "bridge", "run"], env=which.environment(), stderr=stream)
        self.running[process.pid] = process
        return process

    def enrol(self, number: int) -> None:
        with self.one.school.changing() as side:
            side.create("user", {**person(number), "login": f"anna{number}"})

    def there(self) -> int:
        return len(self.one.accounts())

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def pair(tmp_path: Path, postgresql_url: str) -> Iterator[Pair]:
    one = Pair(tmp_path, postgresql_url)
    yield one
    one.stop()


def row(which: Embedded) -> dict[str, Any]:
    try:
        tree = json.loads((which.root / "run" / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    found: dict[str, Any] = tree["schools"].get("0123", {})
    return found


def stands_by(which: Embedded) -> bool:
    return bool(row(which).get("standby"))


def works(which: Embedded) -> bool:
    mine = row(which)
    return bool(mine and not mine["standby"] and not mine["error"] and mine["sides"]["school"]["complete"])


def test_they_change_places_and_nobody_is_made_twice(pair: Pair) -> None:
    pair.enrol(0)
    first = pair.start(pair.one)
    until(lambda: pair.there() == 1)
    pair.start(pair.two)
    until(lambda: stands_by(pair.two))
    # Green, and it says who does it; a command that would run cycles is refused with the same.
    told = pair.two.run("status", "--json").json
    assert (told["health"], told["schools"][0]["records"]["cloud:user"]) == ("green", 1)
    assert "looked after by" in told["schools"][0]["causes"][0]["text"]
    refused = pair.two.run("sync")
    assert refused.code == 1
    assert "looks after it since" in refused.err
    assert f"(process {first.pid})" in refused.err

    # Stopped in the middle: the other one goes on. Woken up, the first one stands by and has written nothing.
    pair.enrol(1)
    first.send_signal(signal.SIGSTOP)
    until(lambda: works(pair.two))
    pair.enrol(2)
    until(lambda: pair.there() == 3)
    first.send_signal(signal.SIGCONT)
    until(lambda: stands_by(pair.one))

    # Ended cleanly, it is the other one's at once.
    second = next(one for one in pair.running.values() if one is not first)
    second.send_signal(signal.SIGTERM)
    until(lambda: works(pair.one))
    assert second.wait() == 0
    pair.enrol(3)
    until(lambda: pair.there() == 4)
    # What was done once was done once, and the journal is whole.
    anchors = [one["source_anchor"] for one in pair.one.accounts().values()]
    assert sorted(anchors) == [f"R{number}" for number in range(4)]
    assert pair.two.run("journal", "verify").code == 0
