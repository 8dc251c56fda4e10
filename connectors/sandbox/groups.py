"""Groups: the matrix of types, upsert by uniqueName, members and owners, and the trap of a forgotten ``/$ref``."""

from __future__ import annotations

import re
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import (
    GraphError,
    already_referenced,
    bad_request,
    conflict,
    denied,
    mastered_on_premises,
    not_found,
)
from connectors.sandbox.odata import expanded, listing, objects, render, selected
from connectors.sandbox.users import ancestors, check_values, delete_user, is_synced
from connectors.sandbox.wire import Call, Handler, Reply

REQUIRED = ("displayName", "mailEnabled", "mailNickname", "securityEnabled")
MOST_BINDS = 20
#: ASCII without what a mail address may not hold (Graph: group resource, mailNickname).
_NICKNAME = re.compile(r"[!#-'*+\-/-9=?A-Z^-~]{1,64}")
_REFERENCE = re.compile(r".*/(?:directoryObjects|users|groups|education/users)/(?P<id>[^/]+)/?")


def find_group(call: Call, key: str) -> Entry:
    """A group by id.

    Raises:
        GraphError: 404, also while the group is not visible yet.
    """
    entry = call.tenant.get(key, "group")
    if entry is None:
        raise not_found(key)
    return entry


def is_unified(properties: dict[str, Any]) -> bool:
    """Whether this is a Microsoft 365 group."""
    return "Unified" in (properties.get("groupTypes") or ())


def is_dynamic(properties: dict[str, Any]) -> bool:
    """Whether a rule decides who belongs."""
    return "DynamicMembership" in (properties.get("groupTypes") or ())


def referred(call: Call, url: object) -> Entry:
    """The entry that a reference URL points at.

    Raises:
        GraphError: 400 for a malformed URL or an object that is not visible (yet), as seen for just-created ones.
    """
    match = _REFERENCE.fullmatch(url) if isinstance(url, str) else None
    if not match:
        raise bad_request("Invalid URL format specified in payload.")
    entry = call.tenant.get(match["id"])
    if entry is None:
        if call.tenant.entries.get(match["id"]) is not None:
            raise bad_request("Not a valid reference update.")
        raise not_found(match["id"])
    return entry


def check_member(group: dict[str, Any], entry: Entry, relation: str) -> None:
    """Raise 400 when this kind of object may not be member or owner of this kind of group."""
    if relation == "owners" and entry.kind != "user":
        raise bad_request("The reference target 'Group' of type 'Group' is invalid for the 'owners' reference.")
    if entry.kind not in ("user", "group"):
        raise bad_request(f"Invalid object type for the '{relation}' reference.")
    if relation == "members" and entry.kind == "group" and is_unified(group):
        raise bad_request(
            f"The group '{entry.id}' of type 'Group' cannot be added to a Unified group: 'Unified' groups take only users."
        )


def bound(call: Call, body: dict[str, Any], group: dict[str, Any], already: Entry | None) -> dict[str, list[Entry]]:
    """The entries of ``members@odata.bind`` and ``owners@odata.bind``, all valid or none.

    Raises:
        GraphError: 400 for more than 20, a wrong kind, one that is there already; 404 for an unknown one; 403 for a
            dynamic group.
    """
    found: dict[str, list[Entry]] = {}
    total = 0
    for relation in ("members", "owners"):
        urls = body.get(f"{relation}@odata.bind")
        if urls is None:
            continue
        if not isinstance(urls, list):
            raise bad_request("Invalid URL format specified in payload.")
        total += len(urls)
        entries = [referred(call, url) for url in urls]
        if relation == "members" and entries and is_dynamic(group):
            raise denied()
        for entry in entries:
            check_member(group, entry, relation)
        ids = {entry.id for entry in entries}
        if len(ids) != len(entries) or (already and ids & already.linked(relation).keys()):
            raise already_referenced(relation)
        found[relation] = entries
    if total > MOST_BINDS:
        raise bad_request(f"The number of references in the request exceeds the limit of {MOST_BINDS}.")
    return found


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
        raise bad_request("The service does not currently support writes of mail-enabled groups. Please ensure that the "
                          "mail-enablement property is unset and the security-enablement property is set.")  # fmt: skip
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


def _relation(call: Call) -> str:
    return "owners" if "/owners" in call.template else "members"


def list_related(call: Call) -> Reply:
    """``GET /groups/{id}/members`` and ``/owners``."""
    entry = find_group(call, call.params["id"])
    return objects(call, _visible(call, entry, _relation(call)), "directoryObjects")


def _visible(call: Call, entry: Entry, relation: str) -> list[Entry]:
    return list(call.tenant.resolve(entry.linked(relation)))


def list_users_of(call: Call) -> Reply:
    """``GET /groups/{id}/members/microsoft.graph.user``: only the users."""
    entry = find_group(call, call.params["id"])
    kind = "group" if call.template.endswith("graph.group") else "user"
    return objects(call, call.tenant.resolve(entry.linked(_relation(call)), (kind,)), f"{kind}s", kind=kind)


