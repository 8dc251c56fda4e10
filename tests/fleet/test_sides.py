"""What reaches a side when the lease is over, and what two owners make of it who write at the very same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from bridge.core.model import Action, Digest, Side
from bridge.engine.wrap import Leased
from bridge.ports import Fenced, Write, Written
from connectors.graph.connector import build
from connectors.memory import MemoryConnector
from connectors.memory.options import Options
from connectors.sandbox import Sandbox
from tests.conformance.base import context
from tests.connectors.graph import kit
from tests.connectors.graph.kit import Timeline
from tests.machines.rig import rig
from tests.sandbox.plugin import MakeSandbox


@pytest.fixture
async def tenant(make_sandbox: MakeSandbox) -> Sandbox:
    return await make_sandbox(tls=True, applications=[kit.application()])


class Permits:
    """So many times yes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        if self.left <= 0:
            raise Fenced("west: this process does not look after the school any more")
        self.left -= 1


class Bytes:
    """Three pieces; ``read`` says how many were asked for."""

    size, digest, read = 3, None, 0

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            self.read += 1
            yield piece


def memory(permit: Callable[[], None]) -> MemoryConnector:
    options = Options(name="m", contents="digest", limbo=True)
    return MemoryConnector(options, replace(context(), permit=permit))


def made(number: int, **more: object) -> Write:
    fields = {"source_anchor": f"k{number}", "display_name": f"n{number}"}
    return Write(f"w{number}", "user", Action.CREATE, None, fields, key=f"k{number}", **more)  # type: ignore[arg-type]


async def test_nothing_is_sent_after_the_end_and_what_was_sent_before_is_told() -> None:
    permits = Permits(2)
    inner = memory(lambda: None)
    told: list[str] = []

    async def write() -> None:
        async for outcome in Leased(inner, permits).apply([made(number) for number in range(5)]):
            told.append(outcome.id)  # noqa: PERF401 - what came before it broke off counts

    with pytest.raises(Fenced):
        await write()
    assert told == ["w0", "w1"]
    assert len(list(inner.side.records())) == 2


async def test_a_connector_asks_before_each_request_by_itself() -> None:
    permits = Permits(2)
    inner = memory(permits)
    with pytest.raises(Fenced):
        async for _ in inner.apply([made(number) for number in range(5)]):
            pass
    assert len(list(inner.side.records())) == 2


async def test_a_file_that_was_begun_is_not_finished() -> None:
    permits, source = Permits(3), Bytes()
    inner = memory(lambda: None)
    digest = Digest("quickxor", "00" * 20, 3)
    write = Write("f", "file", Action.CREATE, None, {"name": "a", "content": digest}, content=source)
    with pytest.raises(Fenced):
        async for _ in Leased(inner, permits).apply([write]):
            pass
    assert source.read == 3
    assert not list(inner.side.records())


async def test_purging_is_asked_for_too() -> None:
    purge = Leased(memory(lambda: None), Permits(0)).capabilities.purge
    assert purge is not None
    with pytest.raises(Fenced):
        async for _ in purge(["a"]):
            pass


@pytest.mark.parametrize("what", ["sharing", "foundation", "authority", "freezing"])
async def test_what_a_side_offers_besides_is_asked_for_too(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Offered:
        async def act(self) -> str:
            return "done"

    inner = memory(lambda: None)
    monkeypatch.setattr(MemoryConnector, "capabilities", replace(inner.capabilities, **{what: Offered()}))  # type: ignore[arg-type]
    offered = getattr(Leased(inner, Permits(1)).capabilities, what)
    assert await offered.act() == "done"
    with pytest.raises(Fenced):
        await offered.act()


async def test_a_cycle_that_is_fenced_is_not_reported_but_ends() -> None:
    with rig() as one:
        for number in range(3):
            one.school.create("user", {"source_anchor": f"s{number}", "display_name": "n", "consent": True})
        one.ends = {**one.ends, Side.CLOUD: Leased(one.connectors[Side.CLOUD], Permits(2))}
        with pytest.raises(Fenced):
            await one.cycle()
        one.ends = one.connectors
        await one.settle()
        assert len(one.people(Side.CLOUD, ["display_name"])) == 3


async def test_graph_is_asked_for_nothing_that_changes_it(tenant: Sandbox) -> None:
    permits = Permits(0)
    late = build(kit.options(tenant), kit.context(Timeline(), permit=permits))
    await kit.observe(late)
    with pytest.raises(Fenced):
        await kit.apply(late, kit.new_user(1))
    assert not kit.users(tenant)
    permits.left = 99
    await kit.done(late, kit.new_user(1))
    await late.close()


@pytest.mark.parametrize("kind", ["user", "group"])
async def test_two_owners_who_create_at_the_same_time_make_one(tenant: Sandbox, kind: str) -> None:
    """As far as no clock can help: the name was reserved in the state before, and is unique in the tenant."""
    owners = [kit.connector(tenant, Timeline()) for _ in range(2)]
    make = kit.new_user if kind == "user" else kit.new_group
    writes = [make(number) for number in range(6)]
    told = await asyncio.gather(*(kit.apply(one, *writes) for one in owners))
    found = kit.users(tenant) if kind == "user" else kit.groups(tenant)
    assert len(found) == len(writes)
    for write in writes:
        anchors = {one.anchor for outcomes in told if isinstance(one := outcomes[write.id], Written)}
        assert len(anchors) == 1
    for one in owners:
        await one.close()
