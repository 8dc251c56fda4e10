"""Who looks after a school: one at a time, the next one soon, and nothing is written by who was too late.

Against a real PostgreSQL, with short leases; processes that are stopped and killed are real ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.ports import ConfigurationError, Fenced, Identity
from bridge.state import Database, open_database
from bridge.state.lease import HeldElsewhere, Lease, Timing
from bridge.state.lock import Busy
from bridge.state.reserved import Key
from bridge.state.tables import name

LASTS = 1.0
shared = pytest.mark.postgresql


@pytest.fixture(scope="module")
def migrated(postgresql_server: object) -> str:
    url: str = postgresql_server.create_database("leases")  # type: ignore[attr-defined]
    database = open_database(url)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE written (who text, number int)")
    database.close()
    return url


@pytest.fixture
def url(migrated: str) -> Iterator[str]:
    yield migrated
    database = open_database(migrated)
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM lease")
        connection.exec_driver_sql("DELETE FROM written")
    database.close()


@contextmanager
def daemons(url: str, count: int = 2, *, lasts: float = LASTS) -> Iterator[list[Database]]:
    found = [open_database(url, lasts=lasts) for _ in range(count)]
    yield found
    for one in found:
        one.close()


def silence(database: Database) -> None:
    """As a process that was stopped: nothing is renewed any more."""
    database.leases._ending.set()


def until(take: Callable[[], Lease]) -> Lease:
    """Try until it is there."""
    while True:
        try:
            return take()
        except Busy:
            time.sleep(0.05)


# --- one after the other ----------------------------------------------------------------------------------------------


@shared
def test_one_has_it_and_what_is_given_back_is_free_at_once(url: str) -> None:
    with daemons(url, lasts=60.0) as (one, other):
        with one.leases.hold("west") as first, one.leases.hold("") as uplink:
            assert (first.token, uplink.token, first.holds) == (1, 1, True)
            with pytest.raises(HeldElsewhere, match=r"west: \S+ looks after it since .* UTC .*systemctl stop") as told:
                other.leases.take("west")
            assert told.value.holder.owner == one.leases.owner
            with pytest.raises(HeldElsewhere, match="the uplink: "):
                other.leases.take("")
            with other.leases.hold("east"):
                assert {code: holder.lives for code, holder in other.leases.holders().items()} == {
                    "west": True, "": True, "east": True
                }  # fmt: skip
        with pytest.raises(Fenced):
            first.permit()
        with other.leases.hold("west") as second:
            assert second.token == 2
        assert other.leases.holders() == {}


@shared
def test_it_is_renewed_also_while_its_holder_writes_for_long(url: str) -> None:
    with daemons(url, lasts=2.0) as (one, other):
        lease = one.leases.take("west")
        with one.under(lease).write() as connection:
            for _ in range(13):
                connection.exec_driver_sql("SELECT pg_sleep(0.2)")
                with pytest.raises(HeldElsewhere):
                    other.leases.take("west")
        lease.permit()
        assert lease.holds


@shared
def test_who_falls_silent_loses_it_and_writes_nothing_more(url: str) -> None:
    with daemons(url) as (one, other):
        told = threading.Event()
        lease = one.leases.take("west")
        lease.lost = told.set
        store, people = one.under(lease).school("west", KINDS), one.school("west", KINDS)
        root = one.under(lease).school("west/homes/L1", KINDS)
        silence(one)
        second = until(lambda: other.leases.take("west"))
        assert second.token == 2
        with pytest.raises(Fenced, match="west: this process does not look after the school any more"):
            lease.permit()
        for late in (store, root):
            with pytest.raises(Fenced):
                late.bind(Side.CLOUD, Identity("late", "written by who was too late"))
        assert told.is_set()
        assert not lease.holds
        new = other.under(second).school("west", KINDS)
        new.bind(Side.CLOUD, Identity("new", "the new one's"))
        # What a person decides counts wherever it is typed.
        people.touch(["L1"])
        with pytest.raises(Fenced):
            store.touch(["L1"])


@shared
def test_renewing_tells_who_was_passed_over(url: str) -> None:
    with daemons(url) as (one, other):
        told = threading.Event()
        lease = one.leases.take("west")
        lease.lost = told.set
        silence(one)
        until(lambda: other.leases.take("west"))
        one.leases.renew()
        assert told.is_set()


@shared
def test_who_was_silent_and_is_missed_by_nobody_goes_on(url: str) -> None:
    with daemons(url, 1) as (one,):
        lease = one.leases.take("west")
        silence(one)
        while lease.holds:
            time.sleep(0.05)
        one.leases.renew()
        lease.permit()
        one.under(lease).school("west", KINDS)


@shared
def test_whoever_takes_over_waits_for_a_transaction_that_is_under_way(url: str) -> None:
    with daemons(url) as (one, other):
        lease = one.leases.take("west")
        silence(one)
        order: list[str] = []
        taking = threading.Thread(target=lambda: (until(lambda: other.leases.take("west")), order.append("taken")))
        with one.under(lease).write() as connection:
            while other.leases.holders()["west"].lives:
                connection.exec_driver_sql("SELECT pg_sleep(0.05)")
            taking.start()
            connection.exec_driver_sql("SELECT pg_sleep(0.1)")
            order.append("committed")
        taking.join()
        assert order == ["committed", "taken"]


@shared
@pytest.mark.parametrize("owner", ["a holder", "a person"])
def test_a_transaction_whose_client_stands_still_blocks_nobody_for_long(url: str, owner: str) -> None:
    with daemons(url) as (one, other):
        lease = one.leases.take("west")
        silence(one)
        mine = one.under(lease) if owner == "a holder" else one
        other.school("west", KINDS)

        def stand_still() -> None:
            with mine.write() as connection:
                connection.exec_driver_sql("SELECT 1 FROM school WHERE code = 'west' FOR UPDATE")
                second = until(lambda: other.leases.take("west"))
                other.under(second).school("west", KINDS).touch(["L1"])
                connection.exec_driver_sql("SELECT 1")

        with pytest.raises(DBAPIError):
            stand_still()


@shared
def test_a_program_from_before_there_were_leases_is_respected(url: str) -> None:
    with daemons(url, 1) as (one,), one.engine.connect() as connection:
        number = "('x' || substr(encode(sha256('schoolbridge west'), 'hex'), 1, 16))::bit(64)::bigint"
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({number})")
        with pytest.raises(Busy, match="another schoolbridge process"):
            one.leases.take("west")


def test_a_permit_ends_before_the_lease_by_the_clock_of_this_machine() -> None:
    now = [100.0]
    lease = Lease("west", owner="h 1", token=1, timing=Timing(15.0), clock=lambda: now[0])
    lease.extend(100.0)
    now[0] = 111.9
    lease.permit()
    now[0] = 112.1
    assert lease.holds
    with pytest.raises(Fenced):
        lease.permit()
    now[0] = 115.1
    assert not lease.holds
    lease.extend(113.0)
    lease.permit()


def test_a_file_is_locked_by_the_same_words(tmp_path: Path) -> None:
    with daemons(f"sqlite:///{tmp_path / 'state.db'}") as (one, other):
        lease = one.leases.take("west")
        with pytest.raises(Busy, match="west: another schoolbridge process"):
            other.leases.take("west")
        time.sleep(1.2 * LASTS)
        lease.permit()
        one.under(lease).school("west", KINDS)
        one.leases.give(lease)
        with pytest.raises(Fenced):
            lease.permit()
        with other.leases.hold("west"), other.leases.hold(""):
            pass


@shared
def test_a_machine_with_another_key_of_erased_names_is_refused(url: str, tmp_path: Path) -> None:
    with daemons(url, 1) as (one,):
        one.school("west", KINDS)
        one.same_key()
        one.key = Key(tmp_path / "names.key")
        hashed = one.key.hash_name("login", "anna.lang")
        with one.write() as connection:
            row = {"school": "west", "space": "login", "folded": hashed, "name": "", "link": "", "at": one.clock()}
            connection.execute(name.insert(), [row])
        one.same_key()
        one.key = Key(tmp_path / "elsewhere" / "names.key")
        with pytest.raises(ConfigurationError, match=r"names\.key of this machine is missing.*Copy the file"):
            one.same_key()
        one.key = Key(tmp_path / "other.key")
        one.key.hash_name("login", "x")
        with pytest.raises(ConfigurationError, match="is another one"):
            one.same_key()
        with one.write() as connection:
            connection.execute(name.delete())


# --- processes --------------------------------------------------------------------------------------------------------


class Holder:
    """A process that writes all the time."""

    def __init__(self, url: str, who: str) -> None:
        program = f"from tests.fleet.holder import write_for_ever; write_for_ever({url!r}, {LASTS}, {who!r})"
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert self.line().startswith("holds")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def rows(database: Database) -> dict[str, int]:
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT who, count(*) FROM written GROUP BY who")
        return {str(row[0]): int(row[1]) for row in found}


@shared
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_stopped_in_the_middle_is_followed_by_the_next(url: str, how: int) -> None:
    holder = Holder(url, "first")
    try:
        with daemons(url, 1) as (other,):
            while rows(other).get("first", 0) < 5:
                time.sleep(0.02)
            holder.signal(how)
            lease = until(lambda: other.leases.take("west"))
            assert lease.token == 2
            mine = other.under(lease)
            before = rows(other)
            with mine.write() as connection:
                connection.exec_driver_sql("INSERT INTO written VALUES ('second', 1)")
            if how == signal.SIGSTOP:
                holder.signal(signal.SIGCONT)
                # Its transaction was ended meanwhile, or it finds its permit over: one way or the other it ends.
                holder.process.wait()
            assert rows(other) == {**before, "second": 1}
            lease.permit()
    finally:
        holder.end()
