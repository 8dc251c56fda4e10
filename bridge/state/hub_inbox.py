"""Reports of sites, applied once and in order: many of them in one transaction (group commit).

lock    the rows of the sites concerned, in the order of their names: several hub processes may do this at once
judge   may it speak, is all of it about schools of its own, and what of it is new (``bridge.core.fleet.take``)
write   marks, states, events, answers: one statement each for all reports together
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from bridge.core.fleet import Mark, Taken, Told, Verdict, take
from bridge.fleet.messages import Message, Report
from bridge.state import hub_answers, hub_heads
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_certificate, hub_demand, hub_event, hub_school, hub_site
from bridge.state.hub_certificates import refusal
from bridge.state.hub_journal import note, under
from bridge.state.hub_sites import locked
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

#: The newest of a school counts; everything else is an event, and all of them are kept.
STATES = frozenset({"school", "cutover", "configuration", "head"})
#: So many epochs at most may have begun since the last one that is known. Whoever has a site's certificate must not be
#: able to use all numbers up: the site itself would find none any more.
EPOCHS = 1000
#: What a column counts up to.
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Posted:
    """A report as it came in. ``serial``: of the certificate that it came under; ``note``: journal it if refused."""

    site: str
    serial: str
    report: Report
    received: datetime
    note: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a report. ``refused``: why nothing of it was applied; ``answers``: commands that it answered;
    ``missing``: messages of the site that never came, ever."""

    taken: Taken
    schools: frozenset[str] = frozenset()
    refused: str = ""
    foreign: frozenset[str] = frozenset()
    answers: tuple[str, ...] = ()
    missing: int = 0


@dataclass(slots=True)
class _Batch:
    """What is to be written for all reports of a transaction."""

    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    demands: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    heads: list[hub_heads.Head] = field(default_factory=list)
    answers: list[hub_answers.Answered] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)


def apply(database: Database, posted: Sequence[Posted]) -> list[Outcome]:
    """Apply reports in the order in which they came: all of this call or, where it raises, nothing."""
    batch = _Batch()
    with database.write() as connection:
        rows = locked(connection, (one.site for one in posted))
        bad = _revoked(connection, {one.serial for one in posted})
        outcomes = [_judged(batch, one, rows.get(one.site), bad) for one in posted]
        _write(connection, batch, max(one.received for one in posted))
    return outcomes


def _revoked(connection: Connection, serials: set[str]) -> set[str]:
    mine = hub_certificate.c.serial.in_(sorted(serials)) & hub_certificate.c.revoked.is_not(None)
    return set(connection.execute(select(hub_certificate.c.serial).where(mine)).scalars())


def _judged(batch: _Batch, one: Posted, row: Row[Any] | None, bad: set[str]) -> Outcome:
    report = one.report
    if row is None or row.revoked is not None or one.serial in bad:
        return Outcome(Taken(Verdict.REPEATED, Mark()), refused=refusal(one.site, known=row is not None))
    own, former = frozenset(row.schools.split()), frozenset(row.former.split())
    mark = batch.marks.get(one.site)
    known = Mark(mark["epoch"], mark["seq"]) if mark else Mark(row.epoch, row.seq)
    foreign = frozenset(message.school for message in report.messages) - own - former - {""}
    if foreign:
        if one.note:
            _journal_foreign(batch, one, own, foreign)
        return Outcome(Taken(Verdict.REPEATED, known), own, _not_its_own(one.site, foreign), foreign)
    if report.epoch > known.epoch + EPOCHS:
        return Outcome(Taken(Verdict.REPEATED, known), own, _no_epoch(one.site, report.epoch, known))
    numbers = [message.seq for message in report.messages]
    taken = take(known, Told(report.epoch, report.last, report.oldest, numbers))
    missing = min((mark["missing"] if mark else row.missing) + taken.missing, _MOST)
    batch.marks[one.site] = {
        "name": one.site, "epoch": taken.mark.epoch, "seq": taken.mark.seq,
        "missing": missing, "heard": one.received,
        "missed": one.received if taken.missing else mark["missed"] if mark else row.missed,
        "ahead": (report.now - one.received).total_seconds(), "version": report.version,
    }  # fmt: skip
    answers: list[str] = []
    if taken.verdict is Verdict.APPLIED and taken.first:
        for message in report.messages:
            # Of a school that was given away an answer counts still: what was done there was done.
            if message.seq >= taken.first and (message.school not in former or message.kind == "answer"):
                answers += _gather(batch, one, message)
    for demand in report.demands:
        batch.demands[demand.tenant, demand.budget, one.site] = {
            "tenant": demand.tenant, "budget": demand.budget, "site": one.site, "wanted": demand.wanted,
            "at": one.received, "promises": "[]", "holds": demand.holds,
        }  # fmt: skip
    return Outcome(taken, own, answers=tuple(answers), missing=missing)


