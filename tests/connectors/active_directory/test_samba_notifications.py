"""Hints by change notification, on a real Samba; the poll is set so slow that it can't be their cause."""

from __future__ import annotations

import asyncio
import select
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School
from bridge.ports import Unreachable
from connectors.active_directory import connect, notifications
from connectors.active_directory.session import Session
from tests.connectors.active_directory.conftest import context, options_of

pytestmark = pytest.mark.samba
SLOW = 3600.0  # seconds


class Hints:
    """A connector's hints, counted; ``pauses`` are the waits that it asked for."""

    def __init__(self, server: SchoolServer, **options: Any) -> None:
        self.server = server
        self.options = options_of(server, **options)
        self.pauses: list[float] = []
        self.count = 0
        self._came = asyncio.Event()

    async def start(self) -> Hints:
        self.connector = await connect(self.options, replace(context(self.server), sleep=self._sleep))
        self._task = asyncio.ensure_future(self._count())
        return self

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.2 if seconds == notifications.AGAIN_AFTER else seconds)

    async def _count(self) -> None:
        async for _ in self.connector.hints():
            self.count += 1
            self._came.set()

    async def listening(self) -> None:
        """Until the first wake after the search was opened has led to a poll, and the next wait has begun."""
        await until(lambda: self.pauses.count(SLOW) >= 2)

    async def next(self, seconds: float) -> None:
        """Wait for a hint that comes from now on."""
        self._came.clear()
        await asyncio.wait_for(self._came.wait(), seconds)

    async def close(self) -> None:
        await self.connector.close()
        self._task.cancel()
        await asyncio.wait((self._task,))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():  # noqa: ASYNC110 - threads and the server's end tell no event
            await asyncio.sleep(0.02)


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("ad-")]


@pytest.fixture
def server(samba_dc: Callable[..., SchoolServer], small_school: School) -> SchoolServer:
    return samba_dc(school=small_school)


@pytest.fixture
async def hints(server: SchoolServer) -> AsyncIterator[Callable[..., Any]]:
    made: list[Hints] = []

    async def start(**options: Any) -> Hints:
        made.append(await Hints(server, **options).start())
        return made[-1]

    yield start
    for one in made:
        await one.close()


async def test_changes_and_deletions_are_told_at_once(server: SchoolServer, hints: Callable[..., Any]) -> None:
    seen = await hints(poll_seconds=SLOW)
    await seen.listening()
    first, second, *_ = (one for one in server.school.people if one.role == "pupil" and one.standing == "present")
    for change in (
        lambda: server.modify(server.layout.person_dn(first), sn="Schnell"),
        lambda: server.delete(server.layout.person_dn(second)),
    ):
        came = asyncio.ensure_future(seen.next(5))
        began = time.monotonic()
        await asyncio.to_thread(change)
        await came
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.5)  # what else the same change led to


async def test_a_wave_of_changes_is_few_hints(server: SchoolServer, hints: Callable[..., Any]) -> None:
    seen = await hints(poll_seconds=SLOW)
    await seen.listening()
    person = server.layout.person_dn(server.school.people[0])
    began = time.monotonic()

    def wave() -> None:
        for number in range(60):
            server.modify(person, sn=f"Welle {number}")

    came = asyncio.ensure_future(seen.next(5))
    await asyncio.to_thread(wave)
    await came
    await asyncio.sleep(0.5)
    assert 1 <= seen.count <= (time.monotonic() - began) / 0.1


async def test_they_come_again_after_an_outage(server: SchoolServer, hints: Callable[..., Any]) -> None:
    with capture_logs() as lines:
        seen = await hints(poll_seconds=SLOW)
        await seen.listening()
        await asyncio.to_thread(server.outage)
        await until(lambda: seen.pauses.count(notifications.AGAIN_AFTER) >= 3)
        before = seen.pauses.count(SLOW) + seen.pauses.count(10 * SLOW)
        await asyncio.to_thread(server.restart)
        await until(lambda: seen.pauses.count(SLOW) + seen.pauses.count(10 * SLOW) > before)
        for name in ("Danach", "Danach wieder"):
            came = asyncio.ensure_future(seen.next(10))
            await asyncio.to_thread(server.modify, server.layout.person_dn(server.school.people[0]), sn=name)
            await came
    told = [line for line in lines if "notifications" in line["event"]]
    assert [line["log_level"] for line in told] == ["info"]


async def test_a_server_that_refuses_leaves_the_poll(
    server: SchoolServer, hints: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Samba refuses a critical control that it does not know, as a server without this one does.
    monkeypatch.setattr(notifications, "NOTIFICATION", ("1.2.840.113556.1.4.99999", True, None))
    with capture_logs() as lines:
        seen = await hints(poll_seconds=0.3)
        await until(lambda: seen.pauses.count(notifications.AGAIN_AFTER) >= 2)
        came = asyncio.ensure_future(seen.next(5))
        await asyncio.to_thread(server.modify, server.layout.person_dn(server.school.people[0]), sn="Gefragt")
        await came
    (line,) = (line for line in lines if "notifications" in line["event"])
    assert "does not tell of changes" in line["reason"]


async def test_a_search_that_the_server_ends_is_noticed(server: SchoolServer) -> None:
    # A connection may hold five of them; Windows and Samba refuse more (MaxNotificationPerConn).
    def too_many() -> None:
        session = Session(options_of(server), server.url, lambda: server.reader_password)
        try:
            searches = [notifications.OpenSearch(session) for _ in range(8)]
            select.select(searches[-1:], [], [], 5)
            searches[-1].arrived()
        finally:
            session.close()

    with pytest.raises(Unreachable, match="ended the notifications"):
        await asyncio.to_thread(too_many)


async def test_switched_off_only_the_poll_finds_changes(server: SchoolServer, hints: Callable[..., Any]) -> None:
    quick, slow = (
        await hints(notifications=False, poll_seconds=0.3),
        await hints(notifications=False, poll_seconds=SLOW),
    )
    await until(lambda: bool(quick.pauses and slow.pauses))
    assert not [name for name in threads() if "notifications" in name]
    came = asyncio.ensure_future(quick.next(5))
    await asyncio.to_thread(server.modify, server.layout.person_dn(server.school.people[0]), sn="Gefragt")
    await came
    await asyncio.sleep(0.5)
    assert slow.count == 0


async def test_nothing_is_left_after_close(server: SchoolServer) -> None:
    before = set(threads())
    seen = await Hints(server, poll_seconds=SLOW).start()
    await seen.listening()
    assert any("notifications" in name for name in threads())
    await seen.close()
    await until(lambda: not set(threads()) - before)
