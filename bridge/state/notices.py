"""What people were told, per target: troubles (see ``core.notices``) and news (what the journal says happened).

A row's key is ``TARGET/KIND:SUBJECT`` of a trouble and ``TARGET#NUMBER`` of a piece of news, which goes once it was
told. ``journal`` is how far the journal of a school was read for news. A trouble that was told, and its end, are
journaled in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, delete, select

from bridge.core.notices import Concern, Notice, Severity
from bridge.state import journal as chain
from bridge.state.appointments import ACTION, Outcome
from bridge.state.cutover_tables import notice as table
from bridge.state.database import Database
from bridge.state.tables import journal, school
from bridge.state.transaction import Transaction

_CURSOR = "journal"
#: What the journal may hold that is news for people.
_STAGE, _APPOINTMENT = "stage", ACTION
#: An appointment that was kept moved the stage: that is the news.
_STARTED = Outcome.STARTED.value
#: How far the cursor may lag behind when there is no news; written only then.
_LAG = 1000


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened. ``facts`` are words of the bridge: stages, events, outcomes, times."""

    school: str
    number: int
    kind: str
    at: datetime
    severity: Severity
    facts: Mapping[str, str] = field(default_factory=dict)


def remembered(database: Database) -> tuple[dict[str, list[Notice]], dict[str, list[News]]]:
    """Target -> its troubles, and target -> the news that it was not told yet."""
    troubles: dict[str, list[Notice]] = {}
    news: dict[str, list[News]] = {}
    with database.read() as connection:
        for row in connection.execute(select(table).order_by(table.c.school, table.c.key)):
            if "/" in row.key:
                troubles.setdefault(row.key.partition("/")[0], []).append(_notice(row))
            elif "#" in row.key:
                news.setdefault(row.key.partition("#")[0], []).append(_news(row))
    return troubles, news


def keep(database: Database, target: str, before: Iterable[Notice], after: Iterable[Notice]) -> None:
    """Write what became of a target's troubles; nothing where nothing changed."""
    old = {one.concern.name: one for one in before}
    new = {one.concern.name: one for one in after}
    changed = {name: one for name, one in new.items() if old.get(name) != one}
    gone = old.keys() - new.keys()
    codes = sorted({name[0] for name in (*changed, *gone)})
    if not codes:
        return
    with _writing(database, codes) as (transactions, known):
        for tx in transactions:
            mine = [one for name, one in changed.items() if name[0] == tx.school]
            tx.put(table, (_row(target, one) for one in mine))
            keys = [_key(target, name) for name in gone if name[0] == tx.school]
            tx.run(delete(table).where(table.c.school == tx.school, table.c.key.in_(keys)))
            if tx.school in known:
                chain.append(tx, _entries(target, old, mine))


def _entries(target: str, old: Mapping[Any, Notice], new: Iterable[Notice]) -> Iterator[chain.Entry]:
    for one in new:
        before = old.get(one.concern.name)
        told = one.told is not None and (before is None or before.told != one.told)
        over = one.ended is not None and (before is None or before.ended is None)
        if told or over:
            after = {"target": target, "key": one.thread, "severity": one.concern.severity.value}
            what = f"{one.concern.kind} {one.concern.subject}".strip()
            yield chain.Entry("tell", reason=what, after=after, outcome="over" if over else "told")


@contextmanager
def _writing(database: Database, codes: Sequence[str]) -> Iterator[tuple[Sequence[Transaction], frozenset[str]]]:
    """A transaction on several schools, which are locked in one order; and those of them that have a journal."""
    with database.write() as connection:
        query = select(school.c.code).where(school.c.code.in_(codes)).order_by(school.c.code).with_for_update()
        known = frozenset(connection.scalars(query))
        now = database.clock()
        yield [Transaction(connection, code, {}, now, database.key) for code in codes], known


def forget_others(database: Database, targets: Iterable[str]) -> None:
    """What is remembered of targets that are not configured any more; without any, how far the journal was read."""
    with database.read() as connection:
        keys = set(connection.scalars(select(table.c.key).distinct()))
    wanted = set(targets)
    wanted |= {_CURSOR} if wanted else set()
    gone = [key for key in keys if key.partition("#")[0].partition("/")[0] not in wanted]
    if gone:
        with database.write() as connection:
            connection.execute(delete(table).where(table.c.key.in_(gone)))


# -- news


def gather(database: Database, wanted: Mapping[str, Iterable[str]]) -> None:
    """Put what the journals say since the last time into the rows of each school's targets. School -> targets."""
    with database.read() as connection:
        heads = {row[0]: row[1] for row in connection.execute(select(school.c.code, school.c.journal_seq))}
        rows = connection.execute(select(table.c.school, table.c.times).where(table.c.key == _CURSOR))
        cursors = {row[0]: row[1] for row in rows}
    for code, targets in wanted.items():
        if code in heads:
            _gather(database, code, list(targets), cursor=cursors.get(code), head=heads[code])


