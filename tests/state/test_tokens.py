"""Tokens and answers of the status API, and all schools at a glance, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bridge.api import pages
from bridge.core.model import Action, Side
from bridge.ports import Trouble
from bridge.state import SchoolStore, tokens
from bridge.state.cutover_tables import appointment, approval, changeover, gate
from bridge.state.database import Database
from bridge.state.glance import clashes, glance
from bridge.state.tables import conflict
from bridge.state.tokens import Answer
from tests.state.conftest import Clock


def made(database: Database, **more: Any) -> tuple[tokens.Token, str]:
    end = database.clock() + timedelta(days=1)
    fields: dict[str, Any] = {"label": "x", "scopes": ["read"], "schools": [], "expires": end, "actor": "me", **more}
    return tokens.make(database, **fields)


def test_only_the_right_text_opens(store: SchoolStore, clock: Clock) -> None:
    database = store.database
    token, text = made(database, scopes=["read", "names"], schools=[store.code])
    _, other = made(database)
    known = tokens.found(database, text, clock.now)
    assert known is not None
    assert (known.id, known.scopes, known.schools) == (token.id, {"read", "names"}, {store.code})
    name, secret = text.split("_", 2)[1:]
    for wrong in ("", "sb_", text[:-1], f"{text}A", f"sb_{name}_{other.split('_', 2)[2]}", f"sb_{'0' * 12}_{secret}",
                  f"sb_{name}_' OR 1=1 --", text.upper(), f"{text}\n", "\ud800"):  # fmt: skip
        assert tokens.found(database, wrong, clock.now) is None, wrong
    clock.pass_(days=1)
    assert tokens.found(database, text, clock.now) is None
    assert tokens.valid(database, token.id, clock.now) is None


def test_revoking_counts_once_and_is_journaled(store: SchoolStore, clock: Clock) -> None:
    database = store.database
    token, text = made(database)
    assert tokens.revoke(database, "nobody", actor="me", reason="") is None
    first = clock.now
    assert tokens.revoke(database, token.id, actor="me", reason="lost") is not None
    clock.pass_(hours=1)
    again = tokens.revoke(database, token.id, actor="me", reason="again")
    assert again is not None
    assert again.revoked == first
    assert tokens.found(database, text, clock.now) is None
    rows = [(one.entry.action, one.entry.actor, one.entry.reason) for one in store.journal()]
    assert rows == [("make token", "me", ""), ("revoke token", "me", "lost")]
    assert store.verify().ok


def test_a_use_is_noted_seldom(store: SchoolStore, clock: Clock) -> None:
    database = store.database
    made(database)

    def used() -> Any:
        tokens.use(database, tokens.listed(database)[0])
        return tokens.listed(database)[0].used

    first = used()
    assert first == clock.now
    clock.pass_(minutes=5)
    assert used() == first
    clock.pass_(minutes=6)
    assert used() == clock.now


def test_a_key_is_taken_once_for_a_day(store: SchoolStore, clock: Clock) -> None:
    database, where = store.database, {"token": "t", "key": "k"}
    assert tokens.begin(database, store.code, request="one", **where) is None
    assert tokens.begin(database, store.code, request="two", **where) == Answer("one", 0, "")
    tokens.end(database, store.code, answer=Answer("one", 200, "done"), **where)
    assert tokens.begin(database, store.code, request="one", **where) == Answer("one", 200, "done")
    assert tokens.begin(database, store.code, request="one", token="u", key="k") is None
    tokens.forget(database, store.code, token="u", key="k")
    assert tokens.begin(database, store.code, request="two", token="u", key="k") is None
    clock.pass_(hours=25)
    assert tokens.begin(database, store.code, request="new", **where) is None


def test_a_glance_differs_when_anything_did(store: SchoolStore, clock: Clock) -> None:
    database, code = store.database, store.code
    root = f"{code}/homes/L1"
    database.school(root, store.kinds)
    neighbour = database.school(f"{code}x", store.kinds)
    before = glance(database, [code])[code]
    assert glance(database, [code])[code] == before
    trouble = Trouble("L1", "user", Side.CLOUD, Action.UPDATE, "", "failed:x", "", clock.now)
    neighbour.trouble([trouble])
    assert glance(database, [code])[code] == before, "of another school"
    rows: dict[Any, dict[str, Any]] = {
        conflict: {"school": root, "id": "c", "link": "l", "side": "cloud", "anchor": "a", "path": "p", "copy": "q",
                   "at": clock.now, "how": ""},
        appointment: {"school": code, "at": clock.now, "actor": "a", "reason": "r", "made": clock.now},
        approval: {"school": code, "event": "finalise", "actor": "a", "reason": "r", "typed": code, "at": clock.now},
        gate: {"school": code, "gate": "clock", "result": "pass", "evidence": "{}", "at": clock.now},
        changeover: {"school": code, "id": "r1", "started": clock.now, "deadline": clock.now, "actor": "a",
                     "step": "freeze", "step_at": clock.now, "state": "{}", "problem": "", "outcome": ""},
    }  # fmt: skip
    for table, row in rows.items():
        with database.write() as connection:
            connection.execute(table.insert().values(row))
        now = glance(database, [code])[code]
        assert now != before, table.name
        before = now
    store.begin_cycle("c1", now=clock.now)
    store.trouble([trouble])
    store.release("L1", actor="a", reason="r")
    now = glance(database, [code])[code]
    assert (now.held, now.conflicts, now.cycled, now.released, now.run) == (1, 1, clock.now, clock.now, "r1")
    assert [(one.root, one.path) for one in clashes(database, code, skip=0, limit=5)] == [(root, "p")]
    assert clashes(database, code, skip=1, limit=5) == []


def test_pages_of_rows_of_one_moment_are_whole(store: SchoolStore, clock: Clock) -> None:
    """Rows of the same time are told apart by what comes after it in the order."""
    database, code = store.database, store.code
    root = database.school(f"{code}/homes/L", store.kinds)
    for place in (store, root):
        place.trouble([Trouble(f"L{one}", "user", Side.CLOUD, Action.UPDATE, "", "failed:x", "", clock.now)
                       for one in range(5)])  # fmt: skip
    for number in range(7):
        store.begin_cycle(f"c{number}", now=clock.now)
        store.end_cycle(f"c{number}", outcome="quiet", counts={"warnings": number}, now=clock.now)
    seen: list[tuple[str, str]] = []
    before = None
    while True:
        page = pages.held(database, code, names=False, before=before, limit=3)
        seen += [(one.root, one.link) for one in page.rows]
        if (before := page.next) is None:
            break
    assert seen == [(place, f"L{one}") for place in ("", root.code) for one in range(5)]
    cycles: list[str] = []
    before = None
    while True:
        some = pages.cycles(database, code, before, 2)
        cycles += [one.id for one in some.rows]
        if (before := some.next) is None:
            break
    assert cycles == [f"c{one}" for one in range(6, -1, -1)]
