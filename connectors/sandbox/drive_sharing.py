"""Permissions of items: invite, links, list, change, remove (Graph: driveItem: invite, permission resource).

Roles are read, write and owner. The owner's permission stands on the root; what is given on a folder holds for all
below it and shows there as inherited. ``sendInvitation`` must be false here: the sandbox writes no mail, and the bridge
grants in silence.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from connectors.sandbox.drive_errors import invalid, missing
from connectors.sandbox.drive_find import find_item
from connectors.sandbox.drive_items import below
from connectors.sandbox.drive_model import Grant, Item
from connectors.sandbox.drive_shapes import HOST
from connectors.sandbox.entries import Entry
from connectors.sandbox.wire import Call, Handler, Reply

ROLES = ("read", "write", "owner")
_LINKS = {"view": "read", "edit": "write"}


def _standing(call: Call, item: Item) -> Iterator[tuple[Grant, Item]]:
    """Permissions that hold for an item, each with the item on which it was given; the owner's first."""
    owner = call.tenant.entries.get(item.drive.owner_id)
    if owner is not None:
        yield Grant("owner", ("owner",), owner.id, owner.kind), item.drive.root
    for one in [*item.ancestors(), item]:
        for grant in one.grants.values():
            yield grant, one


def _shown(call: Call, grant: Grant, given_on: Item, item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": grant.id, "roles": list(grant.roles)}
    if grant.link:
        scope = "organization"
        url = f"https://{HOST}/:u:/s/{grant.id}"
        shown["link"] = {"type": grant.link, "scope": scope, "webUrl": url, "preventsDownload": False}
    else:
        entry = call.tenant.entries.get(grant.entry_id)
        name = entry.properties.get("displayName") if entry else None
        identity = {"id": grant.entry_id, "displayName": name}
        shown["grantedToV2"] = {grant.kind: identity}
        shown["grantedTo"] = {"user": identity}
    if given_on is not item:
        path = f"/drives/{item.drive.id}/root:{given_on.path()}"
        shown["inheritedFrom"] = {"driveId": item.drive.id, "id": given_on.id, "path": path}
    return shown


def list_permissions(call: Call) -> Reply:
    """``GET .../permissions``: the item's own and the inherited ones."""
    item = find_item(call)
    value = [_shown(call, grant, given_on, item) for grant, given_on in _standing(call, item)]
    return Reply(200, {"@odata.context": call.context("drives/root/permissions"), "value": value})


def _find(call: Call, item: Item) -> tuple[Grant, Item]:
    for grant, given_on in _standing(call, item):
        if grant.id == call.params["permission"]:
            return grant, given_on
    raise missing()


def _own(call: Call, item: Item) -> Grant:
    grant, given_on = _find(call, item)
    if given_on is not item or grant.id == "owner":
        raise invalid("An inherited permission is changed where it was given.")
    return grant


def read_permission(call: Call) -> Reply:
    """``GET .../permissions/{id}``."""
    item = find_item(call)
    return Reply(200, {"@odata.context": call.context("permission"), **_shown(call, *_find(call, item), item)})


def update_permission(call: Call) -> Reply:
    """``PATCH .../permissions/{id}``: other roles; 200."""
    item = find_item(call)
    held, roles = _own(call, item), _roles(call.json_object())
    grant = Grant(held.id, roles, held.entry_id, held.kind, held.link)
    call.service.drives.grant(item, grant)
    return Reply(200, {"@odata.context": call.context("permission"), **_shown(call, grant, item, item)})


def delete_permission(call: Call) -> Reply:
    """``DELETE .../permissions/{id}``: 204."""
    item = find_item(call)
    call.service.drives.revoke(item, _own(call, item).id)
    return Reply(204)


def _roles(body: dict[str, Any]) -> tuple[str, ...]:
    roles = body.get("roles")
    if not isinstance(roles, list) or len(roles) != 1 or roles[0] not in ROLES:
        raise invalid(f"'roles' holds one of {', '.join(ROLES)}.")
    return (str(roles[0]),)


def _recipient(call: Call, recipient: object) -> Entry:
    held = recipient if isinstance(recipient, dict) else {}
    found: Entry | None = None
    if held.get("objectId"):
        found = call.tenant.get(str(held["objectId"]))
    elif mail := held.get("email") or held.get("alias"):
        kinds = (("user", "userPrincipalName"), ("user", "mail"), ("group", "mail"), ("group", "mailNickname"))
        named = [entry for kind, name in kinds for entry in call.tenant.taken(kind, name, str(mail))]
        found = next((entry for entry in named if entry.visible_at <= call.tenant.clock()), None)
    if found is None or found.kind not in ("user", "group"):
        raise invalid("One or more of the recipients could not be resolved.", "invalidRecipients")
    return found


def invite(call: Call) -> Reply:
    """``POST .../invite``: 200 with the permissions; a recipient who has one gets the other role."""
    item, body = find_item(call), call.json_object()
    roles = _roles(body)
    recipients = body.get("recipients")
    if not isinstance(recipients, list) or not recipients:
        raise invalid("'recipients' is missing or empty.")
    if body.get("sendInvitation"):
        call.service.counters.count("invitations that would have been mailed")
    elif not body.get("requireSignIn", True):
        raise invalid("Without sendInvitation, requireSignIn must be true.")
    found = [_recipient(call, recipient) for recipient in recipients]
    value = []
    for entry in found:
        known = next((one for one in item.grants.values() if one.entry_id == entry.id and not one.link), None)
        grant = Grant(known.id if known else secrets.token_urlsafe(15), roles, entry.id, entry.kind)
        if grant != known:
            call.service.drives.grant(item, grant)
        value.append(_shown(call, grant, item, item))
    return Reply(200, {"@odata.context": call.context("Collection(permission)"), "value": value})


def create_link(call: Call) -> Reply:
    """``POST .../createLink``: 201, a link for the organisation; an anonymous one is refused, as schools set it."""
    item, body = find_item(call), call.json_object()
    kind = str(body.get("type"))
    if kind not in _LINKS:
        raise invalid("'type' is view or edit.")
    if body.get("scope", "organization") != "organization":
        raise invalid("Sharing with anyone is switched off in this organisation.", "sharingDisabled")
    grant = Grant(secrets.token_urlsafe(15), (_LINKS[kind],), "", "user", link=kind)
    call.service.drives.grant(item, grant)
    return Reply(201, {"@odata.context": call.context("permission"), **_shown(call, grant, item, item)})


ROUTES: dict[tuple[str, str], Handler] = below(
    {
        ("GET", "/items/{item}/permissions"): list_permissions,
        ("GET", "/items/{item}/permissions/{permission}"): read_permission,
        ("PATCH", "/items/{item}/permissions/{permission}"): update_permission,
        ("DELETE", "/items/{item}/permissions/{permission}"): delete_permission,
        ("POST", "/items/{item}/invite"): invite,
        ("POST", "/items/{item}/createLink"): create_link,
    }
)
