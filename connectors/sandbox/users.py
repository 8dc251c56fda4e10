"""Users: create, read, update, soft delete, password, managers, memberships, source of authority."""

from __future__ import annotations

import re
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import bad_request, conflict, denied, mastered_on_premises, not_found
from connectors.sandbox.odata import expanded, listing, objects, render, selected, typed
from connectors.sandbox.passwords import check_password, hash_password
from connectors.sandbox.properties import DELEGATED_ONLY, SENSITIVE, properties, type_matches
from connectors.sandbox.wire import Call, Handler, Reply

REQUIRED = ("accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName")
_LOCAL_PART = re.compile(r"[A-Za-z0-9'._!#^~-]{1,64}")
#: The dot is allowed, unlike in a group's alias: the part before the @ of a UPN is the usual choice.
_NICKNAME = re.compile(r"[!#-'*+\--9=?A-Z^-~]+")


def find_user(call: Call, key: str) -> Entry:
    """A user by id or UPN.

    Raises:
        GraphError: 404, also while the user is not visible yet.
    """
    entry = call.tenant.get(key, "user")
    if entry is None and "@" in key:
        now = call.tenant.clock()
        entry = next((e for e in call.tenant.taken("user", "userPrincipalName", key) if e.visible_at <= now), None)
    if entry is None:
        raise not_found(key)
    return entry


def is_synced(entry: Entry) -> bool:
    """Whether Active Directory is the object's source of authority."""
    return entry.properties.get("onPremisesSyncEnabled") is True


