"""The daemon as systemd sees it: readiness, reload, a stop in the middle of the work, schools that come and go."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.daemon import sd
from tests.daemon.embedded import Embedded, person
from tests.waiting import until


@contextmanager
def daemon(school: Embedded, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon; its log is appended to ``log``. Ends by SIGTERM, with exit code 0."""
    with (school.root / "log").open("a") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run"], env={**school.environment(), **environment}, stderr=stream
        )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=90) == 0


def events(school: Embedded) -> list[str]:
    return [json.loads(line)["event"] for line in (school.root / "log").read_text().splitlines()]


def board(root: Path) -> dict[str, Any]:
    """The schools of the daemon's status file."""
    schools: dict[str, Any] = json.loads((root / "run" / "status.json").read_text())["schools"]
    return schools


def test_a_stop_in_the_middle_loses_nothing_and_makes_nobody_twice(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(250)
    for wanted in (1, 60):
        with daemon(school):
            until(lambda count=wanted: len(school.accounts()) >= count)  # type: ignore[misc]
        stopped = len(school.accounts())
        assert stopped < 250, "it was stopped in the middle"
    assert events(school).count("stopped") == 2
    assert school.run("journal", "verify").code == 0
    assert school.run("sync").code == 0
    accounts = school.accounts()
    anchors = [one["source_anchor"] for one in accounts.values()]
    assert (len(anchors), len(set(anchors)), len(accounts)) == (250, 250, 250)
    assert school.run("plan").code == 0


def test_schools_come_and_go_at_a_reload_and_the_others_run_on(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    other = school.school_file.with_name("b.yaml")
    text = school.school_file.read_text().replace("0123", "0456").replace("/cloud.json", "/other.json")
    with daemon(school) as process:
        until(lambda: len(school.accounts()) == 2)
        first = board(tmp_path)["0123"]["since"]
        other.write_text(text)
        process.send_signal(signal.SIGHUP)
        until(lambda: (tmp_path / "other.json").exists())
        rows = school.run("status", "--json").json["schools"]
        assert [row["school"] for row in rows] == ["0123", "0456"]
        assert board(tmp_path)["0123"]["since"] == first, "the school that did not change was left alone"
        other.unlink()
        process.send_signal(signal.SIGHUP)
        until(lambda: events(school).count("configuration loaded") == 2)
        assert list(board(tmp_path)) == ["0123"]


def test_systemd_is_told(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(address)
        line.settimeout(20)

        def told(what: str) -> str:
            while True:
                message = line.recv(4096).decode()
                if message.startswith(what):
                    return message

        with daemon(school, NOTIFY_SOCKET=address) as process:
            assert "STATUS=1 schools" in told("READY=1")
            told("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in told("RELOADING=1")
            told("READY=1")
            school.school_file.write_text("nonsense")
            process.send_signal(signal.SIGHUP)
            assert "old one kept" in told("READY=1\nSTATUS=configuration wrong")
        told("STOPPING=1")


def test_r10_a_bad_reload_keeps_the_old_configuration_and_exit_code_and_status_tell(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    good = school.school_file.read_text()
    with daemon(school):
        until(lambda: len(school.accounts()) == 2)
        for broken in ("nonsense", good.replace("naming:", "namming:")):
            school.school_file.write_text(broken)
            answer = school.start("reload", "--wait")
            assert answer.code == 1
            assert "the old one goes on" in answer.err
            assert "a.yaml" in answer.err
            assert board(tmp_path)["0123"]["error"] == ""
            with school.school.changing() as side:
                side.create("user", person(len(school.accounts())))
            people = len(school.accounts()) + 1
            until(lambda count=people: len(school.accounts()) == count)  # type: ignore[misc]
        school.config.write_text(school.config.read_text() + "nothing: {}\n")  # its own file, where the runtime stands
        assert school.start("reload", "--wait", "--json").json["configuration"] == "refused"
        school.config.write_text(school.config.read_text().replace("nothing: {}\n", ""))
        school.school_file.write_text(good.replace("am Ölberg", "am Teich"))
        answer = school.start("reload", "--wait")
        assert (answer.code, answer.out) == (0, "configuration loaded\n")
        assert school.run("status", "--json").json["schools"][0]["causes"] == []
        assert school.start("reload").code == 0
    assert "no daemon runs" in school.run("reload", "--wait").err


def test_notify_without_systemd_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "relative", "/nowhere/socket"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        sd.notify(READY=1)
    monkeypatch.delenv("NOTIFY_SOCKET")
    sd.notify(READY=1)


def test_two_daemons_do_not_work_on_one_school(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    with daemon(school):
        until(lambda: len(school.accounts()) == 2)
        second = {**os.environ}
        config = tmp_path / "second.yaml"
        config.write_text(school.config.read_text().replace("runtime: run", "runtime: run2"))
        with (tmp_path / "log2").open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "--config", str(config), "run"], env=second, stderr=stream
            )
        try:
            until(lambda: "another schoolbridge process" in (tmp_path / "log2").read_text())
        finally:
            process.terminate()
            assert process.wait(timeout=90) == 0