def list_references(call: Call) -> Reply:
    """``GET /groups/{id}/members/$ref``."""
    entry = find_group(call, call.params["id"])
    reply = objects(call, _visible(call, entry, _relation(call)), "$ref")
    base = f"{call.base_url}/v1.0/directoryObjects"
    reply.body["value"] = [{"@odata.id": f"{base}/{found['id']}"} for found in reply.body["value"]]
    return reply


def add_reference(call: Call) -> Reply:
    """``POST /groups/{id}/members/$ref``: 204."""
    entry, relation = find_group(call, call.params["id"]), _relation(call)
    if is_synced(entry):
        raise mastered_on_premises()
    if relation == "members" and is_dynamic(entry.properties):
        raise denied()
    other = referred(call, call.json_object().get("@odata.id"))
    check_member(entry.properties, other, relation)
    if other.id in entry.linked(relation):
        raise already_referenced(relation)
    if other is entry or (other.kind == "group" and other in ancestors(call, entry)):
        raise bad_request("A group cannot be nested in itself.")
    call.tenant.link(entry, relation, other)
    return Reply(204)


def remove_reference(call: Call) -> Reply:
    """``DELETE /groups/{id}/members/{id}/$ref``: 204."""
    entry, relation = find_group(call, call.params["id"]), _relation(call)
    if is_synced(entry):
        raise mastered_on_premises()
    if relation == "members" and is_dynamic(entry.properties):
        raise denied()
    other = call.tenant.entries.get(call.params["other"])
    if other is None or other.id not in entry.linked(relation):
        raise not_found(call.params["other"])
    if relation == "owners" and is_unified(entry.properties) and len(_visible(call, entry, "owners")) == 1:
        raise bad_request("The group must have at least one owner, hence this owner cannot be removed.")
    call.tenant.unlink(entry, relation, other)
    return Reply(204)


def delete_through_group(call: Call) -> Reply:
    """``DELETE /groups/{id}/members/{id}`` without ``/$ref`` deletes the user itself, here as in the real service."""
    entry = find_group(call, call.params["id"])
    if call.params["other"] not in entry.linked(_relation(call)):
        raise not_found(call.params["other"])
    call.service.counters.count("users deleted through a group")
    return delete_user(call, call.params["other"])


def descendants(call: Call) -> Reply:
    """``GET /groups/{id}/transitiveMembers``."""
    found: dict[str, Entry] = {}
    waiting = [find_group(call, call.params["id"])]
    while waiting:
        for other in call.tenant.resolve(waiting.pop().linked("members")):
            if other.id not in found:
                found[other.id] = other
                waiting.append(other)
    return objects(call, found.values(), "directoryObjects")


def group_member_of(call: Call) -> Reply:
    """``GET /groups/{id}/memberOf``."""
    entry = find_group(call, call.params["id"])
    groups = (
        ancestors(call, entry) if "transitive" in call.template else call.tenant.resolve(entry.referrers("members"))
    )
    return objects(call, groups, "directoryObjects")


def count_groups(call: Call) -> Reply:
    """``GET /groups/$count``: only with ConsistencyLevel: eventual."""
    if not call.eventual:
        raise GraphError(400, "Request_BadRequest", "$count is not currently supported.")
    return Reply(200, sum(1 for _ in call.tenant.scan("group")))


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/groups"): lambda call: listing(call, "group", "groups"),
    ("POST", "/groups"): create_group,
    ("GET", "/groups/$count"): count_groups,
    ("GET", "/groups/{id}"): read_group,
    ("PATCH", "/groups/{id}"): update_group,
    ("DELETE", "/groups/{id}"): delete_group,
    ("GET", "/groups(uniqueName)/{id}"): read_group,
    ("PATCH", "/groups(uniqueName)/{id}"): upsert_group,
    ("GET", "/groups/{id}/transitiveMembers"): descendants,
    ("GET", "/groups/{id}/memberOf"): group_member_of,
    ("GET", "/groups/{id}/transitiveMemberOf"): group_member_of,
}
for _name in ("members", "owners"):
    ROUTES |= {
        ("GET", f"/groups/{{id}}/{_name}"): list_related,
        ("GET", f"/groups/{{id}}/{_name}/graph.user"): list_users_of,
        ("GET", f"/groups/{{id}}/{_name}/graph.group"): list_users_of,
        ("GET", f"/groups/{{id}}/{_name}/$ref"): list_references,
        ("POST", f"/groups/{{id}}/{_name}/$ref"): add_reference,
        ("DELETE", f"/groups/{{id}}/{_name}/{{other}}/$ref"): remove_reference,
        ("DELETE", f"/groups/{{id}}/{_name}/{{other}}"): delete_through_group,
    }
