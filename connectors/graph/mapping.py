"""Canonical fields to Graph properties and back. Pure.

Users carry the source anchor and the school's mark in two extension attributes (``onPremisesExtensionAttributes``,
writable for cloud-only users). Groups have no such attributes; their alternate key ``uniqueName``
(``sb-<school>-<anchor>``, immutable, unique in the tenant) says both, and makes a second creation impossible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.core.model import Fields, Value
from connectors.graph.directory_url import literal
from connectors.graph.extensions import EXTENSION, get, put
from connectors.graph.marks import ASIDE, CLAIMED, PARKED, anchor_of
from connectors.graph.options import EXTENSIONS, Options

#: Kind field -> Graph property of what Graph calls by another name.
USER = {
    "display_name": "displayName",
    "given_name": "givenName",
    "surname": "surname",
    "enabled": "accountEnabled",
    "upn": "userPrincipalName",
    "usage_location": "usageLocation",
}
GROUP = {"display_name": "displayName", "description": "description", "mail_nickname": "mailNickname"}

#: What an attribute of a school's YAML may become: properties that are data about the person, no rights, no phone
#: or mail address by which a password could be reset. (An app can never write aboutMe, interests, skills ... anyway.)
WRITABLE = frozenset(EXTENSIONS) | {
    "city", "companyName", "country", "department", "employeeId", "employeeType", "faxNumber", "jobTitle",
    "officeLocation", "postalCode", "preferredLanguage", "state", "streetAddress", "ageGroup",
    "consentProvidedForMinor",
}  # fmt: skip

#: Longest value of a property (Graph: resource types user and group). A longer one is refused, never cut.
LONGEST = {
    "displayName": 256, "givenName": 64, "surname": 64, "userPrincipalName": 113, "mailNickname": 64, "jobTitle": 128,
    "department": 64, "companyName": 64, "employeeId": 16, "city": 128, "country": 128, "state": 128,
    "streetAddress": 1024, "postalCode": 40, "officeLocation": 128, "faxNumber": 64,
    "description": 1024, **dict.fromkeys(EXTENSIONS, 1024),
}  # fmt: skip

USER_SELECT = (
    "id", "accountEnabled", "displayName", "givenName", "surname", "userPrincipalName", "usageLocation",
    "assignedLicenses", EXTENSION, "employeeId", "onPremisesSyncEnabled", "userType", "lastPasswordChangeDateTime",
)  # fmt: skip
GROUP_SELECT = (
    "id", "displayName", "description", "groupTypes", "mailEnabled", "mailNickname", "securityEnabled", "uniqueName",
    "onPremisesSyncEnabled", "members",
)  # fmt: skip

#: What no text of the documentation has ever forbidden in a mail nickname; some of them forbid the dot.
_NO_NICKNAME = re.compile(r"[^A-Za-z0-9'_!#^~-]")


def camel(name: str) -> str:
    """``job_title`` -> ``jobTitle``; ``extension_attribute3`` -> ``extensionAttribute3``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


@dataclass(frozen=True, slots=True)
class Body:
    """What to send: ``properties``, and the fields that were left out with the reason."""

    properties: Mapping[str, Any]
    refused: Mapping[str, str] = field(default_factory=dict)


