"""Erase one person from the state: rows go, the journal's chain stays whole, a login stays reserved without its name.

1. names    a keyed hash takes the place of every name that was given
2. journal  rows of the person lose their values, rows that name the person get the link in its place
3. texts    the same in other people's rows
4. rows     all rows of the person, and the whole state of the person's folders
5. receipt  one journal row says which rows were erased, by whom and why
One transaction; ``compact`` then takes the old bytes out of the file.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, and_, delete, or_, select, update

from bridge.core.model import Side
from bridge.state import journal as chain
from bridge.state.canonical import dump, shift, to_hex
from bridge.state.columns import owner_column
from bridge.state.database import Database
from bridge.state.names import marks
from bridge.state.persons import RULES, Rule, Whom, about, mentions, spellings
from bridge.state.tables import journal, metadata, name, observation, reference
from bridge.state.transaction import Transaction

#: What stays of the values in a person's own journal rows: the rule and step of a retirement say nothing of them.
_KEPT = frozenset({"rule", "role", "step", "action", "until", "rows", "tables", "roots", "links"})


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: rows per table, the number of the journal's rows, and the row that notes it."""

    rows: Mapping[str, int]
    journal_rows: int
    seq: int
    hash: str
    roots: Mapping[str, str]


def erase(tx: Transaction, person: Whom, *, actor: str, reason: str) -> Erased:
    """Everything of it in this transaction; the link's id is all that is left, and means nobody any more."""
    counts: Counter[str] = Counter()
    heads = {code: _head(tx, code) for code in person.roots}
    counts["name"] = _reserve(tx, person)
    numbers = _journal(tx, person)
    _unrefer(tx, person)
    for table in metadata.sorted_tables:
        rule = RULES[table.name]
        if table is not journal and table is not name and rule is not None:
            counts[table.name] += _rename(tx, table, rule, person)
            counts[table.name] += _delete(tx, table, rule, person)
        owner = owner_column(table)
        if person.roots and owner is not None:
            counts[table.name] += _run(tx, delete(table).where(owner.in_(person.roots)))
    told = {table: number for table, number in sorted(counts.items()) if number}
    after = {"rows": numbers, "tables": told, "roots": heads}
    entry = chain.Entry(
        chain.ERASE, actor=actor, kind="user", link=person.link, reason=reason, after=after, outcome="done"
    )
    seq = chain.append(tx, [entry])
    head = chain.checkpoint(tx.connection, tx.school)
    return Erased(told, len(numbers), seq, head.hash, heads)


def _head(tx: Transaction, code: str) -> str:
    head = chain.checkpoint(tx.connection, code)
    return f"{head.seq}:{head.hash}"


def _run(tx: Transaction, statement: Any) -> int:
    return max(0, tx.connection.execute(statement).rowcount)


def _reserve(tx: Transaction, person: Whom) -> int:
    mine = and_(name.c.school == tx.school, name.c.link == person.link)
    given = tx.rows(select(name.c.space, name.c.folded, name.c.at).where(mine))
    tx.key.expect(marks(tx.connection))
    hashed = [
        {"space": one.space, "folded": tx.key.hash_name(one.space, one.folded), "name": "", "link": "", "at": one.at}
        for one in given
    ]
    tx.run(delete(name).where(mine))
    tx.add(name, hashed)
    return len(hashed)


def _journal(tx: Transaction, person: Whom) -> list[int]:
    """Rows that were changed, by number."""
    rule = RULES["journal"] or Rule()
    wanted = or_(about(journal, rule, person), mentions(journal, rule, person))
    mine = and_(journal.c.school == tx.school, journal.c.action != chain.ERASE)
    rows = tx.connection.execute(select(journal).where(mine, wanted)).mappings().all()
    values = {int(row["seq"]): _harmless(dict(row), person) for row in rows}
    changed = {int(row["seq"]) for row in rows if any(row[name] != values[row["seq"]][name] for name in chain.PERSONAL)}
    values = {seq: new for seq, new in values.items() if seq in changed}
    chain.erase(tx, values)
    return sorted(values)


