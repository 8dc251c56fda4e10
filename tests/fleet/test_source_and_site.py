"""The real daemon, the real hub, and somebody at the hub's door: each a process of its own."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from pathlib import Path
from typing import Any

from tests.api.kit import Reply
from tests.daemon.embedded import Embedded
from tests.daemon.test_service import daemon
from tests.fleet.test_site_and_hub import Hub, _listens
from tests.waiting import until

SCHOOL = "/api/v1/schools/0123"


def ask(port: int, path: str, token: str, body: Any = None) -> Reply:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        line.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        answer = line.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        line.close()


def test_names_are_seen_through_the_hub_and_never_kept_there(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    school, hub = Embedded(tmp_path / "site"), Hub(tmp_path / "hub")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hub.config.write_text(hub.config.read_text().replace("enabled: false", f"listen: '127.0.0.1:{port}'"))
    school.fill(3)
    school.config.write_text(school.config.read_text() + f"hub: {{url: 'https://127.0.0.1:{hub.port}', every: 1s}}\n")
    hub.run(school, "init")
    hub.run(school, "enrol", "s1", "--school", "0123", "--file", str(ticket := tmp_path / "ticket"))
    token = hub.run(school, "token", "make", "--label", "anna", "--scopes", "read,operate,names", "--json").json[
        "token"
    ]
    with hub.up(), daemon(school) as process:
        until(lambda: _listens(hub.port) and _listens(port), seconds=60)
        until((school.root / "run" / "status.json").exists, seconds=60)
        done = school.run("uplink", "enrol", "--ticket-file", str(ticket))
        assert done.code == 0, done.err
        process.send_signal(signal.SIGHUP)
        until(lambda: ask(port, "/api/v1/schools", token).json[0]["health"] == "green", seconds=60)
        page = ask(port, f"{SCHOOL}/journal?limit=100", token)
        assert page.status == 200, page.body
        shown = json.dumps(page.json, ensure_ascii=False)
        assert "Anna" in shown
        paused = ask(port, f"{SCHOOL}/actions", token, {"action": "pause", "reason": "because of the test"})
        assert (paused.status, paused.json["done"]) == (200, True), paused.body
        until(lambda: ask(port, SCHOOL, token).json["stage"] == "paused-hybrid", seconds=30)
        assert ask(port, f"{SCHOOL}/cutover", token).json["events"]
        assert ask(port, f"{SCHOOL}/reports", token).json == []
    assert "hub:anna: look" in school.run("journal", "show").out
    with hub.opened() as it, it.read() as connection:
        rows = connection.exec_driver_sql("SELECT action, actor FROM journal WHERE school = '0123'").all()
        assert ("look at names", "api:anna") in [tuple(row) for row in rows]
    kept = b"".join(one.read_bytes() for one in (tmp_path / "hub").iterdir() if one.is_file())
    assert b"look at names" in kept
    for name in (b"Anna Lang", b"anna.lang"):
        assert name not in kept
