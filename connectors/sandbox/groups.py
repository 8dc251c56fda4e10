"""Groups: the matrix of types, create, update, upsert by uniqueName, soft delete."""

from __future__ import annotations

import re
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import bad_request, conflict, mastered_on_premises, not_found
from connectors.sandbox.members import bound, find_group, is_dynamic, is_unified
from connectors.sandbox.odata import expanded, listing, render, selected
from connectors.sandbox.users import check_values, is_synced
from connectors.sandbox.wire import Call, Handler, Reply

REQUIRED = ("displayName", "mailEnabled", "mailNickname", "securityEnabled")
#: ASCII without what a mail address may not hold (Graph: group resource, mailNickname).
_NICKNAME = re.compile(r"[!#-'*+\-/-9=?A-Z^-~]{1,64}")


def _check_group(call: Call, values: dict[str, Any], owner: Entry | None) -> None:
    merged = {**(owner.properties if owner else {}), **values}
    if not merged.get("displayName"):
        raise bad_request("Invalid value specified for property 'displayName' of resource 'Group'.")
    if not _NICKNAME.fullmatch(merged.get("mailNickname") or ""):
        raise bad_request("Invalid value specified for property 'mailNickname' of resource 'Group'.")
    types = set(merged.get("groupTypes") or ())
    if types - {"Unified", "DynamicMembership"}:
        raise bad_request("Invalid value specified for property 'groupTypes' of resource 'Group'.")
    if is_unified(merged):
        if not merged.get("mailEnabled"):
            raise bad_request("The group type 'Unified' needs mailEnabled true.")
        same = (other for other in call.tenant.taken("group", "mailNickname", merged["mailNickname"]))
        if any(other is not owner and is_unified(other.properties) for other in same):
            raise conflict("mailNickname")
    elif merged.get("mailEnabled"):
        raise bad_request(
            "The service does not currently support writes of mail-enabled groups. Please ensure that the "
            "mail-enablement property is unset and the security-enablement property is set."
        )
    elif not merged.get("securityEnabled"):
        raise bad_request("A group must be security enabled or of type 'Unified'.")
    if is_dynamic(merged) != bool(merged.get("membershipRule")):
        raise bad_request("A dynamic group needs membershipRule, and only a dynamic group has one.")


def new_group(call: Call, body: dict[str, Any]) -> Entry:
    """Validate and create a group with what it binds, all or nothing."""
    missing = [name for name in REQUIRED if body.get(name) is None]
    if missing:
        message = f"A value is required for property '{missing[0]}' of resource 'Group'."
        raise bad_request(message, details=[{"code": "MissingProperty", "message": message, "target": missing[0]}])
    values = check_values("group", body)
    _check_group(call, values, None)
    if (unique := values.get("uniqueName")) and call.tenant.taken("group", "uniqueName", unique):
        raise conflict("uniqueName")
    binds = bound(call, body, values, None)
    now = call.service.stamp()
    values |= {"createdDateTime": now, "renewedDateTime": now, "groupTypes": values.get("groupTypes") or []}
    if is_unified(values):
        mail = f"{values['mailNickname']}@{call.tenant.domains[0]}"
        values |= {"mail": mail, "proxyAddresses": [f"SMTP:{mail}"]}
        values.setdefault("visibility", "Public")
    if is_dynamic(values):
        values.setdefault("membershipRuleProcessingState", "On")
    entry = call.tenant.create("group", {name: value for name, value in values.items() if value is not None})
    entry.properties["securityIdentifier"] = security_identifier(entry.id)
    for relation, others in binds.items():
        for other in others:
            call.tenant.link(entry, relation, other)
    return entry


def security_identifier(entry_id: str) -> str:
    """The SID that Entra derives from an object id: S-1-12-1 and the GUID's four little-endian words."""
    raw = bytes.fromhex(entry_id.replace("-", ""))
    guid = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    return "S-1-12-1-" + "-".join(str(int.from_bytes(guid[at : at + 4], "little")) for at in (0, 4, 8, 12))


def create_group(call: Call) -> Reply:
    """``POST /groups``: 201."""
    entry = new_group(call, call.json_object())
    body = {"@odata.context": call.context("groups/$entity"), **render(entry, None)}
    return Reply(201, body, {"Location": f"{call.base_url}/v1.0/groups/{entry.id}"})


def change_group(call: Call, entry: Entry, body: dict[str, Any]) -> None:
    """Validate and apply a PATCH, members included, all or nothing."""
    values = check_values("group", body)
    if is_synced(entry):
        raise mastered_on_premises()
    if "uniqueName" in values and values["uniqueName"] != entry.properties.get("uniqueName"):
        raise bad_request("Property 'uniqueName' is read-only and cannot be set.")
    if "groupTypes" in values and ("Unified" in (values["groupTypes"] or ())) != is_unified(entry.properties):
        raise bad_request("Property 'groupTypes' cannot turn a security group into a Unified group or back.")
    if values:
        _check_group(call, values, entry)
    binds = bound(call, body, entry.properties, entry)
    call.tenant.update(entry, values)
    for relation, others in binds.items():
        for other in others:
            call.tenant.link(entry, relation, other)


def update_group(call: Call) -> Reply:
    """``PATCH /groups/{id}``: 204."""
    change_group(call, find_group(call, call.params["id"]), call.json_object())
    return Reply(204)


def _by_name(call: Call) -> Entry | None:
    now = call.tenant.clock()
    found = call.tenant.taken("group", "uniqueName", call.params["id"])
    return next((entry for entry in found if entry.visible_at <= now), None)


def read_group(call: Call) -> Reply:
    """``GET /groups/{id}`` and ``GET /groups(uniqueName='x')``."""
    entry = _by_name(call) if "uniqueName" in call.template else find_group(call, call.params["id"])
    if entry is None:
        raise not_found(call.params["id"])
    body = {"@odata.context": call.context("groups/$entity"), **render(entry, selected(call, "group"))}
    return Reply(200, expanded(call, entry, body))


def upsert_group(call: Call) -> Reply:
    """``PATCH /groups(uniqueName='x')``: 204 when it was there, 201 when ``Prefer: create-if-missing`` made it."""
    name, body = call.params["id"], call.json_object()
    taken = call.tenant.taken("group", "uniqueName", name)
    if taken:
        change_group(call, find_group(call, taken[0].id), body)
        return Reply(204)
    if "create-if-missing" not in call.headers.get("prefer", ""):
        raise not_found(name)
    entry = new_group(call, {**body, "uniqueName": name})
    return Reply(201, {"@odata.context": call.context("groups/$entity"), **render(entry, None)})


def delete_group(call: Call) -> Reply:
    """``DELETE /groups/{id}``: 204; soft for Microsoft 365 and cloud security groups (since MC1183299)."""
    entry = find_group(call, call.params["id"])
    if is_synced(entry):
        raise mastered_on_premises()
    call.tenant.delete(entry)
    return Reply(204)


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/groups"): lambda call: listing(call, "group", "groups"),
    ("POST", "/groups"): create_group,
    ("GET", "/groups/{id}"): read_group,
    ("PATCH", "/groups/{id}"): update_group,
    ("DELETE", "/groups/{id}"): delete_group,
    ("GET", "/groups(uniqueName)/{id}"): read_group,
    ("PATCH", "/groups(uniqueName)/{id}"): upsert_group,
}
