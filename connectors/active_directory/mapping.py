"""Pure: what the directory says of a person or group → the fields of the kinds ``user`` and ``group``.

1. Whoever is privileged, a computer, a service of the system or the bridge itself is never mapped.
2. The first role rule that matches gives role and licences; nobody matched, not mirrored.
3. Every other field is an expression over the attributes, the school's own where the options give one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bridge.core.model import Fields, Value
from connectors.active_directory.options import GROUP_DEFAULTS, USER_DEFAULTS, Options, Rule
from connectors.active_directory.terms import compile_rule
from connectors.active_directory.wire import Entry, extended_name, guid_text, name_parts, ou_names
from connectors.expression import Expression, ExpressionError

NORMAL_ACCOUNT, DISABLED = 0x200, 0x2  # userAccountControl, MS-ADTS 2.2.16
_OTHER_ACCOUNTS = 0x800 | 0x1000 | 0x2000 | 0x4000000  # trusts, workstations, domain controllers, read-only ones
_NEVER_AT = 2_500_000_000_000_000_000  # accountExpires beyond the year 9500; "never" is 0x7FFFFFFFFFFFFFFF
_FIRST_OWN_RID = 1000  # below it are the accounts and groups every domain has (MS-DTYP 2.4.2.4)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
UNVERSIONED = "school_password_set"

#: Holds the source anchor where there is no reference attribute, as 16 bytes, as Entra Connect does.
CONSISTENCY_GUID = "mS-DS-ConsistencyGuid"
_ALWAYS = ("adminCount", "isCriticalSystemObject", "objectClass", CONSISTENCY_GUID)
_USER_ALWAYS = (*_ALWAYS, "userAccountControl", "accountExpires", "primaryGroupID", "pwdLastSet")
_GROUP_ALWAYS = (*_ALWAYS, "managedBy")


class Skipped(StrEnum):
    """Why an object is not mirrored."""

    PRIVILEGED = "privileged"  # never touched; what is known of it stays as it is
    UNMATCHED = "unmatched"  # no rule matches: out of scope
    BROKEN = "broken"  # an expression fails on it


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an object is judged against.

    ``places``: configured OU → name parts of where it stands now. ``circles``: configured group → objectGUIDs of all
    members, nested ones too. ``protected``: objectGUIDs of privileged groups and all their members.
    """

    now: datetime
    account_sid: str = ""
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    circles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()
    guids: Mapping[str, str] = field(default_factory=dict)
    """Configured place → objectGUID."""


class _Attributes(Mapping[str, Any]):
    """Attributes by name, ignoring case: the first value as text, or all; empty where there is none."""

    __slots__ = ("_all", "_entry")

    def __init__(self, entry: Entry, *, every: bool) -> None:
        self._entry = entry
        self._all = every

    def __getitem__(self, name: str) -> Any:
        values = tuple(_text(value) for value in self._entry.values.get(name.lower(), ()))
        return values if self._all else values[0] if values else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._entry.values)

    def __len__(self) -> int:
        return len(self._entry.values)


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return extended_name(text)[2] if text.startswith("<GUID=") else text


def version_of(fields: Fields) -> str:
    """A digest of the fields: the same on every domain controller, changed exactly when one of the fields is.

    uSNChanged and whenChanged are a domain controller's own and also move for logons and attributes nobody mirrors.
    When a password was set does not count: it is only shown, and must not make a write of another field stale.
    """
    parts = [f"{name}={_canonical(value)}" for name, value in sorted(fields.items()) if name != UNVERSIONED]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def _canonical(value: Value) -> str:
    return "\1".join(sorted(value)) if isinstance(value, frozenset) else repr(value)