def _gather(database: Database, code: str, targets: Sequence[str], *, cursor: int | None, head: int) -> None:
    if cursor == head:
        return
    found = [] if cursor is None else _since(database, code, cursor, head)
    if not found and cursor is not None and head - cursor < _LAG:
        return
    with database.write() as connection:
        tx = Transaction(connection, code, {}, database.clock(), database.key)
        tx.add(table, (_news_row(target, one) for one in found for target in targets))
        tx.put(table, [{**_BLANK, "key": _CURSOR, "since": tx.now, "times": head}])


_BLANK: Mapping[str, Any] = {"severity": "", "text": "", "told": None, "ended": None}


def _since(database: Database, code: str, cursor: int, head: int) -> list[News]:
    columns = (journal.c.seq, journal.c.at, journal.c.action, journal.c.reason, journal.c.before, journal.c.after)
    mine = and_(journal.c.school == code, journal.c.seq > cursor, journal.c.seq <= head)
    told = and_(journal.c.action.in_((_STAGE, _APPOINTMENT)), journal.c.outcome != _STARTED)
    query = select(*columns, journal.c.outcome).where(mine, told)
    with database.read() as connection:
        return [_read(code, row) for row in connection.execute(query.order_by(journal.c.seq))]


def _read(code: str, row: Any) -> News:
    """Only words of the bridge's own are taken out of a row: a reason may hold anybody's name."""
    before, after = json.loads(row.before), json.loads(row.after)
    if row.action == _STAGE:
        event = str(row.reason).partition(":")[0]
        facts = {"before": str(before.get("stage", "")), "after": str(after.get("stage", "")), "event": event}
        severity = {"deadline": Severity.CRITICAL, "abort": Severity.WARNING, "roll-back": Severity.WARNING}
        return News(code, row.seq, "stage", row.at, severity.get(event, Severity.NOTICE), facts)
    facts = {"outcome": str(row.outcome), "cause": str(after.get("cause", ""))}
    facts |= {"at": str(after.get("at") or before.get("at", ""))}
    failed = row.outcome in {"refused", "missed"}
    return News(code, row.seq, "appointment", row.at, Severity.WARNING if failed else Severity.NOTICE, facts)


def done(database: Database, target: str, news: Iterable[News]) -> None:
    """They were told, or are not for this target."""
    keys: dict[str, list[str]] = {}
    for one in news:
        keys.setdefault(one.school, []).append(_news_key(target, one))
    if keys:
        with database.write() as connection:
            for code, mine in keys.items():  # one condition for all of them may be more than a database takes
                connection.execute(delete(table).where(table.c.school == code, table.c.key.in_(mine)))


# -- rows


def _key(target: str, name: tuple[str, str, str]) -> str:
    return f"{target}/{name[1]}:{name[2]}"


def _news_key(target: str, one: News) -> str:
    return f"{target}#{one.number:012d}"


def _row(target: str, one: Notice) -> dict[str, Any]:
    concern = one.concern
    more = {
        "kind": concern.kind,
        "subject": concern.subject,
        "count": concern.count,
        "seen": _text(one.seen),
        "tried": _text(one.tried),
        "said": one.said.value if one.said else None,
        "calm": _text(one.calm),
        "returns": one.returns,
        "thread": one.thread,
    }
    return {
        "key": _key(target, concern.name),
        "severity": concern.severity.value,
        "text": json.dumps(more, ensure_ascii=False),
        "since": concern.since,
        "told": one.told,
        "ended": one.ended,
        "times": one.times,
    }


def _notice(row: Row[Any]) -> Notice:
    more = json.loads(row.text)
    severity = Severity(row.severity)
    return Notice(
        Concern(row.school, more["kind"], severity, row.since, subject=more["subject"], count=more["count"]),
        seen=datetime.fromisoformat(more["seen"]),
        tried=_time(more["tried"]),
        told=row.told,
        times=row.times,
        said=Severity(more["said"]) if more["said"] else None,
        calm=_time(more["calm"]),
        ended=row.ended,
        returns=more["returns"],
        thread=more["thread"],
    )


def _news_row(target: str, one: News) -> dict[str, Any]:
    text = json.dumps({"kind": one.kind, "facts": dict(one.facts)}, ensure_ascii=False)
    row = {**_BLANK, "key": _news_key(target, one), "severity": one.severity.value, "text": text}
    return {**row, "since": one.at, "times": 0}


def _news(row: Row[Any]) -> News:
    more = json.loads(row.text)
    number = int(row.key.partition("#")[2])
    return News(row.school, number, more["kind"], row.since, Severity(row.severity), more["facts"])


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
