"""The API of the real daemon, a child process: over TLS, a socket, behind a proxy; tokens made by the real command."""

import http.client
import json
import shutil
import signal
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.daemon import wiring
from bridge.lab.certificates import issue, make_authority
from tests.daemon.embedded import Embedded
from tests.daemon.test_service import daemon, events
from tests.waiting import until


def told(root: Path) -> dict[str, Any]:
    """The daemon's status file."""
    try:
        tree: dict[str, Any] = json.loads((root / "run" / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return tree


def address(school: Embedded) -> str:
    """Where it listens, as soon as it does."""
    until(lambda: bool(told(school.root).get("api")), seconds=60)
    return str(told(school.root)["api"])


def ask(line: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    try:
        line.request("GET", path, headers=dict(headers))
        answer = line.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if "json" in answer.headers["Content-Type"] else body.decode()
    finally:
        line.close()


def plain(school: Embedded) -> http.client.HTTPConnection:
    host, _, port = address(school).removeprefix("http://").rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=90)


def configured(root: Path, api: str) -> Embedded:
    school = Embedded(root)
    school.config.write_text(school.config.read_text() + f"api: {api}\n")
    school.fill(3)
    return school


def token(school: Embedded, *more: str) -> dict[str, str]:
    made = school.run("token", "make", "--label", "test", "--json", *more)
    assert made.code == 0, made.err
    return {"Authorization": f"Bearer {made.json['token']}"}


def test_the_daemon_answers_and_acts_and_a_revoked_token_ends_at_once(tmp_path: Path) -> None:
    school = configured(tmp_path, "{listen: '127.0.0.1:0'}")
    mine = token(school, "--scopes", "read,operate")
    name = mine["Authorization"].split("_")[1]
    with daemon(school) as process:
        until(lambda: len(school.accounts()) == 3, seconds=60)
        until(lambda: ask(plain(school), "/readyz", {})[0] == 200, seconds=60)
        status, rows = ask(plain(school), "/api/v1/schools", mine)
        assert (status, rows[0]["health"], rows[0]["records"]["cloud:user"]) == (200, "green", 3)
        line = plain(school)
        line.request(
            "POST", "/api/v1/schools/0123/actions", json.dumps({"action": "pause", "reason": "inspection"}),
            {**mine, "Content-Type": "application/json"},
        )  # fmt: skip
        assert json.loads(line.getresponse().read())["stage"] == "paused-hybrid"
        line.close()
        assert "paused-hybrid" in school.run("stage", "0123").out
        shown = school.run("journal", "show", "--limit", "5").out
        assert "api:test: stage" in shown
        assert school.run("token", "revoke", name, "--reason", "lost").code == 0
        assert ask(plain(school), "/api/v1/schools", mine)[0] == 401
        process.send_signal(signal.SIGHUP)
        until(lambda: "configuration loaded" in events(school), seconds=60)
        assert ask(plain(school), "/healthz", {}) == (200, "alive\n")
    log = (tmp_path / "log").read_text()
    assert mine["Authorization"].split("_", 2)[2] not in log
    assert "Anna" not in log


def test_it_listens_anew_when_its_block_changes(tmp_path: Path) -> None:
    school = configured(tmp_path, "{listen: '127.0.0.1:0'}")
    with daemon(school) as process:
        assert ask(plain(school), "/healthz", {})[0] == 200
        text = school.config.read_text()
        school.config.write_text(text.replace("'127.0.0.1:0'", f"'unix:{tmp_path}/api.sock'"))
        process.send_signal(signal.SIGHUP)
        until(lambda: str(told(tmp_path).get("api", "")).startswith("unix:"), seconds=60)
        assert over_socket(tmp_path / "api.sock", "/healthz", {"Host": "localhost"})[0] == 200
        school.config.write_text(text.replace("{listen: '127.0.0.1:0'}", "{enabled: false}"))
        process.send_signal(signal.SIGHUP)
        until(lambda: events(school).count("configuration loaded") == 2, seconds=60)
        until(lambda: told(tmp_path)["api"] == "", seconds=60)


def test_a_taken_port_stops_no_mirroring_and_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        school = configured(tmp_path, f"{{listen: '127.0.0.1:{taken.getsockname()[1]}'}}")
        with daemon(school) as process:
            until(lambda: len(school.accounts()) == 3, seconds=60)
            until(lambda: bool(told(tmp_path).get("api_error")), seconds=60)
            shown = school.run("status").out
            assert "the status API can't listen" in shown
            assert "in use" in shown
            school.config.write_text(school.config.read_text().replace("api: {", "api: {enabled: false, "))
            process.send_signal(signal.SIGHUP)
            until(lambda: told(tmp_path).get("api_error") == "", seconds=60)


def test_over_tls_and_the_key_is_on_no_disk(tmp_path: Path) -> None:
    authority = make_authority("test", now=wiring.now())
    pair = issue(authority, names=["localhost"], addresses=["127.0.0.1"], now=wiring.now())
    pair.write(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "cert.pem").chmod(0o600)
    school = configured(tmp_path, "{listen: '127.0.0.1:0', tls: {certificate: 'file:cert.pem', key: 'file:key.pem'}}")
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(authority.certificate)
    with daemon(school):
        where = address(school)
        assert where.startswith("https://")
        port = int(where.rpartition(":")[2])
        good = ssl.create_default_context(cafile=str(trusted))
        assert ask(http.client.HTTPSConnection("localhost", port, context=good, timeout=30), "/healthz", {})[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(http.client.HTTPSConnection("localhost", port, timeout=30), "/healthz", {})
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "/healthz", {})


class Local(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=90)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


def over_socket(path: Path, url: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    return ask(Local(path), url, headers)


def test_a_proxy_tells_who_it_is_if_it_proves_itself(tmp_path: Path) -> None:
    place = Path("/tmp") / f"schoolbridge-{tmp_path.parent.name[-8:]}-{tmp_path.name[-8:]}"
    place.mkdir(mode=0o700)
    try:
        proof = tmp_path / "proof"
        proof.write_text("correct horse")
        proof.chmod(0o600)
        school = configured(
            tmp_path,
            f"""
  listen: 'unix:{place}/api.sock'
  proxied:
    secret: 'file:proof'
    groups:
      authority: {{scopes: [read]}}
      it: {{scopes: [read, operate, names], schools: ["0123"]}}
""",
        )
        user = {"X-Forwarded-User": "mueller", "X-Forwarded-Groups": "staff, it"}
        good = {**user, "X-Schoolbridge-Proxy": "correct horse"}
        with daemon(school) as process:
            address(school)
            sock = place / "api.sock"
            assert sock.stat().st_mode & 0o777 == 0o660
            assert over_socket(sock, "/api/v1/schools", user)[0] == 401
            assert over_socket(sock, "/api/v1/schools", {**user, "X-Schoolbridge-Proxy": "wrong"})[0] == 401
            assert over_socket(sock, "/api/v1/schools", {**good, "X-Forwarded-Groups": "staff"})[0] == 403
            status, (row,) = over_socket(sock, "/api/v1/tokens", good)
            assert (status, row["label"], row["schools"]) == (200, "proxy:mueller", ["0123"])
            assert over_socket(sock, "/metrics", good)[0] == 403
            both = {**good, "X-Forwarded-Groups": "it,authority"}
            assert over_socket(sock, "/metrics", both)[0] == 200
            until(lambda: over_socket(sock, "/api/v1/schools", both)[1][0]["health"] == "green", seconds=60)
            proof.write_text("a new secret")
            process.send_signal(signal.SIGHUP)
            until(lambda: events(school).count("status API") == 2, seconds=60)
            assert over_socket(sock, "/metrics", both)[0] == 401, "the old secret leaked"
            assert over_socket(sock, "/metrics", {**both, "X-Schoolbridge-Proxy": "a new secret"})[0] == 200
    finally:
        shutil.rmtree(place)
