"""The limbo on a real Samba: soft deletion, return with everything, purge; and the life of people at random."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from ldap3.core.exceptions import LDAPEntryAlreadyExistsResult

from bridge.core.model import Action, Evidence
from bridge.lab.seed import draw_school
from bridge.ports import Outcome
from connectors.active_directory.notes import ATTRIBUTE as NOTES
from connectors.active_directory.session import Session
from tests.connectors.active_directory.conftest import SMALL
from tests.connectors.active_directory.writing import (
    a_class,
    around,
    delegate,
    done,
    failed,
    group,
    limbo_of,
    members,
    pupil,
)

pytestmark = pytest.mark.samba


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
        failed(outcomes[alive], "stale")
        assert not school.server.find("(objectClass=*)", ("cn",), limbo_of(school.server))[1:]
    assert school.dn(alive)
    failed(await school.write(Action.RESTORE, retired), "gone")
    await school.watch.look()
    assert retired not in school.watch.records


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_bridge_and_school_do_changes_and_listing_tell_the_same(
    made: Callable[..., Any], seed: int
) -> None:
    """Sixty random steps of both; nobody is there twice, and what the bridge wrote never comes back as news."""
    chance, school = Random(seed), await made()
    known = [pupil(school, number)[0] for number in range(12)]
    classes = [a_class(school, number) for number in range(3)]
    for step in range(60):
        anchor, where = chance.choice(known), school.dn(chance.choice(known))
        living = anchor in school.watch.records
        what = chance.choice(["create", "update", "delete", "restore", "limbo", "member", "rename", "again"])
        outcome: Outcome | None = None
        if what == "create":
            outcome = await school.create(f"neu{step}")
            known.append(done(outcome).anchor)
        elif what == "update" and living:
            outcome = await school.write(
                Action.UPDATE, anchor, {"display_name": f"N{step}", "enabled": chance.random() < 0.5},
                expected=school.watch.versions[anchor],
            )  # fmt: skip
        elif what == "delete":
            outcome = await school.write(Action.DELETE, anchor)
        elif what == "restore":
            outcome = await school.write(Action.RESTORE, anchor, {"enabled": True})
        elif what == "again" and living:  # its creation is repeated, as after a lost answer
            key = str(school.watch.records[anchor]["source_anchor"])
            outcome = await school.create(f"anders{step}", key=key)
            assert done(outcome).anchor == anchor, "nobody twice"
        elif what == "member" and living:
            change = {"members": frozenset({anchor})}
            more = {"added": change} if chance.random() < 0.7 else {"removed": change}
            done(await group(school, Action.UPDATE, chance.choice(classes), **more))
        elif what == "limbo":
            above = limbo_of(school.server) if chance.random() < 0.5 else where.partition(",")[2]
            with contextlib.suppress(LDAPEntryAlreadyExistsResult):
                school.server.move(school.dn(anchor), above)
        elif what == "rename":
            school.server.modify(school.dn(anchor), displayName=f"Von Hand {step}")
        await school.watch.look()
        if outcome is not None and done(outcome).version:
            assert school.watch.versions[done(outcome).anchor] == done(outcome).version, (step, what)
    followed = dict(school.watch.records)
    listed = (await school.watch.look(None)).records
    assert {key: listed.get(key) for key in followed} == followed
    assert listed.keys() == followed.keys()
    keys = [fields["source_anchor"] for fields in listed.values()]
    assert len(keys) == len(set(keys))
