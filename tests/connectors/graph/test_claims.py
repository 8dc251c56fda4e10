"""Nobody is made twice: two schools that enrol the same new person at once, and what lies in the recycle bin."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.ports import Failed, Outcome, Write, Written
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import DOMAIN, change, done, new_user, observe, users
from tests.connectors.graph.test_change_of_school import OTHER, enrol, mark, outcome, schools  # noqa: F401

Schools = tuple[GraphConnector, GraphConnector]


def carriers(cloud: Sandbox, key: str = "key-1") -> list[dict[str, Any]]:
    """Living accounts with this source anchor."""
    return [one for one in users(cloud) if one["onPremisesExtensionAttributes"].get("extensionAttribute15") == key]


async def at_once(schools: Schools, *, upn: str) -> list[Outcome]:  # noqa: F811
    first, second = schools
    return list(await asyncio.gather(outcome(first, new_user(1)), outcome(second, new_user(1, upn=upn))))


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("upn", [f"lucja.mueller1@{DOMAIN}", f"andere@{DOMAIN}"], ids=["same login", "other login"])
async def test_new_at_two_schools_in_the_same_moment_gets_one_account(
    schools: Schools,  # noqa: F811
    cloud: Sandbox,
    upn: str,
    delay: float,
) -> None:
    cloud.service.tenant.visibility_delay = delay
    told = await at_once(schools, upn=upn)
    for _ in range(6):
        enabled = [one for one in carriers(cloud) if one["accountEnabled"]]
        assert len(enabled) <= 1
        if any(isinstance(one, Written) for one in told):
            break
        told = await at_once(schools, upn=upn)
    (made,) = [one for one in told if isinstance(one, Written)]
    assert [(one["id"], one["accountEnabled"]) for one in carriers(cloud)] == [(made.anchor, True)]
    (waits,) = [one for one in told if isinstance(one, Failed)]
    assert (waits.transient, waits.cause) in {(True, "held_elsewhere"), (True, "unknown_outcome")}
    # Whatever was set aside is disabled, nobody's and there: no bridge has deleted it.
    others = [one for one in users(cloud) if one["id"] != made.anchor]
    assert all(not one["accountEnabled"] for one in others)
    assert all(one["onPremisesExtensionAttributes"]["extensionAttribute14"].startswith("aside:") for one in others)
    assert cloud.counters().get("users deleted", 0) == 0


async def test_the_other_school_confirms_nothing_where_an_account_is_already(
    schools: Schools,  # noqa: F811
    cloud: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look before the creation found nothing; meanwhile the first school was done."""
    first, second = schools

    async def looked_before(jobs: Any) -> Any:
        await done(first, new_user(1))
        return list(jobs)

    parking = second._writers["user"]._parking
    with monkeypatch.context() as patch:
        patch.setattr(parking, "take_over", looked_before)
        waits = await outcome(second, enrol())
    assert isinstance(waits, Failed)
    assert (waits.cause, waits.transient) == ("held_elsewhere", True)
    assert "was never enabled and is set aside; delete it in the tenant" in waits.message
    assert sorted(mark(cloud)) == [(f"aside:{OTHER}", False), ("lmg", True)]
    assert len(carriers(cloud)) == 1
    # The next try makes no other one, and neither school looks at what was set aside.
    again = await outcome(second, enrol())
    assert isinstance(again, Failed)
    assert again.cause == "held_elsewhere"
    assert len(users(cloud)) == 2
    for school in schools:
        seen = [one.in_scope for page in await observe(school) for one in page.observations]
        assert seen.count(True) == (school is first)


