"""The door for sites: real sockets, real TLS, real certificates, both databases."""

import asyncio
import base64
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from bridge.fleet.certificates import Authority, client_context, new_authority
from bridge.fleet.messages import Look, Order
from bridge.fleet.orders import checked
from bridge.fleet.paths import ANSWERS, ENROL, RENEW, REPORT, WAIT
from bridge.hub import bodies, doors, hints, inbox, listening, orders_out
from bridge.state import hub_orders, hub_sites, journal
from bridge.state.database import Database, open_database
from bridge.state.fleet_tables import hub_command, hub_event, hub_school, hub_site
from tests.fleet.live_hub import LiveHub, SiteEnd, event, state


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table)))


def told(database: Database, code: str) -> list[str]:
    with database.read() as connection:
        return [one.entry.action for one in journal.read(connection, code)]


def ask(live: LiveHub, site: str, school: str, **more: Any) -> hub_orders.Command:
    database = live.hub.database
    expires = database.clock() + more.pop("lasts", timedelta(minutes=5))
    return orders_out.ask(
        database, live.hub.keys.orders, site=site, school=school, action={"action": "pause"}, actor="anna",
        scopes=["operate"], reason="test", expires=expires, **more,
    )  # fmt: skip


async def test_a_site_enrols_reports_and_is_asked(hub: LiveHub) -> None:
    """The whole way once: ticket, certificate, report, receipt with a command, answer, journal of both."""
    west = await hub.site("west", "0123")
    assert west.schools == ["0123"]
    database = hub.hub.database
    reply = await west.report(state("0123", 1), event("0123", "slow"), state("0123", 2))
    assert (reply.status, reply.receipt.verdict, reply.receipt.seq) == (200, "applied", 3)
    assert [json.loads(row.body) for row in rows(database, hub_school)] == [{"number": 2}]
    assert [row.seq for row in rows(database, hub_event)] == [2]
    command = await asyncio.to_thread(ask, hub, "west", "0123")
    await asyncio.sleep(0)
    receipt = (await west.wait()).receipt
    order = checked(receipt.commands[0], base64.b64decode(west.key), site="west", now=database.clock())
    assert (order.id, order.action, order.actor) == (command.id, {"action": "pause"}, "anna")
    answer = {"command": command.id, "state": "done", "text": "paused\x00", "stage": "paused-hybrid"}
    assert (await west.report({"school": "0123", "kind": "answer", "body": answer})).receipt.seq == 4
    (row,) = rows(database, hub_command)
    assert (row.state, row.answer) == ("done", "paused\ufffd")
    assert told(database, "0123") == ["invite site", "enrol site", "ask", "answer"]


async def test_a_ticket_is_good_once_and_for_its_site(hub: LiveHub) -> None:
    secret = await asyncio.to_thread(hub.invite, "west", "0123")
    west, east, thief = hub.stranger("west"), hub.stranger("east"), hub.stranger("thief")
    assert (await east.enrol(secret)).status == 403
    assert (await west.enrol(secret)).status == 200
    assert (await west.enrol(secret)).status == 200, "the answer may have been lost"
    thief.name = "west"
    assert (await thief.enrol(secret)).status == 403, "with another key it was used"
    assert (await west.report(state("0123", 1))).status == 200


