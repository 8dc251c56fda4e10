"""Groups, members and owners: the matrix of types and every trap of references."""

from __future__ import annotations

import pytest

from connectors.sandbox import Sandbox
from tests.sandbox.client import Client, new_group

UNIFIED = {"groupTypes": ["Unified"], "mailEnabled": True}
RULE = {"groupTypes": ["DynamicMembership"], "membershipRule": 'user.department -eq "5a"'}


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({}, 201),
        (UNIFIED, 201),
        (UNIFIED | {"securityEnabled": False}, 201),
        (RULE, 201),
        ({"mailEnabled": True}, 400),
        ({"mailEnabled": True, "securityEnabled": False}, 400),
        ({"securityEnabled": False}, 400),
        (UNIFIED | {"mailEnabled": False}, 400),
        ({"groupTypes": ["Special"]}, 400),
        ({"groupTypes": ["DynamicMembership"]}, 400),
        ({"mailNickname": "with space"}, 400),
        ({"mailNickname": "a@b"}, 400),
        ({"mailNickname": "x" * 65}, 400),
        ({"displayName": "x" * 257}, 400),
    ],
)
async def test_matrix_of_types(graph: Client, properties: dict[str, object], status: int) -> None:
    assert (await graph.post("/groups", new_group("5a", **properties))).status == status


async def test_unified_group_has_mail_and_a_nickname_of_its_own(graph: Client) -> None:
    group = await graph.team("ag")
    assert (await graph.get(f"/groups/{group}")).body["mail"] == "ag@schule.example"
    assert "mailNickname" in (await graph.post("/groups", new_group("ag", **UNIFIED))).message
    assert (await graph.post("/groups", new_group("ag"))).status == 201, "security groups may share a nickname"


async def test_upsert_by_unique_name(graph: Client) -> None:
    body = {"displayName": "5a", "mailNickname": "5a", "mailEnabled": False, "securityEnabled": True}
    path = "/groups(uniqueName=%27school-1-5a%27)"
    assert (await graph.patch(path, body)).status == 404
    made = await graph.patch(path, body, Prefer="create-if-missing")
    assert made.status == 201
    assert (await graph.patch(path, {"displayName": "5A"}, Prefer="create-if-missing")).status == 204
    read = await graph.get(f"{path}?$select=displayName,uniqueName")
    assert (read.body["id"], read.body["displayName"]) == (made.body["id"], "5A")
    assert (await graph.patch(f"/groups/{made.body['id']}", {"uniqueName": "other"})).status == 400
    assert (await graph.post("/groups", new_group("5b", uniqueName="SCHOOL-1-5A"))).status == 400


async def test_binds_are_all_or_nothing(graph: Client) -> None:
    users = [await graph.user(f"u{number}") for number in range(21)]
    group = await graph.group("5a")
    bind = [graph.reference(user) for user in users]
    assert (await graph.patch(f"/groups/{group}", {"members@odata.bind": bind})).status == 400
    assert (await graph.patch(f"/groups/{group}", {"members@odata.bind": bind[:20]})).status == 204
    assert await graph.members(group) == set(users[:20])
    answer = await graph.patch(f"/groups/{group}", {"members@odata.bind": [bind[20], bind[3]]})
    assert answer.message == (
        "One or more added object references already exist for the following modified properties: 'members'."
    )
    unknown = graph.reference("00000000-0000-0000-0000-000000000000")
    assert (await graph.patch(f"/groups/{group}", {"members@odata.bind": [bind[20], unknown]})).status == 404
    assert users[20] not in await graph.members(group)


async def test_member_is_added_once_and_removed(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("5a")
    assert (await graph.add(group, user)).status == 204
    assert (await graph.add(group, user)).status == 400
    assert (await graph.delete(f"/groups/{group}/members/{user}/$ref")).status == 204
    assert (await graph.delete(f"/groups/{group}/members/{user}/$ref")).status == 404
    assert (await graph.get(f"/users/{user}")).status == 200


async def test_without_ref_the_user_itself_is_deleted(graph: Client, sandbox: Sandbox) -> None:
    user, group = await graph.user("anna"), await graph.group("5a")
    await graph.add(group, user)
    assert sandbox.counters()["users deleted through a group"] == 0
    sandbox.service.observers.clear()  # the subset has no such path: any other test that does this fails
    assert (await graph.delete(f"/groups/{group}/members/{user}")).status == 204
    assert (await graph.get(f"/users/{user}")).status == 404
    assert sandbox.counters()["users deleted through a group"] == 1


async def test_what_may_be_a_member(graph: Client) -> None:
    user, inner, security = await graph.user("anna"), await graph.group("5a"), await graph.group("year5")
    team = await graph.team("ag")
    assert (await graph.add(security, inner)).status == 204
    assert (await graph.add(inner, security)).status == 400, "a circle"
    assert (await graph.add(team, inner)).status == 400
    assert (await graph.add(team, user)).status == 204
    assert (await graph.add(team, inner, "owners")).status == 400


async def test_dynamic_group_takes_no_members(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("rule", **RULE)
    assert (await graph.add(group, user)).code == "Authorization_RequestDenied"
    answer = await graph.patch(f"/groups/{group}", {"members@odata.bind": [graph.reference(user)]})
    assert answer.status == 403


async def test_last_owner_stays(graph: Client) -> None:
    first, second = await graph.user("anna"), await graph.user("bernd")
    team = await graph.team("ag", **{"owners@odata.bind": [graph.reference(first)]})
    assert (await graph.delete(f"/groups/{team}/owners/{first}/$ref")).status == 400
    assert (await graph.add(team, second, "owners")).status == 204
    assert (await graph.delete(f"/groups/{team}/owners/{first}/$ref")).status == 204
    assert await graph.members(team, "owners") == {second}


async def test_group_is_restored_with_members(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("5a", uniqueName="u-5a")
    await graph.add(group, user)
    assert (await graph.delete(f"/groups/{group}")).status == 204
    assert await graph.all(f"/users/{user}/memberOf") == []
    assert [g["id"] for g in await graph.all("/directory/deletedItems/graph.group")] == [group]
    assert (await graph.post(f"/directory/deletedItems/{group}/restore")).status == 200
    assert await graph.members(group) == {user}
    await graph.delete(f"/groups/{group}")
    assert (await graph.delete(f"/directory/deletedItems/{group}")).status == 204
    assert (await graph.post(f"/directory/deletedItems/{group}/restore")).status == 404


async def test_references_and_casts(graph: Client) -> None:
    user, inner, outer = await graph.user("anna"), await graph.group("5a"), await graph.group("year5")
    await graph.add(outer, user)
    await graph.add(outer, inner)
    listed = await graph.get(f"/groups/{outer}/members/$ref")
    assert {ref["@odata.id"].rsplit("/", 1)[1] for ref in listed.body["value"]} == {user, inner}
    assert [u["id"] for u in await graph.all(f"/groups/{outer}/members/microsoft.graph.user")] == [user]
    kinds = {one["@odata.type"] for one in await graph.all(f"/groups/{outer}/members")}
    assert kinds == {"#microsoft.graph.user", "#microsoft.graph.group"}
    found = await graph.post("/directoryObjects/getByIds", {"ids": [user, inner, "none"], "types": ["user"]})
    assert [one["id"] for one in found.body["value"]] == [user]


async def test_synced_group_takes_no_members(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("5a")
    await graph.admin("PATCH", "objects", {"id": group, "synced": True})
    assert "on-premises mastered" in (await graph.add(group, user)).message
    bind = {"members@odata.bind": [graph.reference(user)]}
    assert (await graph.patch(f"/groups/{group}", bind)).status == 400