async def test_a_claim_that_was_left_by_a_crash_is_confirmed_by_the_next_try(
    schools: Schools,  # noqa: F811
    cloud: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = schools

    async def dies(*_: Any) -> None:
        raise OSError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr(first._writers["user"]._claims, "confirm", dies)
        with pytest.raises(OSError, match="power"):
            await outcome(first, new_user(1))
    assert mark(cloud) == [("claimed:lmg", False)]
    assert [one.in_scope for page in await observe(first) for one in page.observations] == [False]
    waits = await outcome(second, enrol())
    assert isinstance(waits, Failed)
    assert waits.cause == "held_elsewhere"
    assert "belongs to school lmg" in waits.message
    made = await outcome(first, new_user(1))
    assert isinstance(made, Written)
    assert mark(cloud) == [("lmg", True)]


async def claim(school: GraphConnector, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """The school looked and found nobody, claims an account, and dies before it looks again."""

    async def nobody(jobs: Any) -> Any:
        return list(jobs)

    async def dies(*_: Any) -> None:
        raise OSError("the power failed")

    users_ = school._writers["user"]
    with monkeypatch.context() as patch:
        patch.setattr(users_._parking, "take_over", nobody)
        patch.setattr(users_._claims, "confirm", dies)
        with pytest.raises(OSError, match="power"):
            await outcome(school, write)


async def test_an_abandoned_claim_is_taken_over_after_an_hour_by_the_service_s_clock(
    schools: Schools,  # noqa: F811
    cloud: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first school lost the person before it knew of the account: nobody else would ever let go of it."""
    first, second = schools
    await claim(first, monkeypatch, new_user(1))
    # Our own clock may be years ahead: only the service's says how old a claim is.
    wrong = replace(second._desk.context, clock=lambda: datetime.now(UTC) + timedelta(days=900))
    monkeypatch.setattr(second._desk, "context", wrong)
    monkeypatch.setattr(second._desk.client, "_context", wrong)
    cloud.clock.advance(3500)  # type: ignore[attr-defined]
    waits = await outcome(second, enrol())
    assert isinstance(waits, Failed)
    assert (waits.cause, waits.transient) == ("held_elsewhere", True)
    cloud.clock.advance(101)  # type: ignore[attr-defined]
    (before,) = users(cloud)
    taken = await outcome(second, enrol())
    assert isinstance(taken, Written)
    assert (taken.anchor, taken.adopted) == (before["id"], True)
    assert mark(cloud) == [(OTHER, True)]
    # Whoever comes back after all waits as for anybody else's account, and sees it out of scope.
    late = await outcome(first, new_user(1))
    assert isinstance(late, Failed)
    assert late.cause == "held_elsewhere"
    assert [one.in_scope for page in await observe(first) for one in page.observations] == [False]


@pytest.mark.parametrize("survivor", [0, 1])
async def test_of_two_claims_the_one_whose_school_still_wants_it_wins_in_the_end(
    schools: Schools,  # noqa: F811
    cloud: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    survivor: int,
) -> None:
    """Whichever has the smaller id: the other school neither confirms nor withdraws its own any more."""
    writes = (new_user(1), enrol())
    for school, write in zip(schools, writes, strict=True):
        await claim(school, monkeypatch, write)
    assert len(carriers(cloud)) == 2
    waits = await outcome(schools[survivor], writes[survivor])
    assert isinstance(waits, Failed)
    assert waits.cause == "held_elsewhere"
    assert not any(one["accountEnabled"] for one in users(cloud))
    cloud.clock.advance(3601)  # type: ignore[attr-defined]
    made = await outcome(schools[survivor], writes[survivor])
    assert isinstance(made, Written)
    # The other one is back, and gives way.
    gives_way = await outcome(schools[1 - survivor], writes[1 - survivor])
    assert isinstance(gives_way, Failed)
    assert gives_way.cause == "held_elsewhere"
    assert [one["id"] for one in users(cloud) if one["accountEnabled"]] == [made.anchor]
    assert [one["id"] for one in carriers(cloud)] == [made.anchor]


# --- the recycle bin --------------------------------------------------------------------------------------------------


@pytest.fixture
async def left(schools: Schools) -> tuple[GraphConnector, GraphConnector, str]:  # noqa: F811
    """Two schools, and the account of somebody who left the first one long ago."""
    first, second = schools
    (made,) = await done(first, new_user(1))
    await done(first, change("user", made.anchor, Action.DISABLE))
    await done(first, change("user", made.anchor, Action.DELETE))
    return first, second, made.anchor


async def test_enrolled_after_the_old_school_deleted_the_account_it_is_restored(
    left: tuple[GraphConnector, GraphConnector, str], cloud: Sandbox
) -> None:
    _, second, anchor = left
    taken = await outcome(second, enrol())
    assert isinstance(taken, Written)
    assert (taken.anchor, taken.adopted) == (anchor, True)
    assert mark(cloud) == [(OTHER, True)]
    assert users(cloud)[0]["userPrincipalName"] == f"lucja.mueller1@{DOMAIN}"


async def test_a_restore_whose_answer_was_lost_is_no_second_account(
    left: tuple[GraphConnector, GraphConnector, str], cloud: Sandbox
) -> None:
    _, second, anchor = left
    cloud.faults.add("drop-after", path=".*restore.*", count=1)
    taken = await outcome(second, enrol())
    if isinstance(taken, Failed):
        assert taken.transient
        taken = await outcome(second, enrol())
    assert isinstance(taken, Written)
    assert [one["id"] for one in users(cloud)] == [anchor]
    assert mark(cloud) == [(OTHER, True)]


async def test_a_login_that_somebody_else_has_by_now_is_told_and_nobody_made(
    left: tuple[GraphConnector, GraphConnector, str], cloud: Sandbox
) -> None:
    _, second, anchor = left
    await done(second, new_user(2, upn=f"lucja.mueller1@{DOMAIN}"))
    held = await outcome(second, enrol())
    assert isinstance(held, Failed)
    assert (held.cause, held.transient) == ("held_in_bin", False)
    assert "Restore it by hand under another login" in held.message
    assert len(users(cloud)) == 1
    assert [one["id"] for one in users(cloud, "deleted")] == [anchor]


async def test_our_own_deleted_account_is_no_newcomer_s_and_an_unreadable_bin_makes_nobody(
    left: tuple[GraphConnector, GraphConnector, str], cloud: Sandbox
) -> None:
    first, second, anchor = left
    cloud.faults.add("forbid", path=".*deletedItems.*", count=1)
    refused = await outcome(second, enrol())
    assert isinstance(refused, Failed)
    assert refused.cause == "privileged"
    assert users(cloud) == []
    # The first school knows the person no more (erased): somebody new, with another account.
    made = await outcome(first, new_user(1, upn=f"neu@{DOMAIN}"))
    assert isinstance(made, Written)
    assert made.anchor != anchor
