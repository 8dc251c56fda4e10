"""What an administrator does in a real Samba, and what the next observation shows of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.model import Evidence, Fields
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School
from bridge.ports import ConfigurationError, TokenLost
from connectors.active_directory import connect
from connectors.active_directory.mapping import file_time
from connectors.active_directory.wire import guid_text
from tests.connectors.active_directory.conftest import Watch, context, options_of

pytestmark = pytest.mark.samba
Start = Callable[..., Any]


@pytest.fixture
def server(samba_dc: Callable[..., SchoolServer], small_school: School) -> SchoolServer:
    return samba_dc(school=small_school)


def pupil(server: SchoolServer, number: int = 0) -> Any:
    present = [one for one in server.school.people if one.role == "pupil" and one.standing == "present"]
    return present[number]


def teacher(server: SchoolServer) -> Any:
    return next(one for one in server.school.people if one.role == "teacher")


async def same_as_a_listing(seen: Watch) -> None:
    """Following must lead to what a listing shows now."""
    listed = await Watch(seen.connector, seen.server).look(None)
    assert listed.records.keys() == seen.records.keys()
    for anchor, fields in seen.records.items():
        # A deleted member vanishes from its groups (with a recycle bin it stays in them), and no change of the group
        # says so: whoever follows knows that it is gone.
        theirs = listed.records[anchor]
        if "members" in fields:
            assert elements(fields) - seen.gone.keys() == elements(theirs) - seen.gone.keys()
        assert {**fields, "members": 0} == {**theirs, "members": 0}


def elements(fields: Fields) -> frozenset[str]:
    members = fields["members"]
    assert isinstance(members, frozenset)
    return members


async def test_nothing_changed(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    token = seen.token
    await seen.look()
    assert (seen.shown, seen.token, len(seen.pages)) == (set(), token, 1)


async def test_rename_disable_enable_move_inside(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    one = pupil(server)
    anchor, dn = seen.anchor(one.login), server.layout.person_dn(one)
    version = seen.versions[anchor]
    server.modify(dn, sn="Weiß", displayName="Anna Weiß")
    dn = server.rename(dn, "CN=Anna Weiß")
    await seen.look()
    assert seen.shown == {anchor}
    assert (seen.records[anchor]["surname"], seen.records[anchor]["display_name"]) == ("Weiß", "Anna Weiß")
    assert seen.versions[anchor] != version
    server.disable(dn)
    await seen.look()
    assert (seen.shown, seen.records[anchor]["enabled"]) == ({anchor}, False)
    server.modify(dn, userAccountControl="544")
    await seen.look()
    assert seen.records[anchor]["enabled"] is True
    before = seen.versions[anchor]
    server.move(dn, f"OU=10a,OU=Schueler,{server.layout.root}")
    await seen.look()
    assert seen.versions[anchor] == before  # a move changes no field here, so it is no new version
    await same_as_a_listing(seen)


async def test_out_of_scope_and_back(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    one = pupil(server)
    anchor, dn = seen.anchor(one.login), server.layout.person_dn(one)
    home = dn.partition(",")[2] if "\\," not in dn else server.layout.unit_ou(one)
    away = server.move(dn, f"CN=Users,{server.base}")
    await seen.look()
    assert (anchor in seen.outside, anchor in seen.gone) == (True, False)
    server.modify(away, description="still outside")
    await seen.look()
    assert anchor not in seen.records
    server.move(away, home)
    await seen.look()
    assert seen.of(one.login)["role"] == "pupil"
    await same_as_a_listing(seen)


async def test_the_scope_ou_is_renamed_and_moved(server: SchoolServer, watch: Start, reopened: Start) -> None:
    seen = await watch(server)
    people = dict(seen.records)
    parent = server.add({"dn": f"OU=Schulen,{server.base}", "objectClass": "organizationalUnit"})
    dn = server.rename(server.layout.root, "OU=Neuer Name")
    await seen.look()
    assert seen.records == people
    assert any("OU=Neuer Name" in warning and "kept" in warning for warning in seen.warnings)
    server.move(dn, parent)
    await seen.look()
    assert (seen.records, seen.outside) == (people, set())
    await (await reopened(seen)).look()  # after a restart the token still knows which OU is meant
    assert seen.records == people
    for _ in range(2):  # nothing changes any more, but the configuration is still to be corrected
        await seen.look()
        assert any("OU=Neuer Name" in warning and "kept" in warning for warning in seen.warnings)
    server.modify(server.dn_of(pupil(server).login), sn="Neu")
    await seen.look()
    assert seen.of(pupil(server).login)["surname"] == "Neu"


async def test_a_lost_token_does_not_lose_the_renamed_ou(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    server.rename(server.layout.root, "OU=Neuer Name")
    later = await connect(options_of(server), context(server, clock=lambda: datetime.now(UTC) + timedelta(days=400)))
    with pytest.raises(TokenLost, match="deletions"):
        await anext(later.observe(seen.token))
    listed = await Watch(later, server).look(None)
    await later.close()
    assert listed.records == seen.records


async def test_a_listing_after_a_restart_finds_the_renamed_ou_by_what_is_recalled(
    server: SchoolServer, watch: Start, reopened: Start
) -> None:
    seen = await watch(server)
    people = dict(seen.records)
    token = seen.token
    dn = server.rename(server.layout.root, "OU=Neuer Name")
    with pytest.raises(ConfigurationError, match="objectGUID"):
        await (await reopened(seen)).look(None)
    listed = await Watch((await reopened(seen)).connector, server).look(None, recall=token)
    assert listed.records == people
    assert any("OU=Neuer Name" in warning and "kept" in warning for warning in listed.warnings)
    # Somebody makes an empty OU of the old name: the people are still those of the OU that was meant.
    server.add({"dn": server.layout.root, "objectClass": "organizationalUnit"})
    # Another option changed meanwhile, so that the token itself is of another configuration: the OU is still known.
    other = await reopened(seen, default_role="staff")
    listed = await Watch(other.connector, server).look(None, recall=listed.token)
    assert listed.records.keys() >= people.keys()
    # The configuration is corrected: what was recalled is of the old name, and nobody misses it.
    corrected = await reopened(seen, scope={"ous": [dn]}, roles=[{"role": "pupil", "when": "true"}])
    listed = await Watch(corrected.connector, server).look(None, recall=token)
    assert listed.records.keys() >= people.keys()
    assert not any("Neuer Name" in warning for warning in listed.warnings)


@pytest.mark.parametrize("restart", [False, True])
async def test_an_ou_leaves_the_scope_and_comes_back(
    server: SchoolServer, watch: Start, reopened: Start, restart: bool
) -> None:
    seen = await watch(server)
    before = dict(seen.records)
    people = server.find("(sAMAccountType=805306368)", ("objectGUID",), f"OU=5a,OU=Schueler,{server.layout.root}")
    inside = before.keys() & {guid_text(entry.attributes["objectGUID"][0]) for entry in people}
    assert inside
    away = server.move(f"OU=5a,OU=Schueler,{server.layout.root}", server.base)
    if restart:
        seen = await reopened(seen)
    await seen.look()
    assert seen.outside == inside
    server.move(away, f"OU=Schueler,{server.layout.root}")
    if restart:
        seen = await reopened(seen)
    await seen.look()
    assert seen.records == before
    await same_as_a_listing(seen)


async def test_a_deleted_scope_ou_stops_everything(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server, scope={"ous": [f"OU=Lehrer,{server.layout.root}"]})
    server.delete_tree(f"OU=Lehrer,{server.layout.root}")
    with pytest.raises(ConfigurationError, match="restore it"):
        await seen.look()


@pytest.mark.parametrize("recycle_bin", [False, True])
async def test_delete_and_restore(
    samba_dc: Callable[..., SchoolServer], small_school: School, watch: Start, recycle_bin: bool
) -> None:
    server = samba_dc(school=small_school, recycle_bin=recycle_bin)
    seen = await watch(server)
    one = pupil(server)
    anchor, dn = seen.anchor(one.login), server.layout.person_dn(one)
    group = seen.anchor("klasse-5a")
    server.delete(dn)
    server.delete(server.layout.group_dn("klasse-5a"))
    await seen.look()
    assert seen.gone == {anchor: Evidence.DELETED, group: Evidence.DELETED}
    await same_as_a_listing(seen)
    if recycle_bin:
        return  # Samba 4.17 can't undelete there: it wants to remove an isRecycled that such an object does not have
    reanimate(server, anchor, dn)
    server.modify(dn, employeeNumber=one.reference, department=one.unit, givenName=one.given, sn=one.surname)
    await seen.look()
    assert anchor not in seen.gone
    assert seen.records[anchor]["source_anchor"] == one.reference


def reanimate(server: SchoolServer, anchor: str, dn: str) -> None:
    """Undelete an object (MS-ADTS 3.1.1.5.3.7)."""
    changes = {"isDeleted": [("MODIFY_DELETE", [])], "distinguishedName": [("MODIFY_REPLACE", [dn])]}
    controls = [("1.2.840.113556.1.4.417", True, None)]
    server.ldap.search(f"<GUID={anchor}>", "(objectClass=*)", "BASE", attributes=["1.1"], controls=controls)
    server.ldap.modify(server.ldap.response[0]["dn"], changes, controls=controls)


async def test_members_and_nested_groups(server: SchoolServer, watch: Start, reopened: Start) -> None:
    seen = await watch(server)
    one, other = pupil(server), pupil(server, 30)
    dn = server.layout.person_dn(one)
    server.remove_members(server.layout.group_dn("klasse-5a"), dn)
    server.add_members(server.layout.group_dn("klasse-6a"), dn)
    await seen.look()
    assert seen.shown == {seen.anchor("klasse-5a"), seen.anchor("klasse-6a")}
    assert seen.anchor(one.login) not in seen.of("klasse-5a")["members"]
    assert seen.anchor(one.login) in seen.of("klasse-6a")["members"]
    new = {"dn": server.layout.group_dn("kurs-neu"), "objectClass": "group", "sAMAccountName": "kurs-neu"}
    server.add({**new, "member": [server.layout.group_dn("klasse-6a"), server.layout.person_dn(other)]})
    await (await reopened(seen)).look()
    assert seen.of("kurs-neu")["members"] == {seen.anchor("klasse-6a"), seen.anchor(other.login)}
    await same_as_a_listing(seen)


@pytest.mark.parametrize("restart", [False, True])
async def test_owners_follow_the_teachers(server: SchoolServer, watch: Start, reopened: Start, restart: bool) -> None:
    seen = await watch(server)
    group, dn = server.layout.group_dn("klasse-5a"), server.layout.person_dn(teacher(server))
    owner = seen.anchor(teacher(server).login)
    assert not seen.of("klasse-5a")["owners"]
    server.add_members(group, dn)
    if restart:
        seen = await reopened(seen)
    await seen.look()
    assert seen.of("klasse-5a")["owners"] == {owner}
    server.move(dn, f"OU=Personal,{server.layout.root}")
    await seen.look()
    assert seen.records[owner]["role"] == "staff"
    assert not seen.of("klasse-5a")["owners"]
    await same_as_a_listing(seen)


@pytest.mark.parametrize("restart", [False, True])
async def test_roles_and_consent_by_nested_group(
    server: SchoolServer, watch: Start, reopened: Start, restart: bool
) -> None:
    said = {
        "consent": {"group": server.layout.group_dn("alle-schueler")},
        "roles": [{"role": "staff", "group": server.layout.group_dn("alle-lehrer")},
                  {"role": "pupil", "when": "attr.department"}],
    }  # fmt: skip
    seen = await watch(server, **said)
    one = pupil(server)
    assert seen.of(one.login)["consent"] is True
    server.remove_members(server.layout.group_dn("klasse-5a"), server.layout.person_dn(one))
    server.add_members(server.layout.group_dn("alle-lehrer"), server.layout.person_dn(pupil(server, 30)))
    if restart:
        seen = await reopened(seen, **said)
    await seen.look()
    assert seen.of(one.login)["consent"] is False
    assert seen.of(pupil(server, 30).login)["role"] == "staff"
    await same_as_a_listing(seen)


@pytest.mark.parametrize("restart", [False, True])
async def test_scope_by_group(server: SchoolServer, watch: Start, reopened: Start, restart: bool) -> None:
    said = {"scope": {"groups": [server.layout.group_dn("alle-schueler")]}}
    seen = await watch(server, **said)
    one, new = pupil(server), teacher(server)
    anchor = seen.anchor(one.login)
    server.remove_members(server.layout.group_dn("klasse-5a"), server.layout.person_dn(one))
    server.add_members(server.layout.group_dn("klasse-6a"), server.layout.person_dn(new))
    if restart:
        seen = await reopened(seen, **said)
    await seen.look()
    assert seen.outside == {anchor}
    assert seen.of(new.login)["role"] == "teacher"
    await same_as_a_listing(seen)


@pytest.mark.parametrize("restart", [False, True])
async def test_whoever_becomes_privileged_is_left_alone(
    server: SchoolServer, watch: Start, reopened: Start, restart: bool
) -> None:
    """Neither changed nor gone: no admin's account in the cloud is disabled or renamed because of it."""
    seen = await watch(server)
    one, dn = pupil(server), server.layout.person_dn(pupil(server))
    anchor, before = seen.anchor(one.login), seen.of(one.login)
    server.add_members(f"CN=Domain Admins,CN=Users,{server.base}", server.layout.group_dn("klasse-5a"))
    if restart:
        seen = await reopened(seen)
    await seen.look()
    server.modify(dn, sn="Chefin")
    await seen.look()
    assert (seen.records[anchor], anchor in seen.shown) == (before, False)
    assert any(anchor in warning and "privileged" in warning for warning in seen.warnings)
    listed = await Watch(seen.connector, server).look(None)
    assert anchor not in listed.shown
    assert anchor in {one for page in listed.pages for one in page.untold}  # so it is not MISSING
    server.delete(dn)
    await seen.look()
    assert anchor not in seen.gone  # although its tombstone says nothing of groups any more


