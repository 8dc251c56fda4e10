"""A full listing of a real Samba, against the seed it was filled from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ldap3
import pytest

from bridge.lab.entries import NEVER_MIRRORED
from bridge.lab.processes import Unavailable
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School
from bridge.ports import ConfigurationError, Finding
from connectors.active_directory import connect
from connectors.active_directory.session import Session
from connectors.active_directory.wire import equals_filter, guid_base, guid_text
from tests.connectors.active_directory.conftest import context, options_of

pytestmark = pytest.mark.samba


@pytest.fixture(scope="module")
def server(small_school: School) -> Iterator[SchoolServer]:
    """Read only: shared by the tests of this module."""
    try:
        running = SchoolServer.of(small_school, password="Geheim.123")
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield running
    running.stop()


@pytest.fixture
def session(server: SchoolServer) -> Iterator[Session]:
    made = Session(options_of(server), server.url, lambda: server.reader_password)
    yield made
    made.close()


async def test_a_full_listing_equals_the_seed(server: SchoolServer, watch: Callable[..., Any]) -> None:
    seen = await watch(server)
    people = {fields["source_anchor"]: fields for fields in seen.records.values() if "upn_base" in fields}
    present = {one.reference: one for one in server.school.people}
    assert people.keys() == present.keys()
    for reference, one in present.items():
        fields = people[reference]
        assert (fields["given_name"], fields["surname"], fields["display_name"]) == (
            one.given,
            one.surname,
            one.display,
        )
        assert (fields["login"], fields["role"]) == (one.login, one.role)
        assert fields["enabled"] is (one.standing == "present")
        assert fields["consent"] is (one.consent or one.role != "pupil")
        assert fields["upn_base"]
    anchors = {fields["source_anchor"]: anchor for anchor, fields in seen.records.items()}
    groups = {fields["nickname_base"]: fields for fields in seen.records.values() if "members" in fields}
    wanted = list(server.school.groups())
    assert len(groups) == len(wanted)
    for group in wanted:
        members = {anchors[one] for one in group.members} | {seen.anchor(name) for name in group.subgroups}
        assert groups[f"ssg-{group.name}"]["members"] == members
    assert [page.complete for page in seen.pages] == [False] * (len(seen.pages) - 1) + [True]
    assert all(page.listing for page in seen.pages)
    assert seen.warnings == []


async def test_nothing_privileged_is_shown_even_when_everything_is_in_scope(
    server: SchoolServer, watch: Callable[..., Any]
) -> None:
    everything = {
        "scope": {"ous": [server.base]}, "roles": [{"role": "pupil", "when": "true"}],
        "groups": [{"role": "class", "when": "true"}],
    }  # fmt: skip
    seen = await watch(server, **everything)
    never = {*NEVER_MIRRORED, "Administrator", "krbtgt", "Guest", "svc-schoolbridge", "DC1$", "Domain Admins", "Users",
             "Enterprise Admins", "Domain Users", "Administrators", "Backup Operators"} - {"svc-kopierer"}  # fmt: skip
    logins = {fields.get("login") for fields in seen.records.values() if "upn_base" in fields}
    names = {fields["nickname_base"] for fields in seen.records.values() if "members" in fields}
    assert not never & logins
    assert not {f"ssg-{name.lower().replace(' ', '-')}" for name in never} & names
    untouchable = "(|(adminCount=1)(isCriticalSystemObject=TRUE)(objectClass=computer))"
    shown = {
        guid_text(entry.attributes["objectGUID"][0]) for entry in server.find(untouchable, ("objectGUID",), server.base)
    }
    assert len(shown) > 20
    assert not seen.shown & shown
    assert "svc-kopierer" in logins  # an ordinary account where the school says everything


async def test_every_search_is_paged_and_the_pages_are_many(
    server: SchoolServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samba would also answer an unpaged search in full, Windows would not: so count what is sent."""
    sent: list[dict[str, Any]] = []
    original = ldap3.Connection.search

    def spy(self: Any, base: str, condition: str, **more: Any) -> Any:
        if more["search_scope"] == ldap3.SUBTREE:
            sent.append(more)
        return original(self, base, condition, **more)

    monkeypatch.setattr(ldap3.Connection, "search", spy)
    connector = await connect(options_of(server, page_size=10), context(server))
    pages = [page async for page in connector.observe(None)]
    await connector.close()
    assert sent
    assert all(one["paged_size"] and one["paged_size"] <= 100 for one in sent)
    assert all(one["paged_criticality"] for one in sent)
    assert max(len(page.observations) for page in pages) <= 30
    assert sum(len(page.observations) for page in pages[:9]) >= 70
    # a page after the first carries the cookie that came with the one before
    assert len([one for one in sent if one["paged_cookie"]]) >= 7


