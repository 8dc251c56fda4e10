"""People written to a real Samba by a delegated account: what may be, in place of what was read, once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from ldap3.core.exceptions import LDAPInsufficientAccessRightsResult

from bridge.core.model import Action, Fields
from bridge.lab.samba_template import READER
from bridge.lab.seed import draw_school
from bridge.ports import Failed, Unreachable
from connectors.active_directory.notes import ATTRIBUTE as NOTES
from connectors.active_directory.session import Session
from connectors.active_directory.wire import guid_bytes
from tests.connectors.active_directory.conftest import SMALL
from tests.connectors.active_directory.writing import delegate, done, failed, limbo_of, pupil

pytestmark = pytest.mark.samba


async def test_it_writes_what_the_docs_delegate_and_nothing_outside(made: Callable[..., Any]) -> None:
    school = await made()
    outside = {"dn": f"OU=Fremd,{school.server.base}", "objectClass": "organizationalUnit"}
    school.server.add(outside)
    account = school.server.connect(school.server.reader_upn, school.server.reader_password)
    login = {"sAMAccountName": "fremd", "userAccountControl": "514"}
    with pytest.raises(LDAPInsufficientAccessRightsResult):
        account.add(f"CN=fremd,OU=Fremd,{school.server.base}", "user", login)
    with pytest.raises(LDAPInsufficientAccessRightsResult):
        account.modify(f"CN=Guest,CN=Users,{school.server.base}", {"description": [("MODIFY_REPLACE", ["x"])]})
    anchor, _ = pupil(school)
    with pytest.raises(LDAPInsufficientAccessRightsResult):  # an attribute that nobody asked for
        account.modify(school.dn(anchor), {"scriptPath": [("MODIFY_REPLACE", ["x"])]})
    assert "may write there already" in delegate(school.server, "--units")
    done(await school.write(Action.UPDATE, anchor, {"display_name": "Darf ich"}))


async def test_a_missing_right_is_told_with_what_to_do(made: Callable[..., Any], samba_dc: Any) -> None:
    server = samba_dc(school=draw_school(1, SMALL))
    server.add({"dn": limbo_of(server), "objectClass": "organizationalUnit"})
    school = await made(server)
    anchor, _ = pupil(school)
    message = failed(await school.write(Action.UPDATE, anchor, {"display_name": "Nein"}), "denied")
    assert "docs/connect/active_directory.md" in message
    assert READER in message
    assert anchor in message
    assert "CN=" not in message


async def test_a_new_account_has_a_password_that_nobody_knows_and_is_seen(made: Callable[..., Any]) -> None:
    school = await made()
    outcome = done(await school.create("neu.mina"))
    assert not outcome.refused
    assert school.text(outcome.anchor, "userAccountControl") == "512"
    assert school.text(outcome.anchor, "pwdLastSet") == "0"
    assert school.text(outcome.anchor, NOTES) is None
    assert school.dn(outcome.anchor).startswith("CN=neu.mina,OU=Schueler,")
    await school.watch.look()
    assert school.watch.versions[outcome.anchor] == outcome.version
    fields = school.watch.records[outcome.anchor]
    assert fields["display_name"] == "Neu neu.mina"
    assert fields["role"] == "pupil"
    assert fields["source_anchor"] == "K-neu.mina"
    teacher = done(await school.create("neu.lehr", upn="x@lehrer.example"))
    assert ",OU=Lehrer," in school.dn(teacher.anchor)


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_creation_cut_off_anywhere_is_finished_and_never_made_twice(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    school = await made()
    sent, original = [0], Session.send

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        answer = original(self, verb, *arguments, **more)
        sent[0] += 1
        if sent[0] == cut:
            raise ConnectionAbortedError("cut off")
        return answer

    monkeypatch.setattr(Session, "send", send)
    with pytest.raises(ConnectionAbortedError):
        await school.create("mina")
    monkeypatch.undo()
    (half,) = school.server.find("(sAMAccountName=mina)", ("userAccountControl",))
    assert half.text("userAccountControl") == ("512" if cut == 3 else "514"), "never enabled without a password"
    again = done(await school.create("mina"))
    assert again.adopted
    assert school.text(again.anchor, "userAccountControl") == "512"
    assert school.text(again.anchor, NOTES) is None
    assert len(school.server.find("(employeeNumber=K-mina)", ("cn",))) == 1


async def test_who_is_there_is_adopted_and_keeps_login_and_password(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, person = pupil(school)
    before = school.text(anchor, "pwdLastSet")
    outcome = done(await school.create("anders", key=person.reference, display_name="Neuer Name"))
    assert outcome.adopted
    assert outcome.anchor == anchor
    assert school.text(anchor, "sAMAccountName") == person.login
    assert school.text(anchor, "displayName") == "Neuer Name"
    assert school.text(anchor, "pwdLastSet") == before


async def test_a_login_of_somebody_else_is_taken(made: Callable[..., Any]) -> None:
    school = await made()
    _, person = pupil(school)
    failed(await school.create(person.login.upper(), key="K-other"), "name_taken")
    failed(await school.create("Administrator", key="K-admin"), "name_taken")
    assert not school.server.find("(employeeNumber=K-*)", ("cn",))


async def test_without_reference_attribute_a_guid_is_the_key(made: Callable[..., Any]) -> None:
    school = await made(reference_attribute=None)
    key = str(uuid.uuid4())
    one = done(await school.create("mina", key=key))
    (found,) = school.server.find("(sAMAccountName=mina)", ("mS-DS-ConsistencyGuid",))
    assert found.attributes["mS-DS-ConsistencyGuid"] == [guid_bytes(key)]
    two = done(await school.create("mina", key=key))
    assert two.adopted
    assert two.anchor == one.anchor
    await school.watch.look()
    assert school.watch.records[one.anchor]["source_anchor"] == key
    assert "reference_attribute" in failed(await school.create("otto", key="R123"), "invalid")


@pytest.mark.parametrize("login", ["", "x" * 21, "a/b", "punkt."])
async def test_a_login_that_can_not_be_is_refused(made: Callable[..., Any], login: str) -> None:
    school = await made()
    assert "login of 1 to 20" in failed(await school.create(login, key="K-1"), "invalid")


async def test_nobody_is_made_whom_the_bridge_would_not_see(made: Callable[..., Any]) -> None:
    rule = {"ou": "OU=Dienste,OU=Sophie-Scholl-Gesamtschule Altwörth"}
    school = await made(writeback={"people": [rule]})
    assert "as it would be" in failed(await school.create("mina"), "invalid")
    assert not school.server.find("(sAMAccountName=mina)", ("cn",))


async def test_a_value_changed_after_it_was_read_is_no_victim(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await made()
    anchor, _ = pupil(school)
    for field, attribute, value in (
        ("display_name", "displayName", "Vom Menschen"),
        ("enabled", "userAccountControl", "66048"),
    ):
        original = Session.send

        def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
            school.server.modify(school.dn(anchor), **{attribute: value})  # noqa: B023 - called in this turn
            return original(self, verb, *arguments, **more)  # noqa: B023

        monkeypatch.setattr(Session, "send", send)
        wanted: Fields = {field: "Von der Brücke" if field == "display_name" else False}
        outcome = await school.write(Action.UPDATE, anchor, wanted, expected=school.watch.versions[anchor])
        monkeypatch.undo()
        failed(outcome, "stale")
        assert isinstance(outcome, Failed)
        assert outcome.transient
        assert school.text(anchor, attribute) == value
        await school.watch.look()


async def test_disabling_changes_one_bit(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, _ = pupil(school)
    school.server.modify(school.dn(anchor), userAccountControl="66048")
    done(await school.write(Action.DISABLE, anchor))
    assert school.text(anchor, "userAccountControl") == "66050"
    done(await school.write(Action.UPDATE, anchor, {"enabled": True}))
    assert school.text(anchor, "userAccountControl") == "66048"


async def test_an_expired_account_is_not_enabled_behind_the_schools_back(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, _ = pupil(school)
    school.server.modify(school.dn(anchor), accountExpires="131592240000000000")
    outcome = done(await school.write(Action.UPDATE, anchor, {"enabled": True}))
    assert "accountExpires" in outcome.refused["enabled"]


async def test_fields_without_a_way_are_refused_with_the_remedy_and_others_written(made: Callable[..., Any]) -> None:
    school = await made(user_fields={"surname": "attr.sn | upper"})
    anchor, _ = pupil(school)
    same = school.watch.records[anchor]["licenses"]
    wanted: Fields = {"display_name": "Doch", "surname": "Klein", "licenses": frozenset({"A5"}), "usage_location": "DE"}
    outcome = done(await school.write(Action.UPDATE, anchor, wanted))
    assert outcome.refused.keys() == {"surname", "licenses"}
    assert "attr.sn | upper" in outcome.refused["surname"]
    assert "writeback.attributes" in outcome.refused["surname"]
    assert school.text(anchor, "displayName") == "Doch"
    assert not done(await school.write(Action.UPDATE, anchor, {"licenses": same})).refused


async def test_a_login_changes_and_the_cn_only_where_it_was_made_of_it(made: Callable[..., Any]) -> None:
    school = await made()
    anchor, _ = pupil(school)
    before = school.dn(anchor)
    assert not done(await school.write(Action.UPDATE, anchor, {"login": "neuer.name"})).refused
    assert school.dn(anchor) == before
    ours = done(await school.create("mina")).anchor
    done(await school.write(Action.UPDATE, ours, {"login": "mina2", "surname": None}))
    assert school.dn(ours).startswith("CN=mina2,")
    assert school.text(ours, "sn") is None


async def test_privileged_and_outside_are_never_written(made: Callable[..., Any]) -> None:
    school = await made()
    (admin,) = school.server.find("(sAMAccountName=adm-schule)", ("objectGUID",))
    (own,) = school.server.find(f"(sAMAccountName={READER})", ("objectGUID",), school.server.base)
    (service,) = school.server.find("(sAMAccountName=svc-kopierer)", ("objectGUID",))
    for found, cause in ((admin, "privileged"), (own, "privileged"), (service, "out_of_scope")):
        anchor = str(uuid.UUID(bytes_le=found.attributes["objectGUID"][0]))
        for action in (Action.UPDATE, Action.DISABLE, Action.DELETE, Action.RESTORE):
            failed(await school.write(action, anchor, {"display_name": "Nie"}), cause)
    failed(await school.create("mina", key="R0000001"), "privileged")


async def test_read_only_writes_nothing(made: Callable[..., Any]) -> None:
    school = await made(writeback={"read_only": True})
    anchor, _ = pupil(school)
    failed(await school.write(Action.UPDATE, anchor, {"display_name": "Nie"}), "unsupported")
    (one,) = [one async for one in school.connector.purge([anchor])]
    failed(one, "unsupported")


async def test_a_cn_that_is_in_the_way_counts_as_a_taken_name(made: Callable[..., Any]) -> None:
    school = await made()
    place = f"OU=Schueler,{school.server.layout.root}"
    school.server.add({"dn": f"CN=mina,{place}", "objectClass": "contact"})
    failed(await school.create("mina"), "name_taken")
    done(await school.create("mina2", key="K-mina"))


async def test_it_writes_to_the_server_that_it_reads(made: Callable[..., Any], samba_dc: Any) -> None:
    first = samba_dc(school=draw_school(1, SMALL))
    delegate(first)
    second = first.second()
    try:
        first.outage()
        school = await made(first, servers=[first.url, second.url])
        first.restart()
        anchor, _ = pupil(school)
        outcome = done(await school.write(Action.UPDATE, anchor, {"display_name": "Nur dort"}))
        (there,) = second.find("(displayName=Nur dort)", ("cn",))
        assert there
        assert not first.find("(displayName=Nur dort)", ("cn",))
        await school.watch.look()
        assert school.watch.versions[anchor] == outcome.version
        second.outage()
        with pytest.raises(Unreachable):  # not to the other one, which would be read much later
            await school.write(Action.UPDATE, anchor, {"display_name": "Nirgends"})
        second.restart()
    finally:
        second.stop()


@pytest.mark.parametrize("action", [Action.UPDATE, Action.RESTORE])
async def test_a_half_made_account_that_is_observed_first_gets_a_password_before_it_is_enabled(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    """After a crash the next observation finds the account by its key, and it is updated instead of made."""
    school = await made()
    original = Session.send

    def only_adds(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        if verb != "add":
            raise ConnectionAbortedError("cut off")
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", only_adds)
    with pytest.raises(ConnectionAbortedError):
        await school.create("mina")
    monkeypatch.undo()
    await school.watch.look()
    anchor = school.watch.anchor("mina")
    if action is Action.RESTORE:
        done(await school.write(Action.DELETE, anchor))
    written: list[set[str]] = []

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        if verb == "modify":
            written.append(set(arguments[1]) & {"unicodePwd", "userAccountControl"})
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", send)
    assert not done(await school.write(action, anchor, {"enabled": True})).refused
    assert written == [{"unicodePwd"}, {"userAccountControl"}]
    assert school.text(anchor, "userAccountControl") == "512"
    assert school.text(anchor, NOTES) is None


@pytest.mark.parametrize("cut", [None, 1, 2])
async def test_who_is_in_scope_by_a_group_is_made_retired_and_brought_back(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, cut: int | None
) -> None:
    root = "OU=Sophie-Scholl-Gesamtschule Altwörth"
    group = f"CN=alle-lehrer,OU=Gruppen,{root}"
    school = await made(
        scope={"ous": [root], "groups": [group]},
        roles=[{"role": "teacher", "group": group}],
        writeback={"people": [{"ou": f"OU=Lehrer,{root}", "groups": [group]}]},
    )
    if cut:
        sent, original = [0], Session.send

        def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
            answer = original(self, verb, *arguments, **more)
            sent[0] += 1
            if sent[0] == cut:
                raise ConnectionAbortedError("cut off")
            return answer

        monkeypatch.setattr(Session, "send", send)
        with pytest.raises(ConnectionAbortedError):
            await school.create("mina")
        monkeypatch.undo()
    outcome = done(await school.create("mina"))
    assert outcome.adopted is (cut is not None)
    await school.watch.look()
    assert school.watch.records[outcome.anchor]["role"] == "teacher"
    assert school.watch.versions[outcome.anchor] == outcome.version
    done(await school.write(Action.DELETE, outcome.anchor))
    back = done(await school.write(Action.RESTORE, outcome.anchor))
    assert back.version == outcome.version
    await school.watch.look()
    assert school.watch.versions[outcome.anchor] == outcome.version


async def test_a_rule_never_puts_anybody_into_a_privileged_group(made: Callable[..., Any]) -> None:
    root = "OU=Sophie-Scholl-Gesamtschule Altwörth"
    school = await made(writeback={"people": [{"ou": f"OU=Lehrer,{root}", "groups": ["CN=Domain Admins,CN=Users"]}]})
    failed(await school.create("mina"), "privileged")


async def test_a_retirement_is_stale_when_somebody_was_quicker(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await made()
    anchor, _ = pupil(school)
    place, original = school.dn(anchor), Session.send

    def send(self: Session, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        school.server.modify(school.dn(anchor), userAccountControl="66048")
        return original(self, verb, *arguments, **more)

    monkeypatch.setattr(Session, "send", send)
    failed(await school.write(Action.DELETE, anchor, expected=school.watch.versions[anchor]), "stale")
    monkeypatch.undo()
    assert school.dn(anchor) == place
    assert school.text(anchor, "userAccountControl") == "66048"
    assert school.text(anchor, NOTES) is None
