"""The rules of writing, without a server: what may be configured, which attribute a field goes to, where people go."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.ports import ConfigurationError
from connectors.active_directory import Options
from connectors.active_directory.notes import Notes, notes_of
from connectors.active_directory.placement import Placement
from connectors.active_directory.scope import Place, check_limbo
from connectors.active_directory.ways import Ways
from connectors.active_directory.wire import Entry, escaped, is_canonical, name_parts, split_name
from connectors.active_directory.writeback import Writeback

GUID = "11111111-2222-3333-4444-555555555555"


def options(**changes: Any) -> Options:
    said: dict[str, Any] = {
        "servers": ["ldaps://dc1"], "account": "a@b", "password": "env:P", "scope": {"ous": ["OU=Schule"]},
        "roles": [{"role": "pupil"}], "writeback": {"limbo": "OU=Limbo"},
    }  # fmt: skip
    return Options(**{**said, **changes})


@pytest.mark.parametrize(
    ("back", "told"),
    [
        ({}, "limbo"),
        ({"limbo": "OU=Schule"}, "OU of its own"),
        ({"limbo": "OU=Limbo", "people": [{"ou": "OU=Limbo"}]}, "counts as deleted"),
        ({"limbo": "OU=Limbo", "attributes": {"surname": "unicodePwd"}}, "never written by a rule"),
        (
            {"limbo": "OU=Limbo", "people": [{"ou": "OU=S", "attributes": {"adminCount": "1"}}]},
            "never written by a rule",
        ),
        ({"limbo": "OU=Limbo", "people": [{"ou": "OU=S", "when": "attr.sn"}]}, "attr"),
        ({"limbo": "OU=Limbo", "members_of": [{"parent": "OU=S", "name": "group.x | uper"}]}, "uper"),
    ],
)
def test_rules_that_can_not_be(back: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        options(writeback=back)


def test_a_rule_about_a_field_that_is_none_is_refused_at_once() -> None:
    back = Writeback(limbo="OU=Limbo", people=({"ou": "OU=S", "when": "user.klasse == '5a'"},))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"user\.klasse.*display_name"):
        Placement(back, "0123", {})
    Placement(back, "0123", {"user": {"klasse": "attr.department"}})


def test_the_first_rule_that_matches_and_what_it_gives() -> None:
    rules = [
        {"when": "user.upn | regex_match('.*@lehrer')", "ou": "OU=L"},
        {"ou": "OU=S", "attributes": {"homeDirectory": "'//srv/' ~ user.login", "info": "user.surname"}},
    ]
    placement = Placement(Writeback(limbo="OU=Limbo", people=rules), "0123", {})  # type: ignore[arg-type]
    teacher, pupil = placement.place("user", {"upn": "a@lehrer.x"}), placement.place("user", {"login": "anna"})
    assert teacher is not None
    assert pupil is not None
    assert (teacher.ou, pupil.ou) == ("OU=L", "OU=S")
    assert placement.given("user", pupil, {"login": "anna"}) == {"homeDirectory": [b"//srv/anna"]}
    assert placement.place("group", {"display_name": "AG"}) is None


def test_the_way_of_a_field() -> None:
    extra = {"room": "attr.roomNumber", "phones": "values.otherTelephone", "title": "attr.title | upper"}
    given = options(
        writeback={"limbo": "OU=Limbo", "attributes": {"title": "title"}}, user_fields={"surname": "attr.cn"}
    )
    ways = Ways(given, "user", extra)
    fields = {"display_name": "Jörg", "given_name": None, "room": "5", "title": "Dr.", "surname": "Groß"}
    assert ways.values({**fields, "phones": frozenset({"2", "1"}), "upn": "x", "enabled": True}) == {
        "displayName": ["Jörg".encode()], "givenName": [], "roomNumber": [b"5"], "title": [b"Dr."],
        "otherTelephone": [b"1", b"2"],
    }  # fmt: skip
    shown = {"display_name": "Jörg", "room": "5", "title": "DR.", "surname": "anna"}
    refused = ways.refused({**fields, "upn": "x", "nonsense": "x"}, shown)
    assert refused.keys() == {"title", "surname", "nonsense"}
    assert "shows something else" in refused["title"]
    assert "can't be turned round" in refused["surname"]


def test_what_gives_power_has_no_way_whatever_is_read_from_it() -> None:
    given = options(user_fields={"surname": "attr.sAMAccountName", "login": "attr.sAMAccountName"})
    ways = Ways(given, "user", {"spn": "values.servicePrincipalName", "flags": "attr.userAccountControl"})
    fields = {"surname": "x", "login": "anna", "spn": frozenset({"http/x"}), "flags": "512"}
    assert ways.values(fields) == {"sAMAccountName": [b"anna"]}


@pytest.mark.parametrize("limbo", ["ou=schule,DC=x", "DC=x"])
def test_a_limbo_around_the_school_is_refused_however_it_is_written(limbo: str) -> None:
    given = options(writeback={"limbo": limbo})
    places = {limbo: Place(limbo, GUID, limbo), "OU=Schule": Place("OU=Schule", GUID, "OU=Schule,DC=x")}
    with pytest.raises(ConfigurationError, match="count as deleted"):
        check_limbo(given, places, "DC=x")
    inside = Place(limbo, GUID, "OU=Limbo,OU=Schule,DC=x")
    check_limbo(given, {**places, limbo: inside}, "DC=x")


def test_where_the_key_is_kept() -> None:
    plain = options()
    referring = options(reference_attribute="employeeNumber")
    assert Ways(plain, "user", {}).key(GUID).keys() == {"mS-DS-ConsistencyGuid"}
    assert Ways(referring, "user", {}).key(GUID) == {"employeeNumber": [GUID.encode()]}
    assert Ways(referring, "group", {}).key(GUID).keys() == {"mS-DS-ConsistencyGuid"}
    for key in ("", "R123", f"{{{GUID}}}", GUID.replace("-", "")):
        assert not is_canonical(key)
        with pytest.raises(ValueError, match="made twice"):
            Ways(plain, "user", {}).key(key)


def test_notes_are_read_as_they_were_written_among_those_of_others() -> None:
    notes = Notes(GUID, "Weiß: Anna", enabled=True, groups=("a", "b"))
    entry = Entry(GUID, "", "CN=a", {"extensionname": [b"somebody else's", *notes.values()]})
    assert notes_of(entry) == notes


@pytest.mark.parametrize("name", ["anna", "Weiß, Anna", " x ", "#1", 'a"+<b>;=\\', "a,b\\"])
def test_a_name_is_escaped_and_split_again(name: str) -> None:
    dn = f"CN={escaped(name)},OU=5a,DC=x"
    assert split_name(dn) == (f"CN={escaped(name)}", "OU=5a,DC=x")
    assert len(name_parts(dn)) == 3
