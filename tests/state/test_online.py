"""The schema moves while others write: it only ever adds, and nobody waits for it."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

from bridge.core.kinds import KINDS
from bridge.ports import ConfigurationError
from bridge.state import Database, migrate, open_database
from bridge.state import database as databases
from bridge.state.tables import REVISION
from tests.state.test_upgrade import made

#: All that a migration after the second one may say.
_ADDS = (
    r"PRAGMA .*", r"SELECT .*", r"BEGIN.*", r"UPDATE alembic_version .*", r"CREATE TABLE .*",
    r"CREATE (UNIQUE )?INDEX .*", r"ALTER TABLE \S+ ADD COLUMN (?!.*NOT NULL(?!.*DEFAULT)).*",
)  # fmt: skip
_NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9001", "{before}", None, None


def upgrade() -> None:
    op.create_table("later", sa.Column("school", sa.String(), primary_key=True))
    op.add_column("journal", sa.Column("later", sa.Text(), nullable=True))
    op.add_column("school", sa.Column("later", sa.Integer(), nullable=False, server_default="0"))
"""


def test_migrations_after_the_second_only_add(tmp_path: Path) -> None:
    path, said = tmp_path / "state.db", list[str]()
    made(path, "0002")
    known = set(tables(path))

    def hear(_: object, __: object, statement: str, *___: object) -> None:
        said.append(" ".join(statement.split()))

    event.listen(databases.Engine, "before_cursor_execute", hear)
    try:
        open_database(f"sqlite:///{path}").close()
    finally:
        event.remove(databases.Engine, "before_cursor_execute", hear)
    assert any(one.startswith("CREATE TABLE lease") for one in said)
    other = [one for one in said if not any(re.fullmatch(rule, one, re.IGNORECASE) for rule in _ADDS)]
    assert other == []
    # An index on a table that is there already would keep its writers waiting while it is made.
    indexed = {found[1] for one in said if (found := re.match(r"CREATE .*INDEX \S+ ON (\S+)", one))}
    assert not indexed & known


def tables(path: Path) -> list[str]:
    engine = create_engine(f"sqlite:///{path}")
    names: list[str] = databases.inspect(engine).get_table_names()
    engine.dispose()
    return names


@contextmanager
def newer(tmp_path: Path) -> Iterator[None]:
    """A program of the next release."""
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts)
    (scripts / "versions" / "9001_next.py").write_text(_NEXT.format(before=REVISION))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "SCRIPTS", scripts)
        patch.setattr(databases, "REVISION", "9001")
        yield


class Writer(threading.Thread):
    """A process of the older program that writes all the time."""

    def __init__(self, database: Database, code: str) -> None:
        super().__init__()
        self.store, self.number, self.enough = database.school(code, KINDS), 0, False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough:
                self.store.release(f"L{self.number}", actor="t", reason="r")
                self.number += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error

    def goes_on(self, more: int) -> None:
        """Wait until it wrote so often again."""
        until = self.number + more
        while self.number < until:
            assert self.is_alive(), self.error
            threading.Event().wait(0.01)


@pytest.mark.postgresql
def test_writers_go_on_while_the_schema_moves_and_a_long_reader_stands_in_its_way(
    postgresql_url: str, tmp_path: Path
) -> None:
    old = open_database(postgresql_url)
    writers = [Writer(old, code) for code in ("west", "east")]
    for one in writers:
        one.start()
    reader = create_engine(postgresql_url)
    opened: list[Database] = []
    with newer(tmp_path):
        upgrading = threading.Thread(target=lambda: opened.append(open_database(postgresql_url)))
        with reader.connect() as held, held.begin():
            held.execute(text("SELECT count(*) FROM journal"))  # what it read is its own until it ends
            upgrading.start()
            until_waiting(reader)
            for one in writers:
                one.goes_on(20)  # behind a lock that waits for the reader they would stand still for ever
            assert not opened
        upgrading.join()
        for one in writers:
            one.goes_on(20)
    for one in writers:
        one.enough = True
        one.join()
        assert one.error is None
        assert one.store.verify().ok
    assert [database.school("west", KINDS).verify().ok for database in opened] == [True]
    with pytest.raises(ConfigurationError, match="schema 9001, this program knows up to"):
        open_database(postgresql_url)
    for database in (*opened, old):
        database.close()
    reader.dispose()


def until_waiting(engine: databases.Engine) -> None:
    """Until the migration stands behind the reader."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'"
    with engine.connect() as connection:
        while not connection.execute(text(query)).scalar():
            connection.rollback()
            threading.Event().wait(0.01)
