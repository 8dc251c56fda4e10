"""Who of the cloud belongs to this school: the mark, or the school's own rule; never the domain alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge.core.model import Fields
from bridge.ports import ConfigurationError
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import DOMAIN, SCHOOL, change, connector, done, new_group, observe, options, seeds

_TEAM = {"displayName": "SSG Garten", "mailNickname": "ssg-garten", "mailEnabled": False, "securityEnabled": True}


async def seen(graph: GraphConnector, token: str | None = None) -> dict[str, Fields]:
    return {one.anchor: one.fields for page in await observe(graph, token) for one in page.observations if one.in_scope}


async def test_a_login_in_our_domain_is_seen_and_belongs_to_nobody(graph: GraphConnector, cloud: Sandbox) -> None:
    cloud.load({"users": seeds(2)})
    assert [one["belongs"] for one in (await seen(graph)).values()] == [False, False]


async def test_the_mark_alone_makes_somebody_ours(graph: GraphConnector, cloud: Sandbox) -> None:
    marked = {"onPremisesExtensionAttributes": {"extensionAttribute14": SCHOOL}}
    cloud.load({"users": seeds(1, **marked)})
    [one] = (await seen(graph)).values()
    assert one["belongs"] is True
    assert "source_anchor" not in one


async def test_a_rule_names_newcomers_and_marking_keeps_them(cloud: Sandbox) -> None:
    cloud.load({"users": [*seeds(1, department="SSG"), *seeds(1, department="LMG", userPrincipalName=f"b@{DOMAIN}")]})
    graph = connector(cloud, newcomers={"users": "user.upn == 'alt0@schule.example'"})
    pages = await observe(graph)
    found = {one.anchor: one.fields for page in pages for one in page.observations}
    [(anchor, _)] = [(anchor, one) for anchor, one in found.items() if one["belongs"]]
    await done(graph, change("user", anchor, fields={"source_anchor": anchor}))
    [one] = (await seen(graph, pages[-1].token)).values()
    assert (one["belongs"], one["source_anchor"]) == (True, anchor)
    await graph.close()


async def test_a_group_made_in_the_cloud_has_its_own_id_for_an_anchor(cloud: Sandbox) -> None:
    cloud.load({"groups": [_TEAM]})
    graph = connector(cloud, candidates="users_and_groups", newcomers={"groups": "'ssg-' in group.mail_nickname"})
    await done(graph, new_group(1))
    found = await seen(graph)
    told = {str(one["display_name"]): (one["belongs"], one["source_anchor"]) for one in found.values()}
    [anchor] = [anchor for anchor, one in found.items() if one["display_name"] == "SSG Garten"]
    assert told == {"SSG Garten": (True, anchor), "Klasse 51": (True, "class/51")}
    await graph.close()


async def test_a_rule_that_fails_lets_nobody_in_and_says_so(cloud: Sandbox) -> None:
    cloud.load({"users": seeds(1)})
    graph = connector(cloud, newcomers={"users": "user.upn > 5"})
    pages = await observe(graph)
    assert [one.fields["belongs"] for page in pages for one in page.observations] == [False]
    assert "newcomers" in pages[-1].warnings[0]
    await graph.close()


async def test_a_rule_that_failed_is_told_until_everybody_was_looked_at_again(cloud: Sandbox) -> None:
    cloud.load({"users": seeds(1)})
    graph = connector(cloud, newcomers={"users": "user.display_name != 'Neu' and user.upn > 5"})
    pages = await observe(graph)
    [anchor] = [one.anchor for page in pages for one in page.observations]
    await done(graph, change("user", anchor, fields={"display_name": "Neu"}))
    assert (await observe(graph, pages[-1].token))[-1].warnings == pages[-1].warnings != ()
    assert (await observe(graph))[-1].warnings == ()
    await graph.close()


async def test_with_another_rule_everybody_is_looked_at_again(cloud: Sandbox) -> None:
    cloud.load({"users": seeds(1)})
    first, second = connector(cloud), connector(cloud, newcomers={"users": "true"})
    token = (await observe(first))[-1].token
    with pytest.raises(Exception, match="read again"):
        await observe(second, token)
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("newcomers", "wrong"),
    [({"users": "person.upn"}, "person"), ({"groups": "true"}, "users_and_groups"), ({"users": ""}, "unexpected")],
)
def test_a_wrong_rule_is_refused_at_once(cloud: Sandbox, newcomers: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        options(cloud, newcomers=newcomers)


def test_a_rule_about_a_field_that_nobody_has_is_refused(cloud: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=r"user\.departmant"):
        connector(cloud, newcomers={"users": "user.departmant == 'SSG'"})
