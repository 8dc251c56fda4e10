"""A state that was put back: noted once, read in full, ended by a person; and noticed by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.core.recovery import Recovery
from bridge.ports import ConfigurationError, Page
from bridge.state import Database, SchoolStore, marks, restored
from bridge.state.reserved import Key
from tests.state.words import NOW, both, user

ROOT = "west/homes/L1"


def listed(of: SchoolStore, side: Side) -> None:
    of.fold(side, Page(observations=(), listing=True, complete=True, token="after"), now=NOW)


def noted(database: Database, **more: bool) -> None:
    restored.note(database, ["west"], reason="the disk broke", actor="t", **more)


def test_it_is_noted_once_with_its_roots_and_every_token_is_dropped(store: SchoolStore) -> None:
    root = store.database.school(ROOT, KINDS)
    both(store, user("zoe"))
    for one in (store, root):
        listed(one, Side.SCHOOL)
        assert one.token(Side.SCHOOL) == "after"
    store.release("Lzoe", actor="t", reason="before the backup")
    noted(store.database)
    noted(store.database)
    rows = restored.standing(store.database, "west")
    assert [(one.code, one.compared) for one in rows] == [("west", frozenset()), (ROOT, frozenset())]
    assert [one.token(Side.SCHOOL) for one in (store, root)] == [None, None]
    assert store.recall(Side.SCHOOL) == "after"
    assert store.released() == frozenset(), "what was released before the backup may have been used since"
    assert [one.entry.action for one in store.journal()].count("restored") == 1
    assert store.verify().ok


def test_both_sides_of_school_and_root_have_to_be_read_before_a_person_ends_it(store: SchoolStore) -> None:
    database, root = store.database, store.database.school(ROOT, KINDS)
    noted(database)
    assert store.recovery("west") is Recovery.COMPARING
    for side in Side:
        listed(store, side)
    assert store.recovery("west") is Recovery.COMPARED
    assert store.recovery(ROOT) is Recovery.COMPARING
    with pytest.raises(
        ConfigurationError, match=r"not everything was read in full.*west/homes/L1: not the school and the"
    ):
        restored.end(database, "west", roots=[ROOT], actor="t", reason="looked")
    assert restored.standing(database, "west")
    listed(root, Side.SCHOOL)
    left = restored.end(database, "west", roots=[ROOT], actor="t", reason="looked", leave=True)
    assert [one.code for one in left] == [ROOT]
    assert (store.recovery("west"), store.recovery(ROOT)) == (Recovery.OVER, Recovery.COMPARING)
    listed(root, Side.CLOUD)
    assert store.recovery(ROOT) is Recovery.COMPARED
    assert restored.end(database, "west", roots=[ROOT], actor="t", reason="looked") == []
    assert store.recovery(ROOT) is Recovery.OVER
    with pytest.raises(ConfigurationError, match="was not put back"):
        restored.end(database, "west", roots=[ROOT], actor="t", reason="again")


def test_a_root_that_is_no_more_keeps_nobody_waiting(store: SchoolStore) -> None:
    store.database.school(ROOT, KINDS)
    noted(store.database)
    for side in Side:
        listed(store, side)
    assert restored.end(store.database, "west", roots=[], actor="t", reason="looked") == []
    assert restored.standing(store.database, "west") == []


def test_a_page_under_way_does_not_keep_a_side_from_being_read_in_full(store: SchoolStore) -> None:
    noted(store.database)
    store.fold(Side.CLOUD, Page(observations=(), token="of a difference"), now=NOW)
    assert store.doubtful() == {Side.CLOUD}
    store.drop_token(Side.CLOUD)
    store.fold(Side.CLOUD, Page(observations=(), listing=True, token="in the middle"), now=NOW)
    assert store.doubtful() == frozenset(), "a listing that goes on is not begun anew"


def test_nothing_is_written_where_the_stage_may_be_an_older_one(store: SchoolStore) -> None:
    noted(store.database)
    noted(store.database, still=True)
    for side in Side:
        listed(store, side)
    assert store.recovery("west") is Recovery.STILL


def test_a_school_that_was_never_met_is_noted_and_still_met(database: Database) -> None:
    fresh = database.school("west", KINDS)
    noted(database)
    assert fresh.checkpoint().seq == 0
    assert fresh.recovery("west") is Recovery.COMPARING


@pytest.fixture
def kept(tmp_path: Path, store: SchoolStore) -> Database:
    """The state with a place for the file beside it, also where it is in PostgreSQL."""
    store.database.key = Key(tmp_path / "names.key")
    both(store, user("zoe"))
    return store.database


def test_a_state_that_goes_on_is_no_alarm(kept: Database, store: SchoolStore) -> None:
    assert marks.keep(kept) == []
    store.move_stage("hybrid", event="e", actor="t", reason="r")
    assert marks.keep(kept) == []
    assert marks.keep(kept) == []
    assert (kept.key.path or Path()).with_name(marks.FILE).stat().st_mode & 0o777 == 0o600
    assert restored.standing(kept, "west") == []


def test_a_file_that_nobody_understands_is_no_alarm(kept: Database, tmp_path: Path) -> None:
    (tmp_path / marks.FILE).write_text("{")
    assert marks.keep(kept) == []
    assert marks.keep(kept) == []


@pytest.mark.parametrize("goes_on", [False, True], ids=["at-once", "used-since"])
def test_a_file_put_back_is_noticed(tmp_path: Path, sqlite_store: SchoolStore, goes_on: bool) -> None:
    database, backup = sqlite_store.database, tmp_path / "backup.db"
    path = database.path
    assert path is not None
    both(sqlite_store, user("zoe"))
    sqlite_store.move_stage("hybrid", event="e", actor="t", reason="r")
    marks.keep(database)
    with database.write() as connection:
        connection.exec_driver_sql("SELECT 1")
    _copy(path, backup)
    sqlite_store.release("Lzoe", actor="t", reason="after the backup")
    marks.keep(database)
    database.engine.dispose()
    _copy(backup, path)
    if goes_on:
        for _ in range(3):
            sqlite_store.release("Lzoe", actor="t", reason="another history")
    assert marks.keep(database) == ["west"]
    (row,) = restored.standing(database, "west")
    assert "older than what was written down" in row.reason
    assert not row.still
    assert marks.keep(database) == [], "once"


def test_an_older_stage_has_nothing_written(sqlite_store: SchoolStore, tmp_path: Path) -> None:
    database, backup = sqlite_store.database, tmp_path / "backup.db"
    path = database.path
    assert path is not None
    sqlite_store.move_stage("hybrid", event="e", actor="t", reason="r")
    _copy(path, backup)
    sqlite_store.move_stage("soaking", event="e", actor="t", reason="r")
    marks.keep(database)
    database.engine.dispose()
    _copy(backup, path)
    assert marks.keep(database) == ["west"]
    (row,) = restored.standing(database, "west")
    assert row.still
    assert "the school was soaking, this state says hybrid" in row.reason


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        for ending in ("-wal", "-shm"):
            target.with_name(f"{target.name}{ending}").unlink(missing_ok=True)
        target.unlink()
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
    target.chmod(0o600)
