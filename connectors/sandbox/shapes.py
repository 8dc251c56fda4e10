"""How education resources are made of the tenant's entries, and which properties they have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import GraphError, bad_request
from connectors.sandbox.properties import NESTED, nested_matches

_ENUMS = {"primaryRole": ("student", "teacher", "none"), "externalSource": ("sis", "manual")}


def check_value(name: str, value: object) -> None:
    """Raise 400 for a value of the wrong type, and for what an application cannot set."""
    if name == "relatedContacts":
        right = isinstance(value, list) and all(nested_matches(name, part) for part in value)
    elif name in NESTED:
        right = value is None or nested_matches(name, value)
    elif name in _ENUMS:
        right = value in _ENUMS[name] if isinstance(value, str) else value is None and name != "primaryRole"
    else:
        # displayName is the one text that the metadata does not let be null.
        right = isinstance(value, str) or (value is None and name != "displayName")
    if not right or name == "createdBy":
        raise bad_request(f"Invalid value specified for property '{name}'.")


@dataclass(frozen=True, slots=True)
class Shape:
    """How an education resource is made of an entry: ``base`` from its properties, ``own`` from its education facet."""

    name: str
    kind: str
    base: tuple[str, ...]
    own: tuple[str, ...]
    required: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All properties of the resource."""
        return (*self.base, *self.own)

    def belongs(self, entry: Entry) -> bool:
        """Whether an entry is one of these: every user, but only groups that are classes."""
        return self.name != "classes" or entry.education is not None

    def render(self, entry: Entry, names: Iterable[str] | None = None) -> dict[str, Any]:
        """The entry as this resource, null where unset."""
        facet = entry.education or {}
        result: dict[str, Any] = {"id": entry.id}
        for name in self.names if names is None else names:
            value = facet.get(name) if name in self.own else entry.properties.get(name)
            if value is None and name in ("businessPhones", "assignedLicenses", "relatedContacts"):
                value = []
            elif value is None and name == "primaryRole":
                value = "none"  # not nullable in the metadata
            result[name] = value
        return result

    def render_set(self, entry: Entry, names: tuple[str, ...]) -> dict[str, Any]:
        """For delta: without what was never set."""
        held = entry.properties.keys() | (entry.education or {}).keys() | {"id"}
        return {name: value for name, value in self.render(entry, names).items() if name in held}

    def check(self, names: Iterable[str]) -> None:
        """Raise 400 for a property that the resource does not have."""
        for name in names:
            if name not in self.names and name != "id":
                raise GraphError(400, "BadRequest", f"Could not find a property named '{name}' on '{self.name}'.")

    def split(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A request body as base properties and education facet."""
        values = {name: value for name, value in body.items() if "@odata." not in name and name != "id"}
        self.check(name for name in values if name != "passwordProfile")
        for name, value in values.items():
            if name in self.own or self.kind == "school":
                check_value(name, value)
        facet = {name: value for name, value in values.items() if name in self.own}
        return {name: value for name, value in values.items() if name not in facet}, facet


USERS = Shape(
    "users", "user",
    ("accountEnabled", "assignedLicenses", "businessPhones", "department", "displayName", "givenName", "mail",
     "mailNickname", "mobilePhone", "officeLocation", "passwordPolicies", "preferredLanguage", "showInAddressList",
     "surname", "usageLocation", "userPrincipalName", "userType"),
    ("createdBy", "externalSource", "externalSourceDetail", "mailingAddress", "middleName", "onPremisesInfo",
     "primaryRole", "relatedContacts", "residenceAddress", "student", "teacher"),
    (),
)  # fmt: skip
CLASSES = Shape(
    "classes", "group",
    ("description", "displayName", "mailNickname"),
    ("classCode", "course", "createdBy", "externalId", "externalName", "externalSource", "externalSourceDetail",
     "grade", "term"),
    ("displayName", "mailNickname"),
)  # fmt: skip
SCHOOLS = Shape(
    "schools", "school",
    ("address", "createdBy", "description", "displayName", "externalId", "externalPrincipalId", "externalSource",
     "externalSourceDetail", "fax", "highestGrade", "lowestGrade", "phone", "principalEmail", "principalName",
     "schoolNumber"),
    (),
    ("displayName",),
)  # fmt: skip
