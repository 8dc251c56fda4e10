"""Delta: rounds, tokens, slices of large groups, removals, and what the faults make of it."""

from __future__ import annotations

import random

import pytest

from connectors.sandbox import Knobs, Sandbox
from tests.sandbox.client import Client, connected
from tests.sandbox.plugin import MakeSandbox


def ids(values: list[dict[str, object]]) -> set[object]:
    return {value["id"] for value in values}


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta()", "microsoft.graph.delta"])
async def test_spellings(graph: Client, spelling: str) -> None:
    user = await graph.user("anna")
    found, link = await graph.round(f"/users/{spelling}")
    assert ids(found) == {user}
    assert f"/users/{spelling}?$deltatoken=" in link


async def test_select_is_baked_into_the_token(graph: Client) -> None:
    user = await graph.user("anna", department="5a")
    found, link = await graph.round("/users/delta?$select=department,accountEnabled")
    assert found == [{"id": user, "department": "5a", "accountEnabled": True}]
    await graph.patch(f"/users/{user}", {"surname": "Groß"})
    found, link = await graph.round(link)
    assert found == [], "surname is not tracked"
    await graph.patch(f"/users/{user}", {"department": "6a"})
    found, link = await graph.round(link)
    assert found == [{"id": user, "department": "6a", "accountEnabled": True}], "unchanged tracked properties come too"
    await graph.patch(f"/users/{user}", {"department": "7a"})
    found, _ = await graph.round(link, Prefer="return=minimal")
    assert found == [{"id": user, "department": "7a"}]


async def test_equal_value_is_no_change(graph: Client) -> None:
    user = await graph.user("anna")
    _, link = await graph.round("/users/delta")
    await graph.patch(f"/users/{user}", {"displayName": "Anna"})
    found, _ = await graph.round(link)
    assert found == []


async def test_cleared_property_is_shown_as_null(graph: Client) -> None:
    user = await graph.user("anna", surname="Groß")
    _, link = await graph.round("/users/delta?$select=surname")
    await graph.patch(f"/users/{user}", {"surname": None})
    found, _ = await graph.round(link)
    assert found == [{"id": user, "surname": None}]


async def test_removed_changed_and_deleted(graph: Client) -> None:
    user = await graph.user("anna")
    _, link = await graph.round("/users/delta")
    await graph.delete(f"/users/{user}")
    found, link = await graph.round(link)
    assert found == [{"id": user, "@removed": {"reason": "changed"}}]
    first, _ = await graph.round("/users/delta")
    assert first == [{"id": user, "@removed": {"reason": "changed"}}]
    await graph.post(f"/directory/deletedItems/{user}/restore")
    found, link = await graph.round(link)
    assert found[0]["displayName"] == "Anna"
    await graph.delete(f"/users/{user}")
    await graph.delete(f"/directory/deletedItems/{user}")
    found, _ = await graph.round(link)
    assert found == [{"id": user, "@removed": {"reason": "deleted"}}]
    assert (await graph.round("/users/delta"))[0] == []


async def test_membership_ends_only_with_the_hard_delete(graph: Client) -> None:
    user, other, group = await graph.user("anna"), await graph.user("bernd"), await graph.group("5a")
    await graph.add(group, user)
    await graph.add(group, other)
    found, link = await graph.round("/groups/delta?$select=members")
    assert ids(found[0]["members@delta"]) == {user, other}
    await graph.delete(f"/users/{user}")
    found, link = await graph.round(link)
    assert found == []
    await graph.delete(f"/directory/deletedItems/{user}")
    await graph.delete(f"/groups/{group}/members/{other}/$ref")
    found, _ = await graph.round(link)
    removed = {"@odata.type": "#microsoft.graph.user", "@removed": {"reason": "deleted"}}
    assert sorted(found[0]["members@delta"], key=lambda one: one["id"]) == sorted(
        [{**removed, "id": user}, {**removed, "id": other}], key=lambda one: str(one["id"])
    )


