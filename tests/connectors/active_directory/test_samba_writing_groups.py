"""Groups, members, the OUs of classes and the limbo, on a real Samba by a delegated account."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bridge.core.model import Action, Evidence, Fields
from bridge.lab.seed import draw_school
from bridge.ports import Outcome, Write
from connectors.active_directory.notes import ATTRIBUTE as NOTES
from connectors.active_directory.session import Session
from tests.connectors.active_directory.conftest import SMALL
from tests.connectors.active_directory.writing import (
    WrittenSchool,
    delegate,
    done,
    failed,
    limbo_of,
    pupil,
)

pytestmark = pytest.mark.samba


async def group(
    school: WrittenSchool, action: Action, anchor: str | None, fields: Fields | None = None, **more: Any
) -> Outcome:
    return await school.write(action, anchor, fields, kind="group", **more)


async def new_group(school: WrittenSchool, login: str, name: str, *members: str, **fields: Any) -> Outcome:
    said = {"display_name": name, "description": "Neu", "login": login, **fields}
    key = str(uuid.uuid5(uuid.NAMESPACE_DNS, login))
    return await group(school, Action.CREATE, None, said, key=key, added={"members": frozenset(members)})


def a_class(school: WrittenSchool, number: int = 0) -> str:
    """The anchor of a class."""
    classes = sorted(key for key, fields in school.watch.records.items() if fields.get("role") == "class")
    return classes[number]


def members(school: WrittenSchool, anchor: str) -> set[str]:
    (found,) = school.server.find("(objectClass=*)", ("member",), f"<GUID={anchor}>")
    return {dn.decode() for dn in found.attributes.get("member", ())}


async def test_a_new_group_with_members_is_seen_and_made_once(made: Callable[..., Any]) -> None:
    school = await made()
    anna, otto = pupil(school, 0)[0], pupil(school, 1)[0]
    outcome = done(await new_group(school, "ag-neu", "AG Neu", anna, otto))
    assert not outcome.refused
    assert members(school, outcome.anchor) == {school.dn(anna), school.dn(otto)}
    assert school.text(outcome.anchor, "groupType") == "-2147483646"
    again = done(await new_group(school, "ag-neu", "AG Neu", anna, otto))
    assert again.adopted
    assert again.anchor == outcome.anchor
    await school.watch.look()
    assert school.watch.versions[outcome.anchor] == again.version
    assert school.watch.records[outcome.anchor]["members"] == frozenset({anna, otto})
    other = await group(school, Action.CREATE, None, {"display_name": "AG", "login": "AG-NEU"}, key=str(uuid.uuid4()))
    failed(other, "name_taken")
    keyless = await group(school, Action.CREATE, None, {"display_name": "AG", "login": "ag-x"}, key="")
    assert "made twice" in failed(keyless, "invalid")


async def test_members_are_written_one_value_each_whoever_writes_meanwhile(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await made()
    people = [pupil(school, number)[0] for number in range(6)]
    anchor = done(await new_group(school, "ag-neu", "AG Neu", *people[:2])).anchor
    sent: list[Any] = []
    original = Session.send

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        if not sent:  # somebody does a part of the same, and something else
            school.server.add_members(school.dn(anchor), school.dn(people[2]), school.dn(people[5]))
            school.server.remove_members(school.dn(anchor), school.dn(people[0]))
        sent.append(arguments)
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", send)
    outcome = await group(
        school, Action.UPDATE, anchor,
        added={"members": frozenset(people[2:5])}, removed={"members": frozenset(people[:1])},
    )  # fmt: skip
    assert not done(outcome).unknown
    assert members(school, anchor) == {school.dn(one) for one in people[1:]}
    assert len(sent) == 2, "refused once by Samba, then what is left"


async def test_six_hundred_members_go_in_requests_of_five_hundred(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await made()
    ou = f"OU=5a,OU=Schueler,{school.server.layout.root}"
    for number in range(600):
        school.server.add({
            "dn": f"CN=v{number},{ou}", "objectClass": "user", "sAMAccountName": f"v{number}", "department": "5a",
            "userAccountControl": "544",
        })  # fmt: skip
    await school.watch.look()
    many = frozenset(school.watch.anchor(f"v{number}") for number in range(600))
    sent: list[int] = []
    original = Session.send

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        if verb == "modify" and "member" in arguments[1]:
            sent.append(sum(len(values) for _, values in arguments[1]["member"]))
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", send)
    anchor = done(await new_group(school, "ag-viele", "AG Viele", *many)).anchor
    assert sent == [500, 100]
    assert len(members(school, anchor)) == 600


async def test_members_that_are_not_there_for_the_bridge_are_named(made: Callable[..., Any]) -> None:
    school = await made()
    anna, otto = pupil(school, 0)[0], pupil(school, 1)[0]
    (admin,) = school.server.find("(sAMAccountName=adm-schule)", ("objectGUID",))
    privileged = str(uuid.UUID(bytes_le=admin.attributes["objectGUID"][0]))
    done(await school.write(Action.DELETE, otto))
    gone = str(uuid.uuid4())
    outcome = done(await new_group(school, "ag-neu", "AG Neu", anna, otto, privileged, gone))
    assert outcome.unknown == {"members": frozenset({otto, privileged, gone})}
    assert members(school, outcome.anchor) == {school.dn(anna)}


async def test_owners_are_refused_where_they_do_not_follow(made: Callable[..., Any]) -> None:
    school = await made()
    anchor = a_class(school)
    teacher = next(key for key, fields in school.watch.records.items() if fields.get("role") == "teacher")
    refused = done(await group(school, Action.UPDATE, anchor, added={"owners": frozenset({pupil(school)[0]})})).refused
    assert "managedBy" in refused["owners"]
    both = {"members": frozenset({teacher}), "owners": frozenset({teacher})}
    outcome = done(await group(school, Action.UPDATE, anchor, added=both))
    assert not outcome.refused, "a teacher among the members is an owner"
    await school.watch.look()
    assert school.watch.versions[anchor] == outcome.version


async def test_who_comes_into_a_class_is_moved_into_its_ou_first(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await made()
    anchor = a_class(school)
    unit = str(school.watch.records[anchor]["display_name"]).removeprefix("Klasse ")
    people = [pupil(school, number)[0] for number in range(60)]
    movers = [one for one in people if f"OU={unit}," not in school.dn(one)][:3]
    steps: list[str] = []
    original = Session.send

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        steps.append(verb)
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", send)
    outcome = done(await group(school, Action.UPDATE, anchor, added={"members": frozenset(movers)}))
    assert not outcome.refused
    assert steps == ["modify_dn", "modify_dn", "modify_dn", "modify"], "the membership is the commit"
    assert all(f",OU={unit},OU=Schueler," in school.dn(one) for one in movers)
    steps.clear()
    done(await group(school, Action.UPDATE, anchor, added={"members": frozenset(movers)}))
    assert steps == []
    done(await group(school, Action.UPDATE, anchor, removed={"members": frozenset(movers[:1])}))
    assert f",OU={unit},OU=Schueler," in school.dn(movers[0]), "who leaves a class stays where he is"


@pytest.mark.parametrize("create", [False, True])
async def test_the_ou_of_a_class_that_is_not_there(made: Callable[..., Any], create: bool) -> None:
    root = "OU=Sophie-Scholl-Gesamtschule Altwörth"
    rule = {"parent": f"OU=Schueler,{root}", "name": "group.display_name | replace('Klasse ', '')", "create": create}
    school = await made(writeback={"members_of": [rule]})
    anna = pupil(school)[0]
    before = school.dn(anna)
    outcome = done(await new_group(school, "klasse-11x", "Klasse 11x", anna))
    assert members(school, outcome.anchor) == {school.dn(anna)}
    if create:
        assert not outcome.refused
        assert ",OU=11x,OU=Schueler," in school.dn(anna)
    else:
        assert "create: true" in outcome.refused["ou"]
        assert school.dn(anna) == before


# --- the limbo ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [True, False])
async def test_a_retired_person_lies_in_the_limbo_and_comes_back_with_everything(
    made: Callable[..., Any], samba_dc: Any, inside: bool
) -> None:
    server = samba_dc(school=draw_school(1, SMALL))
    delegate(server)
    root = server.layout.root.removesuffix(f",{server.base}")
    scope = {"ous": [root]} if inside else {"ous": [f"OU={one},{root}" for one in ("Schueler", "Lehrer", "Gruppen")]}
    groups = [{"role": "class", "when": "attr.cn | regex_match('klasse-')", "unified": True}]
    # A group that is not mirrored: nobody but the limbo's own notes can bring that membership back.
    school = await made(server, scope=scope, groups=groups)
    anchor, _ = pupil(school)
    secret = server.layout.group_dn("drucker")
    server.add({"dn": secret, "objectClass": "group", "sAMAccountName": "drucker", "groupType": "-2147483646",
                "member": [school.dn(anchor)]})  # fmt: skip
    before, dn = around(school, anchor), school.dn(anchor)
    assert secret in before
    await school.watch.look()
    done(await school.write(Action.DELETE, anchor, expected=school.watch.versions[anchor]))
    assert school.dn(anchor).endswith(limbo_of(server))
    assert school.text(anchor, "userAccountControl") == "514"
    assert around(school, anchor) == set(), "it gives no access to anything any more"
    await school.watch.look()
    assert school.watch.gone[anchor] is Evidence.DELETED
    listed = await school.watch.look(None)
    assert anchor not in listed.records
    removals = [one for page in listed.pages for one in page.removals]
    assert [one.evidence for one in removals if one.anchor == anchor] == [Evidence.DELETED]
    done(await school.write(Action.DELETE, anchor))
    failed(await school.write(Action.UPDATE, anchor, {"display_name": "Nein"}), "gone")
    outcome = done(await school.write(Action.RESTORE, anchor, {"display_name": "Wieder da"}))
    assert outcome.anchor == anchor
    assert school.dn(anchor) == dn
    assert around(school, anchor) == before
    assert school.text(anchor, "userAccountControl") == "512"
    assert school.text(anchor, NOTES) is None
    await school.watch.look()
    assert school.watch.records[anchor]["display_name"] == "Wieder da"
    assert school.watch.versions[anchor] == outcome.version
    again = done(await school.write(Action.RESTORE, anchor, {"enabled": True}))
    assert again.version == outcome.version


def around(school: WrittenSchool, anchor: str) -> set[str]:
    (found,) = school.server.find("(objectClass=*)", ("memberOf",), f"<GUID={anchor}>")
    return {dn.decode() for dn in found.attributes.get("memberOf", ())}


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
async def test_a_retirement_and_a_return_cut_off_anywhere_are_finished(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    school = await made()
    anchor, _ = pupil(school)
    before, dn = around(school, anchor), school.dn(anchor)
    assert len(before) >= 2
    for action, there in ((Action.DELETE, False), (Action.RESTORE, True)):
        sent, original = [0], Session.send

        def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
            answer = original(self, verb, *arguments, **more)  # noqa: B023 - called in this turn
            sent[0] += 1  # noqa: B023
            if sent[0] == cut:  # noqa: B023
                raise ConnectionAbortedError("cut off")
            return answer

        monkeypatch.setattr(Session, "send", send)
        with contextlib.suppress(ConnectionAbortedError):
            await school.write(action, anchor)
        assert sent[0] >= min(cut, 4), "it was cut off where it should"
        monkeypatch.undo()
        outcome = done(await school.write(action, anchor))
        assert outcome.anchor == anchor
        assert (school.dn(anchor) == dn) is there
        assert around(school, anchor) == (before if there else set())
    assert school.text(anchor, "userAccountControl") == "512"


async def test_somebody_moved_into_and_out_of_the_limbo_by_hand(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, _ = pupil(school)
    above = school.dn(anchor).partition(",")[2]
    school.server.move(school.dn(anchor), limbo_of(school.server))
    await school.watch.look()
    assert school.watch.gone[anchor] is Evidence.DELETED
    school.server.move(school.dn(anchor), above)
    await school.watch.look()
    assert anchor in school.watch.records


async def test_a_namesake_in_the_limbo_is_in_nobodys_way(made: Callable[..., Any]) -> None:
    school = await made()
    one, two = pupil(school, 0)[0], pupil(school, 30)[0]
    names = [school.server.rename(school.dn(each), "CN=Anna Weiß") for each in (one, two)]
    assert names[0] != names[1]
    await school.watch.look()
    for each in (one, two):
        done(await school.write(Action.DELETE, each))
    for each, name in zip((one, two), names, strict=True):
        done(await school.write(Action.RESTORE, each))
        assert school.dn(each) == name


async def test_who_is_made_anew_while_in_the_limbo_is_brought_back(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, person = pupil(school)
    done(await school.write(Action.DELETE, anchor))
    outcome = done(await school.create("neuer.name", key=person.reference, display_name="Wieder da"))
    assert outcome.adopted
    assert outcome.anchor == anchor
    assert school.text(anchor, "sAMAccountName") == person.login
    assert school.text(anchor, "userAccountControl") == "512"


async def test_an_ou_that_is_gone_is_replaced_by_the_rules(made: Callable[..., Any]) -> None:
    school = await made()
    ou = f"OU=Weg,OU=Schueler,{school.server.layout.root}"
    school.server.add({"dn": ou, "objectClass": "organizationalUnit"})
    anchor, _ = pupil(school)
    school.server.move(school.dn(anchor), ou)
    done(await school.write(Action.DELETE, anchor))
    school.server.delete(ou)
    done(await school.write(Action.RESTORE, anchor))
    assert school.dn(anchor).partition(",")[2] == f"OU=Schueler,{school.server.layout.root}"


async def test_a_retired_group_gives_no_access_and_keeps_its_members(made: Callable[..., Any]) -> None:
    school = await made()
    anchor = a_class(school)
    before, dn = members(school, anchor), school.dn(anchor)
    done(await group(school, Action.DELETE, anchor, expected=school.watch.versions[anchor]))
    assert school.dn(anchor).endswith(limbo_of(school.server))
    assert school.text(anchor, "groupType") == "2", "in nobody's token any more"
    await school.watch.look()
    assert school.watch.gone[anchor] is Evidence.DELETED
    done(await group(school, Action.RESTORE, anchor, {"description": "Wieder da"}))
    assert school.dn(anchor) == dn
    assert school.text(anchor, "groupType") == "-2147483646"
    assert members(school, anchor) == before


async def test_only_what_lies_in_the_limbo_is_purged(made: Callable[..., Any]) -> None:
    school = await made()
    retired, alive = pupil(school, 0)[0], pupil(school, 1)[0]
    a_group = a_class(school)
    done(await school.write(Action.DELETE, retired))
    done(await group(school, Action.DELETE, a_group))
    for _ in range(2):
        outcomes = {one.id: one async for one in school.connector.purge([retired, alive, a_group])}
        done(outcomes[retired])
        done(outcomes[a_group])
        failed(outcomes[alive], "invalid")
        assert not school.server.find("(objectClass=*)", ("cn",), limbo_of(school.server))[1:]
    assert school.dn(alive)
    failed(await school.write(Action.RESTORE, retired), "gone")
    await school.watch.look()
    assert retired not in school.watch.records


async def test_five_hundred_edits_are_written_in_a_fraction_of_thirty_seconds(
    made: Callable[..., Any], samba_dc: Any
) -> None:
    server = samba_dc()
    delegate(server)
    school = await made(server)
    anchors = [key for key, fields in school.watch.records.items() if fields.get("role") == "pupil"][:500]
    writes = [
        Write(key, "user", Action.UPDATE, key, {"display_name": f"Neu {number}"}, expected=school.watch.versions[key])
        for number, key in enumerate(anchors)
    ]
    started = time.monotonic()
    outcomes = [one async for one in school.connector.apply(writes)]
    took = time.monotonic() - started
    assert len([done(one) for one in outcomes]) == 500
    print(f"500 edits in {took:.2f} s")
    assert took < 30
    versions = {one.anchor: done(one).version for one in outcomes}  # type: ignore[union-attr]
    await school.watch.look()
    assert {key: school.watch.versions[key] for key in anchors} == versions, "no echo: what was written is known"
