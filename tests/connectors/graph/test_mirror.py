"""A first mirror: how many requests it takes, and that the real budgets are never hit.

The least possible number of requests for U users with a licence, G groups and their memberships: every user is one
write and its licence another, every group one write that binds up to 20 members and owners, the rest go 20 a write;
20 writes a request. Reading at the start (two deltas, two bins, the stock) and the sign-in come on top.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from bridge.ports import Write, Written, chunks
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import (
    STUDENT,
    Timeline,
    application,
    connector,
    groups,
    new_group,
    new_user,
    observe,
    users,
)

READING = 5


def least(user_count: int, group_writes: Sequence[Write]) -> int:
    """The least possible number of requests."""
    members = [len(write.added["members"]) for write in group_writes]
    owners = [len(write.added.get("owners", ())) for write in group_writes]
    more = sum(math.ceil(max(0, count - (20 - own)) / 20) for count, own in zip(members, owners, strict=True))
    return READING + 2 * math.ceil(user_count / 20) + math.ceil(len(group_writes) / 20) + math.ceil(more / 20)


async def mirror(graph: GraphConnector, user_count: int, group_count: int, size: int) -> tuple[int, int]:
    """Mirror in chunks as the engine does; returns (requests sent, least possible)."""
    await observe(graph)
    before = graph.client.counters.requests - (READING - 1)  # the stock is read with the first licence
    part = frozenset({STUDENT["skuPartNumber"]})
    anchors: list[str] = []
    for lot in chunks((new_user(number, licenses=part) for number in range(user_count)), 200):
        outcomes = [outcome async for outcome in graph.apply(lot)]
        assert all(isinstance(outcome, Written) and not outcome.refused for outcome in outcomes)
        anchors += [outcome.anchor for outcome in outcomes if isinstance(outcome, Written)]
    writes = [
        new_group(
            number,
            {anchors[(number * 37 + step) % user_count] for step in range(size + number % 11)},
            anchors[number % user_count : number % user_count + 1],
            unified=bool(number % 3),
        )
        for number in range(group_count)
    ]
    for lot in chunks(writes, 200):
        outcomes = [outcome async for outcome in graph.apply(lot)]
        assert all(isinstance(outcome, Written) and not outcome.unknown for outcome in outcomes)
    return graph.client.counters.requests - before, least(user_count, writes)


async def test_a_first_mirror_takes_hardly_more_than_the_least_possible_number_of_requests() -> None:
    async with Sandbox(applications=[application()], tls=True, seed=1) as cloud:
        cloud.load({"skus": [{**STUDENT, "enabled": 10_000}]})
        graph = connector(cloud)
        sent, needed = await mirror(graph, 1000, 60, 120)
        assert sent <= 1.05 * needed, f"{sent} sent, {needed} needed"
        assert len(users(cloud)) == 1000
        sizes = {group["displayName"]: len(group["members"]) for group in groups(cloud)}
        assert sizes == {f"Klasse 5{number}": 120 + number % 11 for number in range(60)}
        assert cloud.counters()["throttled"] == 0
        await graph.close()


async def test_the_real_budgets_are_never_hit() -> None:
    speed = 50.0
    async with Sandbox(applications=[application()], tls=True, seed=1, budgets=True, budget_scale=speed) as cloud:
        cloud.load({"skus": [{**STUDENT, "enabled": 10_000}]})
        timeline = Timeline(speed)
        graph = connector(cloud, timeline)
        started = time.monotonic()
        await mirror(graph, 1900, 30, 100)
        seconds = (time.monotonic() - started) * speed
        assert cloud.counters()["throttled"] == 0
        writes = cloud.counters()["writes"]
        assert writes > 3000, "the budget of one window would not do"
        assert sum(timeline.slept) > 0, "it had to wait"
        assert seconds >= 150, "and not because all was over before a window was"
        await graph.close()
