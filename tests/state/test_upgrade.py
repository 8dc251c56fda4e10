"""A state of an older version is brought up to date with nothing lost, and copied before."""

import sqlite3
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from bridge.core.kinds import KINDS
from bridge.ports import ConfigurationError
from bridge.state import migrate
from bridge.state.database import MOST_CONNECTIONS, Database, open_database
from bridge.state.tables import REVISION, metadata
from tests.daemon.embedded import Embedded


def made(path: Path, revision: str) -> None:
    """A state as the migrations up to ``revision`` make it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    path.chmod(0o600)


def old_state(path: Path) -> None:
    """A state of the first schema with a school in it."""
    made(path, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO school (code, stage, journal_seq, journal_hash) VALUES ('0123','hybrid',0,'')")


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_state_of_the_first_schema_is_brought_up_to_date_and_copied_before(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_state(path)
    database = open_database(f"sqlite:///{path}")
    assert database.schools() == ["0123"]
    assert database.school("0123", KINDS).stage() == "hybrid"
    assert set(metadata.tables) <= set(inspect(database.engine).get_table_names())
    database.close()
    copy = tmp_path / f"state.db.before-{REVISION}"
    assert (revision(path), revision(copy)) == (REVISION, "0001")
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT code, stage FROM school").fetchall() == [("0123", "hybrid")]
    assert not list(tmp_path.glob(".*")), "nothing half is left"


def test_an_older_copy_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_state(path)
    first = tmp_path / f"state.db.before-{REVISION}"
    first.write_text("of an upgrade before")
    open_database(f"sqlite:///{path}").close()
    assert first.read_text() == "of an upgrade before"
    assert revision(tmp_path / f"state.db.before-{REVISION}-2") == "0001"


def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    old_state(path)

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrate, "_placed", full)
    with pytest.raises(ConfigurationError, match=r"No space left.*Nothing was changed.*MB free"):
        open_database(f"sqlite:///{path}")
    assert revision(path) == "0001"
    assert [one.name for one in tmp_path.iterdir() if "before" in one.name] == []


def test_a_new_state_is_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        open_database(f"sqlite:///{tmp_path / 'state.db'}").close()
    assert not list(tmp_path.glob("*before*"))


def test_a_newer_state_is_refused_and_the_way_back_is_named(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    made(tmp_path / "state.db", REVISION)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    answer = school.run("status")
    assert answer.code == 1
    assert "schema 9000" in answer.err
    assert "state.db.before-9000" in answer.err
    assert not list(tmp_path.glob("*before*"))


def test_writers_have_their_turn_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """One that comes again at once passed all others before, for as long as it went on."""
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    first, queued, order, waiting = threading.Event(), threading.Event(), list[str](), 5

    def greedy() -> None:
        for _ in range(3):
            with database.write():
                first.set()
                queued.wait()
                order.append("greedy")

    def patient(name: str) -> None:
        with database.write():
            order.append(name)

    threads = [threading.Thread(target=greedy)]
    threads[0].start()
    first.wait()
    for number in range(waiting):
        threads.append(threading.Thread(target=patient, args=(f"patient {number}",)))
        threads[-1].start()
        _until_waiting(database, number + 1)
    queued.set()
    for one in threads:
        one.join()
    database.close()
    assert order == ["greedy", *(f"patient {number}" for number in range(5)), "greedy", "greedy"]


def _until_waiting(database: Database, count: int) -> None:
    while len(database._queue._waiting) < count:
        threading.Event().wait(0.01)


def test_a_write_within_a_write_is_a_bug_and_not_a_standstill(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    with pytest.raises(RuntimeError, match="within another"), database.write(), database.write():
        pass
    with database.write():
        pass
    database.close()


@pytest.mark.postgresql
def test_locks_of_many_schools_leave_connections_to_work_with(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with ExitStack() as stack:
        for number in range(MOST_CONNECTIONS["postgresql"] + 5):
            stack.enter_context(database.lock(f"{number:04}"))
        assert database.schools() == []
    database.close()
