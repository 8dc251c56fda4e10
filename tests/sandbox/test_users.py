"""Users: what Graph demands, refuses and gives back."""

from __future__ import annotations

import pytest

from connectors.sandbox import Sandbox
from connectors.sandbox.properties import default_properties
from tests.sandbox.client import PASSWORD, Client, new_user


async def test_created_user_comes_with_default_properties_only(graph: Client) -> None:
    answer = await graph.post("/users", new_user("anna", department="5a", usageLocation="DE"))
    assert answer.status == 201
    assert answer.body.keys() - {"@odata.context"} == {"id", *default_properties("user")}
    read = await graph.get(f"/users/{answer.body['id']}?$select=accountEnabled,department,usageLocation,employeeId")
    assert read.body | {"@odata.context": ""} == {
        "@odata.context": "", "id": answer.body["id"], "accountEnabled": True, "department": "5a",
        "usageLocation": "DE", "employeeId": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "missing", ["accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"]
)
async def test_required_property(graph: Client, missing: str) -> None:
    body = new_user("anna")
    del body[missing]
    answer = await graph.post("/users", body)
    assert (answer.status, answer.code) == (400, "Request_BadRequest")
    assert missing in answer.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("employeeId", "12345678901234567"),
        ("jobTitle", "x" * 129),
        ("department", "x" * 65),
        ("mailNickname", "x" * 65),
        ("mailNickname", "anna müller"),
        ("userPrincipalName", "änna@schule.example"),
        ("userPrincipalName", "anna@other.example"),
        ("usageLocation", "Germany"),
        ("onPremisesImmutableId", "a_b"),
        ("onPremisesSyncEnabled", True),
        ("nonsense", "x"),
        ("accountEnabled", "yes"),
        ("jobTitle", ""),
    ],
)
async def test_wrong_value(graph: Client, name: str, value: object) -> None:
    answer = await graph.post("/users", new_user("anna", **{name: value}))
    assert (answer.status, answer.code) == (400, "Request_BadRequest")
    assert await graph.all("/users") == []


async def test_values_at_the_edge_are_taken(graph: Client) -> None:
    await graph.user("anna", employeeId="1234567890123456", mailNickname="anna.gross")


async def test_principal_name_is_unique_whatever_its_case(graph: Client) -> None:
    await graph.user("anna")
    answer = await graph.post("/users", new_user("anna", userPrincipalName="ANNA@Schule.Example"))
    assert answer.status == 400
    assert answer.message == "Another object with the same value for property userPrincipalName already exists."
    assert answer.body["error"]["details"][0]["code"] == "ObjectConflict"


async def test_patch_answers_204_without_body_and_reads_back(graph: Client) -> None:
    user = await graph.user("anna")
    answer = await graph.patch(f"/users/{user}", {"surname": "Groß", "accountEnabled": False})
    assert (answer.status, answer.body) == (204, None)
    read = await graph.get("/users/anna@schule.example?$select=surname,accountEnabled")
    assert (read.body["surname"], read.body["accountEnabled"]) == ("Groß", False)
    assert (await graph.patch(f"/users/{user}", {"surname": None})).status == 204
    assert (await graph.get(f"/users/{user}")).body["surname"] is None


async def test_key_in_parentheses_and_encoded(graph: Client) -> None:
    await graph.user("o'neill", mailNickname="oneill")
    for path in (
        "/users(userPrincipalName='o''neill@schule.example')",
        "/users(userPrincipalName=%27o%27%27neill@schule.example%27)",
        "/users/o%27neill%40schule.example",
        "//users//o'neill@schule.example",
    ):
        assert (await graph.get(path)).status == 200, path


@pytest.mark.parametrize("password", ["short1A", "alllowercase", "12345678", "nodigitsorupper!"])
async def test_weak_password(graph: Client, password: str) -> None:
    answer = await graph.post("/users", new_user("anna", passwordProfile={"password": password}))
    assert answer.status == 400
    assert answer.message.startswith("The specified password does not comply with password complexity requirements.")


async def test_password_is_never_given_back_and_not_kept_readable(graph: Client, sandbox: Sandbox) -> None:
    user = await graph.user("anna")
    read = await graph.get(f"/users/{user}?$select=passwordProfile,passwordPolicies")
    assert read.body["passwordProfile"] == {
        "forceChangePasswordNextSignIn": True,
        "forceChangePasswordNextSignInWithMfa": False,
    }
    assert PASSWORD not in str(sandbox.dump())
    assert PASSWORD not in str(sandbox.tenant.entries[user])
    check = {"id": user, "password": PASSWORD}
    assert (await graph.admin("POST", "check-password", check)).body == {"matches": True, "can_sign_in": True}
    assert (await graph.patch(f"/users/{user}", {"passwordProfile": {"password": "Neues-9-Wort"}})).status == 204
    assert (await graph.admin("POST", "check-password", check)).body["matches"] is False