async def test_members_in_ranges(server: SchoolServer, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samba cuts members only when asked to: ask for them in parts, and let the session complete them."""
    ((group,), _) = session.search(server.layout.group_dn("ganztag"), "(objectClass=*)", ["member"])
    whole = group.values["member"]
    assert len(whole) == 60
    ((part,), _) = session.search(guid_base(group.guid), "(objectClass=*)", ["member;range=0-6"])
    assert list(part.values) == ["member;range=0-6"]
    before = session.requests
    assert sorted(session.completed(part).values["member"]) == sorted(whole)
    assert session.requests == before + 1
    # Windows gives at most 1,500 however much is asked for: here every answer is cut to 7.
    search = Session.search

    def cut(self: Session, base: str, condition: str, attributes: list[str], **more: Any) -> Any:
        if attributes[0].startswith("member;range="):
            first = int(attributes[0].split("=")[1].split("-")[0])
            attributes = [f"member;range={first}-{first + 6}"]
        return search(self, base, condition, attributes, **more)

    monkeypatch.setattr(Session, "search", cut)
    before = session.requests
    assert sorted(session.completed(part).values["member"]) == sorted(whole)
    assert session.requests == before + 8


async def test_scope_by_group_follows_nested_groups(server: SchoolServer, watch: Callable[..., Any]) -> None:
    group = server.layout.group_dn("alle-schueler")
    seen = await watch(server, scope={"groups": [group]})
    logins = {fields["login"] for fields in seen.records.values() if "upn_base" in fields}
    assert logins == {one.login for one in server.school.people if one.role == "pupil" and one.standing == "present"}


async def test_places_may_be_guids_and_overlap(
    server: SchoolServer, watch: Callable[..., Any], session: Session
) -> None:
    ((ou,), _) = session.search(f"OU=Lehrer,{server.layout.root}", "(objectClass=*)", ["1.1"])
    only = await watch(server, scope={"ous": [ou.guid, ou.dn]})
    assert sum("upn_base" in fields for fields in only.records.values()) == 8
    all_but = await watch(server, scope={"ous": [server.layout.root, ou.guid], "exclude_ous": [ou.guid]})
    assert {fields["role"] for fields in all_but.records.values() if "upn_base" in fields} == {"pupil", "staff"}


async def test_a_place_that_is_not_there_is_no_empty_school(server: SchoolServer) -> None:
    connector = await connect(options_of(server, scope={"ous": ["OU=Nirgends"]}), context(server))
    with pytest.raises(ConfigurationError, match=r"expected the OU OU=Nirgends .* objectGUID"):
        await anext(connector.observe(None))
    await connector.close()


async def test_owners_are_the_teachers_among_the_members(server: SchoolServer, watch: Callable[..., Any]) -> None:
    seen = await watch(server)
    teachers = {anchor for anchor, fields in seen.records.items() if fields["role"] == "teacher"}
    unified = [fields for fields in seen.records.values() if fields.get("unified")]
    assert any(fields["owners"] for fields in unified)
    for fields in unified:
        assert fields["owners"] == fields["members"] & teachers


async def test_check_finds_what_is_there(server: SchoolServer) -> None:
    connector = await connect(options_of(server), context(server))
    found: dict[str, Finding] = {}
    for finding in await connector.check():
        found.setdefault(finding.subject, finding)
    await connector.close()
    assert found["certificate"].ok
    assert found["deleted objects"].ok
    assert found["clock"].ok
    assert found["attributes"].ok
    assert found["devices"].numbers == {"computers": 1}  # the lab's PC; the domain controller is none of the devices
    assert found["people"].found == "60 pupil, 3 staff, 8 teacher" or found["people"].found.startswith("62 pupil")
    assert found["privileged"].found.startswith("2 ")  # the lab's administrator and group of administrators


async def test_computers_are_told_of_the_domain_or_of_the_ous_that_are_named(server: SchoolServer) -> None:
    ou = f"OU=Rechner,{server.layout.root}"
    for ous, names in (((), ["PC-R101"]), ((ou,), ["PC-R101"]), ((f"OU=Klassen,{server.layout.root}",), [])):
        connector = await connect(options_of(server, computers=ous), context(server))
        port = connector.capabilities.devices
        assert port is not None
        if names:
            found = await port.devices()
            assert [one.name for one in found] == names
            assert found[0].sid.startswith("S-1-5-21-")
        else:
            with pytest.raises(ConfigurationError, match="Klassen"):
                await port.devices()
        await connector.close()


async def test_check_names_an_attribute_that_does_not_exist(server: SchoolServer) -> None:
    connector = await connect(options_of(server, reference_attribute="emploeeNumber"), context(server))
    found = [finding for finding in await connector.check() if finding.ok is False]
    await connector.close()
    assert [(one.found, one.remedy) for one in found] == [
        ("emploeeNumber does not exist in this directory", "Did you mean employeeNumber?")
    ]


async def test_check_says_how_to_grant_deleted_objects(server: SchoolServer) -> None:
    pupil = server.school.people[0]
    said = options_of(server, account=f"{pupil.login}@{server.layout.domain}")
    connector = await connect(said, replace_secret(server, "Geheim.123"))
    found = {finding.subject: finding for finding in await connector.check()}
    await connector.close()
    assert found["deleted objects"].ok is None
    assert "dsacls" in found["deleted objects"].remedy
    assert "docs/connect/active_directory.md" in found["deleted objects"].remedy


def replace_secret(server: SchoolServer, password: str) -> Any:
    return replace(context(server), secret=lambda reference: password.encode())


def test_a_member_filter_finds_names_with_special_characters(server: SchoolServer, session: Session) -> None:
    teacher = next(one for one in server.school.people if one.role == "teacher")
    dn = server.layout.person_dn(teacher)
    assert "\\," in dn
    found = session.all(f"(&(objectClass=group){equals_filter('member', dn)})", ["cn"])
    assert "alle-lehrer" in {entry.text("cn") for entry in found}
