"""The tables. Everything is keyed by school; times are UTC text of one fixed form, so that they sort on both engines.

References live in rows, not in the JSON of the fields: a group of 5,000 members that gains one costs one row. ``refs``
is an order-free hash over those rows (see ``canonical``), so that an equal group is recognised without reading them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Column, Dialect, Index, Integer, MetaData, String, Table, Text, TypeDecorator, text

#: The newest of the migrations, which make these tables.
REVISION = "0001"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})


class UtcTime(TypeDecorator[datetime]):
    """An aware time as ``2026-11-23T19:05:31.000000+00:00``; refuses a naive one."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def _table(name: str, *columns: Column[Any] | Index, compact: bool = False) -> Table:
    """A table keyed by school; ``compact`` ones are stored inside their primary key on SQLite."""
    school = Column("school", String, primary_key=True)
    return Table(name, metadata, school, *columns, sqlite_with_rowid=not compact)


def _key(name: str) -> Column[Any]:
    return Column(name, String, primary_key=True)


def _text(name: str, *, default: str = "") -> Column[Any]:
    return Column(name, Text, nullable=False, default=default)


def _time(name: str, *, optional: bool = True) -> Column[Any]:
    return Column(name, UtcTime, nullable=optional)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, default=0)


def _partial(name: str, column: str, *, where: str) -> Index:
    return Index(name, "school", column, sqlite_where=text(where), postgresql_where=text(where))


# --- what a school is -----------------------------------------------------------------------------------------------

#: ``journal_seq`` and ``journal_hash`` are the head of the chain: rows cut off its end are noticed by it.
school = Table(
    "school",
    metadata,
    Column("code", String, primary_key=True),
    _text("stage", default="classic"),
    _time("stage_since"),
    _number("journal_seq"),
    _text("journal_hash"),
)
binding = _table("binding", _key("side"), _text("identity"), _text("description"))

# --- observed -------------------------------------------------------------------------------------------------------

#: ``listing``: the token lies inside a full listing, which goes on after a restart. ``recall``: what the last token was
#: before it was dropped.
token = _table(
    "token",
    _key("side"),
    Column("value", Text),
    Column("listing", Boolean, nullable=False, default=False),
    Column("recall", Text),
)

#: ``written_until``: we wrote it and replicas may still show what was before. ``doubt_until``: such an old state came
#: and was ignored; the time after which nobody can know any more whether it was a lag or somebody's own edit.
observation = _table(
    "observation",
    _key("side"),
    _key("anchor"),
    _text("kind"),
    _text("version"),
    _text("fields", default="{}"),
    Column("refs", String(32), nullable=False),
    _text("role"),
    Column("gone", String),
    _time("written_until"),
    _time("doubt_until"),
    Index(None, "school", "side", "kind"),
    _partial("ix_observation_doubt", "doubt_until", where="doubt_until IS NOT NULL"),
    compact=True,
)
reference = _table(
    "reference",
    _key("side"),
    _key("anchor"),
    _key("field"),
    _key("target"),
    _time("written_until"),
    Index(None, "school", "side", "target"),
    compact=True,
)
#: Values that correlate, casefolded; ``place`` of tree kinds is parent anchor, separator, name.
key = _table(
    "key",
    _key("side"),
    _key("anchor"),
    _key("name"),
    _text("kind"),
    _text("value"),
    Index(None, "school", "side", "kind", "name", "value"),
    compact=True,
)
#: States and removed elements that replicas may still show; a state is kept under the field ``""``.
echo = _table(
    "echo",
    _key("side"),
    _key("anchor"),
    _key("field"),
    _key("value"),
    _time("until", optional=False),
    Index(None, "school", "until"),
    compact=True,
)
seen = _table("seen", _key("side"), _key("anchor"), compact=True)

# --- linked and agreed ----------------------------------------------------------------------------------------------