async def test_deleted_user_is_restored_with_memberships(graph: Client) -> None:
    user, group = await graph.user("anna"), await graph.group("5a")
    assert (await graph.add(group, user)).status == 204
    assert (await graph.delete(f"/users/{user}")).status == 204
    assert (await graph.get(f"/users/{user}")).status == 404
    assert await graph.members(group) == set()
    binned = await graph.all("/directory/deletedItems/microsoft.graph.user")
    assert [found["id"] for found in binned] == [user]
    answer = await graph.post(f"/directory/deletedItems/{user}/restore")
    assert (answer.status, answer.body["id"]) == (200, user)
    assert await graph.members(group) == {user}


async def test_name_of_deleted_user_is_free_and_blocks_the_restore(graph: Client) -> None:
    first = await graph.user("anna")
    await graph.delete(f"/users/{first}")
    second = await graph.user("anna")
    answer = await graph.post(f"/directory/deletedItems/{first}/restore")
    assert "userPrincipalName" in answer.message
    await graph.delete(f"/users/{second}")
    assert (await graph.post(f"/directory/deletedItems/{first}/restore")).status == 200


async def test_bin_is_emptied_after_thirty_days(graph: Client) -> None:
    user = await graph.user("anna")
    await graph.delete(f"/users/{user}")
    await graph.admin("POST", "clock", {"advance": 29.9 * 86400})
    assert (await graph.get(f"/directory/deletedItems/{user}")).status == 200
    await graph.admin("POST", "clock", {"advance": 0.2 * 86400})
    assert (await graph.get(f"/directory/deletedItems/{user}")).status == 404


async def test_synced_user_is_read_only_until_its_authority_is_switched(graph: Client) -> None:
    user = await graph.user("anna")
    await graph.admin("PATCH", "objects", {"id": user, "synced": True})
    answer = await graph.patch(f"/users/{user}", {"jobTitle": "x"})
    assert answer.status == 400
    assert "on-premises mastered" in answer.message
    assert (await graph.delete(f"/users/{user}")).status == 400
    path = f"/users/{user}/onPremisesSyncBehavior"
    assert (await graph.get(path)).body["isCloudManaged"] is False
    assert (await graph.patch(path, {"isCloudManaged": True})).status == 204
    assert (await graph.patch(f"/users/{user}", {"jobTitle": "x"})).status == 204
    assert (await graph.patch(path, {"isCloudManaged": False})).status == 204
    assert (await graph.patch(f"/users/{user}", {"jobTitle": "y"})).status == 400


async def test_administrator_is_refused_what_is_sensitive(graph: Client) -> None:
    user = await graph.user("root")
    await graph.admin("PATCH", "objects", {"id": user, "privileged": True})
    assert (await graph.patch(f"/users/{user}", {"accountEnabled": False})).code == "Authorization_RequestDenied"
    assert (await graph.delete(f"/users/{user}")).status == 403
    assert (await graph.patch(f"/users/{user}", {"department": "IT"})).status == 204


async def test_just_created_user_is_invisible_for_a_while(graph: Client, sandbox: Sandbox) -> None:
    sandbox.tenant.visibility_delay = 5
    _, link = await graph.round("/users/delta")
    group = await graph.group("5a")
    await graph.admin("POST", "clock", {"advance": 6})
    user = await graph.user("anna")
    assert (await graph.get(f"/users/{user}")).status == 404
    assert (await graph.patch(f"/users/{user}", {"jobTitle": "x"})).status == 404
    assert (await graph.add(group, user)).status == 400
    assert await graph.all("/users") == []
    assert await graph.all("/users?$filter=userPrincipalName%20eq%20'anna@schule.example'") == []
    found, link = await graph.round(link)
    assert found == []
    assert (await graph.post("/users", new_user("anna"))).status == 400, "unique at once, whoever sees it"
    await graph.admin("POST", "clock", {"advance": 5})
    assert (await graph.get(f"/users/{user}")).status == 200
    assert (await graph.add(group, user)).status == 204
    found, _ = await graph.round(link)
    assert [one["id"] for one in found] == [user]


async def test_manager(graph: Client) -> None:
    user, head = await graph.user("anna"), await graph.user("head")
    assert (await graph.get(f"/users/{user}/manager")).status == 404
    answer = await graph.call(
        "PUT", f"/users/{user}/manager/$ref", {"@odata.id": f"{graph.sandbox.graph_url}/users/{head}"}
    )
    assert answer.status == 204
    assert (await graph.get(f"/users/{user}/manager")).body["id"] == head
    assert (await graph.get(f"/users/{user}?$expand=manager")).body["manager"]["id"] == head
    assert (await graph.delete(f"/users/{user}/manager/$ref")).status == 204


async def test_member_of_and_transitive(graph: Client) -> None:
    user, inner, outer = await graph.user("anna"), await graph.group("5a"), await graph.group("year5")
    await graph.add(inner, user)
    await graph.add(outer, inner)
    assert {g["id"] for g in await graph.all(f"/users/{user}/memberOf")} == {inner}
    assert {g["id"] for g in await graph.all(f"/users/{user}/transitiveMemberOf")} == {inner, outer}
    assert {g["id"] for g in await graph.all(f"/groups/{outer}/transitiveMembers")} == {inner, user}
