"""What the state holds about one person: a rule for every table, so that a new one can't be forgotten.

1. whom     the link, the anchors on both sides, and the words that mean this person and nobody else
2. rules    per table: which columns name the link, which an anchor, which hold free text
3. rows     all rows that a rule finds, and the journal's; and everything of the folders that are this person's
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, false, or_, select

from bridge.core.kinds import Kind
from bridge.core.model import Side
from bridge.state.canonical import decode, folded
from bridge.state.columns import owner_column
from bridge.state.journal import PERSONAL
from bridge.state.roots import BETWEEN, roots_of
from bridge.state.tables import agreement, journal, link, metadata, name, observation, tombstone

#: A shorter word could mean anybody.
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """How rows about a person are found: columns that hold the link, an anchor, or text that may name somebody."""

    links: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


_BY_LINK, _BY_ANCHOR = Rule(links=("link",)), Rule(anchors=("anchor",))

#: Table -> its rule; None: it holds nothing about people. A test compares it with the tables that there are.
RULES: Mapping[str, Rule | None] = {
    "school": None,
    "binding": None,
    "token": None,
    "cycle": None,  # numbers only
    "tally": None,  # numbers only
    "observation": _BY_ANCHOR,
    "reference": Rule(anchors=("anchor", "target")),
    "key": _BY_ANCHOR,
    "echo": Rule(anchors=("anchor", "value")),
    "seen": _BY_ANCHOR,
    "touched_loose": _BY_ANCHOR,
    "content_alias": _BY_ANCHOR,
    "link": Rule(links=("id",)),
    "agreement": _BY_LINK,
    "agreed_reference": Rule(links=("link", "target")),
    "name": _BY_LINK,
    "tombstone": _BY_LINK,
    "touched": _BY_LINK,
    "trouble": Rule(links=("link",), texts=("message",)),
    "release": Rule(links=("link",), texts=("reason",)),
    "password_state": _BY_LINK,
    "year": Rule(texts=("last", "done")),
    "generation": _BY_ANCHOR,
    "roster": Rule(links=("link",), anchors=("anchor",)),
    "roster_apply": None,  # numbers only
    "roster_step": Rule(links=("link",), texts=("before", "after")),
    "drift": Rule(links=("link",), texts=("found", "wanted")),
    "hold": Rule(links=("link",), texts=("note",)),
    "handed_out": _BY_LINK,
    "conflict": Rule(links=("link",), anchors=("anchor",), texts=("path", "copy")),
    "access": Rule(texts=("wanted", "given", "unsaid")),
    "whereabouts": Rule(texts=("filled",)),
    "gate": None,  # evidence by numbers and ids
    "vouch": None,  # who is named is staff, and answers for it
    "approval": None,
    "appointment": None,
    "changeover": None,
    "frozen": None,
    "mastered": _BY_ANCHOR,
    "api_token": None,
    "api_answer": None,
    "notice": None,
    # A fleet: whose is what, and what is told, by codes and numbers only.
    **dict.fromkeys(("lease", "restored", "uplink", "outbox", "hub_site", "hub_certificate", "hub_school")),
    **dict.fromkeys(
        ("hub_event", "hub_command", "hub_question", "hub_grant", "hub_wave", "hub_demand", "hub_head", "hub_need")
    ),
    "hub_configuration": None,
    "journal": Rule(links=("link",), anchors=("anchor",), texts=PERSONAL),
}


@dataclass(frozen=True, slots=True)
class Whom:
    """One person. ``words`` mean this person alone (ids, logins, the full name); ``own`` also first and last names.

    ``living``: sides on which there is a record now. ``roots``: codes of the folders of shares that are this person's.
    """

    code: str
    link: str
    anchors: Mapping[Side, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    living: tuple[Side, ...] = ()
    roots: tuple[str, ...] = ()


def whom(connection: Connection, code: str, kinds: Mapping[str, Kind], of: str) -> Whom | None:
    """The person behind a link, also one that was forgotten; None when nothing is known of it."""
    mine = and_(link.c.school == code, link.c.id == of)
    row = connection.execute(select(link.c.school_anchor, link.c.cloud_anchor).where(mine)).first()
    if row is None:
        gone = and_(tombstone.c.school == code, tombstone.c.link == of)
        row = connection.execute(select(tombstone.c.school_anchor, tombstone.c.cloud_anchor).where(gone)).first()
    written = connection.execute(select(journal).where(journal.c.school == code, journal.c.link == of)).mappings().all()
    if row is None and not written:
        return None
    ends = dict(zip(Side, row or (None, None), strict=True))
    anchors = {side: anchor for side, anchor in ends.items() if anchor}
    seen, living = _seen(connection, code, anchors)
    told = [json.loads(one[column]) for one in written for column in ("before", "after")]
    alone, own = _words(kinds["user"], [*seen, *_remembered(connection, code, of), *told])
    given = select(name.c.name).where(name.c.school == code, name.c.link == of)
    alone |= {one for one in connection.scalars(given) if one}
    ids = {*anchors.values(), *(one["anchor"] for one in written)}
    alone |= {one for one in ids if len(one) >= _SHORTEST}
    homes = tuple(one for one in roots_of(connection, code) if one.endswith(f"{BETWEEN}{of}"))
    return Whom(code, of, anchors, frozenset(alone), frozenset(own | alone), living, homes)


def _seen(connection: Connection, code: str, anchors: Mapping[Side, str]) -> tuple[list[Any], tuple[Side, ...]]:
    found, living = [], []
    for side, anchor in anchors.items():
        mine = and_(observation.c.school == code, observation.c.side == side, observation.c.anchor == anchor)
        for row in connection.execute(select(observation.c.fields, observation.c.gone).where(mine)):
            found.append(decode(row.fields))
            if row.gone is None:
                living.append(side)
    return found, tuple(living)


def _remembered(connection: Connection, code: str, of: str) -> list[Any]:
    agreed = select(agreement.c.fields).where(agreement.c.school == code, agreement.c.link == of)
    buried = select(tombstone.c.agreed).where(tombstone.c.school == code, tombstone.c.link == of)
    return [decode(one) for query in (agreed, buried) for one in connection.scalars(query)]


def _words(kind: Kind, several: list[Any]) -> tuple[set[str], set[str]]:
    """Words that mean this person alone, and those that many share (a first name)."""
    unique = {*kind.keys, "sid", *(one.name for one in kind.fields if one.assigned_from or one.fold)}
    named = {one.name for one in kind.fields if one.rename} | {"upn_base"}
    alone: set[str] = set()
    own: set[str] = set()
    for fields in several:
        for key, value in fields.items() if isinstance(fields, Mapping) else ():
            if not isinstance(value, str) or len(value) < _SHORTEST or value == "…":
                continue
            if key in unique or (key == kind.label and " " in value.strip()):
                alone.add(value)
            elif key in named:
                own.add(value)
    return alone, own


def about(table: Table, rule: Rule, person: Whom) -> ColumnElement[bool]:
    """The condition of rows in the school's own state that are this person's."""
    parts: list[ColumnElement[bool]] = [table.c[column] == person.link for column in rule.links]
    for column in rule.anchors:
        for side, anchor in person.anchors.items():
            sided = table.c[column] == anchor
            parts.append(and_(sided, table.c.side == side) if "side" in table.c else sided)
    return or_(*parts) if parts else false()


def mentions(table: Table, rule: Rule, person: Whom) -> ColumnElement[bool]:
    """The condition of rows of which a text names this person: words that mean nobody else."""
    spelt = sorted(spellings(person.words))
    parts = [table.c[column].icontains(word, autoescape=True) for column in rule.texts for word in spelt]
    return or_(*parts) if parts else false()


def spellings(words: Iterable[str]) -> set[str]:
    """Words as they stand in plain text, and inside JSON, where letters beyond ASCII are escaped."""
    return {spelt for word in words for spelt in (word, json.dumps(word)[1:-1])}


def rows(connection: Connection, person: Whom) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row) of everything about this person, tables in the order of their names."""
    homes = list(person.roots)
    for table in sorted(metadata.sorted_tables, key=lambda one: one.name):
        rule = RULES[table.name]
        owner = owner_column(table)
        if owner is None:
            continue
        wanted: list[ColumnElement[bool]] = [owner.in_(homes)]
        if rule is not None:
            # What other folders' tables say of this person counts, too: a share that was opened for them.
            here = owner == person.code
            wanted += [and_(here, about(table, rule, person)), mentions(table, rule, person)]
        for row in connection.execute(select(table).where(or_(*wanted))).mappings():
            yield table.name, dict(row)


def found_by(connection: Connection, code: str, text: str) -> list[str]:
    """Links of people that a text may mean although they were forgotten: a link, an anchor, or a name once given."""
    exact = folded(text)
    queries = [
        select(name.c.link).where(name.c.school == code, name.c.folded == exact, name.c.link != ""),
        select(name.c.link).where(name.c.school == code, name.c.folded.startswith(f"{exact}@", autoescape=True)),
        select(tombstone.c.link).where(
            tombstone.c.school == code,
            tombstone.c.kind == "user",
            or_(tombstone.c.link == text, tombstone.c.school_anchor == text, tombstone.c.cloud_anchor == text),
        ),
        select(journal.c.link).where(journal.c.school == code, journal.c.kind == "user", journal.c.link == text),
    ]
    told = [journal.c[column].icontains(one, autoescape=True) for column in PERSONAL for one in spellings([text])]
    if len(text) >= _SHORTEST:
        queries.append(select(journal.c.link).where(journal.c.school == code, journal.c.kind == "user", or_(*told)))
    return sorted({one for query in queries for one in connection.scalars(query) if one})
