"""Licences, organisation, domains, and every path of the people's part of the subset."""

from __future__ import annotations

import re

import pytest

from connectors.sandbox import Sandbox
from tests.sandbox.client import Client, new_group, new_user
from tests.sandbox.openapi_check import subset

SKU = "94763226-9b3c-4e75-a931-5c89701abe66"
PLAN = "57ff2da0-773e-42df-b2af-ffb7a2317929"
STOCK = {
    "skus": [
        {"skuId": SKU, "skuPartNumber": "STANDARDWOFFPACK_FACULTY", "enabled": 2,
         "servicePlans": [{"servicePlanId": PLAN, "servicePlanName": "TEAMS1"}]}
    ]
}  # fmt: skip


@pytest.fixture
def stocked(graph: Client, sandbox: Sandbox) -> Client:
    sandbox.load(STOCK)
    return graph


async def assign(graph: Client, user: str, *, add: object = (), remove: object = ()) -> tuple[int, str]:
    body = {"addLicenses": [{"skuId": sku, "disabledPlans": []} for sku in add], "removeLicenses": list(remove)}  # type: ignore[attr-defined,call-overload]
    answer = await graph.post(f"/users/{user}/assignLicense", body)
    return answer.status, answer.message if answer.status >= 400 else ""


async def used(graph: Client) -> int:
    return int((await graph.get("/subscribedSkus")).body["value"][0]["consumedUnits"])


async def test_licence_needs_a_usage_location(stocked: Client) -> None:
    user = await stocked.user("anna")
    status, message = await assign(stocked, user, add=[SKU])
    assert (status, message) == (400, "License assignment cannot be done for user with invalid usage location.")
    await stocked.patch(f"/users/{user}", {"usageLocation": "DE"})
    assert (await assign(stocked, user, add=[SKU]))[0] == 200
    read = await stocked.get(f"/users/{user}?$select=assignedLicenses")
    assert read.body["assignedLicenses"] == [{"skuId": SKU, "disabledPlans": []}]
    details = (await stocked.get(f"/users/{user}/licenseDetails")).body["value"][0]
    assert details["servicePlans"][0]["servicePlanName"] == "TEAMS1"


async def test_stock_runs_out_and_returns(stocked: Client) -> None:
    users = [await stocked.user(f"u{n}", usageLocation="DE") for n in range(3)]
    for user in users[:2]:
        assert (await assign(stocked, user, add=[SKU]))[0] == 200
    status, message = await assign(stocked, users[2], add=[SKU])
    assert (status, message) == (400, f"Subscription with SKU {SKU} does not have any available licenses.")
    assert (await assign(stocked, users[0], add=[SKU]))[0] == 200, "again is no new unit"
    assert await used(stocked) == 2
    await stocked.delete(f"/users/{users[0]}")
    assert await used(stocked) == 1
    assert (await assign(stocked, users[2], add=[SKU]))[0] == 200
    await stocked.post(f"/directory/deletedItems/{users[0]}/restore")
    read = await stocked.get(f"/users/{users[0]}?$select=assignedLicenses")
    assert read.body["assignedLicenses"] == [], "its unit was given away meanwhile"
    assert (await assign(stocked, users[2], remove=[SKU]))[0] == 200
    assert (await assign(stocked, users[2], remove=[SKU]))[0] == 400
    assert (await stocked.admin("PATCH", "skus", {"skuId": SKU, "enabled": 0})).body["enabled"] == 0
    assert (await assign(stocked, users[2], add=[SKU]))[0] == 400
    assert (await assign(stocked, users[2], add=["00000000-0000-4000-8000-000000000000"]))[0] == 400


async def test_licence_shows_in_delta(stocked: Client) -> None:
    user = await stocked.user("anna", usageLocation="DE")
    _, link = await stocked.round("/users/delta?$select=assignedLicenses")
    await assign(stocked, user, add=[SKU])
    found, _ = await stocked.round(link)
    assert found == [{"id": user, "assignedLicenses": [{"skuId": SKU, "disabledPlans": []}]}]


async def test_organisation_and_domains(graph: Client) -> None:
    organisation = (await graph.get("/organization")).body["value"][0]
    assert [domain["name"] for domain in organisation["verifiedDomains"]] == [
        "schule.example",
        "schule.onmicrosoft.example",
    ]
    assert (await graph.get(f"/organization/{organisation['id']}")).status == 200
    domains = (await graph.get("/domains")).body["value"]
    assert [(domain["id"], domain["isDefault"]) for domain in domains] == [
        ("schule.example", True),
        ("schule.onmicrosoft.example", False),
    ]
    assert (await graph.get("/domains/schule.example")).body["isVerified"] is True


