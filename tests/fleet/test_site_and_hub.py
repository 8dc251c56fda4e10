"""The real daemon and the real hub, each a process of its own, enrolled by the real commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bridge.daemon import wiring
from bridge.hub import authority
from bridge.hub.orders_out import ask
from bridge.hub.settings import database, load_hub
from bridge.state.database import Database
from tests.daemon.embedded import Answer, Embedded
from tests.daemon.test_service import daemon, events
from tests.waiting import until


class Hub:
    """A hub below a directory."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root, self.config = root, root / "hub.yaml"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.config.write_text(
            f"version: 1\nstate: {{url: 'sqlite:///{root}/hub.db'}}\nkept: {root}\napi: {{enabled: false}}\n"
            f"sites: {{listen: '127.0.0.1:{self.port}', names: ['127.0.0.1']}}\n"
        )

    def run(self, school: Embedded, *words: str) -> Answer:
        """A command of the hub."""
        done = school.run("--config", str(self.config), "hub", *words)
        assert done.code == 0, done.err
        return done

    @contextmanager
    def up(self) -> Iterator[None]:
        """The process, until the end of the block."""
        with (self.root / "log").open("a") as log:
            command = [sys.executable, "-m", "bridge", "--config", str(self.config), "hub", "run"]
            process = subprocess.Popen(command, stderr=log, env={**os.environ, "NO_COLOR": "1"})
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0, (self.root / "log").read_text()[-2000:]

    @contextmanager
    def opened(self) -> Iterator[Database]:
        with database(load_hub(self.config)) as it:
            yield it

    def order(self, **action: Any) -> str:
        """Ask for an action; the command's id."""
        key = authority.read(self.root).orders
        with self.opened() as it:
            return ask(
                it, key, site="s1", school="0123", action={"reason": "because of the test", **action}, actor="council",
                scopes=["read", "operate"], reason="test", expires=wiring.now() + timedelta(minutes=5),
            ).id  # fmt: skip

    def state(self, command: str) -> str:
        with self.opened() as it, it.read() as connection:
            query = f"SELECT state FROM hub_command WHERE id = '{command}'"
            return str(connection.exec_driver_sql(query).scalar())

    def told(self, slot: str) -> dict[str, Any]:
        """The newest state of the school there."""
        with self.opened() as it, it.read() as connection:
            query = f"SELECT body FROM hub_school WHERE school = '0123' AND slot = '{slot}'"
            text = connection.exec_driver_sql(query).scalar()
        return dict(json.loads(text)) if text else {}


def test_a_daemon_reports_obeys_and_goes_on_without_its_hub(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    school, hub = Embedded(tmp_path / "site"), Hub(tmp_path / "hub")
    school.fill(3)
    hub.run(school, "init")
    ticket = tmp_path / "ticket"
    hub.run(school, "enrol", "s1", "--school", "0123", "--file", str(ticket))
    with daemon(school) as process:
        with hub.up():
            until(lambda: _listens(hub.port), seconds=60)
            until((school.root / "run" / "status.json").exists, seconds=60)
            text = school.config.read_text()
            school.config.write_text(f"{text}hub: {{url: 'https://127.0.0.1:{hub.port}', every: 1s}}\n")
            process.send_signal(signal.SIGHUP)
            until(lambda: "is enrolled with no hub" in _shown(school)["error"], seconds=60)
            done = school.run("uplink", "enrol", "--ticket-file", str(ticket))
            assert done.code == 0, done.err
            process.send_signal(signal.SIGHUP)
            until(lambda: hub.told("school").get("view", {}).get("health") == "green", seconds=60)
            assert hub.told("school")["view"]["records"]["cloud:user"] == 3
            assert hub.told("configuration")["source"] == "site"
            command = hub.order(action="pause")
            until(lambda: hub.state(command) == "done", seconds=60)
            until(lambda: hub.told("school")["view"]["stage"] == "paused-hybrid", seconds=60)
            assert "hub:council: stage" in school.run("journal", "show").out
            shown = school.run("status")
            assert (shown.code, f"hub: https://127.0.0.1:{hub.port} as s1, confirmed" in shown.out) == (0, True)
        until(lambda: "can't be reached" in _shown(school)["error"], seconds=60)
        away = school.run("status", "--json")
        assert (away.code, away.json["schools"][0]["health"], away.json["hub"]["site"]) == (0, "green", "s1")
        assert school.run("stage", "0123", "resume", "--reason", "alone").code == 0
        with hub.up():
            until(lambda: _listens(hub.port), seconds=60)
            process.send_signal(signal.SIGHUP)
            until(lambda: hub.told("school")["view"]["stage"] == "hybrid", seconds=60)
    log = (tmp_path / "site" / "log").read_text() + (tmp_path / "hub" / "log").read_text()
    assert "Anna" not in log
    assert events(school).count("the hub is away; what is to be told waits") <= 4
    kept = (tmp_path / "hub" / "hub.db").read_bytes() + b"".join(
        one.read_bytes() for one in (tmp_path / "hub").glob("hub.db-*")
    )
    assert b"Anna" not in kept


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _shown(school: Embedded) -> dict[str, Any]:
    """The block `hub` of the status file."""
    try:
        tree = json.loads((school.root / "run" / "status.json").read_text())
    except (OSError, ValueError):
        return {"error": ""}
    return {"error": "", **tree.get("hub", {})}