def check_values(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """The writable properties of a request body.

    Raises:
        GraphError: 400 for an unknown or read-only property, a wrong type, a value that is too long.
    """
    known = properties(kind)
    values = {}
    for name, value in body.items():
        if name.startswith("@odata.") or "@odata." in name:
            continue
        entry = known.get(name)
        if entry is None:
            raise bad_request(f"Invalid property '{name}'.")
        if not entry.writable:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
        if not type_matches(entry, value):
            raise bad_request(f"A value without a type name was found and no expected type is available: '{name}'.")
        if entry.longest and isinstance(value, str) and len(value) > entry.longest:
            message = f"Invalid value specified for property '{name}' of resource '{kind.capitalize()}'."
            raise bad_request(message, details=[{"code": "InvalidLength", "message": message, "target": name}])
        if value == "":
            # Entra keeps no empty strings: the documented way to clear a property is null.
            raise bad_request(f"Invalid value specified for property '{name}' of resource '{kind.capitalize()}'.")
        values[name] = value
    return values


def check_principal_name(call: Call, name: str, owner: Entry | None = None) -> None:
    """Check form, domain and uniqueness of a UPN; raises 400."""
    local, _, domain = name.rpartition("@")
    if not local or not _LOCAL_PART.fullmatch(local) or local.endswith("."):
        raise bad_request("Property userPrincipalName is invalid.")
    if domain.lower() not in call.tenant.domains:
        raise bad_request(
            "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain "
            "names in your organization."
        )
    if any(other is not owner for other in call.tenant.taken("user", "userPrincipalName", name)):
        raise conflict("userPrincipalName")


def _check_user(call: Call, values: dict[str, Any], owner: Entry | None) -> None:
    if forbidden := DELEGATED_ONLY & values.keys():
        raise denied(f"Insufficient privileges to complete the operation: {', '.join(sorted(forbidden))}.")
    if "userPrincipalName" in values:
        check_principal_name(call, values["userPrincipalName"] or "", owner)
    if "displayName" in values and not values["displayName"]:
        raise bad_request("Invalid value specified for property 'displayName' of resource 'User'.")
    if "mailNickname" in values and not _NICKNAME.fullmatch(values["mailNickname"] or ""):
        raise bad_request("Invalid value specified for property 'mailNickname' of resource 'User'.")
    if (location := values.get("usageLocation")) and not re.fullmatch(r"[A-Z]{2}", location):
        raise bad_request("Invalid value specified for property 'usageLocation' of resource 'User'.")
    if anchor := values.get("onPremisesImmutableId"):
        if "$" in anchor or "_" in anchor:
            raise bad_request("Invalid value specified for property 'onPremisesImmutableId' of resource 'User'.")
        if any(other is not owner for other in call.tenant.taken("user", "onPremisesImmutableId", anchor)):
            raise conflict("onPremisesImmutableId")
    if (mail := values.get("mail")) and any(other is not owner for other in call.tenant.taken("user", "mail", mail)):
        raise conflict("proxyAddresses")
    if len(values.get("businessPhones", ())) > 1:
        raise bad_request("Invalid value specified for property 'businessPhones' of resource 'User'.")


def _take_password(call: Call, values: dict[str, Any], owner: Entry | None) -> str | None:
    """Replace the password in ``values`` by what may be read back; gives the hash to keep."""
    known = {**(owner.properties if owner else {}), **values}
    if "passwordProfile" not in values:
        return None
    profile = values["passwordProfile"] or {}
    password = profile.get("password")
    if password is None and owner is None:
        raise bad_request("The specified password does not comply with password complexity requirements. "
                          "Please provide a different password.")  # fmt: skip
    if password is not None:
        names = [str(known.get(name) or "") for name in ("userPrincipalName", "givenName", "surname")]
        check_password(password, known.get("passwordPolicies") or "", names=names)
        values["lastPasswordChangeDateTime"] = call.service.stamp()
    values["passwordProfile"] = {
        "forceChangePasswordNextSignIn": profile.get("forceChangePasswordNextSignIn", True),
        "forceChangePasswordNextSignInWithMfa": profile.get("forceChangePasswordNextSignInWithMfa", False),
    }
    return hash_password(password) if password is not None else None


def new_user(call: Call, body: dict[str, Any]) -> Entry:
    """Validate and create a user."""
    missing = [name for name in REQUIRED if body.get(name) is None]
    if missing:
        message = f"A value is required for property '{missing[0]}' of resource 'User'."
        raise bad_request(message, details=[
            {"code": "MissingProperty", "message": message, "target": name} for name in missing
        ])  # fmt: skip
    values = check_values("user", body)
    _check_user(call, values, None)
    password = _take_password(call, values, None)
    values.setdefault("userType", "Member")
    values["createdDateTime"] = call.service.stamp()
    if mail := values.get("mail"):
        values["proxyAddresses"] = [f"SMTP:{mail}"]
    entry = call.tenant.create("user", {name: value for name, value in values.items() if value is not None})
    entry.password = password
    return entry


def create_user(call: Call) -> Reply:
    """``POST /users``: 201 with the default properties only."""
    entry = new_user(call, call.json_object())
    body = {"@odata.context": call.context("users/$entity"), **render(entry, None)}
    return Reply(201, body, {"Location": f"{call.base_url}/v1.0/users/{entry.id}"})


def check_writable(call: Call, entry: Entry, names: set[str]) -> None:
    """Refuse what the source of authority or a higher role forbids.

    Raises:
        GraphError: 400 for a synced object, 403 for an administrator.
    """
    if entry.privileged and names & SENSITIVE and "Privileged Role Administrator" not in call.app.roles:
        raise denied()
    # Licences and usageLocation are mastered in the cloud even for synced users.
    if is_synced(entry) and names - {"usageLocation", "assignedLicenses"}:
        raise mastered_on_premises()


def change_user(call: Call, entry: Entry, body: dict[str, Any]) -> None:
    """Validate and apply a PATCH."""
    values = check_values("user", body)
    check_writable(call, entry, set(values))
    _check_user(call, values, entry)
    password = _take_password(call, values, entry)
    if "onPremisesExtensionAttributes" in values:
        old = entry.properties.get("onPremisesExtensionAttributes") or {}
        values["onPremisesExtensionAttributes"] = {**old, **(values["onPremisesExtensionAttributes"] or {})}
    if "mail" in values:
        values["proxyAddresses"] = [f"SMTP:{values['mail']}"] if values["mail"] else []
    call.tenant.update(entry, values)
    if password:
        entry.password = password
        call.tenant.touch(entry)


def update_user(call: Call) -> Reply:
    """``PATCH /users/{id}``: 204."""
    change_user(call, find_user(call, call.params["id"]), call.json_object())
    return Reply(204)


def read_user(call: Call) -> Reply:
    """``GET /users/{id or UPN}``."""
    entry = find_user(call, call.params["id"])
    body = {"@odata.context": call.context("users/$entity"), **render(entry, selected(call, "user"))}
    return Reply(200, expanded(call, entry, body))


def delete_user(call: Call, key: str = "") -> Reply:
    """``DELETE /users/{id}``: 204, soft."""
    entry = find_user(call, key or call.params["id"])
    if entry.privileged and "Privileged Role Administrator" not in call.app.roles:
        raise denied()
    if is_synced(entry):
        raise mastered_on_premises()
    call.tenant.delete(entry)
    call.service.counters.count("users deleted")
    return Reply(204)


def member_of(call: Call) -> Reply:
    """``GET /users/{id}/memberOf`` and ``transitiveMemberOf``."""
    entry = find_user(call, call.params["id"])
    groups = (
        ancestors(call, entry) if "transitive" in call.template else call.tenant.resolve(entry.referrers("members"))
    )
    return objects(call, groups, "directoryObjects")


def ancestors(call: Call, entry: Entry) -> list[Entry]:
    """The live groups that hold an entry directly or through others."""
    found: dict[str, Entry] = {}
    waiting = [entry]
    while waiting:
        for group in call.tenant.resolve(waiting.pop().referrers("members"), ("group",)):
            if group.id not in found:
                found[group.id] = group
                waiting.append(group)
    return list(found.values())


def set_manager(call: Call) -> Reply:
    """``PUT /users/{id}/manager/$ref``: 204."""
    entry = find_user(call, call.params["id"])
    manager = find_user(call, str(call.json_object().get("@odata.id", "")).rstrip("/").rsplit("/", 1)[-1])
    _drop_manager(call, entry)
    call.tenant.link(entry, "manager", manager)
    return Reply(204)


def unset_manager(call: Call) -> Reply:
    """``DELETE /users/{id}/manager/$ref``: 204."""
    _drop_manager(call, find_user(call, call.params["id"]))
    return Reply(204)


def _drop_manager(call: Call, entry: Entry) -> None:
    for other_id in list(entry.linked("manager")):
        call.tenant.unlink(entry, "manager", call.tenant.entries[other_id])


def read_manager(call: Call) -> Reply:
    """``GET /users/{id}/manager``."""
    entry = find_user(call, call.params["id"])
    for manager in call.tenant.resolve(entry.linked("manager")):
        return Reply(200, {"@odata.context": call.context("directoryObjects/$entity"), **typed(manager)})
    raise not_found("manager")


def revoke_sessions(call: Call) -> Reply:
    """``POST /users/{id}/revokeSignInSessions``: 200."""
    entry = find_user(call, call.params["id"])
    call.tenant.update(entry, {"signInSessionsValidFromDateTime": call.service.stamp()})
    return Reply(200, {"@odata.context": call.context("Edm.Boolean"), "value": True})


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/users"): lambda call: listing(call, "user", "users"),
    ("POST", "/users"): create_user,
    ("GET", "/users/{id}"): read_user,
    ("PATCH", "/users/{id}"): update_user,
    ("DELETE", "/users/{id}"): delete_user,
    ("GET", "/users/{id}/memberOf"): member_of,
    ("GET", "/users/{id}/transitiveMemberOf"): member_of,
    ("GET", "/users/{id}/manager"): read_manager,
    ("PUT", "/users/{id}/manager/$ref"): set_manager,
    ("DELETE", "/users/{id}/manager/$ref"): unset_manager,
    ("POST", "/users/{id}/revokeSignInSessions"): revoke_sessions,
}
