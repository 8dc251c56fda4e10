"""Members and owners: references, what may refer to what, and the trap of a forgotten ``/$ref``."""

from __future__ import annotations

import re
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import already_referenced, bad_request, denied, mastered_on_premises, not_found
from connectors.sandbox.odata import objects
from connectors.sandbox.users import ancestors, delete_user, is_synced
from connectors.sandbox.wire import Call, Handler, Reply

MOST_BINDS = 20
_REFERENCE = re.compile(r".*/(?:directoryObjects|users|groups|education/users|education/classes)/(?P<id>[^/]+)/?")


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
        raise bad_request(f"The group '{entry.id}' of type 'Group' cannot be added: 'Unified' groups take only users.")


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


def _relation(call: Call) -> str:
    return "owners" if "/owners" in call.template else "members"


def _visible(call: Call, entry: Entry, relation: str) -> list[Entry]:
    return list(call.tenant.resolve(entry.linked(relation)))


def list_related(call: Call) -> Reply:
    """``GET /groups/{id}/members`` and ``/owners``."""
    entry = find_group(call, call.params["id"])
    return objects(call, _visible(call, entry, _relation(call)), "directoryObjects")


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


ROUTES: dict[tuple[str, str], Handler] = {
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