def _harmless(row: Mapping[str, Any], person: Whom) -> dict[str, str]:
    """The PERSONAL columns without the person; of the own rows nothing stays but what says nothing of anybody."""
    own = row["link"] == person.link
    words = person.own if own else person.words
    found = {column: _without(row[column], words, person.link) for column in chain.PERSONAL}
    if not own:
        return found
    machine = row["actor"] == "bridge"
    return found | {
        "anchor": "",
        "reason": found["reason"] if machine else "",
        "before": _emptied(row["before"]),
        "after": _emptied(row["after"]),
        "outcome": found["outcome"].partition(":")[0],
    }


def _emptied(text: str) -> str:
    return dump({key: value if key in _KEPT else "…" for key, value in json.loads(text).items()})


def _without(text: str, words: frozenset[str], pseudonym: str) -> str:
    """All words at once, the longest first: what was put in is not looked at again."""
    spelt = sorted(spellings(words), key=len, reverse=True)
    if not spelt:
        return text
    # The pseudonym may hold one of the words, and a word may be the beginning of somebody else's (a-1 of a-12).
    found = "|".join(re.escape(one) for one in (pseudonym, *spelt))
    return re.sub(rf"(?<![\w-])(?:{found})(?![\w-])", pseudonym, text, flags=re.IGNORECASE)


def _unrefer(tx: Transaction, person: Whom) -> None:
    """Take the person out of what groups were seen to contain, so that their hashes still fit their rows."""
    for side, anchor in person.anchors.items():
        mine = and_(reference.c.school == tx.school, reference.c.side == side, reference.c.target == anchor)
        for row in tx.rows(select(reference.c.anchor, reference.c.field).where(mine)):
            here = and_(
                observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == row.anchor
            )
            for seen in tx.rows(select(observation.c.refs).where(here)):
                refs = shift(int(seen.refs, 16), added=(), removed=[(row.field, anchor)])
                tx.run(update(observation).where(here).values(refs=to_hex(refs)))


def _rename(tx: Transaction, table: Table, rule: Rule, person: Whom) -> int:
    """The link in place of the person's words, in texts of other rows."""
    if not rule.texts:
        return 0
    number = 0
    mine = table.c.school == tx.school
    columns = [*table.primary_key.columns, *(table.c[column] for column in rule.texts)]
    for row in tx.connection.execute(select(*columns).where(mine, mentions(table, rule, person))).mappings().all():
        same = and_(*(column == row[column.name] for column in table.primary_key.columns))
        texts = {column: _without(row[column], person.words, person.link) for column in rule.texts}
        number += _run(tx, update(table).where(same).values(texts))
    return number


def _delete(tx: Transaction, table: Table, rule: Rule, person: Whom) -> int:
    """The person's rows. Where others agreed on the link (a group's members), the link means nobody and may stay."""
    if table.name == "agreed_reference":
        rule = Rule(links=("link",))
    return _run(tx, delete(table).where(table.c.school == tx.school, about(table, rule, person)))


def compact(database: Database) -> bool:
    """Take what was deleted out of the database's file, too; False when it is in use and has to be done later."""
    if database.engine.dialect.name != "sqlite":
        return _vacuum_postgres(database)
    if database.path is None:
        return True
    try:
        # Not through the pool, whose connections are always inside a transaction.
        with closing(sqlite3.connect(database.path, isolation_level=None, timeout=30)) as connection:
            connection.execute("VACUUM")
            row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    return bool(row) and row[0] == 0


def _vacuum_postgres(database: Database) -> bool:
    """PostgreSQL keeps dead rows in its files until they are rewritten."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            connection.exec_driver_sql(f'VACUUM FULL "{table.name}"')
    return True


def sides(person: Whom) -> str:
    """Where the person still lives, for a message."""
    return " and ".join("the school" if side is Side.SCHOOL else "the cloud" for side in person.living)
