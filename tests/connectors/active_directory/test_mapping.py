"""Attributes → fields, without a directory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.ports import ConfigurationError
from connectors.active_directory.mapping import FieldMapping, Skipped, Surroundings, file_time, version_of
from connectors.active_directory.options import Options
from connectors.active_directory.wire import Entry, name_parts

NOW = datetime(2026, 9, 1, tzinfo=UTC)
SID = "S-1-5-21-1-2-3"
SCHOOL = "OU=Schule,DC=schule,DC=lab"
GUID = "11111111-2222-3333-4444-555555555555"


def options(**changes: Any) -> Options:
    said = {
        "servers": ["ldaps://dc1.schule.lab"], "account": "a@b", "password": "env:X", "scope": {"ous": [SCHOOL]},
        "roles": [
            {"role": "teacher", "ou": f"OU=Lehrer,{SCHOOL}", "licenses": ["T"]},
            {"role": "staff", "group": "CN=Personal,DC=lab"},
            {"role": "pupil", "when": "attr.department | regex_match('^[0-9]+[a-z]$')", "licenses": ["P", "Q"]},
        ],
        "groups": [
            {"role": "none", "when": "attr.cn == 'intern'"},
            {"role": "class", "when": "attr.cn | regex_match('^klasse-')", "unified": True, "fallback_owner": GUID},
        ],
    }  # fmt: skip
    return Options(**{**said, **changes})


def around(**changes: Any) -> Surroundings:
    said: dict[str, Any] = {
        "now": NOW, "account_sid": f"{SID}-1102", "places": {f"OU=Lehrer,{SCHOOL}": name_parts(f"OU=Lehrer,{SCHOOL}")},
        "circles": {"CN=Personal,DC=lab": frozenset()}, "guids": {GUID: GUID},
    }  # fmt: skip
    return Surroundings(**{**said, **changes})


def entry(dn: str = f"CN=Jörg,OU=5a,{SCHOOL}", *, rid: int = 1500, guid: str = GUID, **values: Any) -> Entry:
    said = {"objectClass": ["top", "person", "user"], "userAccountControl": "512", "department": "5a",
            "givenName": "Jörg", "sn": "Groß-Öz", "cn": "Jörg", "sAMAccountName": "joerg", **values}  # fmt: skip
    raw = {
        name.lower(): [one if isinstance(one, bytes) else one.encode() for one in (v if isinstance(v, list) else [v])]
        for name, v in said.items()
    }
    return Entry(guid, f"{SID}-{rid}", dn, raw)


def mapped(found: Entry, where: Surroundings | None = None, **changes: Any) -> Any:
    return FieldMapping(options(**changes), "ssg", {}).user(found, where or around())


def test_a_pupil() -> None:
    assert mapped(entry()) == {
        "display_name": "Jörg Groß-Öz", "given_name": "Jörg", "surname": "Groß-Öz", "login": "joerg",
        "upn_base": "joerg.gross-oez", "source_anchor": GUID, "role": "pupil", "licenses": frozenset({"P", "Q"}),
        "enabled": True, "consent": True, "usage_location": "DE", "sid": "S-1-5-21-1-2-3-1500",
    }  # fmt: skip


def test_the_first_rule_that_matches_wins_and_nobody_else_is_mirrored() -> None:
    assert mapped(entry(f"CN=J,OU=Lehrer,{SCHOOL}"))["role"] == "teacher"
    assert mapped(entry(), around(circles={"CN=Personal,DC=lab": frozenset({GUID})}))["role"] == "staff"
    assert mapped(entry(department="EF")) is Skipped.UNMATCHED
    assert mapped(entry(department="EF"), default_role="guest")["role"] == "guest"
    assert mapped(entry(department="EF"), default_role="guest")["licenses"] == frozenset()
    assert mapped(entry(rf"CN=J\,OU=Lehrer,{SCHOOL}", department="EF")) is Skipped.UNMATCHED


def test_source_anchor_is_the_reference_or_the_guid() -> None:
    assert mapped(entry(employeeNumber=" R12 "), reference_attribute="employeeNumber")["source_anchor"] == "R12"
    assert mapped(entry(employeeNumber=" "), reference_attribute="employeeNumber")["source_anchor"] == GUID
    assert mapped(entry(), reference_attribute="employeeNumber")["source_anchor"] == GUID


@pytest.mark.parametrize(
    ("values", "enabled"),
    [
        ({}, True),
        ({"userAccountControl": "514"}, False),
        ({"accountExpires": "0"}, True),
        ({"accountExpires": str(0x7FFFFFFFFFFFFFFF)}, True),
        ({"accountExpires": str(file_time(NOW - timedelta(seconds=1)))}, False),
        ({"accountExpires": str(file_time(NOW + timedelta(seconds=1)))}, True),
    ],
)
def test_enabled(values: dict[str, str], enabled: bool) -> None:
    assert mapped(entry(**values))["enabled"] is enabled


@pytest.mark.parametrize(
    "privileged",
    [
        entry(adminCount="1"),
        entry(isCriticalSystemObject="TRUE"),
        entry(rid=500),
        entry(rid=502),
        entry(rid=1102),  # the bridge's own
        entry(objectClass=["top", "user", "computer"], userAccountControl="4096"),
        entry(objectClass=["top", "user", "computer", "msDS-GroupManagedServiceAccount"], userAccountControl="4096"),
        entry(userAccountControl=str(0x200 | 0x800)),
        entry(userAccountControl="0"),
        entry(primaryGroupID="512"),
        entry(guid="99999999-2222-3333-4444-555555555555"),  # nested in a protected group
    ],
)
def test_never_mirrored_whatever_the_configuration_says(privileged: Entry) -> None:
    where = around(protected=frozenset({"99999999-2222-3333-4444-555555555555"}))
    open_to_all = {"roles": [{"role": "pupil", "when": "true"}], "default_role": "pupil"}
    assert mapped(privileged, where, **open_to_all) is Skipped.PRIVILEGED
    assert mapped(entry(), where, **open_to_all)["role"] == "pupil"


def test_consent_is_asked_of_its_roles_only() -> None:
    consent = {"consent": {"when": "attr.employeeType == 'ja'", "roles": ["pupil"]}}
    assert mapped(entry(), **consent)["consent"] is False
    assert mapped(entry(employeeType="ja"), **consent)["consent"] is True
    assert mapped(entry(f"CN=J,OU=Lehrer,{SCHOOL}"), **consent)["consent"] is True


def group(name: str, *members: str, **values: Any) -> Entry:
    said = [f"<GUID={one}>;<SID=S-1>;CN=x,DC=lab" for one in members]
    return entry(f"CN={name},{SCHOOL}", rid=1600, cn=name, objectClass=["top", "group"], member=said, **values)


def test_groups() -> None:
    mapping = FieldMapping(options(), "GSS Köln", {})
    one, two, boss = (f"{n}1111111-2222-3333-4444-555555555555" for n in (2, 3, 4))
    found = mapping.group(group("klasse-5a", one, two), around(), {two: "teacher"})
    assert found == {
        "display_name": "klasse-5a", "description": None, "nickname_base": "gss-koeln-klasse-5a", "source_anchor": GUID,
        "role": "class", "unified": True, "members": frozenset({one, two}), "owners": frozenset({two}),
        "sid": "S-1-5-21-1-2-3-1600", "login": "joerg",
    }  # fmt: skip
    led = group("klasse-5a", one, managedBy=f"<GUID={boss}>;CN=Chef,DC=lab")
    assert mapping.group(led, around(), {})["owners"] == frozenset({boss})  # type: ignore[index]
    assert mapping.group(group("klasse-5a", one), around(), {})["owners"] == frozenset({GUID})  # type: ignore[index]
    assert mapping.group(group("intern"), around(), {}) is Skipped.UNMATCHED
    assert mapping.group(group("anderes"), around(), {}) is Skipped.UNMATCHED
    assert mapping.group(group("klasse-5a", adminCount="1"), around(), {}) is Skipped.PRIVILEGED


def test_own_expressions_and_extra_attributes_decide_what_is_asked_for() -> None:
    mapping = FieldMapping(
        options(user_fields={"display_name": "attr.sn ~ ', ' ~ attr.initials"}), "ssg",
        {"user": {"phones": "values.otherTelephone", "grade": "attr.department", "logo": "attr.thumbnail"}},
    )  # fmt: skip
    assert {"initials", "otherTelephone", "department", "thumbnail", "adminCount", "pwdLastSet"} <= set(
        mapping.user_attributes
    )
    assert not {"displayName", "memberOf", "unicodePwd", "mail"} & set(mapping.user_attributes)
    fields = mapping.user(entry(initials="J", otherTelephone=["1", "2"], thumbnail=b"\xff\xd8"), around())
    assert not isinstance(fields, Skipped)
    assert fields["display_name"] == "Groß-Öz, J"
    assert fields["phones"] == frozenset({"1", "2"})
    assert fields["logo"] == "ffd8"


def test_when_the_password_was_set_is_shown_but_makes_no_write_stale() -> None:
    fields = mapped(entry(pwdLastSet="134085852317654321"))
    assert fields["school_password_set"] == "2025-11-25T23:00:31Z"
    assert version_of(fields) == version_of(mapped(entry()))
    assert "school_password_set" not in mapped(entry(pwdLastSet="0"))


def test_version_changes_with_the_fields_only() -> None:
    one, same, other = (mapped(entry(**more)) for more in ({}, {"uSNChanged": "99"}, {"sn": "Neu"}))
    assert version_of(one) == version_of(same) != version_of(other)
    members = [f"{n}" for n in range(9)]
    assert version_of({"m": frozenset(members)}) == version_of({"m": frozenset(reversed(members))})


def test_what_could_never_be_followed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="memberOf can't be used"):
        FieldMapping(options(), "ssg", {"user": {"groups": "values.memberOf"}})
