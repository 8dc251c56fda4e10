"""Groups: both kinds, owners, members in twenties, and the URL that must never delete a person."""

from __future__ import annotations

from bridge.core.model import Action
from bridge.ports import Failed, Written
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import (
    DOMAIN,
    Timeline,
    apply,
    change,
    connector,
    done,
    groups,
    new_group,
    new_user,
    observe,
    seeds,
    users,
)


async def people(graph: GraphConnector, count: int) -> list[str]:
    return [one.anchor for one in await done(graph, *[new_user(n) for n in range(count)])]


async def test_security_group_with_many_members(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 65)
    cloud.service.counters.reset()
    made = (await done(graph, new_group(1, members)))[0]
    group = groups(cloud)[0]
    assert group["id"] == made.anchor
    assert group["groupTypes"] == []
    assert group["securityEnabled"] is True
    assert set(group["members"]) == set(members)
    # 20 with the group, then 20 + 20 + 5 in one batch.
    assert cloud.counters()["requests"] == 2
    assert cloud.counters()["writes"] == 4


async def test_unified_group_has_its_owner_or_the_fallback_from_the_first_moment(
    cloud: Sandbox, timeline: Timeline
) -> None:
    cloud.load({"users": [*seeds(1)]})
    graph = connector(cloud, timeline, fallback_owner=f"alt0@{DOMAIN}")
    owner, *members = await people(graph, 3)
    await done(graph, new_group(1, members, [owner], unified=True), new_group(2, members, unified=True))
    one, two = groups(cloud)
    assert one["owners"] == [owner]
    assert two["owners"] == [user["id"] for user in users(cloud) if user["displayName"] == "Alt 0"]
    assert one["groupTypes"] == ["Unified"]
    assert one["mailEnabled"] is True
    assert one["visibility"] == "Private"
    await graph.close()


