"""A private PostgreSQL server: answers, is the test's own, and is gone afterwards."""

from __future__ import annotations

import pytest
import sqlalchemy

from bridge.lab.postgres import PostgresServer, find_binaries
from bridge.lab.processes import Unavailable
from tests.lab.test_processes import all_below, running

pytestmark = pytest.mark.postgresql


def test_each_test_has_an_empty_database(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table pupil (name text)"))
        connection.execute(sqlalchemy.text("insert into pupil values ('Łukasz Groß')"))
        assert connection.execute(sqlalchemy.text("select name from pupil")).scalar_one() == "Łukasz Groß"
    engine.dispose()


def test_another_test_sees_nothing_of_it(postgresql_url: str) -> None:
    assert sqlalchemy.inspect(sqlalchemy.create_engine(postgresql_url)).get_table_names() == []


def test_it_stops_at_once_with_connections_open_and_leaves_nothing() -> None:
    try:
        find_binaries()
    except Unavailable as reason:
        pytest.skip(str(reason))
    server = PostgresServer.start()
    engine = sqlalchemy.create_engine(server.url)
    connection = engine.connect()
    assert connection.execute(sqlalchemy.text("show fsync")).scalar_one() == "off"
    pids = all_below(server._tree.pid)
    assert len(pids) > 4
    assert server.directory.stat().st_mode & 0o077 == 0, "nobody else on the machine may connect"
    server.stop()
    assert not running(pids)
    assert not server.directory.exists()
    connection.invalidate()
    engine.dispose()
