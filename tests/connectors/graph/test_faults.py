"""Storms, lost answers, lost tokens, lagging replicas: nobody twice, nothing lost, no nested retries."""

from __future__ import annotations

import asyncio
import time

import pytest

from bridge.core.model import Evidence
from bridge.ports import Failed, TokenLost, Unreachable
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import (
    STUDENT,
    Timeline,
    apply,
    change,
    connector,
    done,
    groups,
    new_group,
    new_user,
    observe,
    users,
)

PART = STUDENT["skuPartNumber"]
ALL = "User|Group"


async def test_a_storm_of_429_sends_each_request_again_once_and_only_the_refused_parts(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    await graph.identify()
    cloud.service.counters.reset()
    cloud.faults.add("throttle", method="POST", path="^/users", where="part", count=7, retry_after=1)
    made = await done(graph, *[new_user(n) for n in range(40)])
    assert len({one.anchor for one in made}) == 40
    assert cloud.counters()["throttled"] == 7
    assert cloud.counters()["parts"] == 40 + 7, "only the refused parts again"
    assert cloud.counters()["requests"] <= 2 + 2


async def test_retry_after_stops_everything_of_ours(graph: GraphConnector, cloud: Sandbox) -> None:
    graph.client.budget.pause(0)
    await graph.identify()
    cloud.faults.add("throttle", path="batch", where="request", count=1, retry_after=50)  # one second of the wall
    cloud_throttled = asyncio.Event()
    cloud.service.observers.append(lambda method, path, reply: reply.status == 429 and cloud_throttled.set())
    started = time.monotonic()
    writing = asyncio.create_task(done(graph, *[new_user(n) for n in range(20)]))
    await cloud_throttled.wait()
    await asyncio.sleep(0.02)
    await graph.identify()  # another request of the same client waits as well
    assert time.monotonic() - started >= 0.95
    await writing


async def test_a_service_that_stays_busy_is_unreachable_after_one_patience(cloud: Sandbox, timeline: Timeline) -> None:
    graph = connector(cloud, timeline, timeouts={"retry": 30})
    await graph.identify()
    cloud.service.counters.reset()
    cloud.faults.add("unavailable", path="batch|organization", retry_after=5)
    with pytest.raises(Unreachable) as caught:
        await apply(graph, *[new_user(n, licenses=frozenset[str]()) for n in range(20)])
    assert caught.value.retry_after == 5
    # 30 s of patience, 5 s apart: a nested retry would send the square of it.
    assert cloud.counters()["requests"] <= 3 * (30 / 5 + 2)
    cloud.service.counters.reset()
    with pytest.raises(Unreachable):
        await graph.identify()
    assert cloud.counters()["requests"] <= 30 / 5 + 2
    await graph.close()


async def test_what_is_known_is_told_before_giving_up(cloud: Sandbox, timeline: Timeline) -> None:
    graph = connector(cloud, timeline, timeouts={"retry": 10})
    made = await done(graph, *[new_user(n) for n in range(3)])
    cloud.faults.add("throttle", method="PATCH", path=made[1].anchor, retry_after=3)
    outcomes = graph.apply([change("user", one.anchor, fields={"surname": "Neu"}) for one in made])
    known = {(await anext(outcomes)).id, (await anext(outcomes)).id}
    assert known == {f"c-{one.anchor}" for one in (made[0], made[2])}
    with pytest.raises(Unreachable):
        await anext(outcomes)
    await graph.close()


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
@pytest.mark.parametrize("size", [1, 20, 45])
async def test_a_create_whose_answer_is_lost_makes_exactly_one_account(
    graph: GraphConnector, cloud: Sandbox, kind: str, size: int
) -> None:
    await graph.identify()
    cloud.faults.add(kind, method="POST", path="batch|/users", count=2)
    made = await done(graph, *[new_user(n, licenses=frozenset({PART})) for n in range(size)])
    assert len(users(cloud)) == size
    assert {one.anchor for one in made} == {user["id"] for user in users(cloud)}
    assert all(user.get("assignedLicenses") for user in users(cloud))
    assert any(one.adopted for one in made) == (kind == "drop-after")


@pytest.mark.parametrize("size", [1, 20])
async def test_a_create_in_doubt_is_looked_for_before_it_is_sent_again(
    graph: GraphConnector, cloud: Sandbox, size: int
) -> None:
    await graph.identify()
    cloud.faults.add("drop-after", method="POST", path="batch|/users", count=1)
    asked: list[str] = []
    cloud.service.observers.append(lambda method, path, reply: asked.append(f"{method} {path.split('?')[0]}"))
    await done(graph, *[new_user(n) for n in range(size)])
    assert asked.count("POST /users") == size, "never sent again: it was there"
    assert any(one.startswith("GET /users/lucja") for one in asked)


async def test_a_user_found_by_its_anchor_keeps_its_login(graph: GraphConnector, cloud: Sandbox) -> None:
    first = (await done(graph, new_user(1, upn="another.login@schule.example")))[0]
    cloud.faults.add("drop-before", method="POST", path="/users", count=1)
    again = (await done(graph, new_user(1)))[0]
    assert again.adopted
    assert again.anchor == first.anchor
    assert [user["userPrincipalName"] for user in users(cloud)] == ["another.login@schule.example"]


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
@pytest.mark.parametrize("delay", [0.0, 0.15])
async def test_a_lost_answer_while_new_objects_are_invisible_makes_nobody_twice(
    graph: GraphConnector, cloud: Sandbox, kind: str, delay: float
) -> None:
    await graph.identify()
    cloud.tenant.visibility_delay = delay
    cloud.faults.add(kind, method="POST", path="batch", count=1)
    made = await done(graph, *[new_user(n) for n in range(30)])
    assert len(users(cloud)) == 30
    members = [one.anchor for one in made]
    cloud.faults.add(kind, method="POST|PATCH", path="batch|groups", count=1)
    first, second = await done(graph, new_group(1, members), new_group(2, members))
    assert {group["id"] for group in groups(cloud)} == {first.anchor, second.anchor}
    assert all(set(group["members"]) == set(members) for group in groups(cloud))
    assert not first.unknown
    assert not second.unknown


@pytest.mark.parametrize("cut", range(1, 9))
async def test_cut_off_anywhere_and_started_again_it_ends_the_same_with_nobody_twice(
    cloud: Sandbox, timeline: Timeline, cut: int
) -> None:
    people = [new_user(n, licenses=frozenset({PART})) for n in range(50)]
    crashed = connector(cloud, timeline)
    answered = 0
    reached = asyncio.Event()

    def count(method: str, path: str, reply: object) -> None:
        nonlocal answered
        answered += path.endswith("/$batch")
        if answered >= cut:
            reached.set()

    async def both(graph: GraphConnector) -> None:
        made = [one.anchor for one in await done(graph, *people)]
        await done(graph, *[new_group(n, made[n:], made[:1], unified=True) for n in range(4)])

    cloud.service.observers.append(count)
    mirroring = asyncio.create_task(both(crashed))
    cutting = asyncio.create_task(reached.wait())
    await asyncio.wait({mirroring, cutting}, return_when=asyncio.FIRST_COMPLETED)
    assert reached.is_set()
    mirroring.cancel()
    await asyncio.gather(mirroring, return_exceptions=True)
    await crashed.close()
    graph = connector(cloud, timeline)
    await both(graph)
    assert sorted(user["userPrincipalName"] for user in users(cloud)) == sorted(one.fields["upn"] for one in people)
    assert all(user.get("assignedLicenses") for user in users(cloud))
    assert sorted(len(group["members"]) for group in groups(cloud)) == [47, 48, 49, 50]
    await graph.close()


async def test_new_objects_that_read_404_are_waited_for(graph: GraphConnector, cloud: Sandbox) -> None:
    cloud.tenant.visibility_delay = 0.2  # 10 s of the connector's clock
    made = await done(graph, *[new_user(n, licenses=frozenset({PART})) for n in range(5)])
    await done(graph, *[change("user", one.anchor, fields={"surname": "Neu"}) for one in made])
    assert {user["surname"] for user in users(cloud)} == {"Neu"}
    assert all(user.get("assignedLicenses") for user in users(cloud))
    assert len(users(cloud)) == 5


async def test_a_name_held_by_something_invisible_is_held_back_not_made(cloud: Sandbox, timeline: Timeline) -> None:
    timeline.speed = 1000
    graph = connector(cloud, timeline, timeouts={"visible": 5})
    cloud.tenant.visibility_delay = 3600
    await done(graph, new_user(1))
    await graph.close()
    # As after a crash: it may well be our own, and the engine must not choose another name for the same person.
    graph = connector(cloud, timeline, timeouts={"visible": 5})
    outcome = (await apply(graph, new_user(1)))["u1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "unknown_outcome"
    assert outcome.transient
    assert len(users(cloud)) == 1
    # After a quarter of an hour nothing of ours is invisible: the name is somebody else's.
    await timeline.sleep(901)
    outcome = (await apply(graph, new_user(1)))["u1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "name_taken"
    await graph.close()


async def test_licences_that_run_out_under_our_count_are_reported(graph: GraphConnector, cloud: Sandbox) -> None:
    await done(graph, new_user(1, licenses=frozenset({PART})))
    cloud.load({"skus": [{**STUDENT, "enabled": 0}]})  # somebody else took them all
    made = (await done(graph, new_user(2, licenses=frozenset({PART}))))[0]
    assert "licenses" in made.refused
    assert len(users(cloud)) == 2


async def test_a_login_service_that_is_busy_is_asked_again(graph: GraphConnector, cloud: Sandbox) -> None:
    fault = cloud.faults.add("unavailable", path="oauth2", count=2)
    made = await done(graph, *[new_user(n) for n in range(3)])
    assert fault.fired == 2
    assert len(made) == len(users(cloud)) == 3
    assert not any(one.adopted for one in made), "nothing was in doubt"


async def test_an_expired_token_is_lost_and_a_listing_heals(graph: GraphConnector, cloud: Sandbox) -> None:
    await done(graph, *[new_user(n) for n in range(3)])
    token = (await observe(graph))[-1].token
    for collection in ("users", "groups"):
        fault = cloud.faults.add("expire-delta", path=collection, count=1)
        with pytest.raises(TokenLost):
            await anext(graph.observe(token))
        assert fault.fired == 1
    pages = await observe(graph)
    assert pages[-1].complete
    assert sum(len(page.observations) for page in pages) == 3


async def test_after_eight_days_the_token_is_lost(graph: GraphConnector, cloud: Sandbox) -> None:
    token = (await observe(graph))[-1].token
    cloud.clock.advance(8 * 86_400)  # type: ignore[attr-defined]
    graph.client.tokens.forget()
    with pytest.raises(TokenLost):
        await anext(graph.observe(token))


async def test_other_attributes_than_before_need_a_listing(graph: GraphConnector) -> None:
    token = (await observe(graph))[-1].token
    assert token is not None
    with pytest.raises(TokenLost, match="attributes"):
        await anext(graph.observe(token.replace('"select":"', '"select":"x')))


@pytest.mark.parametrize("kind", ["replay-delta", "duplicate-delta", "shuffle-delta", "empty-delta"])
async def test_replayed_doubled_shuffled_and_empty_pages_lead_to_the_same(
    graph: GraphConnector, cloud: Sandbox, kind: str
) -> None:
    cloud.service.knobs.delta_page = 4
    cloud.faults.add(kind, count=6)
    token = (await observe(graph))[-1].token
    made = [one.anchor for one in await done(graph, *[new_user(n) for n in range(10)])]
    group = (await done(graph, new_group(1, made)))[0].anchor
    await done(graph, change("user", made[0], fields={"surname": "Neu"}))
    pages = await observe(graph, token)
    last = {one.anchor: one for page in pages for one in page.observations}
    assert set(last) == {*made, group}
    assert last[made[0]].fields["surname"] == "Neu"
    members: set[str] = set()
    for page in pages:
        for one in page.observations:
            if one.anchor == group:
                members = (members | one.added.get("members", frozenset())) - one.removed.get("members", frozenset())
    assert members == set(made)


async def test_soft_deleted_and_purged_are_told_apart(graph: GraphConnector, cloud: Sandbox) -> None:
    one, two = [one.anchor for one in await done(graph, new_user(1), new_user(2))]
    token = (await observe(graph))[-1].token
    for anchor in (one, two):
        cloud.tenant.delete(cloud.tenant.entries[anchor])
    cloud.tenant.purge(cloud.tenant.entries[two])
    cloud.tenant.forget()
    gone = {row.anchor: row.evidence for page in await observe(graph, token) for row in page.removals}
    assert gone == {one: Evidence.DELETED, two: Evidence.PURGED}
    # A fresh listing does not show what was deleted before: the recycle bin does.
    listed = {row.anchor: row.evidence for page in await observe(graph) for row in page.removals}
    assert listed[one] is Evidence.DELETED


async def test_a_stopped_listing_goes_on_where_it_was(graph: GraphConnector, cloud: Sandbox) -> None:
    cloud.service.knobs.delta_page = 5
    made = {one.anchor for one in await done(graph, *[new_user(n) for n in range(23)])}
    pages = graph.observe(None)
    seen = [await anext(pages), await anext(pages)]
    await pages.aclose()  # type: ignore[attr-defined]
    assert not any(page.complete for page in seen)
    cloud.service.counters.reset()
    rest = await observe(graph, seen[-1].token)
    assert all(page.listing for page in rest)
    assert [page.complete for page in rest] == [False] * (len(rest) - 1) + [True]
    found = [one.anchor for page in [*seen, *rest] for one in page.observations]
    assert set(found) == made
    assert len(found) == 23, "nothing is read twice"


async def test_a_quiet_cycle_is_two_requests_and_no_write(graph: GraphConnector, cloud: Sandbox) -> None:
    await done(graph, *[new_user(n) for n in range(3)])
    token = (await observe(graph))[-1].token
    cloud.service.counters.reset()
    pages = await observe(graph, token)
    assert [(page.observations, page.removals) for page in pages] == [((), ())]
    assert cloud.counters()["requests"] == 2
    assert "writes" not in cloud.counters()