class FieldMapping:
    """The rules of the options, compiled once. ``extra``: kind → field → expression of the school's allow-list."""

    def __init__(self, options: Options, school: str, extra: Mapping[str, Mapping[str, str]]) -> None:
        self._options = options
        self._school = school
        self._user = _compiled({**USER_DEFAULTS, **options.user_fields, **extra.get("user", {})})
        self._group = _compiled({**GROUP_DEFAULTS, **options.group_fields, **extra.get("group", {})})
        asking: list[Rule] = [*options.roles, *([options.consent] if options.consent else [])]
        self._when = _compiled({rule.when: rule.when for rule in (*asking, *options.groups) if rule.when})
        reference = [options.reference_attribute] if options.reference_attribute else []
        self.user_attributes = _wanted(_USER_ALWAYS, reference, [*self._user.values(), *self._conditions(asking)])
        self.group_attributes = _wanted(
            _GROUP_ALWAYS, reference, [*self._group.values(), *self._conditions(options.groups)]
        )

    def _conditions(self, rules: Sequence[Rule]) -> list[Expression]:
        return [self._when[rule.when] for rule in rules if rule.when]

    def user(self, entry: Entry, around: Surroundings) -> Fields | Skipped:
        """The fields of a person, or why there are none. Raises ExpressionError when an expression fails on it."""
        if untouchable(entry, around) or not entry.number("userAccountControl") & NORMAL_ACCOUNT:
            return Skipped.PRIVILEGED
        scope = self._scope(entry)
        matched = next((rule for rule in self._options.roles if self._matches(rule, entry, scope, around)), None)
        role = matched.role if matched else self._options.default_role
        if role is None:
            return Skipped.UNMATCHED
        scope["role"] = role
        fields: dict[str, Value] = {name: _value(name, expression(scope)) for name, expression in self._user.items()}
        fields["source_anchor"] = self.source_anchor(entry)
        fields["sid"] = entry.sid
        fields["role"] = role
        fields["licenses"] = frozenset(matched.licenses if matched else ())
        fields["enabled"] = _enabled(entry, around.now)
        fields["consent"] = self._consents(role, entry, scope, around)
        fields["usage_location"] = self._options.usage_location
        if moment := moment_of(entry.number("pwdLastSet")):
            fields[UNVERSIONED] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        return fields

    def group(self, entry: Entry, around: Surroundings, roles: Mapping[str, str]) -> Fields | Skipped:
        """The fields of a group with its direct members, or why there are none. ``roles``: objectGUID → role."""
        if untouchable(entry, around):
            return Skipped.PRIVILEGED
        scope = self._scope(entry)
        rule = next((rule for rule in self._options.groups if self._matches(rule, entry, scope, around)), None)
        if rule is None or rule.role == "none":
            return Skipped.UNMATCHED
        scope["role"] = rule.role
        members = frozenset(members_of(entry))
        fields: dict[str, Value] = {name: _value(name, expression(scope)) for name, expression in self._group.items()}
        fields["source_anchor"] = self.source_anchor(entry)
        fields["sid"] = entry.sid
        fields["role"] = rule.role
        fields["unified"] = rule.unified
        fields["members"] = members
        fields["owners"] = frozenset()
        for source in rule.owners if rule.unified else ():
            owners = {one for one in members if roles.get(one) in rule.owner_roles}
            if source == "managed_by":
                owners = {extended_name(entry.text("managedBy"))[0]} - {""}
            if owners:
                fields["owners"] = frozenset(owners)
                break
        else:
            if rule.unified and rule.fallback_owner:
                fields["owners"] = frozenset({around.guids[rule.fallback_owner]})
        return fields

    def owner_roles(self) -> frozenset[str]:
        """The roles whose members may own a group; empty when no rule asks."""
        rules = (rule for rule in self._options.groups if rule.unified and "members" in rule.owners)
        return frozenset(role for rule in rules for role in rule.owner_roles)

    def _scope(self, entry: Entry) -> dict[str, Any]:
        return {
            "attr": _Attributes(entry, every=False), "values": _Attributes(entry, every=True), "role": "",
            "ou": ou_names(entry.dn), "dn": entry.dn, "school": self._school,
        }  # fmt: skip

    def source_anchor(self, entry: Entry) -> str:
        """What makes a person or group the same in the cloud: reference, else consistency GUID, else its own."""
        reference = self._options.reference_attribute
        told = entry.text(reference).strip() if reference else ""
        consistent = entry.values.get(CONSISTENCY_GUID.lower(), ())
        if not told and consistent and len(consistent[0]) == 16:
            told = guid_text(consistent[0])
        return told or entry.guid

    def _matches(self, rule: Rule, entry: Entry, scope: Mapping[str, Any], around: Surroundings) -> bool:
        if rule.ou and not below(entry, around.places[rule.ou]):
            return False
        if rule.group and entry.guid not in around.circles[rule.group]:
            return False
        return rule.when is None or bool(self._when[rule.when](scope))

    def _consents(self, role: str, entry: Entry, scope: Mapping[str, Any], around: Surroundings) -> bool:
        rule = self._options.consent
        return rule is None or role not in rule.roles or self._matches(rule, entry, scope, around)


