"""Tables of the cutover, of the status API and of what was told to people; added by migration 0002."""

from __future__ import annotations

from sqlalchemy import Index

from bridge.state.columns import key_column as _key
from bridge.state.columns import number_column as _number
from bridge.state.columns import table as _table
from bridge.state.columns import text_column as _text
from bridge.state.columns import time_column as _time

#: What was measured of a gate last: ``result`` is pass, fail or unknown; ``evidence`` is JSON (expected, found, fix,
#: numbers), without names of people.
gate = _table("gate", _key("gate"), _text("result"), _text("evidence", default="{}"), _time("at", optional=False))
#: What people said of a gate: ``how`` is waived or attested.
vouch = _table(
    "vouch",
    _key("gate"),
    _text("how"),
    _text("actor"),
    _text("reason"),
    _time("at", optional=False),
    _time("expires"),
)
#: Who approved of an event. ``typed``: the school's code as they typed it.
approval = _table(
    "approval",
    _key("event"),
    _key("actor"),
    _text("reason"),
    _text("typed"),
    _time("at", optional=False),
    _time("expires"),
)
#: When a school is to begin its cutover, if its gates hold then.
appointment = _table(
    "appointment", _time("at", optional=False), _text("actor"), _text("reason"), _time("made", optional=False)
)
#: One run of a cutover: which step it is at and since when; ``state`` is JSON of what its steps have to remember.
changeover = _table(
    "changeover",
    _key("id"),
    _time("started", optional=False),
    _time("deadline", optional=False),
    _text("actor"),
    _text("step"),
    _time("step_at", optional=False),
    _number("attempts"),
    _text("state", default="{}"),
    _text("problem"),
    _text("outcome"),
    _time("ended"),
    Index(None, "school", "started"),
)
#: Of a root whose folder is frozen by permissions: the mode that each object had before, by device and inode.
frozen = _table("frozen", _key("handle"), _number("was"), _number("mode"), compact=True)
#: What the cloud was, or is about to be, given of what another synchronisation mastered there: given back with a roll
#: back. ``anchor`` is the cloud's. Added by migration 0003.
mastered = _table("mastered", _key("anchor"), _text("kind"), _time("at", optional=False))

#: Tokens of the status API, of no school in particular: only the SHA-256 of the secret is kept.
api_token = _table(
    "api_token",
    _key("id"),
    _text("label"),
    _text("hash"),
    _text("scopes"),
    _text("schools"),
    _time("made", optional=False),
    _time("expires", optional=False),
    _time("revoked"),
    _time("used"),
)
#: Answers to actions, by the key that the caller chose: the same request again gets the same answer and does nothing.
api_answer = _table(
    "api_answer",
    _key("token"),
    _key("key"),
    _text("request"),
    _number("status"),
    _text("body"),
    _time("at", optional=False),
)
#: Trouble that people were told of, until it is over. ``school`` is empty for what concerns the whole bridge.
notice = _table(
    "notice",
    _key("key"),
    _text("severity"),
    _text("text"),
    _time("since", optional=False),
    _time("told"),
    _time("ended"),
    _number("times"),
)
