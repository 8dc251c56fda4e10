"""Groups, members and the OUs of classes, written to a real Samba by a delegated account."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.ports import Write
from connectors.active_directory.session import Session
from tests.connectors.active_directory.writing import (
    a_class,
    delegate,
    done,
    failed,
    group,
    members,
    new_group,
    pupil,
)

pytestmark = pytest.mark.samba


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
    # More than three moves where a namesake lives in the OU already: that one is moved under another name.
    assert len(steps) >= 4
    assert (set(steps[:-1]), steps[-1]) == ({"modify_dn"}, "modify"), "the membership is the commit"
    assert all(f",OU={unit},OU=Schueler," in school.dn(one) for one in movers)
    steps.clear()
    done(await group(school, Action.UPDATE, anchor, added={"members": frozenset(movers)}))
    assert steps == []
    done(await group(school, Action.UPDATE, anchor, removed={"members": frozenset(movers[:1])}))
    assert f",OU={unit},OU=Schueler," in school.dn(movers[0]), "who leaves a class stays where he is"


async def test_who_comes_into_two_classes_at_once_ends_in_the_last_ones_ou(made: Callable[..., Any]) -> None:
    school = await made()
    anna = pupil(school)[0]
    classes = [a_class(school, number) for number in range(3)]
    added = {"members": frozenset({anna})}
    writes = [Write(one, "group", Action.UPDATE, one, added=added) for one in classes]
    outcomes = [done(one) async for one in school.connector.apply(writes)]
    assert [one.refused for one in outcomes] == [{}, {}, {}]
    unit = str(school.watch.records[classes[-1]]["display_name"]).removeprefix("Klasse ")
    assert f",OU={unit},OU=Schueler," in school.dn(anna)
    assert all(school.dn(anna) in members(school, one) for one in classes)


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
