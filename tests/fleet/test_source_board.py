"""What the hub says of schools: what was told, and honestly when nothing is heard any more."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from bridge.api import live
from bridge.hub.people import People
from bridge.hub.settings import HubSettings
from bridge.state import hub_sites, open_database
from bridge.state.fleet_tables import hub_site
from tests.fleet.hub_kit import FIRST, OTHER, THIRD, Hub, hub_file, serving, view

SCHOOLS = "/api/v1/schools"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(f"sqlite:///{tmp_path / 'hub.db'}") as it:
        yield it


def rows(hub: Hub) -> dict[str, Any]:
    hub.look()
    return {one["code"]: one for one in hub.ask(SCHOOLS, hub.token("read")).json}


def texts(row: Any) -> list[str]:
    return [one["text"] for one in row["causes"]]


def test_what_is_told_is_shown_and_silence_is_never_green(hub: Hub) -> None:
    told_and_silent(hub)


@pytest.mark.postgresql
def test_the_same_in_postgresql(postgresql_url: str) -> None:
    with serving(postgresql_url) as hub:
        told_and_silent(hub)


def told_and_silent(hub: Hub) -> None:
    before = rows(hub)
    assert {one["health"] for one in before.values()} == {"amber"}
    assert "is enrolled and was never heard" in texts(before[FIRST])[0]
    hub.sites.school("north", FIRST, held=3)
    hub.sites.school("north", OTHER, health="red", causes=[{"colour": "red", "text": "the disk is full"}])
    told = rows(hub)
    assert (told[FIRST]["health"], told[FIRST]["held"], told[FIRST]["site"]) == ("green", 3, "north")
    assert told[FIRST]["heard"] is not None
    assert (told[OTHER]["health"], texts(told[OTHER])) == ("red", ["the disk is full"])
    assert told[THIRD]["health"] == "amber"
    assert told[THIRD]["silent"]
    hub.clock.jump(minutes=4)
    silent = rows(hub)
    assert (silent[FIRST]["health"], silent[FIRST]["silent"]) == ("amber", True)
    assert texts(silent[FIRST])[0].startswith("nothing heard from the site north since ")
    assert texts(silent[OTHER])[1] == "the disk is full"
    hub.clock.jump(minutes=12)
    assert rows(hub)[FIRST]["health"] == "red"
    hub.sites.tell("north")
    again = rows(hub)
    assert (again[FIRST]["health"], again[FIRST]["causes"], again[OTHER]["health"]) == ("green", [], "red")


def test_what_was_lost_is_shown_for_a_month(hub: Hub) -> None:
    hub.sites.school("north", FIRST)
    hub.sites.tell("north")
    hub.sites.tell("north", (FIRST, "notice", {"severity": "x", "text": "y", "over": False}), skip=3)
    (cause,) = rows(hub)[FIRST]["causes"]
    assert cause["since"] is not None
    for _ in range(2):
        hub.clock.jump(days=15, minutes=1)
        hub.sites.tell("north")
    assert rows(hub)[FIRST]["causes"] == []


def test_what_is_wrong_with_a_site_is_said(hub: Hub) -> None:
    hub.sites.school("north", FIRST)
    hub.sites.tell("north", ahead=-600.0)
    found = rows(hub)[FIRST]
    assert "the clock of the site north is 10 minutes slow" in texts(found)[0]
    hub.sites.tell("north", (FIRST, "notice", {"severity": "x", "text": "y", "over": False}), skip=3)
    assert any("3 messages of the site north never came" in one for one in texts(rows(hub)[FIRST]))
    heads = [(FIRST, "head", {"seq": 7, "hash": f"{number:064x}"}) for number in range(2)]
    hub.sites.tell("north", heads[0])
    assert rows(hub)[FIRST]["health"] == "amber"
    hub.sites.tell("north", heads[1])
    assert any("the journal of this school at the site north" in one for one in texts(rows(hub)[FIRST]))
    for number in (2, 3, 4):
        assert not any("two machines" in one for one in texts(rows(hub)[FIRST])), "two epochs may be two backups"
        hub.sites.epochs["north"], hub.sites.seqs["north"] = number, 0
        hub.sites.tell("north", (FIRST, "head", {"seq": 7 + number, "hash": f"{9:064x}"}))
    found = rows(hub)[FIRST]
    assert any("two machines speak for the site north" in one for one in texts(found))
    assert found["health"] == "red"


def test_a_revoked_site_and_a_school_that_moved(hub: Hub) -> None:
    hub.sites.school("north", FIRST)
    with hub.database.write() as connection:
        connection.execute(update(hub_site).where(hub_site.c.site == "north").values(revoked=hub.clock()))
    found = rows(hub)
    assert (found[FIRST]["health"], found[FIRST]["silent"]) == ("red", True)
    assert "was revoked" in texts(found[FIRST])[0]
    with hub.database.write() as connection:
        connection.execute(update(hub_site).where(hub_site.c.site == "north").values(schools=""))
        connection.execute(update(hub_site).where(hub_site.c.site == "south").values(schools=f"{FIRST} {THIRD}"))
    hub.sites.tell("south")
    hub.clock.jump(seconds=31)  # that a school was given away has no time of its own
    found = rows(hub)
    assert OTHER not in found
    assert found[FIRST]["site"] == "south"
    assert texts(found[FIRST]) == [
        "what is shown was told by the site north; the site south, which looks after it now, has told nothing"
    ]


def test_a_school_in_full(hub: Hub) -> None:
    fresh = [{"side": "school", "period_seconds": 300.0, "complete": "2026-11-29T08:00:00Z", "colour": "green"}]
    hub.sites.school("north", FIRST, freshness=fresh, doing="users")
    gate = {"gate": "x", "result": "fail"}
    event = {"event": "freeze", "target": "freezing", "gates": [gate]}
    cutover = {"school": FIRST, "stage": "hybrid", "events": [event], "appointment_by": "api:anna"}
    hub.sites.tell("north", (FIRST, "cutover", cutover))
    hub.look()
    read = hub.token("read")
    school = hub.ask(f"{SCHOOLS}/{FIRST}", read).json
    assert (school["doing"], [one["event"] for one in school["events"]]) == ("users", ["freeze"])
    assert hub.ask(f"{SCHOOLS}/{FIRST}/gates/freeze", read).json["gates"][0]["result"] == "fail"
    assert hub.ask(f"{SCHOOLS}/{FIRST}/gates/finalise", read).status == 404
    assert hub.ask(f"{SCHOOLS}/{FIRST}/cutover", read).json["appointment_by"] == "api:anna"
    assert hub.ask(f"{SCHOOLS}/{FIRST}/progress", read).json["school"] == FIRST
    untold = hub.ask(f"{SCHOOLS}/{THIRD}", read).json
    assert (untold["stage"], untold["events"]) == ("classic", [])
    hub.clock.jump(hours=1)
    hub.look()
    assert hub.ask(f"{SCHOOLS}/{FIRST}", read).json["freshness"][0]["colour"] == "red", "no fresher than its site"


def test_nothing_of_a_site_that_counts_no_more_is_fresh(hub: Hub) -> None:
    """Revoked a moment after it was heard, silent, or another one's by now: also in how far the files are."""
    fresh = [{"side": "school", "period_seconds": 300.0, "complete": hub.clock().isoformat(), "colour": "green"}]
    body = {"view": view(FIRST, freshness=fresh), "progress": {"school": FIRST, "freshness": fresh}}
    hub.sites.tell("north", (FIRST, "school", body))

    def colours() -> set[str]:
        hub.look()
        read = hub.token("read")
        return {hub.ask(f"{SCHOOLS}/{FIRST}{one}", read).json["freshness"][0]["colour"] for one in ("", "/progress")}

    assert colours() == {"green"}
    hub.clock.jump(hours=1)
    assert colours() == {"red"}
    hub.sites.tell("north")
    assert colours() == {"green"}
    hub_sites.assign(hub.database, FIRST, "south", actor="anna", reason="moved")
    hub.sites.tell("south")
    hub.clock.jump(seconds=31)
    assert colours() == {"amber"}
    hub_sites.revoke(hub.database, "south", actor="anna", reason="stolen")
    assert colours() == {"red"}