def _no_epoch(site: str, epoch: int, known: Mark) -> str:
    return (
        f"the site {site} says that it began its {epoch}th epoch, and its {known.epoch}th is known here; so many are "
        f"never begun. Nothing was applied. Does another machine speak for it? See: schoolbridge hub sites"
    )


def _not_its_own(site: str, foreign: frozenset[str]) -> str:
    codes = ", ".join(sorted(foreign)[:5])
    return (
        f"the report is about a school that is not one of the site {site} ({codes}); nothing of it was applied. At the "
        f"hub: schoolbridge hub assign CODE {site} --reason ..., or take the school out of this site's configuration"
    )


def _journal_foreign(batch: _Batch, one: Posted, own: frozenset[str], foreign: frozenset[str]) -> None:
    after = {"site": one.site, "schools": sorted(foreign)[:20]}
    entry = Entry("refuse report", actor=f"site:{one.site}", anchor=one.site, after=after, outcome="not its schools")
    for code, entries in under(own, entry).items():
        batch.entries.setdefault(code, []).extend(entries)


def _gather(batch: _Batch, one: Posted, message: Message) -> list[str]:
    """Sort a message into what is to be written; the command that it answers."""
    body = json.dumps(message.body, separators=(",", ":"))  # ASCII: PostgreSQL takes no NUL and no half letters
    row = {"site": one.site, "school": message.school, "at": message.at, "received": one.received, "body": body}
    if message.kind in STATES:
        if message.school:
            batch.states[message.school, message.kind] = {**row, "slot": message.kind}
        head = hub_heads.head_of(one, message) if message.kind == "head" else None
        if head is not None:
            batch.heads.append(head)
        return []
    batch.events.append({**row, "epoch": one.report.epoch, "seq": message.seq, "kind": message.kind})
    answered = hub_answers.answer_of(one.site, message) if message.kind == "answer" else None
    if answered is None:
        return []
    batch.answers.append(answered)
    return [answered.command]


def _write(connection: Connection, batch: _Batch, now: datetime) -> None:
    tx = Transaction(connection, "", {}, now)
    mark = update(hub_site).where(hub_site.c.site == bindparam("name"))
    changed: dict[str, Any] = {
        name: bindparam(name) for name in ("epoch", "seq", "missing", "missed", "heard", "ahead", "version")
    }
    tx.run(mark.values(changed), batch.marks.values())
    entries = batch.entries
    for code, more in hub_answers.close(tx, batch.answers).items():
        entries.setdefault(code, []).extend(more)
    # Before the states are written: the last head stands there.
    for code, changes in hub_heads.compared(tx, batch.heads).items():
        entries.setdefault(code, []).extend(change.entry for change in changes)
        batch.events.extend(change.event for change in changes)
    _put(tx, hub_school, batch.states.values(), ("school", "slot"))
    tx.run(tx.insert(hub_event).on_conflict_do_nothing(), batch.events)
    _put(tx, hub_demand, batch.demands.values(), ("tenant", "budget", "site"), keep=("promises",))
    note(connection, now, entries)


def _put(tx: Transaction, table: Any, rows: Any, keys: Sequence[str], keep: Sequence[str] = ()) -> None:
    """Insert rows, or change what is there under the same key but for the columns that are kept."""
    many: list[Mapping[str, Any]] = list(rows)
    if not many:
        return
    statement = tx.insert(table)
    changes = {name: statement.excluded[name] for name in many[0] if name not in {*keys, *keep}}
    tx.run(statement.on_conflict_do_update(index_elements=list(keys), set_=changes), many)
