"""The store of one school: ``bridge.ports.Store`` and what the command line asks beyond it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bridge.core.kinds import Kind, Shape
from bridge.core.model import Link, Operation, Side
from bridge.core.recovery import Recovery, passed
from bridge.ports import Candidate, ConfigurationError, Done, Identity, Loose, Page, Pair, Tallies, Trouble
from bridge.state import bookmark, books, guardbook, journal, names, space, stages, touch
from bridge.state import pairs as correlation
from bridge.state.drifting import Drifting
from bridge.state.fold import fold
from bridge.state.journal import Checkpoint, Verdict, Written
from bridge.state.leaving import Leaving
from bridge.state.lookup import Lookup
from bridge.state.orphans import Orphan, orphans
from bridge.state.record import intend, record
from bridge.state.recovered import Recovering
from bridge.state.rosters import Rosters
from bridge.state.tables import binding, handed_out, school
from bridge.state.transaction import Transaction, writing
from bridge.state.years import Years

if TYPE_CHECKING:
    from bridge.state.database import Database


class SchoolStore(Drifting, Leaving, Lookup, Recovering, Rosters, Years):
    """What the bridge remembers of one school. Not thread-safe; one for each thread."""

    def __init__(self, database: Database, code: str, kinds: Mapping[str, Kind]) -> None:
        timeless = [(kind.name, c.name) for kind in kinds.values() for c in kind.fields if c.shape is not Shape.TIME]
        secret = [f"{kind}.{name}" for kind, name in timeless if "password" in name]
        if secret:
            raise ConfigurationError(f"{code}: {', '.join(secret)} would store a secret. Remove the attribute.")
        self.database, self.code, self.kinds = database, code, kinds
        self._listing: set[Side] = set()
        with self._write() as tx:
            tx.run(tx.insert(school).values(code=code, stage_since=tx.now).on_conflict_do_nothing())

    @contextmanager
    def _read(self) -> Iterator[Transaction]:
        with self.database.read() as connection:
            yield Transaction(connection, self.code, self.kinds, self.database.clock())

    @contextmanager
    def _write(self, now: datetime | None = None) -> Iterator[Transaction]:
        with writing(self.database, self.code, self.kinds, now=now) as tx:
            yield tx

    # what a school is

    def bind(self, side: Side, identity: Identity) -> None:
        with self._write() as tx:
            mine = (binding.c.school == self.code) & (binding.c.side == side)
            known = tx.rows(select(binding.c.identity, binding.c.description).where(mine))
            if known and known[0].identity != identity.id:
                raise ConfigurationError(
                    f"{self.code}: the {side} side is {identity.description} ({identity.id}), but this school "
                    f"was bound to {known[0].description} ({known[0].identity}). "
                    f"Correct the address, or start a new school."
                )
            if not known:
                tx.put(binding, [{"side": side, "identity": identity.id, "description": identity.description}])

    def stage(self) -> str:
        with self._read() as tx:
            return str(tx.rows(select(school.c.stage).where(school.c.code == self.code))[0].stage)

    def stage_since(self) -> datetime:
        """When the school came into its stage."""
        with self._read() as tx:
            since: datetime = tx.rows(select(school.c.stage_since).where(school.c.code == self.code))[0].stage_since
            return since

    def move_stage(self, stage: str, *, event: str, actor: str, reason: str) -> None:
        with self._write() as tx:
            stages.move(tx, stage, event=event, actor=actor, reason=reason)

    # observe

    def token(self, side: Side) -> str | None:
        """The token to go on from; asking for it begins an observation, so that an open listing is taken as cut off."""
        self._listing.discard(side)
        with self._read() as tx:
            return bookmark.current(tx, side)

    def recall(self, side: Side) -> str | None:
        with self._read() as tx:
            return bookmark.recall(tx, side)

    def drop_token(self, side: Side) -> None:
        self._listing.discard(side)
        with self._write() as tx:
            bookmark.drop(tx, side)

    def fold(self, side: Side, page: Page, *, now: datetime) -> int:
        with self._write(now) as tx:
            begins = page.listing and side not in self._listing and not bookmark.resumes(tx, side)
            changed = fold(tx, side, page=page, begins=begins)
        if page.listing and not page.complete:
            self._listing.add(side)
        else:
            self._listing.discard(side)
        return changed

    # correlate

    def loose(self, after: str | None, limit: int) -> Sequence[Loose]:
        with self._read() as tx:
            return correlation.loose(tx, after=after, limit=limit)

    def candidates(self, side: Side, kind: str, key: str, values: Sequence[str]) -> Mapping[str, Sequence[Candidate]]:
        with self._read() as tx:
            return correlation.candidates(tx, side, kind=kind, name=key, values=values)

    def pair(self, pairs: Sequence[Pair]) -> None:
        with self._write() as tx:
            correlation.pair(tx, pairs)

    # reconcile

    def due(self, now: datetime, after: tuple[int, str] | None, limit: int) -> Sequence[Link]:
        with self._read() as tx:
            return space.due(replace(tx, now=now), after=after, limit=limit)

    def links(self, ids: Iterable[str]) -> Sequence[Link]:
        with self._read() as tx:
            return space.links(tx, ids)

    def anchors(self, ids: Iterable[str]) -> Mapping[str, tuple[str | None, str | None]]:
        with self._read() as tx:
            return space.anchors(tx, ids)

    def population(self) -> Mapping[tuple[str, str, str], int]:
        with self._read() as tx:
            return guardbook.population(tx)

    def tallies(self, since: datetime) -> Tallies:
        with self._read() as tx:
            return guardbook.tallies(tx, since)

    def empty(self) -> frozenset[Side]:
        with self._read() as tx:
            return guardbook.empty(tx)

    # execute

    def spoil(self, link: str) -> None:
        with self._write() as tx:
            names.spoil(tx, link)

    def reserve(self, space: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> Mapping[str, str]:
        with self._write() as tx:
            return names.reserve(tx, space, wanted)

    def intend(self, operations: Sequence[Operation], *, cycle: str, now: datetime) -> None:
        with self._write(now) as tx:
            intend(tx, operations, cycle=cycle)

    def record(self, done: Sequence[Done], *, cycle: str, now: datetime) -> None:
        with self._write(now) as tx:
            record(tx, done, cycle=cycle)

    def trouble(self, troubles: Sequence[Trouble]) -> None:
        with self._write() as tx:
            guardbook.hold(tx, troubles)

    def quiet(self, ids: Iterable[str]) -> None:
        with self._write() as tx:
            touch.untouch(tx, ids)

    def postpone(self, until: Mapping[str, datetime]) -> None:
        with self._write() as tx:
            touch.postpone(tx, until)

    # what people ask and decide

    def touch(self, ids: Iterable[str]) -> None:
        """Have these links looked at in the next cycle."""
        with self._write() as tx:
            touch.touch(tx, ids)

    def troubles(self) -> Sequence[Trouble]:
        """Everything held or in quarantine, the oldest first."""
        with self._read() as tx:
            return guardbook.troubles(tx)

    def orphans(self) -> Sequence[Orphan]:
        with self._read() as tx:
            return orphans(tx)

    def release(self, *links: str, actor: str, reason: str, expires: datetime | None = None) -> None:
        """Free links, all or none: due at once, each passes the guard once; journaled."""
        with self._write() as tx:
            for link in links:
                guardbook.let_go(tx, link, actor=actor, reason=reason, expires=expires)

    def released(self) -> frozenset[str]:
        """Links released by a person and not written since."""
        with self._read() as tx:
            return guardbook.released(tx)

    def unhold(self, rule_prefix: str) -> int:
        """Make due again what rules of this prefix held (their stage or thresholds changed); returns how many."""
        with self._write() as tx:
            return guardbook.unhold(tx, rule_prefix)

    def enter_stage(self, writable: Collection[Side], recovery: Recovery = Recovery.OVER) -> None:
        """What is not held by stage or recovery any more is due again. Asked before each cycle; writes if needed only.

        Not once when the stage moves: a cycle that began before may hold it after, and each root has its own store.
        """
        wanted = [("stage", tuple(writable)), *([(rule, tuple(Side))] if (rule := passed(recovery)) else [])]
        with self._read() as tx:
            held = [one for one in wanted if guardbook.holds(tx, *one)]
        if held:
            with self._write() as tx:
                for one in held:
                    guardbook.unhold(tx, *one)

    def begin_cycle(self, id: str, *, now: datetime) -> None:  # noqa: A002
        """Write the bookkeeping row of a cycle."""
        with self._write(now) as tx:
            books.begin_cycle(tx, id)

    def end_cycle(self, id: str, *, outcome: str, counts: Mapping[str, Any], now: datetime) -> None:  # noqa: A002
        """Close the bookkeeping row of a cycle."""
        with self._write(now) as tx:
            books.end_cycle(tx, id, outcome=outcome, counts=counts)

    def cycles(self, limit: int = 20) -> Sequence[books.Cycle]:
        """The last cycles, the newest first."""
        with self._read() as tx:
            return books.cycles(tx, limit)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(side, kind) -> records that are there."""
        with self._read() as tx:
            return books.counts(tx)

    def handed_out(self, ids: Iterable[str]) -> Mapping[str, datetime]:
        """Link -> when its first password was handed out."""
        with self._read() as tx:
            return books.handed(tx, ids)

    def mark_handed_out(self, ids: Iterable[str]) -> None:
        """First passwords of these links were handed out now."""
        with self._write() as tx:
            tx.put(handed_out, ({"link": of, "at": tx.now} for of in ids))

    def tombstones(self) -> Sequence[tuple[str, str, datetime]]:
        """(link, kind, when) of forgotten links within the retention period."""
        with self._read() as tx:
            return books.tombstones(tx)

    def bury(self, before: datetime) -> int:
        """Drop tombstones older than this; returns how many."""
        with self._write() as tx:
            return books.bury(tx, before)

    # the journal

    def journal(
        self, *, limit: int | None = None, link: str | None = None, after: int = 0, redact: bool = False
    ) -> Iterator[Written]:
        """Entries, oldest first: all, those after a row, or the newest ``limit``; of one link where given."""
        with self._read() as tx:
            for entry in journal.read(tx.connection, self.code, after=after, link=link, limit=limit):
                yield journal.redacted(entry) if redact else entry

    def verify(self, *, against: Checkpoint | None = None) -> Verdict:
        """Whether the journal is whole."""
        with self._read() as tx:
            return journal.verify(tx.connection, self.code, against=against)

    def checkpoint(self) -> Checkpoint:
        """The journal's head, to be kept outside."""
        with self._read() as tx:
            return journal.checkpoint(tx.connection, self.code)

    # one process, and a copy to try things on

    def lock(self) -> AbstractContextManager[Database]:
        """Look after the school while cycles run, see ``Database.lock``; raises Busy when another process does."""
        return self.database.lock(self.code)

    def copy_to(self, other: Database) -> SchoolStore:
        """Copy all but the journal into an empty database, so that a plan can run without writing the real state."""
        self.database.copy_school(self.code, other)
        return SchoolStore(other, self.code, self.kinds)