async def test_whoever_stops_being_privileged_is_mirrored_again(
    server: SchoolServer, watch: Start, reopened: Start
) -> None:
    admins, dn = f"CN=Print Operators,CN=Builtin,{server.base}", server.layout.person_dn(pupil(server))
    server.add_members(admins, dn)
    seen = await watch(server)
    with pytest.raises(LookupError):
        seen.of(pupil(server).login)
    server.remove_members(admins, dn)
    await (await reopened(seen)).look()
    assert seen.of(pupil(server).login)["role"] == "pupil"


async def test_an_account_expires_without_any_change(server: SchoolServer, watch: Start) -> None:
    now = datetime.now(UTC)
    server.modify(server.layout.person_dn(pupil(server)), accountExpires=str(file_time(now + timedelta(hours=1))))
    moment = [now]
    seen = await watch(server, clock=lambda: moment[0])
    assert seen.of(pupil(server).login)["enabled"] is True
    moment[0] += timedelta(hours=2)
    await seen.look()
    assert seen.of(pupil(server).login)["enabled"] is False


async def test_a_token_used_again_shows_the_same_again(server: SchoolServer, watch: Start) -> None:
    """The state could not be written: what memory knows must not hide anything."""
    seen = await watch(server)
    token = seen.token
    server.move(f"OU=5a,OU=Schueler,{server.layout.root}", server.base)
    server.modify(server.layout.person_dn(teacher(server)), sn="Neu")
    first = (await seen.look()).shown
    assert (await seen.look(token)).shown >= first
    pages = seen.connector.observe(token)
    await anext(pages)
    await pages.aclose()
    assert (await seen.look(token)).shown >= first


async def test_hints_come_within_two_seconds(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    hints = seen.connector.hints()
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(1.5)
    assert not waiting.done()
    changed = time.monotonic()
    server.modify(server.layout.person_dn(pupil(server)), sn="Schnell")
    await asyncio.wait_for(waiting, 2)
    await seen.look()
    assert seen.of(pupil(server).login)["surname"] == "Schnell"
    assert time.monotonic() - changed < 2
    await hints.aclose()
