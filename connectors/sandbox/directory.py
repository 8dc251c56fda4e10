"""The directory beside users and groups: the bin, objects by id, the organisation, domains, licences, authority."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.entries import DELETED, Entry
from connectors.sandbox.errors import bad_request, conflict, denied, mastered_on_premises, not_found
from connectors.sandbox.members import find_group, is_unified
from connectors.sandbox.odata import objects, render, selected, typed
from connectors.sandbox.properties import is_texts
from connectors.sandbox.tenant import Sku
from connectors.sandbox.users import check_principal_name, find_user, is_synced
from connectors.sandbox.wire import Call, Handler, Reply

# -- the bin


def _binned(call: Call, kind: str = "") -> list[Entry]:
    entries = call.tenant.entries
    return [entries[found] for found in call.tenant.bin if not kind or entries[found].kind == kind]


def _in_bin(call: Call) -> Entry:
    entry = call.tenant.entries.get(call.params["id"])
    if entry is None or entry.state != DELETED:
        raise not_found(call.params["id"])
    return entry


def _shown(call: Call, entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "deletedDateTime": call.service.stamp(entry.deleted_at), **render(entry, None)}


def list_deleted(call: Call) -> Reply:
    """``GET /directory/deletedItems/microsoft.graph.user`` and ``.group``."""
    kind = call.template.rsplit(".", 1)[-1]
    reply = objects(call, _binned(call, kind), f"{kind}s", kind=kind)
    for shown in reply.body["value"]:
        shown.pop("@odata.type")
        shown["deletedDateTime"] = call.service.stamp(call.tenant.entries[shown["id"]].deleted_at)
    return reply


def read_deleted(call: Call) -> Reply:
    """``GET /directory/deletedItems/{id}``."""
    entry = _in_bin(call)
    context = call.context("directoryObjects/$entity")
    return Reply(
        200, {"@odata.context": context, "@odata.type": f"#microsoft.graph.{entry.kind}", **_shown(call, entry)}
    )


def restore(call: Call) -> Reply:
    """``POST /directory/deletedItems/{id}/restore``: 200; memberships come back with the object."""
    entry = _in_bin(call)
    if entry.privileged and "Privileged Role Administrator" not in call.app.roles:
        raise denied()
    if entry.kind == "user":
        check_principal_name(call, entry.properties["userPrincipalName"], entry)
        anchor = entry.properties.get("onPremisesImmutableId")
        if anchor and call.tenant.taken("user", "onPremisesImmutableId", anchor):
            raise conflict("onPremisesImmutableId")
    if entry.kind == "group":
        same = call.tenant.taken("group", "mailNickname", entry.properties["mailNickname"])
        if is_unified(entry.properties) and any(is_unified(other.properties) for other in same):
            raise conflict("mailNickname")
        unique = entry.properties.get("uniqueName")
        if unique and call.tenant.taken("group", "uniqueName", unique):
            raise conflict("uniqueName")
    call.tenant.restore(entry)
    return Reply(200, {"@odata.context": call.context("directoryObjects/$entity"), **typed(entry)})


def purge(call: Call) -> Reply:
    """``DELETE /directory/deletedItems/{id}``: 204, for good."""
    entry = _in_bin(call)
    if entry.privileged and "Privileged Role Administrator" not in call.app.roles:
        raise denied()
    call.tenant.purge(entry)
    return Reply(204)


# -- objects by id


def read_object(call: Call) -> Reply:
    """``GET /directoryObjects/{id}``."""
    entry = call.tenant.get(call.params["id"])
    if entry is None or entry.kind not in ("user", "group"):
        raise not_found(call.params["id"])
    return Reply(200, {"@odata.context": call.context("directoryObjects/$entity"), **typed(entry)})


def read_by_ids(call: Call) -> Reply:
    """``POST /directoryObjects/getByIds``: at most 1,000; unknown ids are left out."""
    body = call.json_object()
    ids = body.get("ids")
    if not isinstance(ids, list) or not ids or not isinstance(body.get("types") or [], list):
        raise bad_request("Invalid value specified for property 'ids'.")
    if len(ids) > 1000:
        raise bad_request("Too many ids were included in the request: at most 1000.")
    kinds = body.get("types") or ["user", "group"]
    found = [entry for one in ids if (entry := call.tenant.get(str(one))) and entry.kind in kinds]
    value = [typed(entry, selected(call, entry.kind)) for entry in found]
    return Reply(200, {"@odata.context": call.context("directoryObjects"), "value": value})


# -- the organisation


def _organization(call: Call) -> dict[str, Any]:
    tenant = call.tenant
    return {
        "id": tenant.id,
        "displayName": tenant.name,
        "countryLetterCode": "DE",
        "preferredLanguage": "de",
        "onPremisesSyncEnabled": None,
        "tenantType": "AAD",
        "verifiedDomains": [
            {"name": name, "isDefault": not at, "isInitial": at == len(tenant.domains) - 1, "type": "Managed",
             "capabilities": "Email, OfficeCommunicationsOnline"}
            for at, name in enumerate(tenant.domains)
        ],
        "assignedPlans": [],
        "provisionedPlans": [],
        "businessPhones": [],
    }  # fmt: skip


def list_organization(call: Call) -> Reply:
    """``GET /organization``."""
    return Reply(200, {"@odata.context": call.context("organization"), "value": [_organization(call)]})


def read_organization(call: Call) -> Reply:
    """``GET /organization/{id}``."""
    if call.params["id"].lower() != call.tenant.id.lower():
        raise not_found(call.params["id"])
    return Reply(200, {"@odata.context": call.context("organization/$entity"), **_organization(call)})


def _domain(call: Call, at: int, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "authenticationType": "Managed",
        "availabilityStatus": None,
        "isAdminManaged": True,
        "isDefault": at == 0,
        "isInitial": at == len(call.tenant.domains) - 1,
        "isRoot": True,
        "isVerified": True,
        "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        "passwordValidityPeriodInDays": 2147483647,
        "passwordNotificationWindowInDays": 14,
        "state": None,
    }


def list_domains(call: Call) -> Reply:
    """``GET /domains``."""
    value = [_domain(call, at, name) for at, name in enumerate(call.tenant.domains)]
    return Reply(200, {"@odata.context": call.context("domains"), "value": value})


def read_domain(call: Call) -> Reply:
    """``GET /domains/{name}``."""
    for at, name in enumerate(call.tenant.domains):
        if name == call.params["id"].lower():
            return Reply(200, {"@odata.context": call.context("domains/$entity"), **_domain(call, at, name)})
    raise not_found(call.params["id"])


# -- licences


def _plans(sku: Sku, disabled: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [
        {"servicePlanId": plan, "servicePlanName": name, "appliesTo": "User",
         "provisioningStatus": "Disabled" if plan in disabled else "Success"}
        for plan, name in sku.plans
    ]  # fmt: skip


def _sku(call: Call, sku: Sku) -> dict[str, Any]:
    return {
        "id": f"{call.tenant.id}_{sku.id}",
        "skuId": sku.id,
        "skuPartNumber": sku.part_number,
        "accountId": call.tenant.id,
        "accountName": call.tenant.name,
        "appliesTo": "User",
        "capabilityStatus": "Enabled",
        "consumedUnits": len(sku.holders),
        "prepaidUnits": {"enabled": sku.enabled, "suspended": 0, "warning": 0, "lockedOut": 0},
        "servicePlans": _plans(sku),
        "subscriptionIds": [],
    }


def list_skus(call: Call) -> Reply:
    """``GET /subscribedSkus``: stock and use of every licence."""
    value = [_sku(call, sku) for sku in call.tenant.skus.values()]
    return Reply(200, {"@odata.context": call.context("subscribedSkus"), "value": value})


def assign_licence(call: Call) -> Reply:
    """``POST /users/{id}/assignLicense``: 200 with the user, all or nothing."""
    entry, body = find_user(call, call.params["id"]), call.json_object()
    added, removed = body.get("addLicenses"), body.get("removeLicenses")
    if not isinstance(added, list) or not isinstance(removed, list):
        raise bad_request("One or more parameters of the function import 'assignLicense' are missing from the request "
                          "payload. The missing parameters are: addLicenses, removeLicenses.")  # fmt: skip
    if added and not entry.properties.get("usageLocation"):
        raise bad_request("License assignment cannot be done for user with invalid usage location.")
    skus = call.tenant.skus
    for sku_id in removed:
        if not isinstance(sku_id, str) or sku_id not in skus or entry.id not in skus[sku_id].holders:
            raise bad_request("User does not have a corresponding license.")
    for licence in added:
        sku = skus.get(str(licence.get("skuId"))) if isinstance(licence, dict) else None
        if sku is None or not is_texts(licence.get("disabledPlans") or []):
            raise bad_request(f"License {licence} does not correspond to a valid company License.")
        if entry.id not in sku.holders and len(sku.holders) >= sku.enabled:
            raise bad_request(f"Subscription with SKU {sku.id} does not have any available licenses.")
        unknown = set(licence.get("disabledPlans") or ()) - {plan for plan, _ in sku.plans}
        if unknown:
            raise bad_request(f"Service plan {min(unknown)} does not belong to license {sku.id}.")
    for sku_id in removed:
        skus[sku_id].holders.pop(entry.id)
    for licence in added:
        skus[licence["skuId"]].holders[entry.id] = tuple(licence.get("disabledPlans") or ())
    held = [
        {"skuId": sku.id, "disabledPlans": list(sku.holders[entry.id])}
        for sku in skus.values()
        if entry.id in sku.holders
    ]
    call.tenant.update(entry, {"assignedLicenses": held})
    return Reply(200, {"@odata.context": call.context("users/$entity"), **render(entry, None)})


def licence_details(call: Call) -> Reply:
    """``GET /users/{id}/licenseDetails``."""
    entry = find_user(call, call.params["id"])
    value = [
        {"id": f"{entry.id}_{sku.id}", "skuId": sku.id, "skuPartNumber": sku.part_number,
         "servicePlans": _plans(sku, sku.holders[entry.id])}
        for sku in call.tenant.skus.values() if entry.id in sku.holders
    ]  # fmt: skip
    return Reply(200, {"@odata.context": call.context("licenseDetails"), "value": value})


# -- source of authority


def _anchored(call: Call) -> Entry:
    find = find_user if call.template.startswith("/users") else find_group
    return find(call, call.params["id"])


def read_authority(call: Call) -> Reply:
    """``GET /users|groups/{id}/onPremisesSyncBehavior``."""
    entry = _anchored(call)
    context = call.context("onPremisesSyncBehavior/$entity")
    return Reply(200, {"@odata.context": context, "id": entry.id, "isCloudManaged": not is_synced(entry)})


def switch_authority(call: Call) -> Reply:
    """``PATCH /users|groups/{id}/onPremisesSyncBehavior``: 204; false gives a once synced object back to AD."""
    entry, wanted = _anchored(call), call.json_object().get("isCloudManaged")
    if not isinstance(wanted, bool):
        raise bad_request("Invalid value specified for property 'isCloudManaged' of resource 'OnPremisesSyncBehavior'.")
    if not wanted and "onPremisesSyncEnabled" not in entry.properties:
        raise mastered_on_premises()  # never was synced: there is no AD object to take over
    if wanted is is_synced(entry):
        call.tenant.update(entry, {"onPremisesSyncEnabled": None if wanted else True})
    return Reply(204)


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/directory/deletedItems/graph.user"): list_deleted,
    ("GET", "/directory/deletedItems/graph.group"): list_deleted,
    ("GET", "/directory/deletedItems/{id}"): read_deleted,
    ("DELETE", "/directory/deletedItems/{id}"): purge,
    ("POST", "/directory/deletedItems/{id}/restore"): restore,
    ("GET", "/directoryObjects/{id}"): read_object,
    ("POST", "/directoryObjects/getByIds"): read_by_ids,
    ("GET", "/organization"): list_organization,
    ("GET", "/organization/{id}"): read_organization,
    ("GET", "/domains"): list_domains,
    ("GET", "/domains/{id}"): read_domain,
    ("GET", "/subscribedSkus"): list_skus,
    ("POST", "/users/{id}/assignLicense"): assign_licence,
    ("GET", "/users/{id}/licenseDetails"): licence_details,
}
for _kind in ("users", "groups"):
    ROUTES[("GET", f"/{_kind}/{{id}}/onPremisesSyncBehavior")] = read_authority
    ROUTES[("PATCH", f"/{_kind}/{{id}}/onPremisesSyncBehavior")] = switch_authority
