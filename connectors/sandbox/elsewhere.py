"""Paths of the subset that this cloud does not have (teams, /me): Graph's own honest refusals."""

from __future__ import annotations

from connectors.sandbox.errors import GraphError, denied
from connectors.sandbox.members import find_group
from connectors.sandbox.users import find_user
from connectors.sandbox.wire import Call, Handler, Reply

#: The id that every account's password method has (Graph: passwordAuthenticationMethod).
PASSWORD_METHOD = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105 - a documented id


def no_team(call: Call) -> Reply:
    """A group that is no team."""
    find_group(call, call.params["id"])
    raise GraphError(404, "NotFound", f"No team found with Group Id {call.params['id']}")


def delegated_only(call: Call) -> Reply:
    """``/me`` in an application's call."""
    raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")


def application_refused(call: Call) -> Reply:
    """Password methods that only a signed-in administrator may use."""
    find_user(call, call.params["id"])
    raise denied()


def password_methods(call: Call) -> Reply:
    """``GET /users/{id}/authentication/methods`` and ``passwordMethods``: the one password, never its value."""
    entry = find_user(call, call.params["id"])
    method = {"id": PASSWORD_METHOD, "password": None, "createdDateTime": entry.properties.get("createdDateTime")}
    if call.template.endswith("/methods"):
        kind = "#microsoft.graph.passwordAuthenticationMethod"
        method = {"@odata.type": kind, "id": PASSWORD_METHOD}
    return Reply(200, {"@odata.context": call.context("authentication/methods"), "value": [method]})


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/me"): delegated_only,
    ("GET", "/me/drive"): delegated_only,
    ("GET", "/me/drives"): delegated_only,
    ("GET", "/me/drive/items/{item}"): delegated_only,
    ("GET", "/me/drive/items/{item}/delta"): delegated_only,
    ("GET", "/groups/{id}/team"): no_team,
    ("PUT", "/groups/{id}/team"): no_team,
    ("POST", "/users/{id}/changePassword"): application_refused,
    ("GET", "/users/{id}/authentication/methods"): password_methods,
    ("GET", "/users/{id}/authentication/passwordMethods"): password_methods,
    ("POST", "/users/{id}/authentication/methods/{other}/resetPassword"): application_refused,
    ("GET", "/users/{id}/authentication/operations/{other}"): application_refused,
}
