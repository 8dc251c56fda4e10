"""Begins waves, looks at them, stops them. What is to be done next is decided by ``core.wave_run``.

start    only where the plan lets each of its schools begin at its time, and all that it needs is attested
look     what was told since, beside what was asked: asks, withdraws, stops by itself
stop     by a person; cancel for good; resume: those that are not through get another attempt

Every step is one transaction, journaled under the wave's schools and under the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from bridge.core import wave_run
from bridge.core.local_time import shown
from bridge.core.wave_run import Decided, Part, Seen, Stand, Wish, begins_with, order_id
from bridge.core.waves import Place, named
from bridge.daemon.appointments import FURTHEST
from bridge.hub import hints
from bridge.hub import wave_rows as rows
from bridge.hub.known import Known, known, schools_of
from bridge.hub.wave_plan import Plan, plan_of
from bridge.hub.wave_rows import Began
from bridge.hub.wave_shown import seen_of
from bridge.ports import ConfigurationError
from bridge.settings.hub import HubFile
from bridge.state import hub_orders
from bridge.state.database import Database
from bridge.state.hub_journal import HUB, note
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

ACTION = "wave"


@dataclass(frozen=True, slots=True)
class Start:
    """When a wave is to begin: ``at`` None at once; then a school after the other, ``every`` apart."""

    at: datetime | None = None
    every: timedelta = timedelta(0)

    def times(self, codes: Sequence[str]) -> dict[str, datetime | None]:
        """School -> its time."""
        return {code: None if self.at is None else self.at + place * self.every for place, code in enumerate(codes)}


class Waves:
    """The waves of one hub. ``key`` signs its orders."""

    def __init__(self, hub: Callable[[], HubFile], database: Database, key: Ed25519PrivateKey) -> None:
        self.hub, self.database, self.key = hub, database, key
        self._news = False

    def start(self, name: str, start: Start, *, actor: str, reason: str) -> Began:
        """Begin a wave. Raises ConfigurationError where it may not; nothing was done then."""
        with self._alone() as tx:
            plan, schools = self._read(tx.connection)
            wave = plan.wave(name)
            if wave is None:
                there = ", ".join(one.name for one in plan.waves) or "none"
                raise ConfigurationError(f'no wave is called "{name}"; hub.yaml has: {there}')
            before = rows.begun(tx.connection, name)
            if before is not None and before.wave.state in ("running", "stopped"):
                raise ConfigurationError(_begun_already(before))
            codes = [code for code in wave.schools if not _place(schools, code).through]
            times = start.times(codes)
            self._may_begin(plan, name, schools, times, tx)
            parts = tuple(Part(code, at=times[code]) for code in codes)
            run = wave_run.Wave(name, tx.now, parts, stop_after=wave.stop_after)
            one = Began(run, actor, reason, start.at, tx.now)
            self._note(tx, one, "begun", actor=actor, reason=reason)
            return self._look(tx, one, schools)

    def look(self, name: str) -> Began | None:
        """See what was told, and do what follows. Nothing is written where nothing changes."""
        with self._alone() as tx:
            one = rows.begun(tx.connection, name)
            if one is None or one.wave.state != "running":
                return one
            plan, schools = self._read(tx.connection, one)
            wave = plan.wave(name)
            most = wave.stop_after if wave is not None else one.wave.stop_after  # it may have been raised since
            return self._look(tx, replace(one, wave=replace(one.wave, stop_after=most)), schools)

    def stop(self, name: str, *, actor: str, reason: str, cancel: bool = False) -> Began:
        """Nobody else of it begins; who was asked and has not begun is asked to stay as it is."""
        with self._alone() as tx:
            one = self._begun(tx.connection, name)
            if one.wave.state != "running" and not (cancel and one.wave.state == "stopped"):
                raise ConfigurationError(f"the wave {name} is {one.wave.state} already; nothing was done")
            _, schools = self._read(tx.connection, one)
            state = "cancelled" if cancel else "stopped"
            why = f"by {actor}: {reason}"
            decided = wave_run.end(one.wave, self._seen(tx.connection, one.wave, schools), tx.now, state=state, why=why)
            return self._write(tx, one, decided, schools, actor=actor, reason=reason)

    def resume(self, name: str, start: Start, *, actor: str, reason: str) -> Began:
        """A stopped wave goes on: another attempt for all that are not through. Raises ConfigurationError."""
        with self._alone() as tx:
            one = self._begun(tx.connection, name)
            if one.wave.state != "stopped":
                raise ConfigurationError(f"the wave {name} is {one.wave.state}, expected: stopped; nothing was done")
            plan, schools = self._read(tx.connection)
            seen = self._seen(tx.connection, one.wave, schools)
            again = wave_run.resumed(one.wave, seen, tx.now, times={})
            open_ = [part.code for part in again.parts if part.asked is None]
            times = start.times(open_)
            self._may_begin(plan, name, schools, times, tx)
            again = wave_run.resumed(one.wave, seen, tx.now, times=times)
            one = replace(one, wave=again, starts=start.at, changed=tx.now)
            self._note(tx, one, "resumed", actor=actor, reason=reason)
            return self._look(tx, one, schools)

    def attest(self, name: str, need: str, *, actor: str, reason: str) -> None:
        """Somebody says that what a wave needs is so. Raises ConfigurationError where it needs no such thing."""
        with self._alone() as tx:
            plan, _ = self._read(tx.connection)
            if plan.wave(name) is None or need not in plan.needs(name):
                there = "; ".join(plan.needs(name)) or "nothing"
                raise ConfigurationError(f'the wave {name} does not need "{need}"; hub.yaml says: {there}')
            rows.attest(tx, name, need, actor=actor, reason=reason)
            _attested(tx, name, need, "attested", actor=actor, reason=reason)

    def unattest(self, name: str, need: str, *, actor: str, reason: str) -> None:
        """It is not so after all, also where hub.yaml asks for it no more. What begun goes on: that is stopped by
        ``stop``. Raises ConfigurationError where nobody said that it is."""
        with self._alone() as tx:
            if not rows.unattest(tx, name, need):
                raise ConfigurationError(
                    f'nobody attested "{need}" of the wave {name}; nothing was changed. See: schoolbridge hub wave show'
                )
            _attested(tx, name, need, "attestation taken back", actor=actor, reason=reason)

    # -- steps

    @contextmanager
    def _alone(self) -> Iterator[Transaction]:
        """One step; those who wait for orders are told of new ones once it is committed."""
        self._news = False
        with rows.alone(self.database) as tx:
            yield tx
        if self._news:
            hints.tell(self.database, hints.ORDERS)

    def _read(self, connection: Connection, one: Began | None = None) -> tuple[Plan, dict[str, Known]]:
        """The plan, and what is known: of all schools, or of those of one wave."""
        codes = sorted(schools_of(connection))
        some = None if one is None else [part.code for part in one.wave.parts]
        return plan_of(self.hub(), codes), known(connection, some)

    def _begun(self, connection: Connection, name: str) -> Began:
        one = rows.begun(connection, name)
        if one is None:
            raise ConfigurationError(f'no wave "{name}" was begun; see: schoolbridge hub wave show')
        return one

    def _may_begin(
        self,
        plan: Plan,
        name: str,
        schools: Mapping[str, Known],
        times: Mapping[str, datetime | None],
        tx: Transaction,
    ) -> None:
        """Raises ConfigurationError with all that is in the way."""
        places = {code: one.place for code, one in schools.items()}
        wrong = [f"no site speaks for {code}" for code in times if not (code in schools and schools[code].site)]
        for code, at in times.items():
            if at is not None and not tx.now < at <= tx.now + FURTHEST:
                zone = plan.calendar.zone
                wrong.append(f"{code}: {shown(at, zone)} is over, or too far ahead; it is {shown(tx.now, zone)} now")
        wrong = wrong or plan.hindrances({code: at or tx.now for code, at in times.items()}, places)
        said = rows.attested(tx.connection)
        wrong += [
            f'"{need}" is not attested: schoolbridge hub wave attest "{name}" "{need}" --reason WHY'
            for need in plan.needs(name)
            if (name, need) not in said
        ]
        if not times:
            wrong.append("all of its schools are through")
        if wrong:
            more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
            raise ConfigurationError(f"the wave {name} can't begin: {'; '.join(wrong[:5])}{more}. Nothing was asked")

    def _look(self, tx: Transaction, one: Began, schools: Mapping[str, Known]) -> Began:
        decided = wave_run.look(one.wave, self._seen(tx.connection, one.wave, schools), tx.now)
        return self._write(tx, one, decided, schools, actor="hub", reason=decided.wave.why or one.reason)

    def _seen(self, connection: Connection, wave: wave_run.Wave, schools: Mapping[str, Known]) -> dict[str, Seen]:
        return seen_of(wave, rows.answers(connection, wave), schools)

    def _write(
        self, tx: Transaction, one: Began, decided: Decided, schools: Mapping[str, Known], *, actor: str, reason: str
    ) -> Began:
        """What was decided: orders, the row, and the journals of all whom it concerns."""
        changed = one.changed if decided.wave.state == one.wave.state else tx.now
        new = replace(one, wave=decided.wave, changed=changed)
        parts = {part.code: part for part in one.wave.parts}
        begins = {ask.code: order_id(one.wave, parts[ask.code], begins_with(parts[ask.code])) for ask in decided.asks}
        back = [begins[ask.code] for ask in decided.asks if ask.wish is Wish.UNSCHEDULE]
        why = decided.wave.why or reason
        rows.hold(tx, back, sorted({HUB, *begins}))
        untouched = rows.unsent(tx.connection, back)  # an appointment there is somebody else's: it is left alone
        if back:
            hub_orders.take_back(tx.connection, back, at=tx.now, actor="hub", reason=why[:500])
        asks = [ask for ask in decided.asks if ask.wish is not Wish.UNSCHEDULE or begins[ask.code] not in untouched]
        # A school that no site speaks for any more can be asked nothing; its time passes, and it fails.
        sites = {ask.code: schools[ask.code].site for ask in asks}
        made = [rows.order(tx, self.key, new, ask, site=site) for ask in asks if (site := sites[ask.code])]
        hub_orders.put(tx.connection, made)
        if decided.wave.state != one.wave.state:
            self._note(tx, new, decided.wave.state, actor=actor, reason=reason, stands=decided.stands)
        if rows.begun(tx.connection, one.wave.name) != new:
            rows.keep(tx, new)
        self._news = self._news or bool(asks)
        return new

    def _note(
        self,
        tx: Transaction,
        one: Began,
        outcome: str,
        *,
        actor: str,
        reason: str,
        stands: Sequence[tuple[str, Stand, str]] = (),
    ) -> None:
        failed = [code for code, stand, _ in stands if stand in (Stand.FAILED, Stand.UNKNOWN)]
        more = {"failed": named(failed)} if failed else {}
        after = {"wave": one.wave.name, "schools": len(one.wave.parts), **more}
        entry = Entry(ACTION, actor=actor, reason=reason, after=after, outcome=outcome)
        note(tx.connection, tx.now, {HUB: [entry]})


def _attested(tx: Transaction, name: str, need: str, outcome: str, *, actor: str, reason: str) -> None:
    entry = Entry(ACTION, actor=actor, reason=reason, after={"wave": name, "need": need}, outcome=outcome)
    note(tx.connection, tx.now, {HUB: [entry]})


def _place(schools: Mapping[str, Known], code: str) -> Place:
    return schools[code].place if code in schools else Known(code).place


def _begun_already(one: Began) -> str:
    name, state = one.wave.name, one.wave.state
    go_on = f'go on with: schoolbridge hub wave resume "{name}"' if state == "stopped" else "nothing was done"
    return f"the wave {name} was begun by {one.actor} and is {state}; {go_on}"
