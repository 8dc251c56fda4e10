"""The command on a school between two files; in a process of its own where that matters."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from bridge import __version__, cli
from bridge.cli import hoisted
from tests.daemon.embedded import Embedded
from tests.waiting import until

COMMANDS = {
    "demo", "check", "plan", "sync", "run", "status", "explain", "journal", "schema", "sandbox", "release",
    "quarantine", "stage", "letters", "link",
}  # fmt: skip


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    school = Embedded(tmp_path)
    school.fill()
    return school


def test_help_names_every_command(embedded: Embedded) -> None:
    answer = embedded.start("--help")
    assert answer.code == 0
    assert {name for name in COMMANDS if f" {name} " in answer.out} == COMMANDS


@pytest.mark.parametrize("module", cli.COMMANDS)
def test_a_module_has_the_commands_that_it_is_loaded_for(module: str) -> None:
    made: Any = typer.main.get_command(cli.app([module]))
    assert tuple(made.commands) == cli.COMMANDS[module]


def test_every_module_with_commands_of_its_own_is_in_the_table() -> None:
    places = Path(cli.__file__).parent.joinpath("commands").glob("*.py")
    mine = {
        one.stem for one in places if "def register(app:" in one.read_text() or "def register(main:" in one.read_text()
    }
    assert {one for one in mine if not one.startswith("hub_")} == set(cli.COMMANDS)


def test_a_command_loads_no_other(embedded: Embedded) -> None:
    code = "import sys, bridge.cli\ntry: bridge.cli.main(['--json', 'status'])\nexcept SystemExit: pass\n"
    code += "print([one for one in sys.modules if one.startswith('bridge.commands.') or one.startswith('bridge.hub')])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=embedded.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['bridge.commands.session', 'bridge.commands.run']"


def test_the_version_is_told_also_from_a_checkout(embedded: Embedded) -> None:
    assert embedded.start("--version").out == f"schoolbridge {__version__}\n"


def test_global_options_may_stand_anywhere() -> None:
    assert hoisted(["plan", "--json", "--limit", "3"]) == ["--json", "plan", "--limit", "3"]
    assert hoisted(["plan", "--config", "x", "-v"]) == ["--config", "x", "-v", "plan"]
    assert hoisted(["sandbox", "--", "--json"]) == ["sandbox", "--", "--json"]
    assert hoisted(["plan", "--config"]) == ["--config", "plan"]


def test_from_plan_to_mirror_and_back_to_nothing_to_do(embedded: Embedded) -> None:
    planned = embedded.start("plan", "--json")
    assert planned.code == 2
    assert planned.json["planned"] == {"user:create": 5, "group:create": 1}
    creation = next(one for one in planned.json["schools"][0]["operations"] if one["kind"] == "user")
    assert creation["before"] == {}
    assert creation["after"]["upn"] == "anna.lang@school.example"
    assert embedded.accounts() == {}, "plan writes nothing to the cloud"
    assert not (embedded.root / "state.db").exists(), "plan writes nothing to the state"

    assert embedded.start("sync").code == 0
    assert set(embedded.accounts()) == {f"anna.lang{n}@school.example" for n in ("", 2, 3, 4, 5)}
    again = embedded.run("plan")
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert (embedded.root / "state.db").stat().st_mode & 0o077 == 0


def test_a_plan_after_a_change_shows_before_and_after_and_writes_nothing(embedded: Embedded) -> None:
    embedded.run("sync")
    with embedded.school.changing() as side:
        side.change(embedded.people[0], {"surname": "Kurz", "display_name": "Anna Kurz"})
    before = (embedded.root / "state.db").read_bytes(), (embedded.root / "cloud.json").read_bytes()
    answer = embedded.run("plan")
    assert answer.code == 2
    assert "display_name: Anna Lang → Anna Kurz" in answer.out
    assert "surname: Lang → Kurz" in answer.out
    assert ((embedded.root / "state.db").read_bytes(), (embedded.root / "cloud.json").read_bytes()) == before


def test_a_stage_that_writes_nothing(tmp_path: Path) -> None:
    school = Embedded(tmp_path, stage="observing")
    school.fill()
    answer = school.run("sync", "--json")
    assert (answer.code, answer.json["schools"][0]["held"]) == (0, {"user:stage": 5, "group:stage": 1})
    assert school.accounts() == {}
    assert school.run("stage", "0123", "mirror", "--reason", "x").code == 1
    closed = school.run("stage", "0123", "rehearse", "--reason", "ready")
    assert (closed.code, "credentials and rights" in closed.err) == (1, True)
    for event in ("rehearse", "mirror"):
        moved = school.run("stage", "0123", event, "--reason", "ready", "--passed", "all", "--json")
        assert moved.code == 0, moved.err
    assert moved.json["stage"] == "hybrid"
    assert school.run("sync").code == 0
    assert len(school.accounts()) == 5
    shown = school.run("journal", "show", "--json").json["rows"]
    assert [row["after"]["stage"] for row in shown if row["action"] == "stage"] == ["observing", "rehearsing", "hybrid"]


def test_too_much_is_held_told_and_released_by_name(tmp_path: Path) -> None:
    limit = "guard: {thresholds: [{tally: delete, kind: user, count: 1}, {tally: disable, kind: user, count: 1}]}\n"
    school = Embedded(tmp_path, more=limit)
    school.fill(6)
    school.run("sync")
    with school.school.changing() as side:
        for anchor in school.people[:3]:
            side.delete(anchor)
    assert school.run("sync").code == 0
    assert [one["enabled"] for one in school.accounts().values()] == [True] * 6
    held = school.run("quarantine", "--json").json["held"]
    assert len(held) == 3
    assert school.run("status", "--json").json["schools"][0]["held"] == 3
    for _ in range(2):
        planned = school.run("plan", "--json")
        assert planned.code == 2, "what is held is something to do"
        assert len({one["link"] for one in planned.json["schools"][0]["holds"]}) == 3
    assert "user:guard:" in school.run("plan").out, "and no picture of a guardsman"
    refused = school.run("release", "0123", held[0]["link"])
    assert (refused.code, "--reason" in refused.err) == (1, True)
    assert school.run("release", "0123", held[0]["link"], "--reason", "has left").code == 0
    school.run("sync")
    assert sum(one["enabled"] for one in school.accounts().values()) == 5
    rule = held[1]["rule"].removeprefix("guard:")
    assert school.run("release", "0123", "--all", f"user:{rule}", "--reason", "a whole class left").code == 0
    school.run("sync")
    assert sum(one["enabled"] for one in school.accounts().values()) == 3
    assert school.run("journal", "verify").code == 0


def test_explain_tells_why(embedded: Embedded) -> None:
    embedded.run("sync")
    answer = embedded.run("explain", "user", "anna3", "--json")
    assert answer.code == 0
    (found,) = answer.json["found"]
    fields = {one["name"]: one for one in found["fields"]}
    assert fields["display_name"] | {"name": ""} == {
        "name": "", "school": "Anna Lang", "cloud": "Anna Lang", "agreed": "Anna Lang", "owner": "school",
        "outcome": "as wanted",
    }  # fmt: skip
    assert found["ends"]["cloud"]["there"] is True
    assert "Anna Lang" in embedded.run("explain", "user", "anna3").out
    unknown = embedded.run("explain", "user", "nobody", "--json")
    assert (unknown.code, "nobody" in unknown.json["error"]) == (1, True)


def test_a_forged_journal_is_found(embedded: Embedded) -> None:
    embedded.run("sync")
    good = embedded.run("journal", "verify", "--json")
    assert (good.code, good.json["ok"]) == (0, True)
    mark = good.json["schools"][0]["checkpoint"]
    assert embedded.run("journal", "verify", "--against", mark).code == 0
    with sqlite3.connect(embedded.root / "state.db") as database:
        database.execute("UPDATE journal SET actor = 'nobody' WHERE seq = 3")
    bad = embedded.run("journal", "verify", "--json")
    assert (bad.code, bad.json["schools"][0]["row"]) == (1, 3)


def test_configuration_problems_in_lines_and_as_json(embedded: Embedded) -> None:
    embedded.school_file.write_text(embedded.school_file.read_text() + "langauge: de\nschedule: {cloud_poll: 5}\n")
    answer = embedded.run("check")
    assert answer.code == 1
    assert f"{embedded.school_file}:8:1: langauge: unknown key; did you mean language?" in answer.err.splitlines()
    tree = embedded.run("check", "--json")
    assert (tree.code, [one["line"] for one in tree.json["problems"]]) == (1, [8, 9])
    for command in ("plan", "sync", "status", "run", "quarantine"):
        assert embedded.run(command).code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plna"], "plna"),
        (["plan", "--limt", "3"], "--limt"),
        (["plan", "--limit", "x"], "--limit"),
        (["plan", "--school", "0132"], "did you mean 0123"),
        (["stage", "0123"], "never run"),
        (["quarantine"], "never run"),
        (["journal", "verify"], "never run"),
        (["explain", "usr", "x"], "usr"),
        (["journal", "verify", "--against", "x"], "checkpoint"),
        (["letters", "0123", "--out", "/nowhere/x.pdf"], "/nowhere"),
        (["--config", "/nowhere/bridge.yaml", "plan"], "does not exist"),
        (["release", "0123", "--reason", "x"], "say whom"),
    ],
)
def test_mistakes_give_one_clear_message(embedded: Embedded, arguments: list[str], said: str) -> None:
    for words in (arguments, [*arguments, "--json"]):
        answer = embedded.run(*words)
        assert answer.code == 1
        assert said in answer.err
        assert "Traceback" not in answer.err
        assert len(answer.err.strip().splitlines()) <= 3
        assert not answer.out or answer.json["ok"] is False


def test_unusable_state_databases_are_told(embedded: Embedded) -> None:
    for url, said in (
        ("sqlite:////nowhere/state.db", "/nowhere"),
        ("postgresql://bridge@127.0.0.1:1/none", "127.0.0.1"),
        ("sqlite:///broken.db", "database"),
    ):
        (embedded.root / "broken.db").write_text("this is no database, whatever its name says" * 100)
        (embedded.root / "broken.db").chmod(0o600)
        embedded.config.write_text(f"version: 1\nstate: {{url: '{url}'}}\nruntime: run\n")
        answer = embedded.run("sync", "--json")
        assert (answer.code, "Traceback" in answer.err) == (1, False), answer.err
        assert said in answer.json["error"]


@pytest.mark.postgresql
def test_the_state_in_postgresql(embedded: Embedded, postgresql_url: str) -> None:
    url = postgresql_url.replace("postgresql+psycopg", "postgresql")
    embedded.config.write_text(
        f'version: 1\nstate: {{url: "{url}", password: "env:DB_PASSWORD"}}\nruntime: {embedded.root}/run\n'
    )
    missing = embedded.run("sync")
    assert (missing.code, "DB_PASSWORD is not set" in missing.err) == (1, True)
    embedded.extra["DB_PASSWORD"] = "not asked for on a socket"
    assert embedded.run("plan").code == 2
    assert embedded.run("sync").code == 0
    assert len(embedded.accounts()) == 5
    assert embedded.run("plan").code == 0
    assert embedded.run("journal", "verify").code == 0


def test_a_full_disk_is_told(embedded: Embedded) -> None:
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "bridge", "schema"],
            env=embedded.environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert answer.returncode == 1
    assert "No space left" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_nobody_reading_on_is_no_error_message(embedded: Embedded) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    answer = subprocess.run(
        [sys.executable, "-m", "bridge", "schema"],
        env=embedded.environment(), stdout=theirs, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(theirs)
    assert answer.stderr == ""


def test_a_terminal_that_can_not_show_every_letter(embedded: Embedded) -> None:
    embedded.extra = {"PYTHONIOENCODING": "ascii"}
    plain, tree = embedded.start("check"), embedded.start("status", "--json")
    assert (plain.code, plain.err) == (0, "")
    assert "Gymnasium am \\xd6lberg" in plain.out
    assert tree.json["schools"][0]["name"] == "Gymnasium am Ölberg"


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_an_answer_that_can_not_be_written_is_no_traceback(embedded: Embedded, where: str) -> None:
    for more in ("", "--json"):
        command = f"exec {sys.executable} -m bridge check --online --school nix {more} {where}"
        done = subprocess.run(
            ["sh", "-c", command], env=embedded.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "no school has the code" in done.stderr
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr


def test_the_daemon_mirrors_reloads_and_stops(embedded: Embedded) -> None:
    log = embedded.root / "log"
    with log.open("w") as stream:
        daemon = subprocess.Popen([sys.executable, "-m", "bridge", "run"], env=embedded.environment(), stderr=stream)
    try:
        until(lambda: len(embedded.accounts()) == 5)
        until(lambda: embedded.run("status", "--json").json["health"] == "green")
        busy = embedded.run("sync")
        assert (busy.code, "another schoolbridge process" in busy.err) == (1, True)
        with embedded.school.changing() as side:
            side.change(embedded.people[0], {"display_name": "Anna Kurz"})
        until(lambda: any(one["display_name"] == "Anna Kurz" for one in embedded.accounts().values()), seconds=20)

        good = embedded.school_file.read_text()
        embedded.school_file.write_text(good + "langauge: de\n")
        daemon.send_signal(signal.SIGHUP)
        until(lambda: "the old one is kept" in log.read_text())
        embedded.school_file.write_text(good)
        status = embedded.run("status", "--json")
        assert status.json["health"] == "amber"
        assert "langauge" in status.json["schools"][0]["causes"][0]["text"]
        daemon.send_signal(signal.SIGHUP)
        until(lambda: embedded.run("status", "--json").json["health"] == "green")
        with embedded.school.changing() as side:
            side.change(embedded.people[1], {"display_name": "Anna Breit"})
        until(lambda: any(one["display_name"] == "Anna Breit" for one in embedded.accounts().values()), seconds=20)
    finally:
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(timeout=90)
    assert code == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["running", "stopped"]
    assert "Anna" not in log.read_text(), "names of people are no matter of the log"
    after = embedded.run("status", "--json")
    assert (after.code, after.json["health"]) == (1, "red")
    assert "not running" in after.json["schools"][0]["causes"][0]["text"]
    assert embedded.run("sync").code == 0, "the lock is free again"


def test_one_broken_school_does_not_delay_the_others(embedded: Embedded) -> None:
    broken = embedded.school_file.read_text().replace("0123", "9999").replace("/school.json", "/broken.json")
    (embedded.root / "broken.json").write_text("no json")
    (embedded.root / "schools" / "b.yaml").write_text(broken)
    with (embedded.root / "log").open("w") as stream:
        daemon = subprocess.Popen([sys.executable, "-m", "bridge", "run"], env=embedded.environment(), stderr=stream)
    try:
        until(lambda: len(embedded.accounts()) == 5)
        until(lambda: [one["health"] for one in embedded.run("status", "--json").json["schools"]] == ["green", "amber"])
        causes = embedded.run("status", "--json").json["schools"][1]["causes"]
        assert any("broken.json" in one["text"] and one["since"] for one in causes)
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=90) == 0


_SLOW = """
import signal, sys, time, bridge.cli, bridge.daemon.wiring

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts tests in the background ignores it

def slow(*settings, **options):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(30)

bridge.daemon.wiring.database = slow
bridge.cli.main(["journal", "verify", "--json"])
"""


def test_ctrl_c_says_so(embedded: Embedded) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        env=embedded.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    assert running.stderr.readline() == "ready\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=90)
    assert running.returncode == 130
    assert "Ctrl-C" in json.loads(out)["error"]
    assert "Traceback" not in err
