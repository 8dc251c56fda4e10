"""The database behind the stores: opened, checked, brought up to date, locked.

SQLite by default: WAL, every commit on the disk (synchronous=FULL), the file readable by its owner only. PostgreSQL by
URL. The schema is that of the migrations shipped with this package; a database newer than them is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from bridge.core.kinds import Kind
from bridge.ports import ConfigurationError
from bridge.state.copy import copy_files, copy_rows
from bridge.state.lease import LASTS, Lease, Timing, bound
from bridge.state.leases import Leases, name_of
from bridge.state.names import marks
from bridge.state.queue import Queue
from bridge.state.reserved import FILE, Key
from bridge.state.store import SchoolStore
from bridge.state.tables import REVISION, school

Clock = Callable[[], datetime]


#: Connections at a time; who waits for one longer than 30 seconds fails. PostgreSQL gives 100 to all its clients, and
#: a process takes up to six for its leases besides.
MOST_CONNECTIONS = {"sqlite": 60, "postgresql": 20}


#: After how long a server that is cut off counts as gone: without it who writes would wait for it for two hours, and
#: nothing would seem to be wrong. Seconds; ``tcp_user_timeout`` in milliseconds.
_CUT_OFF = {
    "connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 15, "keepalives_interval": 5,
    "keepalives_count": 3,
}  # fmt: skip


def _utc() -> datetime:
    return datetime.now(UTC)


class Database:
    """An open database, its schema up to date. ``path`` is None unless it is a SQLite file."""

    def __init__(self, engine: Engine, *, path: Path | None, clock: Clock, leases: Leases) -> None:
        self.engine, self.path, self.clock, self.leases = engine, path, clock, leases
        self.lease: Lease | None = None
        """What everything that is written here has to hold; None for people, whose decisions count anywhere."""
        self.key = Key(_key_file(engine, path))
        self._queue = Queue()

    def school(self, code: str, kinds: Mapping[str, Kind]) -> SchoolStore:
        """The store of one school, created where it is new."""
        return SchoolStore(self, code, kinds)

    def schools(self) -> list[str]:
        """The codes of all schools that are known."""
        with self.read() as connection:
            return [row.code for row in connection.execute(select(school.c.code).order_by(school.c.code))]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and writes nothing."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing. SQLite takes its write lock at once, so that it never fails midway.

        Raises Fenced where it needs a lease that was lost.
        """
        turn = nullcontext() if self.path is None else self._queue.turn()
        with turn, self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            if self.lease is not None:
                self.lease.fence(connection)
            else:
                bound(connection, self.leases.timing)
            yield connection

    @contextmanager
    def lock(self, code: str) -> Iterator[Database]:
        """Look after a school: this database, in which all that is written needs its lease. Raises ``Busy``."""
        with self.leases.hold(code) as lease:
            yield self.under(lease)

    def under(self, lease: Lease) -> Database:
        """This database as a holder of a lease sees it: what is written needs that lease."""
        one = copy(self)
        one.lease = lease
        return one

    def permit(self) -> None:
        """Asked before anything is sent to a side; raises Fenced where the lease does not last any more."""
        if self.lease is not None:
            self.lease.permit()

    def same_key(self) -> None:
        """Raise ConfigurationError where this machine's key of erased names is not the one of a shared state."""
        if self.path is None and self.engine.dialect.name == "postgresql":
            with self.read() as connection:
                self.key.expect(marks(connection))

    def copy_school(self, code: str, other: Database) -> None:
        """Copy every row of a school but the journal's; the other database knows nothing of it yet."""
        other.key = self.key
        if self.path is not None and other.path is not None:
            copy_files(self.path, other.path, code=code)
            return
        with self.read() as source, other.write() as target:
            copy_rows(source, target, code=code)

    def close(self) -> None:
        """Give back all leases and connections."""
        self.leases.close()
        self.engine.dispose()


def _key_file(engine: Engine, path: Path | None) -> Path | None:
    """Beside a SQLite file; PostgreSQL's goes where the bridge keeps its state otherwise."""
    if engine.dialect.name == "postgresql":
        return Path("/var/lib/schoolbridge") / FILE
    return None if path is None else path.with_name(FILE)


def open_database(url: str, *, clock: Clock = _utc, lasts: float = LASTS, spare: bool = True) -> Database:
    """Open ``sqlite:///PATH``, ``sqlite://`` (in memory) or ``postgresql+psycopg://...``, and migrate it.

    ``lasts``: seconds that a lease lasts. ``spare`` False: a file of which there is a copy already, so that none is
    made before it is migrated.

    Raises ConfigurationError when it can't be reached, is newer than this program, or lies where others could read it.
    """
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    path: Path | None = None
    options: dict[str, Any] = {"pool_size": 5, "max_overflow": MOST_CONNECTIONS[parsed.get_backend_name()] - 5}
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        else:
            path = Path(str(parsed.database))
            _prepare_file(path)
    leases = Leases(parsed, path=path, timing=Timing(lasts))
    if parsed.get_backend_name() == "postgresql":
        options["connect_args"] = {"application_name": name_of(leases.owner), **_CUT_OFF}
    # Parameters hold names of people: they have no place in the text of an error.
    engine = create_engine(parsed, hide_parameters=True, **options)
    if path is not None or parsed.get_backend_name() == "sqlite":
        _speak_sqlite(engine)
    database = Database(engine, path=path, clock=clock, leases=leases)
    try:
        _migrate(database, path=path if spare else None)
    except DatabaseError as error:
        engine.dispose()
        shown = parsed.render_as_string(hide_password=True)
        raise ConfigurationError(f"the state database {shown} can't be opened: {error.orig}. {_REMEDY}") from None
    except ConfigurationError:
        engine.dispose()
        raise
    return database


_REMEDY = (
    "Check that it runs or, for a file, that the bridge's account may write it and its directory, and that neither the "
    "disk is full nor the file system read-only."
)


def _prepare_file(path: Path) -> None:
    """Names of children lie in this file: nobody but its owner may read it or put another in its place."""
    folder = path.parent
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no directory. Create it, owned by the bridge's user, mode 0700.")
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigurationError(f"anybody may write in {folder}: the state is not safe there. chmod o-w {folder}")
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    elif path.stat().st_mode & 0o077:
        raise ConfigurationError(f"others may read {path}, which holds names of people. chmod 600 {path}")


def _speak_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver's own idea of when to BEGIN is not ours
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-48000",
            "wal_autocheckpoint=4000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(database: Database, *, path: Path | None) -> None:
    with database.read() as connection:
        if revision_of(connection) == REVISION:
            return  # without a lock: others may be at work, also those who bring it up to date just now
    # The tools for it take longer to load than all else takes with a state that is up to date.
    from bridge.state.migrate import bring_up

    bring_up(database.write, REVISION, path=path)


def revision_of(connection: Connection) -> str | None:
    """The schema that a database has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
