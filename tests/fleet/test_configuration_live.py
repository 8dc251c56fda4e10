"""The whole way with real processes: a hub, a daemon that reports to it by mutual TLS, and the commands of both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.site import Site


class Fleet:
    """A hub and one site that waits for its first school."""

    def __init__(self, root: Path) -> None:
        (root / "hub").mkdir()
        (root / "site").mkdir()
        with socket.socket() as free, socket.socket() as other:
            free.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            port, people = free.getsockname()[1], other.getsockname()[1]
        self.port = port
        self.root, self.config = root, root / "hub" / "hub.yaml"
        self.config.write_text(
            f"version: 1\nstate: {{url: sqlite:///hub.db}}\nkept: kept\n"
            f"sites: {{listen: 127.0.0.1:{port}, names: [127.0.0.1]}}\napi: {{listen: 127.0.0.1:{people}}}\n"
        )
        block = f"hub: {{url: https://127.0.0.1:{port}, every: 1s, configuration: hub}}\napi: {{enabled: false}}\n"
        self.site = Site(root / "site", given=False, hub=block)
        self.site.fill(3)
        self._running: list[subprocess.Popen[bytes]] = []

    def hub(self, *words: str) -> tuple[int, Any]:
        """A command at the hub: its exit code and JSON."""
        done = self.site.run("--config", str(self.config), "hub", *words, "--json")
        assert "Traceback" not in done.err, done.err
        return done.code, done.json

    def run(self, name: str, *words: str, **environment: str) -> None:
        """A process until the end of the test."""
        with (self.root / f"{name}.log").open("w") as log:
            command = [sys.executable, "-m", "bridge", *words]
            started = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        self._running.append(started)

    def listens(self) -> bool:
        """Whether the hub takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def until(self, probe: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not probe():
            logs = "\n".join(one.read_text()[-2000:] for one in self.root.glob("*.log"))
            assert time.monotonic() < end, logs
            time.sleep(0.1)

    def end(self) -> None:
        for one in reversed(self._running):
            one.terminate()
            one.wait(timeout=30)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    try:
        yield made
    finally:
        made.end()


def test_the_first_school_of_a_site_is_configured_from_the_hub(fleet: Fleet) -> None:
    ticket, file = fleet.root / "ticket", fleet.root / "0123.yaml"
    assert fleet.hub("init")[0] == 0
    fleet.run("hub", "--config", str(fleet.config), "hub", "run")
    assert fleet.hub("enrol", "s1", "--school", "0123", "--file", str(ticket))[0] == 0
    fleet.until(fleet.listens)
    assert fleet.site.run("uplink", "enrol", "--ticket-file", str(ticket)).code == 0
    fleet.run("site", "run", SCHOOLBRIDGE_CONFIG=str(fleet.site.config))
    file.write_text(fleet.site.text.replace("initial_stage: hybrid", "initial_stage: hybird"))
    code, answer = fleet.hub("configure", "0123", str(file), "--reason", "begin")
    assert (code, answer["problems"][0]["line"]) == (1, 4)
    file.write_text(fleet.site.text)
    code, answer = fleet.hub("configure", "0123", str(file), "--reason", "begin")
    assert (code, answer["state"], answer["version"]) == (2, "checked", 1), answer
    assert "+name: Gymnasium am Ölberg" in answer["checked"]["diff"]
    assert answer["checked"]["plan"]["stage"] == "hybrid"
    code, answer = fleet.hub("configure", "0123", "--apply", "1", "--reason", "it is right")
    assert (code, answer["state"]) == (0, "in force"), answer
    assert answer["answer"] == "0123: version 1 is in force"
    fleet.until(lambda: len(fleet.site.accounts()) == 3)
    rows = json.loads(fleet.site.run("journal", "show", "--school", "0123", "--json").out)["rows"]
    assert [one["outcome"] for one in rows if one["action"] == "configure"] == ["asked", "in force"]
