"""A school is cut over by the real daemon: frozen, verified, switched, rolled back; by real files on both sides."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.cutover import Gate
from bridge.core.gates import PASS, Measured
from bridge.daemon import board, wiring
from bridge.daemon.catalog import Catalog
from bridge.ports import NOTICE
from bridge.settings import load
from bridge.state import gates as known
from tests.daemon.folders import Folders, tree
from tests.daemon.test_service import daemon
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may write what is frozen")

_NOBODY = 65534
_MORE = "schedule: {school_poll: 1s, cloud_poll: 1s, jitter: 0s}\nguard: {pause: 0s}\n"


class Cut(Folders):
    """A school of three pupils whose homes belong to an ordinary account."""

    def __init__(self, root: Path, *, deadline: str = "10 minutes", more: str = "") -> None:
        before = os.umask(0o077)  # what everybody may read would be said of the permissions
        try:
            super().__init__(root, people=3)
        finally:
            os.umask(before)
        text = self.school_file.read_text()
        self.school_file.write_text(f"{text}{_MORE}cutover: {{deadline: {deadline}{more}}}\n")
        for number in range(3):
            home = root / "homes" / f"anna{number}"
            (home / "Deutsch").mkdir()
            (home / "Deutsch" / "Aufsatz.odt").write_text(f"Es war einmal {number}")
            (home / "offen.txt").write_text("offen")
            home.chmod(0o700)
            for path in (home, *home.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)
            (home / "offen.txt").chmod(0o664)
            (home / "Deutsch").chmod(0o2770)
        self.mirror()

    def ready(self, *, closed: bool = True, working: bool = True) -> None:
        """What only a person knows, they said; the rest is measured. ``closed``: they say that no file is open.

        ``working``: a daemon does.
        """
        words = [("attest", gate) for gate in ("configuration", "informed", "devices", "rollback-rehearsed")]
        words += [("waive", "permissions"), *([("waive", "open-files")] if closed else [])]
        for how, gate in words:
            answer = self.run("gate", "0123", how, gate, "--reason", "checked")
            assert answer.code == 0, answer.err
        if working:
            self.known()
        until(lambda: self.run("readiness", "0123", "--event", "freeze", "--json").code == 0, seconds=60)

    def known(self) -> None:
        """Until the daemon says something of the shares.

        A gate measured before that says nothing of later: the command reads the shares itself until there is a
        daemon, and is told by one that begins to work that they are not known yet.
        """

        def told() -> bool:
            schools = (board.read(self.root / "run") or {}).get("schools", {})
            return "homes" in schools.get("0123", {}).get("shares", {})

        until(told, seconds=60)

    def hold(self, gates: Iterable[Gate] = Gate, *, result: str = PASS) -> None:
        """As if it had been measured just now."""
        settings = load(self.config, Catalog())
        now = wiring.now()
        with wiring.database(settings, create=False) as database:
            kinds = settings.schools[0].kinds()
            known.note(database, "0123", kinds, [Measured(one, result, "", "", "", now) for one in gates])

    def asked(self, *words: str) -> Any:
        answer = self.run("cutover", *words, "--json")
        assert answer.code == 0, answer.err
        return answer.json

    def wait(self, probe: Callable[[], object], *, seconds: float = 120) -> None:
        """Until it is true; on failure the run says what held it up."""
        try:
            until(lambda: bool(probe()), seconds=seconds)
        except AssertionError:
            raise AssertionError(f"did not happen in {seconds} s: {self.shown()}") from None

    def over(self) -> bool:
        return self.shown()["run"] is None

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.asked("show", "0123")
        return found

    def modes(self) -> dict[str, int]:
        homes = self.root / "homes"
        return {
            str(one.relative_to(homes)): one.stat().st_mode & 0o7777
            for one in homes.rglob("*")
            if ".schoolbridge-trash" not in one.parts
        }


def as_pupil(code: str, path: Path) -> bool:
    """Whether an ordinary account can do it; ``code`` gets the name as ``path``, in its folder.

    The way there is gone as root: nobody else gets into the directories of the tests.
    """
    script = f"import os, sys\nos.setgroups([])\nos.setgid({_NOBODY})\nos.setuid({_NOBODY})\npath = sys.argv[1]\n{code}"
    command = [sys.executable, "-c", script, path.name]
    return subprocess.run(command, cwd=path.parent, stderr=subprocess.DEVNULL, check=False).returncode == 0


def measured(school: Cut) -> int:
    """Measure the gates of a freezing anew."""
    return school.run("readiness", "0123", "--event", "freeze").code


def writes(path: Path) -> bool:
    return as_pupil("open(path, 'a').write('x')", path)


def test_a_school_is_frozen_switched_and_rolled_back(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    home = tmp_path / "homes" / "anna0"
    before = school.modes()
    assert writes(home / "offen.txt")
    with daemon(school):
        school.ready()
        assert school.asked("freeze", "0123", "--reason", "the day")["stage"] == "freezing"
        school.wait(lambda: school.shown()["stage"] == "soaking")
        school.wait(school.over)
        past = school.shown()["past"]
        assert [one["outcome"] for one in past] == ["switched"]
        assert past[0]["state"]["verify"]["compared"] == 6
        assert past[0]["state"]["frozen"]["frozen"] > 0
        school.wait(lambda: school.run("report", "list", "0123", "--json").json["reports"])
        (report,) = (tmp_path / "reports" / "0123").glob("completion-*.json")
        assert school.run("report", "verify", str(report)).code == 0
        said = json.loads(report.read_text())["report"]
        assert said["run"]["outcome"] == "switched"
        assert said["verification"]["numbers"]["compared"] == 6
        passed = {event: {one["gate"]: one for one in gates} for event, gates in said["gates"].items()}
        assert all(one["holds"] for event in ("freeze", "switch") for one in passed[event].values())
        # Measured again since, and yet told as it stood when the school was frozen.
        assert passed["freeze"][Gate.CREDENTIALS]["found"].startswith("18 probes at 8 endpoints passed")
        assert passed["freeze"][Gate.CREDENTIALS]["measured"] <= said["gates_as_of"]["freeze"]
        assert passed["freeze"][Gate.INFORMED]["vouched"]["reason"] == "checked"
        notice = (home / NOTICE).read_bytes()
        assert "umgezogen in die Cloud" in notice.decode()
        # Both ways as before, and the notice stays at home.
        assert {path: mode for path, mode in school.modes().items() if not path.endswith(NOTICE)} == before
        (school.drive / "neu.txt").write_text("in the cloud")
        school.wait(lambda: (home / "neu.txt").exists())
        assert not list((tmp_path / "drives").rglob(NOTICE))
        refused = school.run("cutover", "freeze", "0123", "--reason", "again")
        assert (refused.code, "'freeze' is not possible in stage 'soaking'" in refused.err) == (1, True)
        (school.drive / "spaet.txt").write_text("just before")
        school.asked("roll-back", "0123", "--reason", "too early")
        school.wait(lambda: school.shown()["stage"] == "hybrid")
        school.wait(school.over)
        assert (home / "spaet.txt").read_text() == "just before"
        assert not (home / NOTICE).exists()
    assert [one["outcome"] for one in school.shown()["past"]] == ["rolled back", "switched"]
    assert school.run("journal", "verify").code == 0
    assert tree(home) == tree(school.drive)


def test_r11_a_deadline_that_passes_rolls_back_by_itself(tmp_path: Path) -> None:
    school = Cut(tmp_path, deadline="15s")
    before, home = school.modes(), tmp_path / "homes" / "anna0"
    with daemon(school):
        school.ready(closed=False)
        held = (home / "offen.txt").open("a")
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(school.over)
        shown = school.shown()
        held.close()
    assert shown["stage"] == "hybrid"
    assert [one["outcome"] for one in shown["past"]] == ["deadline passed"]
    assert school.modes() == before
    assert writes(home / "offen.txt")


def test_a_rehearsal_verifies_and_goes_back(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    before = school.modes()
    with daemon(school):
        for gate in ("configuration", "open-files"):
            how = "waive" if gate == "open-files" else "attest"
            assert school.run("gate", "0123", how, gate, "--reason", "checked").code == 0
        school.known()
        until(
            lambda: school.run("cutover", "rehearse", "0123", "--dry-run").code == 0 or not measured(school), seconds=60
        )
        dry = school.run("cutover", "rehearse", "0123", "--dry-run", "--json")
        assert (dry.code, dry.json["possible"], school.shown()["stage"]) == (0, True, "hybrid")
        school.asked("rehearse", "0123", "--reason", "dress rehearsal")
        school.wait(school.over)
    shown = school.shown()
    assert (shown["stage"], [one["outcome"] for one in shown["past"]]) == ("hybrid", ["rehearsed"])
    assert school.modes() == before


def test_people_can_write_nothing_while_the_school_is_frozen_and_abort_gives_it_back(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    before, home = school.modes(), tmp_path / "homes" / "anna0"
    with daemon(school):
        school.ready(closed=False)
        held = (home / "offen.txt").open("a")
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(lambda: "open" in (school.shown()["run"] or {}).get("problem", ""))
        held.close()
        assert not writes(home / "offen.txt")
        assert not as_pupil("os.rename(path, path + '.neu')", home / "Deutsch" / "Aufsatz.odt")
        assert not as_pupil("os.mkdir(path)", home / "Ordner")
        assert as_pupil("open(path).read()", home / "offen.txt")
        # What is changed in the cloud still comes home, and is not left read-only for ever.
        (school.drive / "offen.txt").write_text("from the cloud")
        school.wait(lambda: (home / "offen.txt").read_text() == "from the cloud")
        school.asked("abort", "0123", "--reason", "not today")
        assert school.shown()["stage"] == "hybrid"
        school.wait(school.over)
    assert [one["outcome"] for one in school.shown()["past"]] == ["aborted"]
    assert school.modes() == before
    assert writes(home / "offen.txt")


def test_a_deadline_passes_also_while_the_cloud_is_away(tmp_path: Path) -> None:
    school = Cut(tmp_path, deadline="20s")
    before, home = school.modes(), tmp_path / "homes" / "anna0"
    with daemon(school):
        school.ready(closed=False)
        held = (home / "offen.txt").open("a")
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(lambda: not writes(home / "offen.txt"))
        (tmp_path / "cloud.json").write_text("nonsense")
        school.wait(school.over)
        held.close()
    shown = school.shown()
    assert (shown["stage"], [one["outcome"] for one in shown["past"]]) == ("hybrid", ["deadline passed"])
    assert school.modes() == before


def test_r1_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    before, home = school.modes(), tmp_path / "homes" / "anna0"
    school.ready(working=False)
    school.asked("freeze", "0123", "--reason", "the day")
    for pause in (0.6, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run"], env=school.environment(), stderr=subprocess.DEVNULL
        )
        time.sleep(pause)
        process.kill()
        process.wait()
    with daemon(school):
        school.wait(lambda: '"running"' in (tmp_path / "log").read_text() and school.over())
    shown = school.shown()
    assert (shown["stage"], [one["outcome"] for one in shown["past"]]) == ("soaking", ["switched"])
    assert (home / NOTICE).exists()
    assert {path: mode for path, mode in school.modes().items() if not path.endswith(NOTICE)} == before
    assert tree(home) == {**tree(school.drive), NOTICE: (home / NOTICE).read_bytes()}
    moves = [
        one
        for one in school.run("journal", "show", "--limit", "500", "--json").json["rows"]
        if one["action"] == "stage"
    ]
    assert len(moves) == 3, "met, frozen, switched: each once"
    assert school.run("journal", "verify").code == 0


def test_a_share_that_is_frozen_by_hand_is_waited_for(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    text = school.school_file.read_text().replace("    for: user\n", "    for: user\n    freeze: by-hand\n")
    school.school_file.write_text(text)
    assert school.run("cutover", "confirm", "0123", "--share", "homes", "--reason", "x").code == 1, "no run yet"
    with daemon(school):
        school.ready()
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(lambda: "frozen by hand" in (school.shown()["run"] or {}).get("problem", ""))
        assert school.shown()["stage"] == "freezing"
        assert school.run("cutover", "confirm", "0123", "--share", "other", "--reason", "x").code == 1
        school.asked("confirm", "0123", "--share", "homes", "--reason", "read only = yes on the server")
        school.wait(school.over)
        assert school.shown()["stage"] == "soaking"
        notices = [tmp_path / "homes" / f"anna{number}" / NOTICE for number in range(3)]
        assert all(one.exists() for one in notices)
        school.asked("roll-back", "0123", "--reason", "too early")
        school.wait(school.over)
    assert school.shown()["stage"] == "hybrid"
    assert not any(one.exists() for one in notices)


def test_r13_a_dry_run_of_a_cutover_writes_nothing(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    school.ready(working=False)
    kept = ("state.db", "homes", "drives", "school.json", "cloud.json", "reports")

    def everything() -> dict[str, bytes]:
        with sqlite3.connect(tmp_path / "state.db") as state:
            state.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        files = [
            path
            for name in kept
            for path in ((tmp_path / name).rglob("*") if (tmp_path / name).is_dir() else [tmp_path / name])
        ]
        found = {str(path): path.read_bytes() for path in files if path.is_file()}
        found["state.db"] = "\n".join(sqlite3.connect(tmp_path / "state.db").iterdump()).encode()
        del found[str(tmp_path / "state.db")]
        return {**found, "modes": repr(school.modes()).encode()}

    before = everything()
    for words in (("freeze",), ("rehearse",)):
        dry = school.run("cutover", *words, "0123", "--dry-run", "--json")
        assert (dry.code, dry.json["possible"], dry.json["deadline"]) == (0, True, "10 minutes")
    assert everything() == before
    assert school.shown()["past"] == []


def test_gates_that_do_not_hold_are_named_and_nothing_changes(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    school.hold(set(Gate) - {Gate.INFORMED})
    refused = school.run("cutover", "freeze", "0123", "--reason", "the day")
    assert refused.code == 1
    assert "people informed" in refused.err
    assert "schoolbridge readiness 0123 --event freeze" in refused.err
    assert school.shown()["stage"] == "hybrid"
    assert school.run("cutover", "freeze", "0123").code == 1


def test_r12_nothing_is_final_without_two_different_people(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    settings = load(school.config, Catalog())
    with wiring.database(settings, create=False) as database:
        store = database.school("0123", settings.schools[0].kinds())
        store.move_stage("soaking", event="test", actor="test", reason="test")
    for words, why in (
        (("finalise", "0123", "--reason", "x"), "two approvers"),
        (("approve", "0123", "finalise", "--reason", "x"), "type the code of the school again"),
        (("approve", "0123", "finalise", "--code", "0124", "--reason", "x"), "found 0124"),
        (("approve", "0123", "freeze", "--code", "0123", "--reason", "x"), "not possible in stage 'soaking'"),
    ):
        refused = school.run("cutover", *words)
        assert (refused.code, why in refused.err) == (1, True), refused.err
    assert school.shown()["stage"] == "soaking"
    assert timedelta(days=7) == settings.schools[0].cutover.approval
    assert json.dumps(school.shown())