def test_what_a_newer_site_tells_otherwise_does_not_break_the_board(hub: Hub) -> None:
    hub.sites.school("north", FIRST)
    strange = {"code": OTHER, "name": "x", "health": "green", "stage": "beyond"}
    hub.sites.tell("north", (OTHER, "school", {"view": strange}), (OTHER, "cutover", {**strange, "school": OTHER}))
    found = rows(hub)
    assert found[FIRST]["health"] == "green"
    assert "can't be read here: update the hub" in texts(found[OTHER])[0]
    assert hub.ask(f"{SCHOOLS}/{OTHER}", hub.token("read")).status == 200
    assert hub.ask(f"{SCHOOLS}/{OTHER}/cutover", hub.token("read")).json["stage"] == "classic"
    more = {"stage": "hybrid", "tomorrow": 1}  # what a row has not yet is passed over
    hub.sites.tell("north", (OTHER, "school", {"view": {**strange, **more}}))
    assert rows(hub)[OTHER]["health"] == "green"


async def test_a_port_that_is_taken_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = HubSettings(tmp_path / "hub.yaml", hub_file(api={"listen": f"127.0.0.1:{port}"}))
        database = open_database(f"sqlite:///{tmp_path / 'hub.db'}")
        people = People(database, Ed25519PrivateKey.generate(), lambda: settings, again=0.05)
        starting = asyncio.create_task(people.start())
        await asyncio.sleep(0.3)
        assert "in use" in people.trouble
    await asyncio.wait_for(starting, 30)
    assert (people.listening, people.trouble) == (f"http://127.0.0.1:{port}", "")
    await people.stop()
    assert people.listening == ""
    database.close()


