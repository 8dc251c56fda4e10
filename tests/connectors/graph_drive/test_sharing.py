"""Permissions at the mirrored root, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.core.access import Role
from bridge.ports import Refused, Sharing, Spent
from connectors.graph_drive import DriveConnector
from connectors.graph_drive.pace import CALLS, WINDOW, Pace
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import Clock, user_of


def sharing_of(drive: DriveConnector) -> Sharing:
    found = drive.capabilities.sharing
    assert found is not None
    return found


async def test_a_group_is_let_in_gets_another_role_and_is_let_in_no_more(
    cloud: Cloud, connect: Callable[..., DriveConnector]
) -> None:
    drive = connect(library=True)
    sharing = sharing_of(drive)
    teacher = user_of(cloud.sandbox, "7")
    assert list(await sharing.standing()) == [], "the owners are none of ours"
    given = await sharing.give(teacher, Role.READ)
    assert (given.principal, given.role) == (teacher, "read")
    assert list(await sharing.standing()) == [given]
    assert await sharing.give(teacher, Role.READ) == given, "asked again after a lost answer"
    await sharing.change(given.id, Role.WRITE)
    (now,) = await sharing.standing()
    assert (now.id, now.role) == (given.id, "write")
    assert cloud.sandbox.counters().get("invitations that would have been mailed", 0) == 0
    await sharing.take_back(given.id)
    await sharing.take_back(given.id)
    await sharing.change(given.id, Role.READ)
    assert list(await sharing.standing()) == []


async def test_who_is_not_there_is_refused(drive: DriveConnector) -> None:
    with pytest.raises(Refused, match="permissions"):
        await sharing_of(drive).give("00000000-0000-0000-0000-000000000000", Role.READ)


async def test_it_is_the_mirrored_folder_that_is_shared_and_not_the_drive(
    cloud: Cloud, connect: Callable[..., DriveConnector]
) -> None:
    drive = connect(folder="Schule")
    sharing = sharing_of(drive)
    person = user_of(cloud.sandbox, "8")
    given = await sharing.give(person, Role.WRITE)
    item = next(one for one in cloud.home.items.values() if one.name == "Schule")
    assert given.id in item.grants
    assert not [grant for grant in cloud.home.root.grants.values() if grant.entry_id == person]


def test_calls_about_permissions_are_paced_over_all_drives() -> None:
    clock = Clock()
    pace = Pace(share=0.5, scale=1.0, monotonic=clock.now)
    for _ in range(CALLS // 2):
        pace.take()
        clock.time += 1.0
    with pytest.raises(Spent) as spent:
        pace.take()
    assert spent.value.retry_after == WINDOW - CALLS // 2
    clock.time += spent.value.retry_after
    pace.take()