def people_paths() -> list[tuple[str, str]]:
    """Every operation of the subset that is not about drives, sites, subscriptions or teams."""
    later = re.compile(r"/drives/|/sites|/subscriptions|/teams|/_upload|/_monitor|/me/drive/")
    return [operation for operation in subset().operations() if not later.match(operation[1])]


#: Paths that an application is refused, or that lead to what this cloud does not have.
REFUSED = re.compile(r"/me(/.*)?|/users/.*/drives?(/.*)?|.*(/team|/resetPassword|/operations/.*|/changePassword)")
BODIES = {
    "/users": new_user("new"),
    "/groups": new_group("new"),
    "/education/users": new_user("new"),
    "/education/classes": {"displayName": "6a", "mailNickname": "6a"},
    "/education/schools": {"displayName": "S"},
    "/directoryObjects/getByIds": {"ids": ["00000000-0000-4000-8000-000000000000"]},
    "/users/{user-id}/assignLicense": {"addLicenses": [], "removeLicenses": []},
    "/users/{user-id}/onPremisesSyncBehavior": {"isCloudManaged": True},
    "/groups/{group-id}/onPremisesSyncBehavior": {"isCloudManaged": True},
    "/$batch": {"requests": [{"id": "1", "method": "GET", "url": "/users"}]},
}


async def furnish(graph: Client, sandbox: Sandbox) -> dict[str, str]:
    """One of everything; gives values for the subset's path parameters."""
    sandbox.load(STOCK)
    user, team = await graph.user("anna"), await graph.team("ag", uniqueName="x")
    school = (await graph.post("/education/schools", {"displayName": "Schule"})).body["id"]
    lesson = (await graph.post("/education/classes", {"displayName": "5a", "mailNickname": "5a"})).body["id"]
    tenant = sandbox.tenant
    link = tenant.link
    first, second = tenant.entries[await graph.user("bernd")], tenant.entries[user]
    for relation in ("members", "owners"):
        for group in (team, lesson):
            link(tenant.entries[group], relation, second)
        link(tenant.entries[team], "owners" if relation == "owners" else "members", first)
    link(tenant.entries[lesson], "owners", first)
    link(tenant.entries[school], "school users", second)
    link(tenant.entries[school], "school classes", tenant.entries[lesson])
    link(second, "manager", first)
    device = tenant.create("device", {"displayName": "PC-R101"}).id
    return {
        "device-id": device, "user-id": user, "group-id": team, "organization-id": tenant.id,
        "domain-id": "schule.example",
        "educationUser-id": user, "educationClass-id": lesson, "educationSchool-id": school, "uniqueName": "x",
        "userPrincipalName": "anna@schule.example", "authenticationMethod-id": "x", "longRunningOperation-id": "x",
        "directoryObject-id": user, "tenant": tenant.id,
    }  # fmt: skip


@pytest.mark.parametrize(("method", "template"), people_paths())
async def test_every_people_path_answers(graph: Client, sandbox: Sandbox, method: str, template: str) -> None:
    """On a real object: an answer as described; only where the cloud has nothing to show a refusal of Graph's own."""
    known = await furnish(graph, sandbox)
    if "deletedItems" in template:
        known["directoryObject-id"] = await graph.user("carla")
        await graph.delete(f"/users/{known['directoryObject-id']}")
    path = re.sub(r"\{([^}]*)\}", lambda match: known[match[1]], template)
    body = BODIES.get(template, {})
    if template.endswith("$ref"):
        new = "/education/classes/" if template.endswith("classes/$ref") else "/users/"
        made = {"displayName": "7a", "mailNickname": "7a"}
        answer = await graph.post("/education/classes", made) if "classes" in new else None
        body = {"@odata.id": f"{sandbox.graph_url}{new}{answer.body['id'] if answer else await graph.user('dora')}"}
    identity = template.startswith(("/{tenant}", "/common"))
    url = sandbox.base_url + path if identity else path
    answer = await graph.call(method, url, None if method in ("GET", "DELETE") else body)
    if identity:
        assert answer.status == (400 if method == "POST" else 200)
    elif REFUSED.fullmatch(template):
        assert answer.status in (400, 403, 404)
        assert "segment" not in answer.message
    else:
        assert answer.status < 300, answer.body
