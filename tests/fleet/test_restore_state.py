"""A site is backed up and put back, by the real commands: nothing is deleted, and a person ends it."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bridge.daemon import board
from bridge.state.marks import FILE
from bridge.state.tables import REVISION
from tests.daemon.embedded import Answer, Embedded, person
from tests.state.test_upgrade import old_state, revision

WHY = ("--reason", "the disk broke")


@pytest.fixture
def site(tmp_path: Path) -> Embedded:
    """A school that is mirrored, backed up, and then goes on."""
    one = Embedded(tmp_path)
    one.fill(4)
    done(one.run("sync"))
    done(one.run("backup", str(tmp_path / "backup")))
    return one


def done(answer: Answer) -> Answer:
    assert answer.code == 0, answer.err
    return answer


def names(site: Embedded) -> set[str]:
    return {str(fields["source_anchor"]) for fields in site.accounts().values() if fields["enabled"]}


def standing(site: Embedded) -> dict[str, object]:
    answer: dict[str, object] = site.run("--json", "restored", "show").json["schools"][0]
    return answer


def test_the_backup_is_whole_and_for_its_owner_only(site: Embedded) -> None:
    folder = site.root / "backup"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {"state.db", "configuration/bridge.yaml", "configuration/schools/a.yaml"}
    assert manifest["told"]["schools"]["0123"]["stage"] == "hybrid"
    assert {one.stat().st_mode & 0o777 for one in folder.rglob("*") if one.is_file()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    again = site.run("backup", str(folder.parent / "nowhere" / "below"))
    assert again.code == 1
    assert "no backup was written" in again.err
    assert not list(folder.parent.glob(".backup*"))


def test_a_site_that_is_put_back_deletes_nothing_until_a_person_ends_it(site: Embedded) -> None:
    with site.school.changing() as side:
        side.create("user", person(7))
        site.people.append(side.create("user", person(8)))
    done(site.run("sync"))
    with site.school.changing() as side:
        side.delete(site.people[0])  # nobody mirrors this before the disk breaks
    done(site.run("restore-state", str(site.root / "backup"), *WHY))
    assert standing(site)["unread"] == {"0123": ["school", "cloud"]}
    early = site.run("restored", "end", "--school", "0123", *WHY)
    assert early.code == 1
    assert "not everything was read in full" in early.err
    for _ in range(2):
        done(site.run("sync"))
        assert names(site) == {"R0", "R1", "R2", "R3", "R7", "R8"}
    assert standing(site)["ready"] is True
    assert standing(site)["held"] == 1
    status = site.run("--json", "status").json["schools"][0]
    assert any("nothing is deleted on either side" in one["text"] for one in status["warnings"])
    done(site.run("restored", "end", "--school", "0123", *WHY))
    done(site.run("sync"))
    assert names(site) == {"R1", "R2", "R3", "R7", "R8"}
    assert standing(site)["restored"] is False
    done(site.run("journal", "verify"))
    shown = site.run("journal", "show", "--school", "0123").out
    assert "the disk broke" in shown


def test_what_was_there_is_kept_beside_it(site: Embedded) -> None:
    before = done(site.run("--json", "restore-state", str(site.root / "backup"), *WHY)).json
    old = Path(before["kept"])
    assert old.name.startswith("state.db.before-restore-")
    assert old.stat().st_mode & 0o777 == 0o600
    shutil.copy(old, site.root / "state.db")
    assert standing(site)["restored"] is False


def test_a_state_of_an_older_schema_leaves_no_copy_behind_and_the_backup_as_it_was(site: Embedded) -> None:
    backup = site.root / "backup"
    (backup / "state.db").unlink()
    old_state(backup / "state.db")
    manifest = json.loads((backup / "manifest.json").read_text())
    text = (backup / "state.db").read_bytes()
    manifest["files"]["state.db"] = [hashlib.sha256(text).hexdigest(), len(text)]
    (backup / "manifest.json").write_text(json.dumps(manifest))
    before = Path(done(site.run("--json", "restore-state", str(backup), *WHY)).json["kept"])
    assert (revision(site.root / "state.db"), revision(backup / "state.db")) == (REVISION, "0001")
    names = {one.name for one in site.root.iterdir() if "before" in one.name or one.name.startswith(".")}
    assert names == {before.name}
    done(site.run("sync"))
    assert standing(site)["restored"] is True


def test_a_backup_of_a_newer_program_is_refused_and_nothing_of_it_is_left(site: Embedded) -> None:
    backup = site.root / "backup"
    with closing(sqlite3.connect(backup / "state.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    manifest = json.loads((backup / "manifest.json").read_text())
    text = (backup / "state.db").read_bytes()
    manifest["files"]["state.db"] = [hashlib.sha256(text).hexdigest(), len(text)]
    (backup / "manifest.json").write_text(json.dumps(manifest))
    before = (site.root / "state.db").read_bytes()
    refused = site.run("restore-state", str(backup), *WHY)
    assert refused.code == 1
    assert "9000" in refused.err
    assert (site.root / "state.db").read_bytes() == before
    assert not [one.name for one in site.root.iterdir() if one.name.startswith(".")]


def test_a_configuration_that_is_another_one_now_is_left_alone_and_named(site: Embedded) -> None:
    site.school_file.write_text(site.school_file.read_text() + "# newer\n")
    answer = done(site.run("--json", "restore-state", str(site.root / "backup"), *WHY)).json
    assert answer["configuration_differs"] == ["configuration/schools/a.yaml"]
    assert "# newer" in site.school_file.read_text()


@pytest.mark.parametrize("name", ["state.db", "configuration/bridge.yaml"])
def test_a_backup_that_is_not_what_it_was_is_refused(site: Embedded, name: str) -> None:
    before = (site.root / "state.db").stat().st_ino
    with (site.root / "backup" / name).open("ab") as stream:
        stream.write(b"x")
    answer = site.run("restore-state", str(site.root / "backup"), *WHY)
    assert answer.code == 1
    assert "is not what was backed up" in answer.err
    assert (site.root / "state.db").stat().st_ino == before


def test_the_backup_of_another_bridge_is_refused(site: Embedded, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Embedded(tmp_path_factory.mktemp("other"))
    other.school_file.write_text(other.school_file.read_text().replace("0123", "0999"))
    other.fill(1)
    done(other.run("sync"))
    answer = other.run("restore-state", str(site.root / "backup"), *WHY)
    assert answer.code == 1
    assert "the backup of another bridge: it knows 0123, this one has 0999" in answer.err


def test_it_is_refused_while_a_daemon_runs(site: Embedded) -> None:
    board.prepare(site.root / "run")
    with board.occupied(site.root / "run"):
        answer = site.run("restore-state", str(site.root / "backup"), *WHY)
    assert answer.code == 1
    assert "another schoolbridge daemon runs" in answer.err


def test_a_state_that_is_lost_or_broken_comes_back(site: Embedded) -> None:
    (site.root / "state.db").write_bytes(b"broken" * 1000)
    assert site.run("sync").code == 1
    done(site.run("restore-state", str(site.root / "backup"), *WHY))
    done(site.run("sync"))
    assert standing(site)["ready"] is True


def test_a_file_that_was_put_back_by_hand_is_noticed_by_the_next_cycle(site: Embedded) -> None:
    with site.school.changing() as side:
        side.create("user", person(7))
    done(site.run("sync"))
    done(site.run("sync"))
    assert (site.root / FILE).exists()
    for ending in ("", "-wal", "-shm"):
        (site.root / f"state.db{ending}").unlink(missing_ok=True)
    shutil.copy(site.root / "backup" / "state.db", site.root / "state.db")
    done(site.run("sync"))
    assert standing(site)["restored"] is True
    assert "R7" in names(site)


def test_the_daemon_compares_mirrors_what_is_new_and_keeps_what_is_gone(site: Embedded) -> None:
    """The memory of a daemon that goes on is not what this is about: it begins with the state that was put back."""
    done(site.run("restore-state", str(site.root / "backup"), *WHY))
    with site.school.changing() as side:
        side.create("user", person(7))
        side.delete(site.people[0])
    log = (site.root / "log").open("w")
    daemon = subprocess.Popen([sys.executable, "-m", "bridge", "run"], env=site.environment(), stderr=log)
    try:
        until(lambda: names(site) == {"R0", "R1", "R2", "R3", "R7"}, site)
        until(lambda: "may have been made or deleted after the backup" in site.run("quarantine").out, site)
        assert standing(site)["ready"] is True
        done(site.run("restored", "end", "--school", "0123", *WHY))
    finally:
        daemon.terminate()
        daemon.wait()
        log.close()
    done(site.run("sync"))
    assert names(site) == {"R1", "R2", "R3", "R7"}


def until(probe: Callable[[], bool], site: Embedded) -> None:
    for _ in range(600):
        if probe():
            return
        time.sleep(0.1)
    raise AssertionError((site.root / "log").read_text())


@pytest.mark.postgresql
def test_a_state_in_postgresql_goes_by_its_own_means(postgresql_url: str, tmp_path: Path) -> None:
    tools = shutil.which("pg_dump"), shutil.which("pg_restore")
    if None in tools:
        pytest.skip("pg_dump and pg_restore are not installed")
    url = postgresql_url.replace("postgresql+psycopg", "postgresql")
    site = Embedded(tmp_path)
    site.config.write_text(f"version: 1\nstate: {{url: '{url}'}}\nruntime: run\n")
    site.fill(2)
    done(site.run("sync"))
    shown = done(site.run("backup", str(tmp_path / "backup"))).out
    command = next(line.strip() for line in shown.splitlines() if "pg_dump" in line)
    assert url in command
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    with site.school.changing() as side:
        side.create("user", person(7))
    done(site.run("sync"))
    dump = str(tmp_path / "backup" / "state.dump")
    subprocess.run(["pg_restore", "--clean", "--if-exists", f"--dbname={url}", dump], check=True, capture_output=True)
    done(site.run("restore-state", str(tmp_path / "backup"), *WHY))
    for _ in range(2):
        done(site.run("sync"))
    assert names(site) == {"R0", "R1", "R7"}
    assert standing(site)["ready"] is True
    done(site.run("restored", "end", "--school", "0123", *WHY))