async def test_members_are_not_tracked_unless_selected(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("5a")
    _, plain = await graph.round("/groups/delta?$select=displayName")
    _, full = await graph.round("/groups/delta")
    await graph.add(group, user)
    assert (await graph.round(plain))[0] == []
    assert ids((await graph.round(full))[0][0]["members@delta"]) == {user}


async def test_large_group_is_split_over_pages(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(knobs=Knobs(delta_page=3, delta_links=7))
    async with connected(sandbox) as graph:
        users = [await graph.user(f"u{number}") for number in range(20)]
        group = await graph.group("all")
        for at in (0, 10):
            bind = [graph.reference(user) for user in users[at : at + 10]]
            await graph.patch(f"/groups/{group}", {"members@odata.bind": bind})
        found, link = await graph.round("/groups/delta")
        assert [value["id"] for value in found] == [group] * 3
        slices = [ids(value["members@delta"]) for value in found]
        assert [len(part) for part in slices] == [7, 7, 6]
        assert set().union(*slices) == set(users)
        for user in users[:16]:
            await graph.delete(f"/groups/{group}/members/{user}/$ref")
        found, _ = await graph.round(link)
        assert [len(value["members@delta"]) for value in found] == [7, 7, 2]
        first, _ = await graph.round("/users/delta")
        assert len(first) == 20


async def test_change_between_pages_is_not_lost(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(knobs=Knobs(delta_page=2, delta_links=3))
    async with connected(sandbox) as graph:
        users = [await graph.user(f"u{number}") for number in range(7)]
        groups = [await graph.group(f"g{number}") for number in range(3)]
        for user in users:
            await graph.add(groups[0], user)
        page = (await graph.get("/groups/delta")).body
        await graph.delete(f"/groups/{groups[0]}/members/{users[0]}/$ref")
        await graph.patch(f"/groups/{groups[1]}", {"displayName": "changed"})
        seen = {member["id"] for value in page["value"] for member in value["members@delta"]}
        rest, link = await graph.round(page["@odata.nextLink"])
        for value in rest:
            seen |= ids(value.get("members@delta", []))
        assert seen == set(users)
        later, _ = await graph.round(link)
        assert {value["id"]: value.get("displayName") for value in later}[groups[1]] == "changed"
        removed = next(value for value in later if value["id"] == groups[0])["members@delta"]
        assert [(one["id"], "@removed" in one) for one in removed] == [(users[0], True)]


async def test_slice_of_one_group_hides_nothing_of_the_next(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(knobs=Knobs(delta_links=3))
    async with connected(sandbox) as graph:
        users = [await graph.user(f"u{number}") for number in range(8)]
        large, small = await graph.group("large"), await graph.group("small")
        _, link = await graph.round("/groups/delta")
        await graph.add(small, users[0])
        for user in users:
            await graph.add(large, user)
        await graph.patch(f"/groups/{small}", {"description": "x"})
        found, _ = await graph.round(link)
        held: dict[str, set[str]] = {}
        for value in found:
            _merge(held, value)
        assert held == {large: set(users), small: {users[0]}}


async def test_latest_gives_only_a_link(graph: Client) -> None:
    await graph.user("anna")
    answer = await graph.get("/users/delta?$deltatoken=latest")
    assert answer.body["value"] == []
    user = await graph.user("bernd")
    assert ids((await graph.round(answer.body["@odata.deltaLink"]))[0]) == {user}


async def test_token_expires_after_seven_days(graph: Client) -> None:
    user = await graph.user("anna")
    _, link = await graph.round("/users/delta()?$select=displayName")
    await graph.admin("POST", "clock", {"advance": 6.9 * 86400})
    _, link = await graph.round(link)
    await graph.admin("POST", "clock", {"advance": 7.1 * 86400})
    answer = await graph.get(link)
    assert (answer.status, answer.code) == (410, "syncStateNotFound")
    assert answer.headers["location"] == f"{graph.sandbox.graph_url}/users/delta()?$deltatoken="
    found, _ = await graph.round(answer.headers["location"])
    assert ids(found) == {user}


async def test_token_of_a_later_state_is_refused(graph: Client, sandbox: Sandbox) -> None:
    earlier = sandbox.tenant.log.sequence
    await graph.user("anna")
    _, link = await graph.round("/users/delta")
    assert (await graph.get(link)).status == 200
    sandbox.tenant.log.sequence = earlier
    assert (await graph.get(link)).status == 410, "the state was restored from a backup"


async def test_foreign_token_is_refused(graph: Client) -> None:
    _, link = await graph.round("/users/delta")
    assert (await graph.get(link[:-3] + "AAA")).status == 400
    assert (await graph.get(link.replace("/users/", "/groups/"))).status == 400
    assert (await graph.get("/users/delta?$top=5")).code == "Request_UnsupportedQuery"


async def test_filter_by_id(graph: Client) -> None:
    anna, _ = await graph.user("anna"), await graph.user("bernd")
    found, link = await graph.round(f"/users/delta?$filter=id%20eq%20'{anna}'")
    assert ids(found) == {anna}
    await graph.user("carla")
    assert (await graph.round(link))[0] == []
    assert (await graph.get("/users/delta?$filter=displayName%20eq%20'x'")).status == 400


async def test_faults_of_delta(graph: Client, sandbox: Sandbox) -> None:
    users = {await graph.user(f"u{number}") for number in range(8)}
    _, link = await graph.round("/users/delta")
    for user in users:
        await graph.patch(f"/users/{user}", {"surname": "x"})
    await graph.round(link)
    sandbox.faults.add("empty-delta", count=1)
    page = (await graph.get(link)).body
    assert page["value"] == []
    assert ids((await graph.round(page["@odata.nextLink"]))[0]) == users
    sandbox.faults.add("duplicate-delta", count=1)
    sandbox.faults.add("shuffle-delta", count=1)
    found, newer = await graph.round(link)
    assert (len(found), ids(found)) == (12, users)
    assert (await graph.round(newer))[0] == []
    sandbox.faults.add("replay-delta", count=1, back=4)
    assert len((await graph.round(newer))[0]) == 4, "older changes come once more"
    sandbox.faults.add("expire-delta", count=1)
    assert (await graph.get(newer)).status == 410


async def test_delayed_delta(graph: Client, sandbox: Sandbox) -> None:
    _, link = await graph.round("/users/delta")
    sandbox.tenant.delta_delay = 30
    user = await graph.user("anna")
    found, link = await graph.round(link)
    assert found == []
    await graph.admin("POST", "clock", {"advance": 31})
    assert ids((await graph.round(link))[0]) == {user}


@pytest.mark.parametrize("seed", range(4))
async def test_delta_rebuilds_the_tenant(make_sandbox: MakeSandbox, seed: int) -> None:
    """Whatever happens between rounds and pages: merging what delta says gives the tenant as it is."""
    rng = random.Random(seed)
    sandbox = await make_sandbox(knobs=Knobs(delta_page=3, delta_links=4), seed=seed)
    async with connected(sandbox) as graph:
        users = [await graph.user(f"u{number}") for number in range(8)]
        groups = [await graph.group(f"g{number}") for number in range(4)]
        held: dict[str, set[str]] = {}
        path = "/groups/delta?$select=members"
        for _ in range(12):
            while True:
                await _stir(graph, rng, users, groups)
                page = (await graph.get(path)).body
                for value in page["value"]:
                    _merge(held, value)
                path = page.get("@odata.nextLink") or page["@odata.deltaLink"]
                if "@odata.deltaLink" in page:
                    break
        found, _ = await graph.round(path)
        for value in found:
            _merge(held, value)
        # Delta shows soft-deleted members as members still: they come back with a restore.
        truth = {
            entry["id"]: set(entry.get("members", ())) for entry in sandbox.dump()["groups"] if entry["state"] == "live"
        }
        assert {group: held[group] for group in truth} == truth
        assert held.keys() == truth.keys()


def _merge(held: dict[str, set[str]], value: dict[str, object]) -> None:
    group = str(value["id"])
    if "@removed" in value:
        held.pop(group, None)
        return
    members = held.setdefault(group, set())
    for one in value.get("members@delta", ()):  # type: ignore[attr-defined]
        (members.discard if "@removed" in one else members.add)(one["id"])


async def _stir(graph: Client, rng: random.Random, users: list[str], groups: list[str]) -> None:
    for _ in range(rng.randrange(4)):
        user, group = rng.choice(users), rng.choice(groups)
        match rng.randrange(6):
            case 0 | 1 | 2:
                await graph.add(group, user)
            case 3:
                await graph.delete(f"/groups/{group}/members/{user}/$ref")
            case 4:
                await graph.patch(f"/groups/{group}", {"description": str(rng.random())})
            case _:
                if (await graph.delete(f"/users/{user}")).status == 404:
                    await graph.post(f"/directory/deletedItems/{user}/restore")
