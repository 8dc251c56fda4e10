"""Tables of a fleet; added by migration 0003: leases, the outbox of a site, and what a hub knows of its sites.

Those of the hub are keyed by what they are about, not by school: a hub's state holds sites of many schools. No column
of them holds a name of a person.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table

from bridge.state.columns import metadata
from bridge.state.columns import number_column as _number
from bridge.state.columns import table as _table
from bridge.state.columns import text_column as _text
from bridge.state.columns import time_column as _time


def _key(name: str) -> Column[str]:
    return Column(name, String, primary_key=True)


# --- any bridge -------------------------------------------------------------------------------------------------------

#: Who looks after a school where several daemons share a database. ``token`` grows with each owner (fencing);
#: ``since`` and ``until`` are in the database's own time. The empty code stands for what is there once a site: its
#: uplink. The unique index makes the token a key, so that PostgreSQL lets renewals pass a lock on it, but no new owner.
lease = _table(
    "lease", _text("owner"), _number("token"), _time("since", optional=False), _time("until", optional=False),
    Index(None, "school", "token", unique=True),
)  # fmt: skip
#: A school, or a root of it, whose state was put back from a backup: until a person ends it nothing is deleted on
#: either side. ``compared``: sides that were read in full since, by spaces; ``still``: nothing at all is written.
restored = _table(
    "restored",
    _time("at", optional=False),
    _text("reason"),
    _text("compared"),
    Column("still", Boolean, nullable=False, default=False),
)

# --- a site -----------------------------------------------------------------------------------------------------------

#: One row under the empty code: the site's epoch and the number given out last. It is locked by whoever writes the
#: outbox. ``missing``: messages that the hub never got, as it said last. ``told``, also under each school's code: JSON
#: of what events were told up to.
uplink = _table("uplink", _number("epoch"), _number("last"), _number("missing"), _text("told"))
#: What the hub has not confirmed yet, in the order of ``place``. ``seq`` is 0 until a message was put into a report:
#: from then on it stays as it is. Before that a newer state takes the place of one of the same ``slot`` (empty: an
#: event, which nothing replaces; an answer has one, so that it stands here once), so that numbers have no gaps and the
#: outbox stays small while the hub is away.
outbox = Table(
    "outbox",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    _number("seq"),
    Column("school", String, nullable=False, default=""),
    _text("kind"),
    _text("slot"),
    _time("at", optional=False),
    _text("body", default="{}"),
    Index(None, "slot"),
)

# --- a hub ------------------------------------------------------------------------------------------------------------

#: ``schools`` are codes, by spaces; ``former``: those that were given to another site since. ``epoch``, ``seq``: the
#: mark of ``bridge.core.fleet``. ``ahead``: how far the site's clock was ahead of the hub's when it was heard last,
#: seconds. ``missing``: messages that never came, the last of them noticed when ``missed``. ``ticket``: SHA-256 of what
#: it enrols with once, and afterwards, behind a blank, of the request that did: that one gets an answer again.
hub_site = Table(
    "hub_site",
    metadata,
    _key("site"),
    _text("label"),
    _text("schools"),
    _text("former"),
    _time("made", optional=False),
    _text("ticket"),
    _time("ticket_expires"),
    _number("epoch"),
    _number("seq"),
    _number("missing"),
    _time("missed"),
    _time("heard"),
    Column("ahead", Float, nullable=False, default=0.0),
    _text("version"),
    _time("revoked"),
)
#: Certificates that were issued to sites.
hub_certificate = Table(
    "hub_certificate",
    metadata,
    _key("serial"),
    _text("site"),
    _time("made", optional=False),
    _time("expires", optional=False),
    _time("revoked"),
    _text("reason"),
    Index(None, "site"),
)
#: The newest state of each school, a row a slot (``school``, ``cutover``, ``configuration``): JSON as it was sent.
hub_school = Table(
    "hub_school",
    metadata,
    _key("school"),
    _key("slot"),
    _text("site"),
    _time("at", optional=False),
    _time("received", optional=False),
    _text("body", default="{}"),
    Index(None, "received"),
)
#: What happened, in the order in which it was applied; ``number`` counts within the site.
hub_event = Table(
    "hub_event",
    metadata,
    _key("site"),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("school", String, nullable=False, default=""),
    _text("kind"),
    _time("at", optional=False),
    _time("received", optional=False),
    _text("body", default="{}"),
    Index(None, "school", "received"),
    Index(None, "received"),
    Index(None, "kind", "received"),
)
#: What sites are asked to do. ``state``: waiting, sent, done, refused, expired, withdrawn. ``order``: the signed text
#: as the site gets it. ``wave``: by which wave it was asked.
hub_command = Table(
    "hub_command",
    metadata,
    _key("id"),
    _text("site"),
    Column("school", String, nullable=False, default=""),
    _text("action"),
    _text("order"),
    _text("actor"),
    _text("reason"),
    _text("wave"),
    _time("asked", optional=False),
    _time("expires", optional=False),
    _text("state", default="waiting"),
    _time("sent"),
    _time("answered"),
    _text("answer"),
    Index(None, "state", "site"),
    Index(None, "school", "asked"),
)
#: Questions on their way, and sealed answers until who asked has fetched them; rows are gone after a minute.
hub_question = Table(
    "hub_question",
    metadata,
    _key("id"),
    _text("site"),
    _text("order"),
    _time("asked", optional=False),
    _time("expires", optional=False),
    Column("sent", Boolean, nullable=False, default=False),
    _text("answer"),
    Index(None, "sent", "site"),
)
#: Rights that a token has for a time, beside its own: support.
hub_grant = Table(
    "hub_grant",
    metadata,
    _key("id"),
    _text("token"),
    Column("school", String, nullable=False, default=""),
    _text("scopes"),
    _time("begins", optional=False),
    _time("ends", optional=False),
    _text("actor"),
    _text("reason"),
    _time("revoked"),
    Index(None, "token"),
)
#: Waves that were begun. ``state``: running, stopped, through, cancelled, since ``changed``. ``schools``: JSON, what
#: was asked of whom.
hub_wave = Table(
    "hub_wave",
    metadata,
    _key("name"),
    _text("state", default="running"),
    _time("begun", optional=False),
    _time("starts"),
    _text("actor"),
    _text("reason"),
    _text("why"),
    _time("changed", optional=False),
    _text("schools", default="{}"),
)
#: What has to be true before a wave, as a person attested it.
hub_need = Table(
    "hub_need", metadata, _key("wave"), _key("need"), _text("actor"), _text("reason"), _time("at", optional=False)
)  # fmt: skip
#: What a site wants of a tenant's budgets, units a minute, and what it was promised: ``promises`` is JSON, all of them
#: that may still be spent; ``holds`` is the end of the one it goes by.
hub_demand = Table(
    "hub_demand",
    metadata,
    _key("tenant"),
    _key("budget"),
    _key("site"),
    Column("wanted", Float, nullable=False, default=0.0),
    _time("at", optional=False),
    _text("promises", default="[]"),
    _time("holds"),
)
#: Heads of the schools' journals as they were told: a journal written anew at a site is noticed here.
hub_head = Table(
    "hub_head",
    metadata,
    _key("school"),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _text("hash"),
    _time("received", optional=False),
)
#: The files of a school that the hub wanted, one after another. ``state``: draft (being checked), checked, asked (to be
#: applied), in force, replaced, refused. ``command``: by which the site was asked last. ``checked``: what it answered
#: to the check (JSON of ``bridge.fleet.configure.Checked``); ``answer``: what it said last.
hub_configuration = Table(
    "hub_configuration",
    metadata,
    _key("school"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("text"),
    _text("digest"),
    _text("actor"),
    _text("reason"),
    _time("at", optional=False),
    _text("state", default="draft"),
    _text("answer"),
    _text("command"),
    _text("checked"),
)
