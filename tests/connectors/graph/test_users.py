"""Users: every operation, licences with counted stock, what is never written."""

from __future__ import annotations

from bridge.core.model import Action
from bridge.ports import Failed, Written
from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from connectors.sandbox.passwords import password_matches
from tests.connectors.graph.kit import (
    DOMAIN,
    FACULTY,
    SCHOOL,
    STUDENT,
    Timeline,
    apply,
    change,
    connector,
    done,
    new_user,
    observe,
    seeds,
    users,
)

PART = STUDENT["skuPartNumber"]


async def test_a_new_user_has_all_it_needs_and_a_password_that_nobody_knows(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    made = (await done(graph, new_user(1, licenses=frozenset({PART}))))[0]
    user = users(cloud)[0]
    assert user["id"] == made.anchor
    assert user["displayName"] == "Łucja Müller 1"
    assert user["mailNickname"] == "lucja_mueller1"
    assert user["onPremisesExtensionAttributes"] == {
        "extensionAttribute14": SCHOOL,
        "extensionAttribute15": "key-1",
    }
    assert user["passwordProfile"]["forceChangePasswordNextSignIn"] is True
    assert [row["skuId"] for row in user["assignedLicenses"]] == [STUDENT["skuId"]]
    assert not made.refused


async def test_what_was_written_is_what_is_observed(graph: GraphConnector) -> None:
    write = new_user(1, licenses=frozenset({PART}))
    token = (await observe(graph))[-1].token
    await done(graph, write)
    pages = await observe(graph, token)
    (seen,) = [dict(one.fields) for page in pages for one in page.observations]
    assert seen.pop("cloud_password_set"), "the cloud's own: when the account was made"
    assert seen == {**write.fields, "belongs": True}
    assert [one.whole for page in pages for one in page.observations] == [True]


async def test_licence_stock_is_counted_and_the_user_is_made_all_the_same(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    cloud.load({"skus": [{**STUDENT, "enabled": 3}]})
    made = await done(graph, *[new_user(n, licenses=frozenset({PART})) for n in range(5)])
    assert len(users(cloud)) == 5
    assert sum("licenses" in one.refused for one in made) == 2
    assert all("none left of 3" in text for one in made for text in one.refused.values())
    assert cloud.counters().get("status 400", 0) == 0, "known before, not found out by refusals"


async def test_a_licence_given_by_hand_is_never_taken(graph: GraphConnector, cloud: Sandbox) -> None:
    anchor = (await done(graph, new_user(1, licenses=frozenset({PART}))))[0].anchor
    entry = cloud.tenant.entries[anchor]
    by_hand = {"skuId": FACULTY["skuId"], "disabledPlans": []}
    cloud.tenant.update(entry, {"assignedLicenses": [*entry.properties["assignedLicenses"], by_hand]})
    cloud.tenant.skus[FACULTY["skuId"]].holders[anchor] = ()
    await done(graph, change("user", anchor, fields={"licenses": frozenset[str]()}))
    assert [row["skuId"] for row in users(cloud)[0]["assignedLicenses"]] == [FACULTY["skuId"]]
    listed = [one for page in await observe(graph) for one in page.observations]
    assert "licenses" not in listed[0].fields, "what we don't manage is not ours to see"


async def test_a_licence_outside_the_list_is_refused_with_the_reason(graph: GraphConnector, cloud: Sandbox) -> None:
    made = (await done(graph, new_user(1, licenses=frozenset({FACULTY["skuPartNumber"]}))))[0]
    assert "not among the `licenses`" in made.refused["licenses"]
    assert not users(cloud)[0].get("assignedLicenses")


async def test_an_update_is_one_write_and_changes_nothing_else(graph: GraphConnector, cloud: Sandbox) -> None:
    anchor = (await done(graph, new_user(1)))[0].anchor
    before = users(cloud)[0]
    cloud.service.counters.reset()
    await done(graph, change("user", anchor, fields={"surname": "Neu", "given_name": ""}))
    after = users(cloud)[0]
    assert cloud.counters()["writes"] == 1
    assert cloud.counters()["requests"] == 1
    assert after["surname"] == "Neu"
    assert after.get("givenName") is None
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"surname", "givenName"}


async def test_disabling_ends_the_sessions_and_deleting_is_soft(graph: GraphConnector, cloud: Sandbox) -> None:
    anchor = (await done(graph, new_user(1)))[0].anchor
    await done(graph, change("user", anchor, Action.DISABLE))
    assert users(cloud)[0]["accountEnabled"] is False
    assert "signInSessionsValidFromDateTime" in users(cloud)[0]
    await done(graph, change("user", anchor, Action.DELETE))
    assert not users(cloud)
    assert [user["id"] for user in users(cloud, "deleted")] == [anchor]
    await done(graph, change("user", anchor, Action.RESTORE, fields={"enabled": True}))
    assert users(cloud)[0]["accountEnabled"] is True
    # A restore whose answer was lost is sent again: it is there, which is what was wanted.
    await done(graph, change("user", anchor, Action.RESTORE, fields={"enabled": True}))


async def test_what_is_purged_can_not_be_restored(graph: GraphConnector, cloud: Sandbox) -> None:
    anchor = (await done(graph, new_user(1)))[0].anchor
    cloud.tenant.purge(cloud.tenant.entries[anchor])
    cloud.tenant.forget()
    outcome = (await apply(graph, change("user", anchor, Action.RESTORE)))[f"c-{anchor}"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "gone"


async def test_a_login_of_somebody_else_is_a_taken_name_and_spares_the_others(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    cloud.load({"users": [*seeds(1, userPrincipalName=f"lucja.mueller2@{DOMAIN}")]})
    outcomes = await apply(graph, new_user(1), new_user(2), new_user(3))
    failed = outcomes["u2"]
    assert isinstance(failed, Failed)
    assert failed.cause == "name_taken"
    assert isinstance(outcomes["u1"], Written)
    assert isinstance(outcomes["u3"], Written)


async def test_a_login_of_whom_entra_connect_brought_is_held_and_no_other_one_is_tried(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    """Another login would be a second account of the same person."""
    cloud.load({"users": [*seeds(1, userPrincipalName=f"lucja.mueller2@{DOMAIN}", onPremisesSyncEnabled=True)]})
    failed = (await apply(graph, new_user(2)))["u2"]
    assert isinstance(failed, Failed)
    assert (failed.cause, failed.transient) == ("synced", False)
    assert "no second account is made" in failed.message


async def test_an_adopted_user_gets_the_wanted_fields_and_licences(graph: GraphConnector, cloud: Sandbox) -> None:
    first = (await done(graph, new_user(1)))[0]
    again = (await done(graph, new_user(1, surname="Anders", licenses=frozenset({PART}))))[0]
    assert again.adopted
    assert again.anchor == first.anchor
    assert users(cloud)[0]["surname"] == "Anders"
    assert users(cloud)[0]["assignedLicenses"]


async def test_guests_synced_users_and_other_schools_are_out_of_scope_and_never_written(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    other = {"onPremisesExtensionAttributes": {"extensionAttribute14": "hfg", "extensionAttribute15": "key-9"}}
    cloud.load(
        {
            "users": [
                {**seeds(1, userType="Guest")[0], "userPrincipalName": f"guest@{DOMAIN}"},
                {**seeds(1, onPremisesSyncEnabled=True)[0], "userPrincipalName": f"synced@{DOMAIN}"},
                {**seeds(1, **other)[0], "userPrincipalName": f"foreign@{DOMAIN}"},
                {**seeds(1)[0], "userPrincipalName": "admin@schule.onmicrosoft.example"},
                {**seeds(1)[0], "userPrincipalName": f"candidate@{DOMAIN}"},
            ]
        }
    )
    seen = {one.anchor: one for page in await observe(graph) for one in page.observations}
    names = {user["id"]: user["userPrincipalName"].split("@")[0] for user in users(cloud)}
    assert {names[key] for key, one in seen.items() if one.in_scope} == {"candidate"}
    assert all(not one.fields for one in seen.values() if not one.in_scope), "nothing of others enters the state"
    outcomes = await apply(graph, *[change("user", key, fields={"surname": "X"}) for key in seen])
    causes = {names[one.id[2:]]: one.cause for one in outcomes.values() if isinstance(one, Failed)}
    assert causes == {"guest": "guest", "synced": "synced", "foreign": "foreign", "admin": "foreign"}
    assert cloud.counters()["writes"] == 1


async def test_a_user_that_became_synced_since_we_looked_is_refused(graph: GraphConnector, cloud: Sandbox) -> None:
    anchor = (await done(graph, new_user(1)))[0].anchor
    cloud.tenant.update(cloud.tenant.entries[anchor], {"onPremisesSyncEnabled": True})
    outcome = (await apply(graph, change("user", anchor, fields={"surname": "Neu"})))[f"c-{anchor}"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "synced"


async def test_a_privileged_user_is_refused_once_and_not_tried_again(graph: GraphConnector, cloud: Sandbox) -> None:
    one, two = await done(graph, new_user(1), new_user(2))
    cloud.tenant.entries[one.anchor].privileged = True
    cloud.service.counters.reset()
    outcomes = await apply(graph, *[change("user", key, Action.DISABLE) for key in (one.anchor, two.anchor)])
    failed = outcomes[f"c-{one.anchor}"]
    assert isinstance(failed, Failed)
    assert failed.cause == "privileged"
    assert not failed.transient
    assert isinstance(outcomes[f"c-{two.anchor}"], Written)
    assert cloud.counters()["status 403"] == 1


async def test_a_value_that_is_too_long_is_refused_alone(graph: GraphConnector, cloud: Sandbox) -> None:
    made = (await done(graph, new_user(1, surname="x" * 65)))[0]
    assert "64" in made.refused["surname"]
    assert "surname" not in users(cloud)[0]


async def test_linking_a_user_that_was_there_marks_it_as_ours(graph: GraphConnector, cloud: Sandbox) -> None:
    cloud.load({"users": [*seeds(1, onPremisesExtensionAttributes={"extensionAttribute1": "kept"})]})
    anchor = users(cloud)[0]["id"]
    await done(graph, change("user", anchor, fields={"source_anchor": "key-7", "surname": "Neu"}))
    assert users(cloud)[0]["onPremisesExtensionAttributes"] == {
        "extensionAttribute1": "kept",
        "extensionAttribute14": SCHOOL,
        "extensionAttribute15": "key-7",
    }


async def test_read_only_writes_nothing(cloud: Sandbox, timeline: Timeline) -> None:
    graph = connector(cloud, timeline, read_only=True)
    outcome = (await apply(graph, new_user(1)))["u1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "read_only"
    passwords = await graph.reset_passwords(["x"])
    assert not passwords.given
    assert not users(cloud)
    await graph.close()


async def test_new_passwords_are_readable_work_and_are_shown_to_nobody_else(
    graph: GraphConnector, cloud: Sandbox
) -> None:
    made = await done(graph, *[new_user(n) for n in range(3)])
    cloud.tenant.entries[made[2].anchor].privileged = True
    passwords = await graph.reset_passwords([one.anchor for one in made])
    assert set(passwords.given) == {one.anchor for one in made[:2]}
    assert [(one.id, one.cause) for one in passwords.failed] == [(made[2].anchor, "privileged")]
    for anchor, password in passwords.given.items():
        assert password_matches(password, cloud.tenant.entries[anchor].password)
        assert password not in repr(passwords)
        assert len(password) == 16
        assert not set(password) & set("lI1O0|")


async def test_it_asks_every_so_often_as_the_cloud_does_not_call(graph: GraphConnector, timeline: Timeline) -> None:
    timeline.speed = 10_000
    hints = graph.hints()
    for _ in range(3):
        await anext(hints)
    assert timeline.slept == [60, 60, 60]
