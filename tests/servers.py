"""Fixtures that start real servers, once a session where possible; skipped, with the reason, where they cannot be had.

Registered by the root conftest: `pytest_plugins = ["tests.servers"]`. Under pytest-xdist every worker has servers of
its own on addresses of its own; the templates they are copied from are built once, under a lock.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.lab.postgres import PostgresServer
from bridge.lab.processes import Unavailable
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School, draw_school

SambaFactory = Callable[..., SchoolServer]


@pytest.fixture(scope="session")
def school() -> School:
    """The default school: 1,200 pupils, 90 teachers, seed 1."""
    return draw_school()


@pytest.fixture(scope="session")
def samba_school(school: School) -> Iterator[SchoolServer]:
    """A domain controller with the default school, shared by the session: read only, nobody may write to it."""
    server = _or_skip(lambda: SchoolServer.of(school))
    yield server
    server.stop()


@pytest.fixture
def samba_dc(school: School) -> Iterator[SambaFactory]:
    """`samba_dc(school=..., recycle_bin=..., smb=..., password=...)`: a domain controller of the test's own."""
    with contextlib.ExitStack() as stack:

        def start(school: School = school, **wishes: Any) -> SchoolServer:
            server = _or_skip(lambda: SchoolServer.of(school, **wishes))
            stack.callback(server.stop)
            return server

        yield start


def _or_skip(start: Callable[[], SchoolServer]) -> SchoolServer:
    try:
        return start()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session."""
    try:
        server = PostgresServer.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgresql_server.create_database(name)
    postgresql_server.drop_database(name)
