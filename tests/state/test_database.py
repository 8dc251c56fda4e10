"""Opening, migrating, locking; and that a killed process leaves all of a transaction or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from bridge.core.kinds import KINDS, Field
from bridge.core.model import Side
from bridge.ports import ConfigurationError, Identity
from bridge.state import Busy, Database, SchoolStore, open_database
from bridge.state.tables import REVISION, metadata
from tests.state.words import NOW, SCHOOL, page, user


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_state_that_is_up_to_date_is_opened_without_the_tools_to_migrate(url: str, database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == REVISION
    program = "import sys; from bridge.state import open_database; open_database(sys.argv[1]).close()"
    seen = [sys.executable, "-c", f"{program}; assert 'alembic' not in sys.modules", url]
    assert subprocess.run(seen, check=False).returncode == 0


def test_a_server_that_is_cut_off_counts_as_gone_soon(database: Database) -> None:
    """By default who writes would wait for it for two hours, and nothing would seem to be wrong."""
    if database.path is not None:
        pytest.skip("a file is not cut off")
    with database.read() as connection:
        line = connection.connection.driver_connection
        assert line is not None
        said = line.info.get_parameters()
    assert int(said["tcp_user_timeout"]) <= 60_000
    assert int(said["keepalives_idle"]) + int(said["keepalives_interval"]) * int(said["keepalives_count"]) <= 60


def test_opening_again_keeps_everything(database: Database, store: SchoolStore, url: str) -> None:
    store.fold(SCHOOL, page(user("a"), token="t"), now=NOW)
    again = open_database(url)
    assert again.school("west", KINDS).token(SCHOOL) == "t"
    again.close()


def test_a_database_of_a_newer_program_is_refused(database: Database, url: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"schema 9999.*newer schoolbridge"):
        open_database(url)
    with database.write() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{REVISION}'"))


def test_another_server_than_the_bound_one_is_refused(store: SchoolStore) -> None:
    store.bind(Side.CLOUD, Identity("t1", "tenant one"))
    store.bind(Side.CLOUD, Identity("t1", "tenant one"))
    with pytest.raises(ConfigurationError, match=r"west: the cloud side is tenant two \(t2\).*tenant one \(t1\)"):
        store.bind(Side.CLOUD, Identity("t2", "tenant two"))


def test_a_field_for_a_secret_is_refused(database: Database) -> None:
    kinds = {**KINDS, "user": KINDS["user"].with_fields(Field("first_password"))}
    with pytest.raises(ConfigurationError, match=r"user\.first_password would store a secret"):
        database.school("west", kinds)


def test_only_one_holds_the_lock_of_a_school(database: Database, store: SchoolStore, url: str) -> None:
    other = open_database(url)
    with store.lock():
        with (
            pytest.raises(Busy, match=r"west: (another schoolbridge process|.* looks after it since)"),
            other.lock("west"),
        ):
            pass
        with other.lock("east"):
            pass
    with other.lock("west"):
        pass
    other.close()


def test_a_database_in_memory_works() -> None:
    store = open_database("sqlite://").school("west", KINDS)
    assert store.fold(SCHOOL, page(user("a")), now=NOW) == 1
    with store.lock():
        assert store.counts() == {("school", "user"): 1}


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_file_is_the_owners_alone_and_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = open_database(f"sqlite:///{path}")
    with database.write() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
        connection.exec_driver_sql("CREATE TABLE probe (x)")
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert set(modes.values()) == {0o600}
    database.close()


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"others may read .*chmod 600"):
        open_database(f"sqlite:///{path}")


def test_a_directory_that_is_missing_or_open_to_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no directory"):
        open_database(f"sqlite:///{tmp_path}/missing/state.db")
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="anybody may write"):
        open_database(f"sqlite:///{tmp_path}/state.db")


def test_what_is_no_database_is_refused_without_a_password_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can't be opened") as error:
        open_database("postgresql://bridge:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(error.value)
    broken = tmp_path / "state.db"
    broken.write_bytes(b"no database at all" * 100)
    broken.chmod(0o600)
    with pytest.raises(ConfigurationError, match="can't be opened"):
        open_database(f"sqlite:///{broken}")


# --- killed ---------------------------------------------------------------------------------------------------------

VICTIM = """
import sys
from tests.state.victim import record_for_ever
record_for_ever(sys.argv[1])
"""


@pytest.mark.parametrize("chance", range(4))
def test_a_killed_process_leaves_whole_transactions(url: str, chance: int) -> None:
    """Each record writes journal, observation, agreement and tally of ten links: all of them or none are there."""
    open_database(url).close()
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, url], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    for _ in range(3 + 2 * chance):
        assert victim.stdout.readline().startswith("round")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    rest = victim.stdout.read()
    victim.stdout.close()
    database = open_database(url)
    store = database.school("west", KINDS)
    if database.path is None:  # its lease would have to end first
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE lease SET owner = ''")
    with store.lock():
        names = {one.cloud.record.fields["display_name"] for one in store.links(LINKS) if one.cloud.record}
        agreed = {one.agreed["display_name"] for one in store.links(LINKS) if one.agreed}
    assert len(names) == 1
    assert names == agreed
    (last,) = names
    written = [one.entry.after["display_name"] for one in store.journal() if one.entry.action == "update"]
    assert written.count(str(last)) == len(LINKS)
    assert written[-1] == last
    assert int(str(last)) >= 2 + 2 * chance + rest.count("round")
    assert store.verify().ok
    database.close()


LINKS = [f"Lu{number}" for number in range(10)]
