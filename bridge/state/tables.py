"""The tables. Everything is keyed by school; times are UTC text of one fixed form, so that they sort on both engines.

References live in rows, not in the JSON of the fields: a group of 5,000 members that gains one costs one row. ``refs``
is an order-free hash over those rows (see ``canonical``), so that an equal group is recognised without reading them.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from bridge.state.columns import UtcTime
from bridge.state.columns import key_column as _key
from bridge.state.columns import metadata as metadata
from bridge.state.columns import number_column as _number
from bridge.state.columns import partial_index as _partial
from bridge.state.columns import table as _table
from bridge.state.columns import text_column as _text
from bridge.state.columns import time_column as _time
from bridge.state.roster_tables import roster as roster
from bridge.state.roster_tables import roster_apply as roster_apply
from bridge.state.roster_tables import roster_step as roster_step

#: The newest of the migrations, which make these tables.
REVISION = "0003"

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

#: ``changed_at``: when a change that was not ours was seen last, of people and groups. ``written_until``: we wrote it
#: and replicas may still show what was before. ``doubt_until``: such an old state came and was ignored; the time after
#: which nobody can know any more whether it was a lag or somebody's own edit.
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
    _time("changed_at"),
    # All that is asked by kind: SQLite takes an index that lacks some of it for dearer than the whole table.
    Index(None, "school", "side", "kind", "gone"),
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
    # How far the retirement went: the last step that was done, when, and on which side.
    Column("step", String),
    _time("step_at"),
    Column("step_on", String),
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
#: What was changed on the side that does not own it, the newest only; see ``drift.py`` for the states.
drift = _table(
    "drift",
    _key("link"),
    _key("field"),
    _key("side"),
    _text("kind"),
    _text("found"),
    _text("wanted"),
    _text("state"),
    _time("at", optional=False),
)
#: While a hold lasts, the clock of the link's retirement stands still. ``until`` is when it was planned to end;
#: ``lifted`` when a person ended it. Kept while the link is: the time held does not count later either.
hold = _table(
    "hold",
    _key("link"),
    Column("since", UtcTime, primary_key=True),
    _time("until", optional=False),
    _text("reason"),
    _text("note"),
    _text("actor"),
    _time("lifted"),
)
handed_out = _table("handed_out", _key("link"), _time("at", optional=False))
#: What became of the last password that the bridge set, on each side: never the password. ``mark``: which of the
#: side's own changes was dealt with last (its key version number, counted up with each password).
_set = (_text("outcome"), _time("set_at", optional=False), Column("mark", Text))
password_state = _table("password_state", _key("link"), _key("side"), *_set)

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
    # What of a row may be about a person hangs in the chain by a digest with a salt of its own: see ``journal``.
    Column("salt", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "school", "link"),
)