async def test_wrong_tickets_are_counted_by_address(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.api.limits.WRONG", 3)
    west = hub.stranger("west")
    secret = await asyncio.to_thread(hub.invite, "west", "0123")
    assert [(await west.enrol("guess")).status for _ in range(3)] == [403, 403, 403]
    blocked = await west.enrol(secret)
    assert (blocked.status, int(blocked.headers["Retry-After"]) > 0) == (429, True)


async def test_without_a_certificate_nobody_gets_further(hub: LiveHub) -> None:
    stranger = hub.stranger("west")
    for path, body in ((REPORT, stranger.made()), (WAIT, None), (ANSWERS, {}), (RENEW, {})):
        reply = await stranger.ask(path, body)
        assert (reply.status, reply.headers["Content-Type"]) == (401, "application/problem+json")
        assert "uplink enrol" in reply.json["detail"]
    assert (await stranger.ask("/api/v1/schools")).status == 404
    assert (await stranger.ask(ENROL)).status == 405


async def test_a_certificate_of_another_authority_does_not_even_connect(hub: LiveHub, tmp_path: Path) -> None:
    west = await hub.site("west", "0123")
    now = hub.hub.database.clock()
    forged = Authority(*new_authority(now)).site("west", west.request, now=now, days=5)
    (west.folder / "site.pem").write_text(forged.pem)
    with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
        await west.report(state("0123", 1))
    assert rows(hub.hub.database, hub_school) == []


async def test_a_revoked_site_is_refused_at_once_and_sent_no_orders(hub: LiveHub) -> None:
    west, east = await hub.site("west", "0123"), await hub.site("east", "0456")
    waiting = asyncio.create_task(west.wait(30))
    await until(lambda: hub.hub.waiting.count == 1)
    await asyncio.to_thread(hub_sites.revoke, hub.hub.database, "west", actor="test", reason="stolen")
    refused = await west.report(state("0123", 1))
    assert (refused.status, "hub enrol west" in refused.json["detail"]) == (403, True)
    assert (await waiting).status == 403, "whoever waits is told, too"
    for path, body in ((WAIT, None), (ANSWERS, {}), (RENEW, {})):
        assert (await west.ask(path, body)).status == 403
    assert (await east.report(state("0456", 1))).status == 200
    assert [row.school for row in rows(hub.hub.database, hub_school)] == ["0456"]
    again = SiteEnd(hub, "west", west.folder / "again")
    assert (await again.enrol(await asyncio.to_thread(hub.invite, "west"))).status == 200
    assert (await again.report(state("0123", 1))).status == 200, "at once"
    assert (await west.report(state("0123", 2))).status == 403, "the old certificate is good no more"


async def test_s14_a_site_writes_only_its_own_schools(hub: LiveHub) -> None:
    """The whole report is refused, nothing of it applied, and it is journaled, once."""
    west, _ = await hub.site("west", "0123"), await hub.site("east", "0456")
    for _ in range(2):
        reply = await west.report(state("0123", 1), state("0456", 666))
        assert (reply.status, "0456" in reply.json["detail"]) == (403, True)
    assert rows(hub.hub.database, hub_school) == []
    assert next(row.seq for row in rows(hub.hub.database, hub_site) if row.site == "west") == 0
    assert told(hub.hub.database, "0123").count("refuse report") == 1
    answer = {"command": "x" * 12, "state": "done", "text": ""}
    command = await asyncio.to_thread(ask, hub, "east", "0456", id="x" * 12)
    west.seq = 0
    assert (await west.report({"school": "0123", "kind": "answer", "body": answer})).status == 200
    assert hub_orders.command(hub.hub.database, command.id) == command, "only who was asked may answer"


async def test_a_moved_school_blocks_neither_site(hub: LiveHub) -> None:
    """What the old site told before it heard of it is passed over; the command to it is withdrawn."""
    west, east = await hub.site("west", "0123", "0456"), await hub.site("east", "0789")
    database = hub.hub.database
    await asyncio.to_thread(ask, hub, "west", "0456", id="y" * 12)
    await asyncio.to_thread(hub_sites.assign, database, "0456", "east", actor="test", reason="a new building")
    assert (await west.report(state("0456", 1), state("0123", 2))).receipt.seq == 2
    assert [row.school for row in rows(database, hub_school)] == ["0123"]
    assert (await east.report(state("0456", 3))).status == 200
    moved = hub_orders.command(database, "y" * 12)
    assert moved is not None
    assert moved.state == "withdrawn"
    assert "withdraw command" in told(database, "0456")


async def test_who_waits_is_woken_at_once_and_nobody_else(hub: LiveHub) -> None:
    west, east = await hub.site("west", "0123"), await hub.site("east", "0456")
    waiting = [asyncio.create_task(one.wait(20)) for one in (west, east)]
    await until(lambda: hub.hub.waiting.count == 2)
    command = await asyncio.to_thread(ask, hub, "west", "0123")
    receipt = (await waiting[0]).receipt
    assert [Order.model_validate_json(one.text).id for one in receipt.commands] == [command.id]
    assert not waiting[1].done()
    assert not (await west.wait(0.1)).receipt.commands, "sent again only after a while without an answer"
    waiting[1].cancel()


async def test_who_waits_hears_of_orders_of_another_process(
    hub: LiveHub, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hint alone: the next look is far away. With SQLite there is one process."""
    west = await hub.site("west", "0123")
    monkeypatch.setattr("bridge.hub.waiting.LOOK", 600)
    waiting = asyncio.create_task(west.wait(100))
    await until(lambda: hub.hub.waiting.count == 1)
    await asyncio.sleep(1.1)  # the look that was under way is over
    other = open_database(url) if url.startswith("postgresql") else hub.hub.database

    def elsewhere() -> None:
        orders_out.ask(
            other, hub.hub.keys.orders, site="west", school="0123", action={"action": "pause"}, actor="anna",
            scopes=["operate"], reason="test", expires=other.clock() + timedelta(minutes=5),
        )  # fmt: skip

    await asyncio.to_thread(elsewhere)
    assert len((await waiting).receipt.commands) == 1
    if other is not hub.hub.database:
        other.close()


async def test_a_question_is_sent_once_and_answered_by_whom_it_was_asked(hub: LiveHub) -> None:
    west, east = await hub.site("west", "0123"), await hub.site("east", "0456")
    database, heard = hub.hub.database, list[str]()
    stop = hints.listen(database, heard.append)
    look = Look(what="cycles", key="k")
    expires = database.clock() + timedelta(seconds=30)

    def put() -> str:
        return orders_out.question(
            database, hub.hub.keys.orders, site="west", school="0123", look=look, actor="anna", scopes=["read"],
            expires=expires,
        )  # fmt: skip

    name = await asyncio.to_thread(put)
    assert [Order.model_validate_json(one.text).id for one in (await west.wait()).receipt.questions] == [name]
    assert not (await west.wait(0.1)).receipt.questions
    answer = {"id": name, "sealed": "c2VhbGVk"}
    assert (await east.ask(ANSWERS, answer)).status == 404
    assert (await west.ask(ANSWERS, answer)).status == 204
    assert (await west.ask(ANSWERS, answer)).status == 404, "once"
    assert "c2VhbGVk" in hub_orders.fetch(database, [name])[name]
    assert hub_orders.fetch(database, [name]) == {}
    assert hints.ANSWERS in heard
    stop()


async def test_a_certificate_is_renewed_for_the_same_site_only(hub: LiveHub) -> None:
    west = await hub.site("west", "0123")
    asked = {"site": "west", "ticket": "", "request": west.request}
    assert (await west.ask(RENEW, asked | {"site": "east"})).status == 403
    reply = west._kept(await west.ask(RENEW, asked))
    assert reply.status == 200
    assert (await west.report(state("0123", 1))).receipt.renew is False
    hub.hub.settings.hub.sites.__dict__["certificate_days"] = 1
    begins = hub.hub.database.clock() - timedelta(days=30)
    old = hub.hub.keys.authority.site("west", west.request, now=begins, days=31)
    (west.folder / "site.pem").write_text(old.pem)
    assert (await west.report(state("0123", 2))).receipt.renew is True
    for _ in range(9):
        reply = await west.ask(RENEW, asked)
    assert reply.status == 429, "one that asks in a circle"


UNFIT: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"protocol": 2, "new": "field"}, 426, "version 2"),
    ({"unknown": 1}, 422, "faults"),
    ({"now": "2026-03-02T07:30:00"}, 422, "zone"),
    ({"epoch": 2**40}, 422, "larger"),
    ({"last": 0}, 422, "not given out"),
    ({"oldest": 9}, 422, "oldest"),
    ({"version": "1\x00"}, 422, "printed"),
    ({"now": "9999-12-31T23:59:59Z"}, 422, "years"),
    ({"messages": [{**event("0123", "x" * 20_000), "seq": 1, "at": "2026-11-23T07:00:00Z"}]}, 422, "larger"),
    ({"messages": [{**state("0123", 1), "seq": 1, "at": "0001-01-01T00:00:00+14:00"}]}, 422, "years"),
)


async def test_a_report_that_is_none_is_refused_as_a_whole(hub: LiveHub) -> None:
    west = await hub.site("west", "0123")
    for change, status, word in UNFIT:
        west.seq = 0
        reply = await west.report(state("0123", 1), **change)
        assert (reply.status, word in reply.body.decode()) == (status, True), reply.body
    assert rows(hub.hub.database, hub_school) == []


async def test_what_is_large_slow_or_no_json_is_refused(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    west = await hub.site("west", "0123")
    monkeypatch.setattr(doors, "LARGEST", 2000)
    assert (await west.ask(REPORT, data=b"x" * 3000)).status == 413
    assert (await west.ask(REPORT, data=b"{")).status == 400
    assert (await west.ask(REPORT, data=b"{}", headers={"Content-Type": "text/plain"})).status == 415
    gap = west.made(state("0123", 1), state("0123", 2))
    gap["messages"][1]["seq"] = gap["last"] = 3
    assert (await west.ask(REPORT, gap)).status == 422
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1.0)

    assert (await west.ask(REPORT, data=slow(), method="POST")).status == 408


async def test_of_what_is_too_large_no_more_is_read_than_is_taken(hub: LiveHub) -> None:
    """Who has no certificate, or one of a school, must not be able to fill the hub's memory."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 << 20:
            sent += 1 << 16
            yield b"x" * (1 << 16)

    stranger = hub.stranger("west")
    with suppress(aiohttp.ClientError, ConnectionError):
        assert (await stranger.ask(ENROL, data=endless(), method="POST")).status == 413
    assert sent < 8 << 20
    nothing = b"{" + b" " * 20_000
    assert (await stranger.ask(ENROL, data=nothing)).status == 413, "not 4 MiB for each of thousands"


async def test_one_certificate_gets_so_many_requests_at_a_time(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "AT_ONCE", 2)
    west, east = await hub.site("west", "0123"), await hub.site("east", "0456")
    let = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield json.dumps(west.made(state("0123", 1))).encode()[:-1]
        await let.wait()
        yield b"}"

    under_way = [asyncio.create_task(west.ask(REPORT, data=slow(), method="POST")) for _ in range(2)]
    await until(lambda: hub.hub.doors._busy["west"] == 2)
    for path, body in ((REPORT, west.made(state("0123", 1))), (ANSWERS, {})):
        assert (await west.ask(path, body)).status == 429
    assert (await east.report(state("0456", 1))).status == 200
    let.set()
    assert {(await one).status for one in under_way} == {200}
    await until(lambda: not hub.hub.doors._busy)


async def test_of_too_many_that_wait_for_one_site_the_oldest_goes(
    hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is cut leaves requests behind that nobody reads."""
    monkeypatch.setattr("bridge.hub.waiting.MOST", 2)
    west = await hub.site("west", "0123")
    first = asyncio.create_task(west.wait(100))
    await until(lambda: hub.hub.waiting.count == 1)
    others = [asyncio.create_task(west.wait(100)) for _ in range(2)]
    assert (await first).receipt.commands == []
    await asyncio.to_thread(ask, hub, "west", "0123")
    done, late = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    assert len(done.pop().result().receipt.commands) == 1
    for one in late:
        one.cancel()


async def test_reports_that_wait_are_bounded_by_their_bytes(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database hangs: whoever comes then is told to come again, before the memory is full."""
    monkeypatch.setattr(inbox, "HEAVIEST", 3000)
    west, east = await hub.site("west", "0123"), await hub.site("east", "0456")
    held, let = threading.Event(), threading.Event()

    def hang() -> None:
        with hub.hub.database.write():
            held.set()
            let.wait(30)

    if hub.hub.database.path is None:
        pytest.skip("it is about the queue, which is the same")
    writing = asyncio.create_task(asyncio.to_thread(hang))
    await asyncio.to_thread(held.wait, 30)
    first = asyncio.create_task(west.report(event("0123", "x" * 5000)))
    await until(lambda: hub.hub.inbox._bytes > 3000)
    refused = await east.report(state("0456", 1))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "15")
    let.set()
    await writing
    assert (await first).status == 200, "one is always taken, however large"
    east.seq = 0
    assert (await east.report(state("0456", 1))).status == 200


async def test_handshakes_that_never_end_count_as_connections(hub: LiveHub) -> None:
    assert hub.hub.address is not None
    listens = hub.hub._listening
    assert listens is not None
    before = listens.count
    mute = [await asyncio.open_connection(*hub.hub.address) for _ in range(5)]
    await until(lambda: listens.count == before + 5)
    listens._most = listens.count
    reader, writer = await asyncio.open_connection(*hub.hub.address)
    assert await asyncio.wait_for(reader.read(), 10) == b"", "ended at once, without a handshake"
    for _, one in (*mute, (reader, writer)):
        one.close()
    await until(lambda: listens.count == before)


async def test_silent_and_too_many_connections_are_ended(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST", 0.2)
    west = await hub.site("west", "0123")
    assert hub.hub.address is not None
    secure = client_context(hub.hub.keys.authority.pem)
    reader, writer = await asyncio.open_connection(*hub.hub.address, ssl=secure, server_hostname="127.0.0.1")
    writer.write(b"GET /site")
    assert await asyncio.wait_for(reader.read(), 10) == b"", "it said nothing whole"
    writer.close()
    assert hub.hub._listening is not None
    hub.hub._listening._most = 0
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await west.report(state("0123", 1))
    hub.hub._listening._most = 100
    assert (await hub.stranger("east").ask(WAIT)).status == 401, "and then others are let in again"


async def until(true: Any) -> None:
    """A busy machine is no failure."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
