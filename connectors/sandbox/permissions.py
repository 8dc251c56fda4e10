"""Which application permission each route needs (least privilege and what implies it), switchable.

From the Graph permissions reference and the pages of the methods; a permission in the 2026 pages that the published
permission list lacks (``User.Create``, ``User.ReadUpdate.All``) is accepted here like its wider form.
"""

from __future__ import annotations

from typing import Any

from connectors.sandbox import drive_budgets
from connectors.sandbox.drive_errors import access_denied
from connectors.sandbox.errors import denied

_WRITE_USER = ("User.ReadWrite.All", "User.ReadUpdate.All", "Directory.ReadWrite.All")
_READ_USER = ("User.Read.All", "User.ReadBasic.All", "Directory.Read.All", *_WRITE_USER)
_WRITE_GROUP = ("Group.ReadWrite.All", "Directory.ReadWrite.All")
_READ_GROUP = (
    "Group.Read.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Directory.Read.All",
    *_WRITE_GROUP,
)
_MEMBERS = ("GroupMember.ReadWrite.All", *_WRITE_GROUP)
_DELETE_USER = ("User.DeleteRestore.All", "User.ReadWrite.All")
_LICENCE = ("LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All")
_ORGANIZATION = ("Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_READ_SITES = ("Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All")
_WRITE_FILES = ("Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.FullControl.All")
_READ_FILES = ("Files.Read.All", "Files.ReadWrite.All", *_READ_SITES)
_ROSTER = ("EduRoster.ReadWrite.All",)

#: First match wins: method (``*`` any), start of the template, permissions of which one is enough.
TABLE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("GET", "/users/{id}/onPremisesSyncBehavior", ("User-OnPremisesSyncBehavior.ReadWrite.All",)),
    ("*", "/users/{id}/onPremisesSyncBehavior", ("User-OnPremisesSyncBehavior.ReadWrite.All",)),
    ("*", "/groups/{id}/onPremisesSyncBehavior", ("Group-OnPremisesSyncBehavior.ReadWrite.All",)),
    ("POST", "/users/{id}/assignLicense", _LICENCE),
    ("GET", "/users/{id}/licenseDetails", ("LicenseAssignment.Read.All", *_LICENCE, *_READ_USER)),
    ("GET", "/users/{id}/memberOf", (*_READ_GROUP, *_READ_USER)),
    (
        "GET",
        "/users/{id}/authentication",
        ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"),
    ),
    ("GET", "/users/{id}/drive", _READ_FILES),
    ("*", "/users/{id}/drive", _WRITE_FILES),
    ("GET", "/groups/{id}/drive", _READ_FILES),
    ("*", "/groups/{id}/drive", _WRITE_FILES),
    ("GET", "/groups/{id}/sites", _READ_SITES),
    ("GET", "/drives", _READ_FILES),
    ("*", "/drives", _WRITE_FILES),
    ("GET", "/sites/{id}/drive", _READ_FILES),
    ("*", "/sites/{id}/drive", _WRITE_FILES),
    ("*", "/sites", _READ_SITES),
    ("GET", "/users", _READ_USER),
    ("POST", "/users/{id}", _WRITE_USER),
    ("POST", "/users", ("User.Create", *_WRITE_USER)),
    ("DELETE", "/users/{id}/manager", _WRITE_USER),
    ("DELETE", "/users", _DELETE_USER),
    ("PUT", "/users", _WRITE_USER),
    ("GET", "/groups", _READ_GROUP),
    ("POST", "/groups/{id}/members", _MEMBERS),
    ("DELETE", "/groups/{id}/members/{other}/$ref", _MEMBERS),
    ("DELETE", "/groups/{id}/members/{other}", _DELETE_USER),
    ("DELETE", "/groups/{id}/owners/{other}/$ref", _WRITE_GROUP),
    ("DELETE", "/groups/{id}/owners/{other}", _DELETE_USER),
    ("POST", "/groups", ("Group.Create", *_WRITE_GROUP)),
    ("*", "/groups", _WRITE_GROUP),
    ("GET", "/directory/deletedItems", (*_DELETE_USER, *_READ_USER, *_READ_GROUP)),
    ("*", "/directory/deletedItems", (*_DELETE_USER, "Group.ReadWrite.All")),
    ("*", "/directoryObjects", (*_READ_USER, *_READ_GROUP)),
    ("GET", "/organization", (*_ORGANIZATION, "User.Read.All")),
    ("GET", "/domains", ("Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")),
    ("GET", "/subscribedSkus", ("LicenseAssignment.Read.All", *_LICENCE, *_ORGANIZATION)),
    ("GET", "/devices", ("Device.Read.All", "Device.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")),
    ("GET", "/education", ("EduRoster.Read.All", *_ROSTER)),
    ("*", "/education", _ROSTER),
)
_ENABLE = ("User.EnableDisableAccount.All",)
_PASSWORD = ("User-PasswordProfile.ReadWrite.All",)


def required(method: str, template: str) -> tuple[str, ...]:
    """The permissions of which one is enough; empty: none is needed."""
    for wanted, start, names in TABLE:
        if wanted in ("*", method) and template.startswith(start):
            return names
    return ()


def check(granted: frozenset[str], roles: frozenset[str], method: str, template: str, body: Any) -> None:
    """Refuse what the application may not do.

    Args:
        granted: its application permissions; ``*`` stands for all of them.
        roles: Entra roles of its service principal, e.g. ``User Administrator``.

    Raises:
        GraphError: 403.
    """
    if method == "PATCH" and template == "/users/{id}" and isinstance(body, dict):
        _check_user_change(granted, roles, body)
        return
    if "*" not in granted and (names := required(method, template)) and not granted.intersection(names):
        raise access_denied() if drive_budgets.applies(template) else denied()


def _check_user_change(granted: frozenset[str], roles: frozenset[str], body: dict[str, Any]) -> None:
    names = set(body)
    if "passwordProfile" in names:
        # Permission and role both (user: update, 2026): a refusal of the password refuses the whole PATCH.
        if "*" not in granted and (not granted.intersection(_PASSWORD) or "User Administrator" not in roles):
            raise denied()
        names.discard("passwordProfile")
    if "accountEnabled" in names and granted.intersection(_ENABLE):
        names.discard("accountEnabled")
    if names and "*" not in granted and not granted.intersection(_WRITE_USER):
        raise denied()
