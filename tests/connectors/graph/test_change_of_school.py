"""Change of school between two bridges on one tenant, in any order: one account, never two, never another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.ports import Failed, Write, Written
from connectors.graph import GraphConnector
from connectors.graph.connector import build
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import (
    DOMAIN,
    SCHOOL,
    Timeline,
    apply,
    change,
    connector,
    context,
    done,
    groups,
    new_group,
    new_user,
    observe,
    options,
    users,
)  # fmt: skip

OTHER = "gag"
EXTENSION = "onPremisesExtensionAttributes"


@pytest.fixture
async def schools(cloud: Sandbox, timeline: Timeline) -> AsyncIterator[tuple[GraphConnector, GraphConnector]]:
    """Two schools of one authority, each with a bridge of its own."""
    first = connector(cloud, timeline, take_over=True)
    second = build(options(cloud, take_over=True), replace(context(timeline), school=OTHER))
    yield first, second
    await first.close()
    await second.close()


def mark(cloud: Sandbox) -> list[tuple[str, bool]]:
    """(mark, enabled) of every living account."""
    return [
        (str(one["onPremisesExtensionAttributes"]["extensionAttribute14"]), one["accountEnabled"])
        for one in users(cloud)
    ]


def enrol(number: int = 1) -> Write:
    """What the other school wants to create for the same person: the same anchor, a login of its own making."""
    return new_user(number, upn=f"l.mueller{number}@{DOMAIN}")


async def outcome(school: GraphConnector, write: Write) -> Any:
    return (await apply(school, write))[write.id]


async def scope(school: GraphConnector) -> dict[str, bool]:
    """Account -> whether the school's bridge sees it as its own."""
    return {one.anchor: one.in_scope for page in await observe(school) for one in page.observations}


async def test_first_parked_then_taken_over_with_the_same_account_and_login(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    assert mark(cloud) == [(f"parked:{SCHOOL}", False)]
    assert await scope(first) == {made.anchor: True}  # the first school still answers for it, until it is taken
    assert await scope(second) == {made.anchor: False}
    taken = await outcome(second, enrol())
    assert isinstance(taken, Written)
    assert (taken.anchor, taken.adopted) == (made.anchor, True)
    assert mark(cloud) == [(OTHER, True)]
    assert users(cloud)[0]["userPrincipalName"] == f"lucja.mueller1@{DOMAIN}"
    assert await scope(first) == {made.anchor: False}
    assert await scope(second) == {made.anchor: True}
    await done(second, change("user", made.anchor, fields={"display_name": "Łucja Neu"}))


async def test_enrolled_before_the_first_school_let_go_waits_and_makes_no_second_account(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    (made,) = await done(first, new_user(1))
    waits = await outcome(second, enrol())
    assert isinstance(waits, Failed)
    assert (waits.cause, waits.transient) == ("held_elsewhere", True)
    assert f"belongs to school {SCHOOL}" in waits.message
    assert len(users(cloud)) == 1
    await done(first, change("user", made.anchor, Action.DISABLE))
    taken = await outcome(second, enrol())
    assert isinstance(taken, Written)
    assert taken.anchor == made.anchor
    assert mark(cloud) == [(OTHER, True)]


async def test_the_first_school_neither_deletes_nor_disables_what_was_taken_over(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(second, enrol())
    # The first school's bridge has not looked since, and its period is over.
    for action in (Action.DELETE, Action.DISABLE):
        refused = await outcome(first, change("user", made.anchor, action))
        assert isinstance(refused, Failed)
        assert refused.cause == "foreign"
    assert mark(cloud) == [(OTHER, True)]


async def test_both_at_once_end_with_one_account_of_one_school(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    (made,) = await done(first, new_user(1))
    disable = change("user", made.anchor, Action.DISABLE)
    one, two = await asyncio.gather(outcome(first, disable), outcome(second, enrol()))
    assert isinstance(one, Written)
    if isinstance(two, Failed):  # looked before it was parked: the next try gets it
        assert two.cause == "held_elsewhere"
        two = await outcome(second, enrol())
    assert isinstance(two, Written)
    assert [row["id"] for row in users(cloud)] == [made.anchor]
    assert mark(cloud)[0][0] == OTHER


async def test_back_at_the_first_school_before_and_after_it_was_taken_over(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(first, change("user", made.anchor, fields={"enabled": True}))
    assert mark(cloud) == [(SCHOOL, True)]
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(second, enrol())
    await done(second, change("user", made.anchor, Action.DISABLE))
    assert mark(cloud) == [(f"parked:{OTHER}", False)]
    (back,) = await done(first, new_user(1))
    assert (back.anchor, back.adopted) == (made.anchor, True)
    assert mark(cloud) == [(SCHOOL, True)]


async def test_who_is_parked_leaves_the_groups_of_the_old_school_and_no_others(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    made, stays = await done(first, new_user(1), new_user(2))
    (old,) = await done(first, new_group(1, members=[made.anchor, stays.anchor]))
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(second, enrol())
    (new,) = await done(second, new_group(2, members=[made.anchor], mail_nickname="gag-52"))
    members = {one["id"]: set(one["members"]) for one in groups(cloud)}
    assert members == {old.anchor: {stays.anchor}, new.anchor: {made.anchor}}


async def test_a_parked_account_that_nobody_took_is_deleted_and_restored_by_its_school(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, _ = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(first, change("user", made.anchor, Action.DELETE))
    assert users(cloud) == []
    await done(first, change("user", made.anchor, Action.RESTORE, fields={"enabled": True, "display_name": "Łucja"}))
    assert mark(cloud) == [(SCHOOL, True)]


async def test_two_accounts_of_one_anchor_are_disputed_and_ordinary_disabling_parks_nobody(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox
) -> None:
    first, second = schools
    one, two = await done(first, new_user(1), new_user(2))
    await done(first, change("user", one.anchor, fields={"enabled": False}))
    assert (SCHOOL, False) in mark(cloud)
    await done(first, change("user", two.anchor, fields={"source_anchor": "key-1"}))
    for made in (one, two):
        await done(first, change("user", made.anchor, Action.DISABLE))
    refused = await outcome(second, enrol())
    assert isinstance(refused, Failed)
    assert refused.cause == "disputed"
    assert len(users(cloud)) == 2


async def test_without_the_option_nothing_is_parked_and_nothing_looked_for(cloud: Sandbox, timeline: Timeline) -> None:
    plain = connector(cloud, timeline)
    (made,) = await done(plain, new_user(1))
    await done(plain, change("user", made.anchor, Action.DISABLE))
    assert mark(cloud) == [(SCHOOL, False)]
    await plain.close()


async def test_without_the_option_another_school_s_parked_account_with_the_same_login_is_not_taken(
    schools: tuple[GraphConnector, GraphConnector], cloud: Sandbox, timeline: Timeline
) -> None:
    first, _ = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    plain = build(options(cloud), replace(context(timeline), school=OTHER))
    refused = await outcome(plain, new_user(1))
    assert isinstance(refused, Failed)
    assert refused.cause == "name_taken"
    assert mark(cloud) == [(f"parked:{SCHOOL}", False)]
    await plain.close()