class Names:
    """The mapping of one school."""

    def __init__(self, options: Options, school: str, attributes: Iterable[str] = ()) -> None:
        """``attributes``: the user fields that the school's YAML adds. ValueError when one is not writable."""
        self.school = options.school_code or school
        self._own = {self.school, PARKED + self.school}
        self._options = options
        self._user = dict(USER)
        for name in attributes:
            if name in self._user or name in {"source_anchor", "licenses"}:
                continue
            target = options.properties.get(name, camel(name))
            if target not in WRITABLE or target in {options.mark, options.anchor}:
                raise ValueError(
                    f"attribute {name}: {target} is not a property of users that the bridge writes; "
                    f"one of {', '.join(sorted(WRITABLE - {options.mark, options.anchor}))} (see `properties`)"
                )
            self._user[name] = target
        self._domains = {domain.casefold() for domain in options.domains}

    @property
    def user_select(self) -> tuple[str, ...]:
        """Properties to ask for of users. Extension attributes can only be selected together."""
        own = tuple(target for target in self._user.values() if target not in EXTENSIONS)
        return tuple(dict.fromkeys((*USER_SELECT, *own)))

    @property
    def look_select(self) -> tuple[str, ...]:
        """The same where it is looked for everybody with a source anchor: a claim's age counts (see ``claims``)."""
        return (*self.user_select, "createdDateTime")

    # --- to Graph ---------------------------------------------------------------------------------------------------

    def user(self, fields: Fields) -> Body:
        """The changed plain fields of a user. Empty means null; too long is refused.

        A source anchor among them marks a user that was there before us as this school's.
        """
        body = self._body(fields, self._user)
        if key := fields.get("source_anchor"):
            properties = dict(body.properties)
            self._mark(properties, str(key))
            return Body(properties, body.refused)
        return body

    def group(self, fields: Fields) -> Body:
        """The changed plain fields of a group."""
        return self._body(fields, GROUP)

    def new_user(self, fields: Fields, *, key: str, password: str, claim: bool = False) -> Body:
        """Everything that creates a user; with ``claim`` disabled, and only claimed for this school.

        ValueError when a field that Graph insists on is missing.
        """
        body = self._body(fields, self._user)
        upn = str(fields.get("upn") or "")
        if "@" not in upn or not fields.get("display_name"):
            raise ValueError("a new user needs `upn` and `display_name`")
        if not key:
            raise ValueError("a new user needs a source anchor, or it could be made twice")
        if upn.rpartition("@")[2].casefold() not in self._domains:
            raise ValueError(
                f"the login does not end in one of this school's domains: {', '.join(sorted(self._domains))}"
            )
        if self._options.anchor == "employeeId" and len(key) > LONGEST["employeeId"]:
            raise ValueError("the source anchor is longer than the 16 characters of employeeId; set `anchor`")
        properties = {name: value for name, value in body.properties.items() if value is not None}
        properties.setdefault("accountEnabled", True)
        properties["mailNickname"] = _NO_NICKNAME.sub("_", upn.rpartition("@")[0])[:64]
        properties["passwordProfile"] = {"password": password, "forceChangePasswordNextSignIn": True}
        self._mark(properties, key)
        if claim:
            properties["accountEnabled"] = False
            self._put_mark(properties, CLAIMED + self.school)
        return Body(properties, body.refused)

    def new_group(self, fields: Fields) -> Body:
        """Everything that creates a group but its members and owners. ValueError when a field is missing."""
        body = self._body(fields, GROUP)
        if not fields.get("display_name") or not fields.get("mail_nickname"):
            raise ValueError("a new group needs `display_name` and `mail_nickname`")
        properties = {name: value for name, value in body.properties.items() if value is not None}
        unified = bool(fields.get("unified"))
        properties |= {
            "groupTypes": ["Unified"] if unified else [],
            "mailEnabled": unified,
            "securityEnabled": not unified,
        }
        if unified:
            properties["visibility"] = "Private"  # Graph's own default is Public
        return Body(properties, body.refused)

    def _mark(self, properties: dict[str, Any], key: str) -> None:
        self.own(properties)
        put(properties, self._options.anchor, key)

    def _body(self, fields: Fields, names: Mapping[str, str]) -> Body:
        properties: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, value in fields.items():
            target = names.get(name)
            if target is None:
                continue
            longest = LONGEST.get(target)
            if isinstance(value, str) and longest is not None and len(value) > longest:
                refused[name] = (
                    f"Longer than the {longest} characters that {target} may have. Shorten it at the school."
                )
                continue
            put(properties, target, _outward(value))
        return Body(properties, refused)

    # --- from Graph -------------------------------------------------------------------------------------------------

    def user_fields(self, entity: Mapping[str, Any], skus: Mapping[str, str]) -> dict[str, Value]:
        """The fields of a user as Graph shows it. ``skus``: SKU id -> part number of those that are managed."""
        fields: dict[str, Value] = {}
        for name, target in self._user.items():
            value = get(entity, target)
            if value not in (None, ""):
                fields[name] = value if isinstance(value, bool) else str(value)
        if key := self.user_key(entity):
            fields["source_anchor"] = key
        if changed := entity.get("lastPasswordChangeDateTime"):
            fields["cloud_password_set"] = str(changed)
        held = frozenset(
            skus[found["skuId"].lower()]
            for found in entity.get("assignedLicenses") or ()
            if found.get("skuId", "").lower() in skus
        )
        if held:
            fields["licenses"] = held
        return fields

    def group_fields(self, entity: Mapping[str, Any]) -> dict[str, Value]:
        """The plain fields of a group that are in the answer; a null is an empty field."""
        fields: dict[str, Value] = {name: entity[target] for name, target in GROUP.items() if target in entity}
        if "groupTypes" in entity:
            fields["unified"] = "Unified" in (entity["groupTypes"] or ())
        if key := anchor_of(self.school, entity.get("uniqueName")):
            fields["source_anchor"] = key
        return fields

    def marked(self, entity: Mapping[str, Any]) -> bool:
        """Whether a user carries our mark."""
        return get(entity, self._options.mark) in self._own

    def user_key(self, entity: Mapping[str, Any]) -> str | None:
        """The source anchor that a user carries, if it carries our mark or was claimed by us."""
        if not self.marked(entity) and not self.claimed(entity):
            return None
        found = get(entity, self._options.anchor)
        return str(found) if found else None

    def user_bar(self, entity: Mapping[str, Any]) -> str | None:
        """Why a user may not be touched by us; None when it may. The word is a cause of ``Failed``."""
        if entity.get("onPremisesSyncEnabled"):
            return "synced"
        if entity.get("userType") not in (None, "Member"):
            return "guest"
        mark = get(entity, self._options.mark)
        if mark:
            return None if mark in self._own else "foreign"
        domain = str(entity.get("userPrincipalName") or "").rpartition("@")[2].casefold()
        return None if self._options.candidates != "none" and domain in self._domains else "foreign"

    def group_bar(self, entity: Mapping[str, Any]) -> str | None:
        """Why a group may not be touched by us; None when it may."""
        if entity.get("onPremisesSyncEnabled"):
            return "synced"
        types = entity.get("groupTypes") or ()
        if "DynamicMembership" in types:
            return "dynamic"
        if entity.get("mailEnabled") and "Unified" not in types:
            return "foreign"  # distribution and mail-enabled security groups are read-only in Graph
        name = entity.get("uniqueName")
        if name and str(name).startswith("sb-"):
            return None if anchor_of(self.school, name) else "foreign"
        return None if self._options.candidates == "users_and_groups" else "foreign"

    def holder(self, entity: Mapping[str, Any]) -> str:
        """The mark that a user carries; empty without one."""
        return str(get(entity, self._options.mark) or "")

    def claimed(self, entity: Mapping[str, Any]) -> bool:
        """Whether we began to make this account and have not enabled it yet."""
        return self.holder(entity) == CLAIMED + self.school

    def anchor(self, entity: Mapping[str, Any]) -> str:
        """The source anchor that a user carries, whoever's it is; empty without one."""
        return str(get(entity, self._options.anchor) or "")

    def aside(self) -> dict[str, Any]:
        """What sets an account aside that we began to make: no anchor, and nobody's mark."""
        properties: dict[str, Any] = {}
        put(properties, self._options.anchor, None)
        self._put_mark(properties, ASIDE + self.school)
        return properties

    def park(self, properties: dict[str, Any]) -> None:
        """Mark a user as one that another school may take over."""
        self._put_mark(properties, PARKED + self.school)

    def own(self, properties: dict[str, Any]) -> None:
        """Mark a user as this school's, neither parked nor only claimed."""
        self._put_mark(properties, self.school)

    def _put_mark(self, properties: dict[str, Any], mark: str) -> None:
        # A copy: the extension attributes may be shared with another body.
        properties[EXTENSION] = dict(properties.get(EXTENSION) or {})
        put(properties, self._options.mark, mark)

    def anchor_filter(self, key: str) -> str:
        """The condition that finds a user by its source anchor."""
        name = self._options.anchor
        path = f"{EXTENSION}/{name}" if name in EXTENSIONS else name
        return f"{path} eq {literal(key)}"


def _outward(value: Value) -> Any:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or None
    return None if value == "" else value