def test_the_board_is_small_for_who_asks_and_known_for_who_has_it(hub: Hub) -> None:
    for site, code in (("north", FIRST), ("north", OTHER), ("south", THIRD)):
        hub.sites.school(site, code, causes=[{"colour": "amber", "text": "x" * 30_000}])
    read = hub.token("read")
    hub.look()
    plain = hub.ask(SCHOOLS, read)
    small = hub.ask(SCHOOLS, read, headers={"Accept-Encoding": "gzip;q=1.0, br"})
    assert "content-encoding" not in plain.headers
    assert json.loads(gzip.decompress(small.body)) == plain.json
    assert small.headers["etag"] != plain.headers["etag"]
    for reply in (plain, small):
        headers = {"If-None-Match": reply.headers["etag"]}
        if reply is small:
            headers["Accept-Encoding"] = "gzip"
        assert hub.ask(SCHOOLS, read, headers=headers).status == 304
    assert "content-encoding" not in hub.ask(SCHOOLS, read, headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_news_go_through_the_stream_and_being_heard_is_none(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PERIOD", 0.05)
    hub.sites.school("north", FIRST)
    hub.look()

    async def after(work: Any) -> list[tuple[str, str]]:
        events = hub.source.events
        stream = events.follow(events._last)
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(work)
        await hub.source._look()
        found = []
        while True:
            await asyncio.wait({coming}, timeout=0.4)
            if not coming.done():
                break
            found.append((coming.result().school, coming.result().kind))
            coming = asyncio.ensure_future(anext(stream))
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await stream.aclose()
        return found

    assert hub.do(after(lambda: hub.sites.tell("north"))) == []
    assert hub.do(after(lambda: hub.sites.school("north", FIRST, stage="soaking"))) == [
        (FIRST, "stage"),
        (FIRST, "school"),
    ]


def test_metrics_count_sites(hub: Hub) -> None:
    hub.sites.school("north", FIRST)
    hub.look()
    body = hub.ask("/metrics", hub.token("read")).body.decode()
    assert "schoolbridge_hub_sites_heard 1.0" in body
    assert "schoolbridge_hub_sites_silent 1.0" in body
    assert 'schoolbridge_hub_health{colour="green"} 1.0' in body
    assert hub.ask("/metrics", hub.token("read", schools=(FIRST,))).status == 403


def test_other_limits_count_at_once(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'hub.db'}", hub=hub_file(silence={"amber": "1h", "red": "2h"})) as hub:
        hub.sites.school("north", FIRST)
        hub.clock.jump(minutes=20)
        assert rows(hub)[FIRST]["health"] == "green"
        other = hub_file(waves=[{"name": "pilot", "schools": [FIRST]}])
        hub.settings = replace(hub.settings, hub=other)
        hub.do(hub.people.reload())
        found = rows(hub)[FIRST]
        assert (found["health"], found["wave"]) == ("red", "pilot")


def test_no_token_says_which_command_makes_one(hub: Hub) -> None:
    assert "schoolbridge hub token make" in hub.ask(SCHOOLS).json["detail"]


def test_a_state_that_hangs_makes_the_hub_unready(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is cut off answers nothing, not even with an error."""
    monkeypatch.setattr("bridge.api.app.READY", 0.2)
    hub.look()
    assert hub.ask("/readyz").status == 200
    let = threading.Event()
    monkeypatch.setattr(hub.source._fleet, "look", lambda _: let.wait(30))
    hub.clock.jump(minutes=2)
    answer = hub.ask("/readyz")
    let.set()
    assert answer.status == 503
    assert "the state does not answer" in answer.body.decode()