def _compiled(fields: Mapping[str, str]) -> dict[str, Expression]:
    return {name: compile_rule(text) for name, text in fields.items()}


def _wanted(always: Sequence[str], more: Sequence[str], expressions: Sequence[Expression]) -> tuple[str, ...]:
    names = {name.lower(): name for name in (*always, *more)}
    for expression in expressions:
        names.update({name.lower(): name for name in expression.read_from("attr") | expression.read_from("values")})
    return tuple(sorted(names.values()))


def _value(name: str, value: Any) -> Value:
    if value in (None, "", ()):
        return None
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (tuple, list)):
        return frozenset(str(one) for one in value)
    raise ExpressionError(f"field {name}: expected a text, number, flag or list, found {type(value).__name__}")


def below(entry: Entry, place: tuple[str, ...]) -> bool:
    """Whether the object stands below (or is) the place."""
    return name_parts(entry.dn)[: len(place)] == place


_NO_PERSON = frozenset({"computer", "msds-managedserviceaccount", "msds-groupmanagedserviceaccount"})


def untouchable(entry: Entry, around: Surroundings) -> bool:
    """Whether an object must never be mirrored, whatever the configuration says."""
    classes = entry.classes()
    own_rid = int(entry.sid.rpartition("-")[2] or 0) if entry.sid else _FIRST_OWN_RID
    return (
        entry.number("adminCount") > 0
        or entry.text("isCriticalSystemObject").upper() == "TRUE"
        or own_rid < _FIRST_OWN_RID
        or entry.guid in around.protected
        or entry.sid == around.account_sid
        or bool(classes & _NO_PERSON)
        or bool(entry.number("userAccountControl") & _OTHER_ACCOUNTS)
        or (entry.number("primaryGroupID") in PROTECTED_RIDS)
    )


#: Groups of the domain whose members are privileged: Domain Admins, Controllers, Schema and Enterprise Admins, Policy
#: Creator Owners, Read-only Controllers, Key Admins, Enterprise Key Admins (MS-DTYP 2.4.2.4; MS-ADTS 3.1.1.6.1.1.2).
PROTECTED_RIDS = (512, 516, 518, 519, 520, 521, 526, 527)
#: The same in the builtin domain: Administrators, Account, Server, Print, Backup Operators, Replicator.
PROTECTED_BUILTIN = ("S-1-5-32-544", "S-1-5-32-548", "S-1-5-32-549", "S-1-5-32-550", "S-1-5-32-551", "S-1-5-32-552")


def members_of(entry: Entry) -> list[str]:
    """objectGUIDs of a group's direct members, people and groups."""
    return [guid for value in entry.values.get("member", ()) if (guid := extended_name(value.decode())[0])]


def _enabled(entry: Entry, now: datetime) -> bool:
    if entry.number("userAccountControl") & DISABLED:
        return False
    expires = entry.number("accountExpires")  # 100 ns since 1601; 0 and the largest number mean never
    return expires == 0 or expires >= _NEVER_AT or _EPOCH + timedelta(microseconds=expires // 10) > now


def moment_of(ticks: int) -> datetime | None:
    """A time in 100 ns since 1601; None for 0: a password that has to be changed at the next logon."""
    return _EPOCH + timedelta(microseconds=ticks // 10) if 0 < ticks < _NEVER_AT else None


def file_time(moment: datetime) -> int:
    """A moment as accountExpires counts it."""
    return int((moment - _EPOCH) / timedelta(microseconds=1)) * 10
