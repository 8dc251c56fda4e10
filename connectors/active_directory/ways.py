"""Pure: which attribute a field is written to, and why a field can't be.

1. What the options say (``writeback.attributes``), 2. the attribute that its expression reads and nothing else
(``attr.X``, ``values.X``), 3. for the expressions that are the defaults, the attribute that a person would change.
Whether the field then shows what was wanted is asked of the mapping afterwards: these are only the ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.core.kinds import KINDS, Field, Where, equal
from bridge.core.model import Fields, Value
from connectors.active_directory.mapping import CONSISTENCY_GUID
from connectors.active_directory.options import GROUP_DEFAULTS, USER_DEFAULTS, Options
from connectors.active_directory.wire import guid_bytes, is_canonical
from connectors.active_directory.writeback import NEVER_BY_RULE

_PLAIN = re.compile(r"\s*(?:attr|values)\.([A-Za-z]\w*)\s*")
_NATURAL = {
    "user": {"display_name": "displayName", "given_name": "givenName", "surname": "sn", "login": "sAMAccountName"},
    "group": {"display_name": "displayName", "description": "description"},
}
#: Attributes that are a part of the object's name, or the directory's own.
_NOT_WRITTEN = frozenset({"cn", "name", "distinguishedname", "objectguid", "objectsid", "whencreated", "whenchanged"})


class Ways:
    """How the fields of one kind are written. ``extra``: field → expression of the school's allow-list."""

    def __init__(self, options: Options, kind: str, extra: Mapping[str, str]) -> None:
        user = kind == "user"
        defaults, own = (USER_DEFAULTS, options.user_fields) if user else (GROUP_DEFAULTS, options.group_fields)
        back = options.writeback
        named = (back.attributes if user else back.group_attributes) if back else {}
        self._kind = KINDS[kind]
        self._reference = options.reference_attribute
        self._expressions = {**defaults, **own, **extra}
        self._attributes: dict[str, str] = {}
        for name, text in self._expressions.items():
            plain = _PLAIN.fullmatch(text)
            found = plain[1] if plain else _NATURAL[kind].get(name) if text == defaults.get(name) else None
            # The one exception: the login is checked before it is written.
            allowed = name == "login" or not found or found.lower() not in NEVER_BY_RULE
            if found and allowed and found.lower() not in _NOT_WRITTEN:
                self._attributes[name] = found
        self._attributes.update(named)

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes that may be written, to be read before."""
        return tuple(sorted(set(self._attributes.values())))

    def values(self, fields: Fields) -> dict[str, list[bytes]]:
        """Attribute → values for those fields that have a way."""
        return {self._attributes[name]: encoded(value) for name, value in fields.items() if name in self._attributes}

    def key(self, key: str) -> dict[str, list[bytes]]:
        """Where the source anchor of a new object is kept. Raises ValueError, for a person, where it can't be."""
        if not key:
            raise ValueError("it has no source anchor, so that it could be made twice")
        # The attribute of a school's reference is usually one that only people have.
        if is_canonical(key) and not (self._reference and self._kind.name == "user"):
            return {CONSISTENCY_GUID: [guid_bytes(key)]}
        if self._reference:
            return {self._reference: [key.encode()]}
        raise ValueError(
            f"its source anchor is no GUID and there is no attribute for it, so that it could be made twice. "
            f"Set `reference_attribute` to the attribute that holds the {self._kind.name}'s reference"
        )

    def refused(self, wanted: Fields, shown: Fields) -> dict[str, str]:
        """Of the fields that were to be written those that do not show it, with the reason and what to do."""
        return {
            name: self._why(name)
            for name, value in wanted.items()
            if not self._elsewhere(name) and not equal(self._column(name), value, shown.get(name))
        }

    def _column(self, name: str) -> Field:
        return next((column for column in self._kind.fields if column.name == name), Field(name))

    def _elsewhere(self, name: str) -> bool:
        return self._column(name).where is Where.CLOUD

    def _why(self, name: str) -> str:
        if name in ("licenses", "role", "consent", "usage_location", "unified"):
            rule = {"consent": "`consent`", "usage_location": "`usage_location`"}.get(
                name, "the rules (`roles`, `groups`)"
            )
            return f"{name} is no attribute of the directory: it follows from {rule} of the school's YAML."
        if name == "enabled":
            return (
                "enabled: the account stays disabled, because its date of expiry has passed or it has no password that "
                "the directory accepts. Correct the date (accountExpires), or set a password."
            )
        if name == "source_anchor":
            return (
                "source_anchor is written when an account or group is made and never again. Correct it at the school."
            )
        expression = self._expressions.get(name)
        if expression is None:
            return f"{name}: the directory has no such field. Leave it out of the fields that the cloud may own."
        if name in self._attributes:
            return (
                f"{name} was written to {self._attributes[name]}, but it is read as `{expression}`, which shows "
                f"something else. Read it as `attr.{self._attributes[name]}`, or name another one under `writeback`."
            )
        return (
            f"{name} is read as `{expression}`, which can't be turned round. Name the attribute that it is written to "
            f"under `writeback.{'attributes' if self._kind.name == 'user' else 'group_attributes'}`."
        )


def encoded(value: Value | list[str] | tuple[str, ...]) -> list[bytes]:
    """A value as the directory keeps it; nothing for nothing."""
    if isinstance(value, bool):
        return [b"TRUE" if value else b"FALSE"]
    if isinstance(value, (frozenset, list, tuple)):
        return [str(one).encode() for one in sorted(value)]
    return [str(value).encode()] if value not in (None, "") else []
