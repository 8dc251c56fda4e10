"""What an admin meets on a bad day: a daemon killed, started twice, its state taken away, a disk that is full."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from bridge.daemon.trouble import place, said
from tests.daemon.embedded import Embedded, person
from tests.daemon.test_service import daemon, events
from tests.waiting import until


def test_a_killed_daemon_is_known_to_be_dead_at_once(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    with (tmp_path / "log").open("a") as stream:
        process = subprocess.Popen([sys.executable, "-m", "bridge", "run"], env=school.environment(), stderr=stream)
    until(lambda: school.run("status", "--json").json["health"] == "green")
    process.kill()
    process.wait()
    answer = school.run("status", "--json")
    assert (answer.code, answer.json["health"], answer.json["daemon"]) == (1, "red", None)
    assert "not running any more" in answer.json["schools"][0]["causes"][0]["text"]
    assert answer.json["schools"][0]["causes"][0]["since"]


def test_a_second_daemon_is_refused_and_leaves_the_first_one_in_peace(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    with daemon(school) as first:
        until(lambda: school.run("status", "--json").json["health"] == "green")
        second = school.start("run")
        assert second.code == 1
        assert "another schoolbridge daemon runs already" in second.err
        answer = school.run("status", "--json").json
        assert (answer["health"], answer["daemon"]["pid"]) == ("green", first.pid)


def test_a_state_that_is_taken_away_is_told_and_nothing_is_written_into_nowhere(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    with daemon(school) as process:
        until(lambda: school.run("status", "--json").json["health"] == "green")
        for file in tmp_path.glob("state.db*"):
            file.unlink()
        with school.school.changing() as side:
            side.create("user", person(2))
        process.send_signal(signal.SIGHUP)
        until(lambda: "held up" in events(school))
        assert "was removed or replaced" in (tmp_path / "log").read_text()
        answer = school.run("status", "--json").json
        assert answer["health"] != "green"
        assert "was removed or replaced" in answer["schools"][0]["causes"][0]["text"]
    assert len(school.accounts()) == 2


def test_a_full_disk_is_told_without_a_name_and_without_a_traceback(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(400)
    limit = 640 * 1024  # of each file: enough for the schema, too small for the people

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with (tmp_path / "log").open("a") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run"], env=school.environment(), stderr=stream, preexec_fn=small
        )
    try:
        until(lambda: "held up" in events(school))
        assert school.run("status", "--json").json["health"] != "green"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0
    log = (tmp_path / "log").read_text()
    assert "check state.url, that it runs, and the disk" in log
    assert "Traceback" not in log
    assert "Lang" not in log
    assert school.run("sync").code == 0, "with room on the disk it goes on"
    assert len(school.accounts()) == 400


def test_what_is_said_of_a_bug_holds_no_values() -> None:
    error = IntegrityError("INSERT INTO user VALUES (?)", ("Anna Lang",), Exception("Anna Lang"))
    assert "Anna" not in said(error)
    try:
        json.loads('{"Anna Lang"')
    except ValueError as bug:
        told = place(bug)
    assert told
    assert "test_survival.py" in told[0]
    assert "Anna" not in " ".join(told)
    assert os.sep not in " ".join(told)
