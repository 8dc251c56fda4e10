"""The cloud's own source of authority: who is mastered on premises, and the switch, against a sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.ports import Mastered, Unreachable
from connectors.graph import GraphConnector
from connectors.graph.permissions import BUNDLES
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import Timeline, application, connector, observe
from tests.sandbox.plugin import MakeSandbox

ALL = (*BUNDLES["roster"], *BUNDLES["authority"])


def synced(number: int) -> dict[str, Any]:
    """A person whom Entra Connect brought."""
    return {
        "userPrincipalName": f"kim{number}@schule.example", "displayName": f"Kim {number}",
        "mailNickname": f"kim{number}",
        "accountEnabled": True, "userType": "Member", "onPremisesSyncEnabled": True,
        "onPremisesSecurityIdentifier": f"S-1-5-21-1-2-3-{number}",
    }  # fmt: skip


async def tenant(make_sandbox: MakeSandbox, *permissions: str) -> Sandbox:
    """45 people and a group that are mastered on premises, and one person who is not."""
    sandbox = await make_sandbox(tls=True, applications=[application(*permissions)])
    plain = {**synced(99), "onPremisesSyncEnabled": None}
    group = {"displayName": "5a", "mailNickname": "5a", "securityEnabled": True, "mailEnabled": False,
             "onPremisesSyncEnabled": True, "onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-500"}  # fmt: skip
    sandbox.load({"users": [*(synced(number) for number in range(45)), plain], "groups": [group]})
    return sandbox


async def open_(graph: GraphConnector) -> Any:
    port = graph.capabilities.authority
    assert port is not None
    return port


def on_premises(sandbox: Sandbox) -> int:
    dumped = sandbox.dump()
    return sum(bool(one.get("onPremisesSyncEnabled")) for one in (*dumped["users"], *dumped["groups"]))


async def test_all_of_them_go_to_the_cloud_and_back_and_can_be_written_meanwhile(make_sandbox: MakeSandbox) -> None:
    sandbox = await tenant(make_sandbox, *ALL)
    graph = connector(sandbox)
    port = await open_(graph)
    assert await port.lacking(["user", "group"]) == {}
    found = await port.mastered()
    assert (len(found), {one.kind for one in found}) == (46, {"user", "group"})
    assert "S-1-5-21-1-2-3-7" in {one.sid for one in found}
    before = sandbox.counters().get("requests", 0)
    for _ in range(2):  # as after a crash
        assert await port.switch(found, cloud=True) == {}
    assert on_premises(sandbox) == 0
    assert await port.mastered() == []
    assert sandbox.counters().get("requests", 0) - before <= 8  # three batches each time, and two lists
    seen = [one for page in await observe(graph) for one in page.observations if one.in_scope]
    assert sum(one.kind == "user" for one in seen) == 46
    assert await port.switch(found, cloud=False) == {}
    assert on_premises(sandbox) == 46
    await graph.close()


async def test_members_of_their_groups_are_told_whole_and_a_group_that_is_gone_is_left_out(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = await tenant(make_sandbox, *ALL)
    more = [{**synced(number), "onPremisesSyncEnabled": None} for number in range(100, 1100)]
    everybody = [f"kim{number}@schule.example" for number in range(100, 1100)]
    groups = [
        {"displayName": name, "mailNickname": name, "securityEnabled": True, "mailEnabled": False,
         "onPremisesSyncEnabled": True, "members": members}
        for name, members in (("all", everybody), ("two", everybody[:2]))
    ]  # fmt: skip
    sandbox.load({"users": more, "groups": groups})
    graph = connector(sandbox)
    port = await open_(graph)
    found = [one for one in await port.mastered() if one.kind == "group"]
    gone = Mastered("00000000-0000-0000-0000-000000000001", "group")
    members = await port.members([*found, gone])
    await graph.close()
    assert members.keys() == {one.anchor for one in found}
    assert sorted(map(len, members.values())) == [0, 2, 1000]


async def test_nobody_is_switched_without_the_right_and_it_is_named(make_sandbox: MakeSandbox) -> None:
    sandbox = await tenant(make_sandbox, *BUNDLES["roster"], "User-OnPremisesSyncBehavior.ReadWrite.All")
    graph = connector(sandbox)
    port = await open_(graph)
    assert await port.lacking(["group", "user"]) == {"group": "Group-OnPremisesSyncBehavior.ReadWrite.All"}
    found = await port.mastered()
    why = await port.switch(found, cloud=True)
    await graph.close()
    (group,) = (one.anchor for one in found if one.kind == "group")
    assert set(why) == {group}
    assert "grant Group-OnPremisesSyncBehavior.ReadWrite.All" in why[group]
    assert on_premises(sandbox) == 1


async def test_lost_answers_and_a_busy_service_are_asked_again_and_who_is_gone_is_done(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = await tenant(make_sandbox, *ALL)
    graph = connector(sandbox)
    port = await open_(graph)
    found = [*await port.mastered(), Mastered("00000000-0000-0000-0000-000000000001", "user")]
    sandbox.faults.add("drop-after", path=r"/\$batch", count=1)
    sandbox.faults.add("throttle", path=".*onPremisesSyncBehavior", where="part", count=7)
    assert await port.switch(found, cloud=True) == {}
    assert on_premises(sandbox) == 0
    await graph.close()


async def test_a_service_that_stays_busy_leaves_it_unknown(make_sandbox: MakeSandbox) -> None:
    sandbox = await tenant(make_sandbox, *ALL)
    graph = connector(sandbox, Timeline(), timeouts={"retry": 5})
    port = await open_(graph)
    found = await port.mastered()
    sandbox.faults.add("unavailable", path=".*onPremisesSyncBehavior", where="part")
    with pytest.raises(Unreachable, match="of 46 of 46 objects nobody knows"):
        await port.switch(found, cloud=True)
    await graph.close()


async def test_a_side_that_is_only_read_switches_nobody(make_sandbox: MakeSandbox) -> None:
    sandbox = await tenant(make_sandbox, *ALL)
    graph = connector(sandbox, read_only=True)
    port = await open_(graph)
    found = await port.mastered()
    assert set((await port.switch(found, cloud=True)).values()) == {
        "the cloud side of this school is set to `read_only`"
    }
    assert on_premises(sandbox) == 46
    await graph.close()
