"""Rows and names are asked of the site while somebody waits; what is to be done becomes a command, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from bridge.fleet.messages import Order
from bridge.state import hub_sites, journal
from bridge.state.fleet_tables import hub_command, hub_question
from tests.fleet.hub_kit import FIRST, THIRD, FakeSite, Hub, report_of, serving

CANARIES = ("Annika Canary", "canary.annika", "Canary was rude", "Klasse Canary.odt")
SCHOOL = f"/api/v1/schools/{FIRST}"
JOURNAL = {
    "seq": 7, "at": "2026-11-29T08:00:00Z", "actor": "api:anna", "action": "release", "outcome": "done",
    "hash": "0" * 64,
    "reason": CANARIES[2], "names": {"after.login": CANARIES[1]},
}  # fmt: skip
HELD = {
    "link": "l1", "kind": "user", "side": "cloud", "action": "update", "rule": "failed:quota",
    "names": {"display_name": CANARIES[0]},
}  # fmt: skip
CONFLICT = {
    "id": "c1", "share": "homes", "at": "2026-11-29T08:00:00Z", "side": "school", "names": {"path": CANARIES[3]}
}  # fmt: skip
DRIFT = {
    "handle": "h", "kind": "user", "link": "l1", "field": "display_name", "side": "cloud", "state": "held",
    "at": "2026-11-29T08:00:00Z", "names": {"found": CANARIES[0]},
}  # fmt: skip


def looks(order: Order) -> Any:
    """What a site with people in it answers."""
    look = order.look
    assert look is not None
    pages = {"journal": [JOURNAL], "operations": [HELD], "conflicts": [CONFLICT], "cycles": []}
    lists = {"drift": [DRIFT], "plan": [HELD], "releases": [], "reports": []}
    if look.what == "report":
        return report_of(b"<h1>Annika Canary</h1>") if look.report == "r1" else "0123 has no such report"
    if look.what in pages:
        rows = pages[look.what]
        return {"page": {"rows": rows, "next": None if look.before else "position"}}
    return {"rows": lists[look.what]}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(f"sqlite:///{tmp_path / 'hub.db'}") as it:
        it.sites.school("north", FIRST)
        it.look()
        yield it


def everything(hub: Hub) -> str:
    """All that stands in the database."""
    with hub.database.read() as connection:
        tables = inspect(connection).get_table_names()
        return "\n".join(str(row) for name in tables for row in connection.execute(text(f"SELECT * FROM {name}")))


def noted(hub: Hub, code: str = FIRST) -> list[journal.Entry]:
    with hub.database.read() as connection:
        return [one.entry for one in journal.read(connection, code)]


def asked_and_shown(hub: Hub) -> None:
    names, plain = hub.token("read", "names", label="anna"), hub.token("read")
    with FakeSite(hub, "north", looks=looks) as site:
        page = hub.ask(f"{SCHOOL}/journal?limit=1", names).json
        assert page["rows"][0]["names"] == {"after.login": CANARIES[1]}
        assert hub.ask(f"{SCHOOL}/journal?limit=1&before={page['next']}", names).json["next"] is None
        order = site.orders[-1]
        assert order.look is not None
        assert (order.look.before, order.look.limit, order.look.names) == ("position", 1, True)
        assert (order.actor, order.scopes) == ("anna", ["names", "read"])
        assert hub.ask(f"{SCHOOL}/operations", names).json["rows"][0]["names"] == {"display_name": CANARIES[0]}
        assert hub.ask(f"{SCHOOL}/conflicts", names).json["rows"][0]["names"] == {"path": CANARIES[3]}
        assert hub.ask(f"{SCHOOL}/drift", names).json[0]["names"] == {"found": CANARIES[0]}
        assert hub.ask(f"{SCHOOL}/plan", names).json[0]["names"]
        assert len([one for one in noted(hub) if one.action == "look at names"]) == 6
        entry = noted(hub)[-1]
        assert (entry.actor, entry.after) == ("api:anna", {"what": "plan", "site": "north"})
        before = len(noted(hub))
        for path in ("journal", "operations", "conflicts", "drift", "plan"):
            body = hub.ask(f"{SCHOOL}/{path}", plain).body.decode()
            assert not any(one in body for one in CANARIES), f"{path}: the site tells names that nobody may see"
        assert site.orders[-1].look is not None
        assert not site.orders[-1].look.names
        assert len(noted(hub)) == before, "without names there is nothing to journal"
        assert hub.ask(f"{SCHOOL}/releases", names).json == []
        assert hub.ask(f"{SCHOOL}/cycles", plain).json["rows"] == []
        report = hub.ask(f"{SCHOOL}/reports/r1.html", plain)
        assert (report.status, report.body) == (200, b"<h1>Annika Canary</h1>")
        assert "sandbox" in report.headers["content-security-policy"]
        assert hub.ask(f"{SCHOOL}/reports/r2.html", plain).status == 404
    kept = everything(hub)
    assert "look at names" in kept
    assert not any(one in kept for one in CANARIES)
    with hub.database.read() as connection:
        assert connection.execute(select(hub_question)).all() == []


def test_rows_come_from_the_site_and_names_stay_out_of_the_database(hub: Hub) -> None:
    asked_and_shown(hub)


@pytest.mark.postgresql
def test_the_same_in_postgresql(postgresql_url: str) -> None:
    with serving(postgresql_url) as hub:
        hub.sites.school("north", FIRST)
        hub.look()
        asked_and_shown(hub)


def test_the_sealed_answer_on_its_way_holds_no_name(hub: Hub) -> None:
    """A site that answers, and a hub that has not fetched it yet."""
    seen: list[str] = []

    def looking(order: Order) -> Any:
        threading.Timer(0.0, lambda: seen.append(everything(hub))).start()
        return looks(order)

    hub.do(_deaf(hub))
    with FakeSite(hub, "north", looks=looking):
        assert hub.ask(f"{SCHOOL}/operations", hub.token("read", "names")).status == 200
    assert not any(one in text for text in seen for one in CANARIES)


async def _deaf(hub: Hub) -> None:
    """No hint comes: it is found by looking."""
    hub.source._awaited._deaf()


def test_who_is_away_is_said_at_once_and_late_answers_in_time(hub: Hub) -> None:
    read = hub.token("read")
    never = hub.ask(f"/api/v1/schools/{THIRD}/journal", read)
    assert (never.status, never.headers["retry-after"]) == (503, "30")
    assert "never heard" in never.json["detail"]
    hub.source._desk._patience = 0.3
    begun = time.monotonic()
    late = hub.ask(f"{SCHOOL}/journal", read)
    assert (late.status, late.headers["content-type"]) == (503, "application/problem+json")
    assert "it did not answer within 0.3 seconds; heard last 20" in late.json["detail"]
    assert time.monotonic() - begun < 5
    hub.clock.jump(minutes=5)
    hub.look()
    assert "nothing is heard from it" in hub.ask(f"{SCHOOL}/journal", read).json["detail"]


def test_what_a_site_answers_is_checked(hub: Hub) -> None:
    read = hub.token("read")
    wrong: list[Any] = [{}, [], {"page": {"rows": [{"nonsense": 1}]}}, {"page": {"rows": [], "next": None, "more": 1}}]
    for one in wrong:
        with FakeSite(hub, "north", looks=lambda _, one=one: one):
            reply = hub.ask(f"{SCHOOL}/journal", read)
            assert (reply.status, "can't be read here" in reply.json["detail"]) == (503, True), one
    media = {"bytes": "eA==", "media": "image/svg+xml"}
    with FakeSite(hub, "north", looks=lambda _: media):
        reply = hub.ask(f"{SCHOOL}/reports/r1.html", read)
        assert reply.headers["content-type"] == "application/octet-stream"


# --- what is to be done ---


def acts(order: Order) -> tuple[str, str]:
    assert order.action is not None
    if order.action["action"] == "finalise":
        return "refused", "0123: the gate `backup` does not hold"
    return "done", "the school is paused-hybrid now"


def test_an_action_is_a_command_to_the_site(hub: Hub) -> None:
    token = hub.token("read", "operate", "approve", schools=(FIRST,), label="anna")
    with FakeSite(hub, "north", acts=acts) as site:
        reply = hub.act(token, action="pause")
        assert (reply.status, reply.json["done"], reply.json["pending"]) == (200, True, False)
        assert reply.json["text"] == "the school is paused-hybrid now"
        order = site.orders[-1]
        assert order.action == {"action": "pause", "reason": "because of the test"}
        assert (order.actor, order.school, set(order.scopes)) == ("anna", FIRST, {"read", "operate", "approve"})
        refused = hub.act(token, action="finalise", typed=FIRST)
        assert (refused.status, "the gate `backup` does not hold" in refused.json["detail"]) == (409, True)
        for one, length in ((order, timedelta(hours=8)), (site.orders[-1], timedelta(minutes=15))):
            assert abs(one.expires - one.issued - length) < timedelta(seconds=1)
    assert [one.action for one in noted(hub)][-4:] == ["ask", "answer", "ask", "answer"]
    assert hub.act(hub.token("read"), action="pause").status == 403
    assert hub.act(token, code=THIRD, action="pause").status == 404


def test_what_is_not_answered_yet_waits_and_is_asked_once(hub: Hub) -> None:
    hub.source._acts._patience = 0.2
    token, key = hub.token("read", "operate"), {"Idempotency-Key": "k1"}
    first = hub.act(token, action="pause", headers=key)
    assert (first.status, first.json["done"], first.json["pending"]) == (200, False, True)
    assert "asked of the site north; it waits until" in first.json["text"]
    assert hub.act(token, action="pause", headers=key).json["pending"] is True
    with hub.database.read() as connection:
        assert len(connection.execute(select(hub_command)).all()) == 1
    hub.look()
    row = next(one for one in hub.ask("/api/v1/schools", token).json if one["code"] == FIRST)
    assert row["causes"][0]["text"].startswith("asked: pause, by office; waits for the site since ")
    assert row["health"] == "green"
    hub.clock.jump(minutes=4)
    hub.look()
    row = next(one for one in hub.ask("/api/v1/schools", token).json if one["code"] == FIRST)
    assert [one["colour"] for one in row["causes"]] == ["amber", "amber"]
    with FakeSite(hub, "north", acts=acts):
        hub.source._acts._patience = 10.0
        again = hub.act(token, action="pause", headers=key)
        assert (again.json["done"], again.json["pending"]) == (True, False)
    assert hub.act(token, action="pause", headers=key).body == again.body, "and stays so"
    assert hub.act(token, action="sync", headers=key).status == 422
    with hub.database.read() as connection:
        assert len(connection.execute(select(hub_command)).all()) == 1


def test_another_token_with_the_same_key_asks_for_itself(hub: Hub) -> None:
    hub.source._acts._patience = 0.1
    for _ in range(2):
        hub.act(hub.token("read", "operate"), action="pause", headers={"Idempotency-Key": "k1"})
    with hub.database.read() as connection:
        assert len(connection.execute(select(hub_command)).all()) == 2


def test_nothing_is_asked_of_a_revoked_site(hub: Hub) -> None:
    hub_sites.revoke(hub.database, "north", actor="anna", reason="stolen")
    hub.look()
    reply = hub.act(hub.token("read", "operate"), action="pause")
    assert (reply.status, "the site north was revoked; nothing was asked" in reply.json["detail"]) == (409, True)
    with hub.database.read() as connection:
        assert connection.execute(select(hub_command)).all() == []


def test_a_password_goes_through_no_hub(hub: Hub) -> None:
    secret = "canary/Wort+5=Anna"
    body = {"person": "anna.lang", "password": secret, "reason": "forgotten"}
    reply = hub.ask(f"{SCHOOL}/passwords", hub.token("passwords"), method="POST", body=body)
    assert (reply.status, "not set through a hub" in reply.json["detail"]) == (409, True)
    assert "north" in reply.json["detail"]
    assert hub.ask("/api/v1/schools/9999/passwords", hub.token("passwords"), method="POST", body=body).status == 404
    assert secret not in everything(hub)
    with hub.database.read() as connection:
        assert connection.execute(select(hub_command)).all() == []
