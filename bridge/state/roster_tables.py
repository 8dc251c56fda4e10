"""The tables about rosters: whom one ever brought, and the last one that was carried out at the school."""

from __future__ import annotations

from bridge.state.columns import key_column as _key
from bridge.state.columns import number_column as _number
from bridge.state.columns import table as _table
from bridge.state.columns import text_column as _text
from bridge.state.columns import time_column as _time

#: Source anchors that a roster brought: only they may leave by one.
roster = _table("roster", _key("anchor"), _text("link"), _time("first", optional=False), _time("last", optional=False))
#: ``phase``: begun, done or undone. ``approved``: the numbers that a person let pass, as (cell, number) in JSON.
roster_apply = _table(
    "roster_apply", _text("id"), _text("phase"), _time("at", optional=False), _text("approved", default="[]")
)
#: What it writes, remembered before anything is sent, so that it can be taken up again and taken back.
roster_step = _table(
    "roster_step",
    _key("link"),
    _number("number"),
    _text("kind"),
    _text("source_anchor"),
    _text("action"),
    _text("before", default="{}"),
    _text("after", default="{}"),
)