async def test_unified_group_without_any_owner_is_not_made(graph: GraphConnector, cloud: Sandbox) -> None:
    outcome = (await apply(graph, new_group(1, unified=True)))["g1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "no_owner"
    assert not groups(cloud)


async def test_members_are_added_in_twenties_and_removed_one_by_one(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 50)
    anchor = (await done(graph, new_group(1, members[:10])))[0].anchor
    cloud.service.counters.reset()
    await done(
        graph,
        change(
            "group", anchor, added={"members": frozenset(members[10:])}, removed={"members": frozenset(members[:5])}
        ),
    )
    assert set(groups(cloud)[0]["members"]) == set(members[5:])
    assert cloud.counters()["writes"] == 2 + 5
    assert len(users(cloud)) == 50, "nobody was deleted"


async def test_one_member_more_is_one_write_and_one_request(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 3)
    anchor = (await done(graph, new_group(1, members[:2])))[0].anchor
    cloud.service.counters.reset()
    await done(graph, change("group", anchor, added={"members": frozenset(members[2:])}))
    assert cloud.counters()["writes"] == 1
    assert cloud.counters()["requests"] == 1


async def test_unknown_and_present_members_are_sorted_out(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 40)
    anchor = (await done(graph, new_group(1, members[:3])))[0].anchor
    nobody = "00000000-0000-4000-8000-000000000001"
    graph._desk.recent._when.clear()  # as after a quarter of an hour: a 404 now means what it says
    made = (await done(graph, change("group", anchor, added={"members": frozenset([*members, nobody])})))[0]
    assert made.unknown == {"members": frozenset({nobody})}
    assert set(groups(cloud)[0]["members"]) == set(members)


async def test_a_group_with_an_unknown_member_is_made_without_it(
    graph: GraphConnector, cloud: Sandbox, timeline: Timeline
) -> None:
    members = await people(graph, 4)
    graph._desk.recent._when.clear()
    nobody = "00000000-0000-4000-8000-000000000001"
    made = (await done(graph, new_group(1, [*members, nobody], members[:1], unified=False)))[0]
    assert sum(timeline.slept) < 1, "only what is new is waited for"
    assert made.unknown == {"members": frozenset({nobody})}
    assert set(groups(cloud)[0]["members"]) == set(members)
    assert groups(cloud)[0]["owners"] == members[:1]


async def test_owners_change_without_ever_leaving_the_group_alone(cloud: Sandbox, timeline: Timeline) -> None:
    cloud.load({"users": [*seeds(1)]})
    graph = connector(cloud, timeline, fallback_owner=f"alt0@{DOMAIN}")
    one, two = await people(graph, 2)
    anchor = (await done(graph, new_group(1, [one], [one], unified=True)))[0].anchor
    owners = {"owners": frozenset({one})}
    await done(graph, change("group", anchor, added={"owners": frozenset({two})}, removed=owners))
    assert groups(cloud)[0]["owners"] == [two]
    # The last one goes: the fallback takes its place first.
    done_ = (await done(graph, change("group", anchor, removed={"owners": frozenset({two})})))[0]
    assert not done_.refused
    assert groups(cloud)[0]["owners"] == [user["id"] for user in users(cloud) if user["displayName"] == "Alt 0"]
    await graph.close()


async def test_the_last_owner_stays_and_is_reported_where_there_is_no_fallback(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    (one,) = await people(graph, 1)
    anchor = (await done(graph, new_group(1, (), [one], unified=True)))[0].anchor
    made = (await done(graph, change("group", anchor, removed={"owners": frozenset({one})})))[0]
    assert "last owner" in made.refused["owners"]
    assert groups(cloud)[0]["owners"] == [one]


async def test_creating_twice_adopts_and_completes(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 6)
    first = (await done(graph, new_group(1, members[:3])))[0]
    again = (await done(graph, new_group(1, members, display_name="Klasse 6a")))[0]
    assert again.adopted
    assert again.anchor == first.anchor
    assert groups(cloud)[0]["displayName"] == "Klasse 6a"
    assert set(groups(cloud)[0]["members"]) == set(members)


async def test_a_mail_nickname_of_another_group_is_a_taken_name(graph: GraphConnector, cloud: Sandbox) -> None:
    (owner,) = await people(graph, 1)
    unified = {"mailEnabled": True, "securityEnabled": False, "groupTypes": ["Unified"]}
    cloud.load({"groups": [{"displayName": "hand", "mailNickname": "klasse-51", **unified}]})
    outcome = (await apply(graph, new_group(1, (), [owner], unified=True)))["g1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "name_taken"
    assert len(groups(cloud)) == 1


async def test_soft_delete_and_restore(graph: GraphConnector, cloud: Sandbox) -> None:
    members = await people(graph, 2)
    anchor = (await done(graph, new_group(1, members)))[0].anchor
    await done(graph, change("group", anchor, Action.DELETE))
    assert not groups(cloud)
    await done(graph, change("group", anchor, Action.RESTORE, fields={"description": "wieder da"}))
    assert set(groups(cloud)[0]["members"]) == set(members)
    assert groups(cloud)[0]["description"] == "wieder da"


async def test_dynamic_synced_and_other_schools_groups_are_never_written(graph: GraphConnector, cloud: Sandbox) -> None:
    plain = {"mailEnabled": False, "securityEnabled": True, "groupTypes": []}
    ours = {"uniqueName": "sb-lmg-x", **plain}
    cloud.load(
        {
            "groups": [
                {"displayName": "dynamic", "mailNickname": "d", **ours, "groupTypes": ["DynamicMembership"]},
                {"displayName": "synced", "mailNickname": "s", **ours, "onPremisesSyncEnabled": True},
                {"displayName": "foreign", "mailNickname": "f", **plain, "uniqueName": "sb-lmg2-x"},
                {"displayName": "hand", "mailNickname": "h", **plain},
                {"displayName": "ours", "mailNickname": "o", **plain, "uniqueName": "sb-lmg-_c3_bc"},
            ]
        }
    )
    names = {group["id"]: group["displayName"] for group in groups(cloud)}
    seen = {names[one.anchor]: one for page in await observe(graph) for one in page.observations}
    assert {name for name, one in seen.items() if one.in_scope} == {"ours"}
    assert seen["ours"].fields["source_anchor"] == "ü"
    outcomes = await apply(graph, *[change("group", key, fields={"description": "X"}) for key in names])
    assert {names[one.id[2:]] for one in outcomes.values() if isinstance(one, Written)} == {"ours"}
    assert cloud.counters()["writes"] == 1


async def test_a_listing_shows_members_and_owners_whole_and_a_delta_what_changed(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    cloud.service.knobs.delta_links = 7  # the same group comes on many pages
    cloud.service.knobs.delta_page = 3
    members = await people(graph, 30)
    anchor = (await done(graph, new_group(1, members, members[:2])))[0].anchor
    pages = await observe(graph)
    one = next(one for page in pages for one in page.observations if one.anchor == anchor)
    assert one.whole
    assert one.fields["members"] == frozenset(members)
    assert one.fields["owners"] == frozenset(members[:2])
    cloud.tenant.unlink(cloud.tenant.entries[anchor], "members", cloud.tenant.entries[members[0]])
    cloud.tenant.forget()
    changed = [one for page in await observe(graph, pages[-1].token) for one in page.observations]
    assert [one.whole for one in changed] == [False]
    assert changed[0].removed == {"members": frozenset(members[:1])}
    assert "members" not in changed[0].fields


async def test_an_owner_that_is_a_member_too_becomes_both(graph: GraphConnector, cloud: Sandbox) -> None:
    members = sorted(await people(graph, 30))
    await done(graph, new_group(1, members, members[-1:], unified=True))  # the last one is not among the first 20
    assert set(groups(cloud)[0]["members"]) == set(members)
    assert groups(cloud)[0]["owners"] == members[-1:]