link = _table(
    "link",
    _key("id"),
    _text("kind"),
    _number("rank"),
    Column("school_anchor", String),
    Column("cloud_anchor", String),
    _time("retired_at"),
    Index(None, "school", "school_anchor", unique=True),
    Index(None, "school", "cloud_anchor", unique=True),
    # Few links have one end only, and every cycle asks for them in this order.
    Index("ix_link_only_school", "school", "cloud_anchor", "school_anchor"),
    Index("ix_link_only_cloud", "school", "school_anchor", "cloud_anchor"),
)
agreement = _table("agreement", _key("link"), _text("fields", default="{}"), Column("refs", String(32), nullable=False))
agreed_reference = _table("agreed_reference", _key("link"), _key("field"), _key("target"), compact=True)
name = _table(
    "name",
    _key("space"),
    _key("folded"),
    _text("name"),
    _text("link"),
    _time("at", optional=False),
    Index(None, "school", "space", "link"),
)
tombstone = _table(
    "tombstone",
    _key("link"),
    _text("kind"),
    Column("school_anchor", String),
    Column("cloud_anchor", String),
    _time("at", optional=False),
    _text("agreed", default="{}"),
)

# --- what is to be looked at ----------------------------------------------------------------------------------------

#: ``changed``: look now; ``again``: look then (the next step of a retirement outlives a change in between).
touched = _table(
    "touched",
    _key("link"),
    _number("rank"),
    Column("changed", Boolean, nullable=False),
    _time("again"),
    Index(None, "school", "rank", "link"),
    compact=True,
)
touched_loose = _table("touched_loose", _key("anchor"), _key("side"), compact=True)
trouble = _table(
    "trouble",
    _key("link"),
    _text("kind"),
    _text("side"),
    _text("action"),
    _text("role"),
    _text("rule"),
    _text("message"),
    _time("since", optional=False),
    _number("attempts"),
    _time("retry_at"),
)
release = _table(
    "release",
    _key("link"),
    _text("actor"),
    _text("reason"),
    _time("at", optional=False),
    _time("expires"),
    _time("used"),
)
handed_out = _table("handed_out", _key("link"), _time("at", optional=False))

# --- the school year --------------------------------------------------------------------------------------------------

#: ``phase`` as in ``bridge.core.freeze``; ``last``: who was in which class when it was opened, ``done``: what apply
#: did, both as JSON without names of people.
year = _table(
    "year",
    _text("id"),
    _text("phase"),
    *(_time("at", optional=False), _text("last", default="{}"), _text("done", default="{}")),
)
#: The source anchor that stands for a group of the school's directory, where that group is another class than before.
generation = _table("generation", _key("anchor"), _text("source_anchor"))

# --- files ----------------------------------------------------------------------------------------------------------

#: Bytes that a side shows as ``seen`` (unread, or rewritten after the upload) are those that were agreed on.
content_alias = _table(
    "content_alias", _key("side"), _key("anchor"), _text("seen"), _text("agreed", default=""), compact=True
)
#: Both versions were kept: ``link`` is the object that kept its name, ``anchor`` the record on ``side`` that lost it.
conflict = _table(
    "conflict",
    _key("id"),
    _text("link"),
    _text("side"),
    _text("anchor"),
    _text("path"),
    _text("copy"),
    _time("at", optional=False),
    _time("resolved"),
    _text("how"),
)

#: Of a root, as JSON: who is to be let in, whom the bridge let in, what of the school's rights can't be carried over.
access = _table(
    "access",
    _text("wanted", default="{}"),
    _text("given", default="{}"),
    _text("unsaid", default="[]"),
    _time("read_at"),
)
#: Where the folder of a root was proved to be the known one at last: placeholder -> value, as JSON.
whereabouts = _table("whereabouts", _text("filled", default="{}"))

# --- books ----------------------------------------------------------------------------------------------------------

cycle = _table(
    "cycle",
    _key("id"),
    _time("started", optional=False),
    _time("ended"),
    _text("outcome"),
    _text("counts", default="{}"),
    Index(None, "school", "started"),
)
#: What was written, summed up per ``record`` call, for the guard.
tally = _table(
    "tally",
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _key("side"),
    _key("kind"),
    _key("role"),
    _key("tally"),
    _time("at", optional=False),
    _number("number"),
    Index(None, "school", "at"),
)
journal = _table(
    "journal",
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _time("at", optional=False),
    _text("actor"),
    _text("cycle"),
    _text("side"),
    _text("kind"),
    _text("action"),
    _text("link"),
    _text("anchor"),
    _text("reason"),
    _text("before", default="{}"),
    _text("after", default="{}"),
    _text("outcome"),
    Column("hash", String(64), nullable=False),
    Index(None, "school", "link"),
)
