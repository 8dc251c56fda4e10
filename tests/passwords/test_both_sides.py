"""A password set on both sides: what the result says is what holds, proved by a real bind and a real sign-in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Side
from bridge.daemon.passwords import Desk, set_password
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import Asked, Connector, Passwords
from bridge.state.database import Database, open_database
from bridge.state.passwords import Holds, kept
from connectors.active_directory import connect
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.conftest import SMALL, context, options_of
from tests.connectors.graph.kit import application, connector
from tests.passwords.kit import FIRST, Flaky, Pupil, desk_of, let_reset, pupil_of
from tests.sandbox.plugin import MakeSandbox

pytestmark = pytest.mark.samba


@pytest.fixture(scope="module")
def server() -> Iterator[SchoolServer]:
    server = SchoolServer.of(draw_school(1, SMALL))
    let_reset(server, server.layout.root)
    yield server
    server.stop()


@pytest.fixture
async def cloud(make_sandbox: MakeSandbox) -> Sandbox:
    return await make_sandbox(tls=True, applications=[application("User.ReadWrite.All", "Organization.Read.All",
                              "User-PasswordProfile.ReadWrite.All")])  # fmt: skip


@pytest.fixture
async def pupil(server: SchoolServer, cloud: Sandbox) -> Pupil:
    return pupil_of(server, cloud)


def port_of(one: Connector) -> Passwords:
    assert one.capabilities.passwords is not None
    return one.capabilities.passwords


@pytest.fixture
async def sides(server: SchoolServer, cloud: Sandbox) -> AsyncIterator[dict[Side, Passwords]]:
    at_school = await connect(options_of(server), context(server))
    in_cloud = connector(cloud, domains=[cloud.tenant.domains[0]])
    yield {Side.SCHOOL: port_of(at_school), Side.CLOUD: port_of(in_cloud)}
    await at_school.close()
    await in_cloud.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/state.db", clock=lambda: datetime.now(UTC))
    opened.school("0123", {})
    yield opened
    opened.close()


@pytest.fixture
def desk(database: Database, sides: dict[Side, Passwords]) -> Desk:
    return desk_of(database, sides)


async def test_one_password_opens_both_sides(desk: Desk, pupil: Pupil, database: Database) -> None:
    result = await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
    assert result.ok, result.told()
    assert result.sides == {Side.SCHOOL: Holds.NEW, Side.CLOUD: Holds.NEW}
    assert [pupil.holds(side, "Neues-Wort-88") for side in Side] == [True, True]
    assert [pupil.holds(side, FIRST) for side in Side] == [False, False]
    (known,) = kept(database, "0123")
    assert not known.differs
    assert {side: holds for side, (holds, _) in known.sides.items()} == result.sides


async def test_it_has_to_be_changed_at_the_next_login(desk: Desk, pupil: Pupil) -> None:
    assert (await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=True)).ok
    (found,) = pupil.server.find("(objectClass=user)", ("pwdLastSet",), pupil.dn)
    assert found.text("pwdLastSet") == "0"
    profile = pupil.sandbox.tenant.entries[pupil.user].properties["passwordProfile"]
    assert profile["forceChangePasswordNextSignIn"] is True
    assert (await set_password(desk, pupil.account(), "Neues-Wort-99", must_change=False)).ok
    (found,) = pupil.server.find("(objectClass=user)", ("pwdLastSet",), pupil.dn)
    assert found.text("pwdLastSet") != "0"
    assert profile != pupil.sandbox.tenant.entries[pupil.user].properties["passwordProfile"]


async def test_a_readable_one_that_both_take_is_made(desk: Desk, pupil: Pupil) -> None:
    result = await set_password(desk, pupil.account(), None, must_change=False)
    assert result.ok
    assert len(result.secret) == 16
    assert [pupil.holds(side, result.secret) for side in Side] == [True, True]
    assert result.secret not in repr(result)


@pytest.mark.parametrize(
    ("password", "broken"),
    [
        ("kurz-A1", {(Side.CLOUD, "short")}),
        ("allesklein", {(Side.CLOUD, "simple"), (Side.SCHOOL, "simple")}),
        ("Schönes-Wort-1", {(Side.CLOUD, "letters")}),
        ("Be1spie1-Beispiel-7", {(Side.CLOUD, "named")}),
        ("Aa1-" * 40, {(Side.SCHOOL, "long")}),
    ],
)
async def test_what_either_side_forbids_is_written_to_neither(
    desk: Desk, pupil: Pupil, password: str, broken: set[tuple[Side, str]]
) -> None:
    result = await set_password(desk, pupil.account(), password, must_change=False)
    assert {(one.side, one.broken.value) for one in result.faults} == broken
    assert [pupil.holds(side, FIRST) for side in Side] == [True, True]
    assert not result.ok
    assert not result.differs
    assert not kept(desk.database, "0123")


async def test_the_rules_of_the_domain_are_those_that_are_asked_for(
    desk: Desk, pupil: Pupil, server: SchoolServer
) -> None:
    server.modify(server.base, minPwdLength="20")
    try:
        result = await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
        assert [(one.side, one.broken.value, one.number) for one in result.faults] == [(Side.SCHOOL, "short", 20)]
        assert len((await set_password(desk, pupil.account(), None, must_change=False)).secret) == 20
    finally:
        server.modify(server.base, minPwdLength="7")


async def test_a_fine_grained_policy_goes_before_the_domain(desk: Desk, pupil: Pupil, server: SchoolServer) -> None:
    container = f"CN=Password Settings Container,CN=System,{server.base}"
    dn = f"CN=kinder,{container}"
    server.add({
        "dn": dn, "objectClass": "msDS-PasswordSettings", "msDS-PasswordSettingsPrecedence": "1",
        "msDS-PasswordReversibleEncryptionEnabled": "FALSE", "msDS-PasswordHistoryLength": "0",
        "msDS-PasswordComplexityEnabled": "FALSE", "msDS-MinimumPasswordLength": "4",
        "msDS-MinimumPasswordAge": "0", "msDS-MaximumPasswordAge": "-9223372036854775808",
        "msDS-LockoutThreshold": "0", "msDS-LockoutObservationWindow": "0", "msDS-LockoutDuration": "0",
        "msDS-PSOAppliesTo": pupil.dn,
    })  # fmt: skip
    try:
        rules = (await desk.sides[Side.SCHOOL].ask(pupil.anchor)).rules
        assert (rules.shortest, rules.kinds) == (4, 0) or rules.unread
    finally:
        server.delete(dn)


async def test_a_privileged_account_is_never_touched(desk: Desk, pupil: Pupil, server: SchoolServer) -> None:
    server.add_members(f"CN=Domain Admins,CN=Users,{server.base}", pupil.dn)
    try:
        result = await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
    finally:
        server.remove_members(f"CN=Domain Admins,CN=Users,{server.base}", pupil.dn)
        server.modify(pupil.dn, adminCount=[])
    assert "privileged" in result.told()
    assert [pupil.holds(side, FIRST) for side in Side] == [True, True]


async def test_an_account_out_of_scope_is_never_touched(desk: Desk, pupil: Pupil, server: SchoolServer) -> None:
    moved = server.move(pupil.dn, f"CN=Users,{server.base}")
    try:
        result = await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
    finally:
        server.move(moved, pupil.dn.partition(",")[2])
    assert "outside the scope" in result.told()
    assert [pupil.holds(side, FIRST) for side in Side] == [True, True]


async def test_the_second_side_fails_and_it_is_said_and_remembered(
    database: Database, sides: dict[Side, Passwords], pupil: Pupil
) -> None:
    flaky = Flaky(sides[Side.SCHOOL], ["refused"])
    desk = desk_of(database, {**sides, Side.SCHOOL: flaky})
    result = await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
    assert result.told().startswith("school: old, cloud: new. school: a filter of the school's own")
    assert result.differs
    (known,) = kept(database, "0123")
    assert known.differs
    # One that changes nothing does not make the difference forgotten ...
    again = await set_password(desk, pupil.account(), "kurz", must_change=False)
    assert again.differs
    pupil.sandbox.faults.add("forbid", method="PATCH", count=1)
    assert (await set_password(desk, pupil.account(), "Neues-Wort-99", must_change=False)).differs
    assert [pupil.at_school(FIRST), pupil.in_cloud("Neues-Wort-88")] == [True, True]
    # ... and one that works ends it.
    assert (await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)).ok
    (known,) = kept(database, "0123")
    assert not known.differs


async def test_without_the_right_the_person_is_told_which(desk: Desk, server: SchoolServer, cloud: Sandbox) -> None:
    """Nothing was delegated on this OU: the second side refuses, so the next person is not even tried."""
    server.add({"dn": f"OU=fremd,{server.layout.root}", "objectClass": "organizationalUnit"})
    stranger = pupil_of(server, cloud, number=1)
    deny = "(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;{sid})"
    let_reset(server, stranger.dn, deny)
    result = await set_password(desk, stranger.account(), "Neues-Wort-88", must_change=False)
    assert result.sides == {Side.SCHOOL: Holds.OLD, Side.CLOUD: Holds.NEW}
    assert "Reset password" in result.told()
    assert result.ended
    assert result.differs


SCHOOL_TROUBLES = ("unreachable", "refused", "lost before", "lost after")
CLOUD_TROUBLES = (
    ("drop-before", {}), ("drop-after", {}), ("throttle", {}), ("unavailable", {}), ("forbid", {}),
    ("error", {"status": 400, "code": "Request_BadRequest", "message": "The specified password is banned."}),
)  # fmt: skip


async def test_200_sets_with_a_random_side_failing_leave_no_silent_difference(
    database: Database, sides: dict[Side, Passwords], pupil: Pupil
) -> None:
    """Every result is held against a real bind at the school and a real sign-in of the sandbox."""
    rng = random.Random(4)
    flaky = Flaky(sides[Side.SCHOOL])
    desk = desk_of(database, {**sides, Side.SCHOOL: flaky}, patience=2.0)
    truth = dict.fromkeys(Side, FIRST)
    seen: set[tuple[Holds, Holds]] = set()
    for number in range(200):
        password = f"Probe-Wort-{number:03}-x"
        pupil.sandbox.faults.rules.clear()
        flaky.troubles = [rng.choice(SCHOOL_TROUBLES)] * rng.choice((1, 9)) if rng.random() < 0.5 else []
        if rng.random() < 0.5:
            kind, more = rng.choice(CLOUD_TROUBLES)
            pupil.sandbox.faults.add(kind, method="PATCH", path="/users/", count=rng.choice((1, None)), **more)
        before = kept(database, "0123")
        result = await set_password(desk, pupil.account(), password, must_change=rng.random() < 0.3)
        if set(result.sides.values()) == {Holds.OLD}:
            assert kept(database, "0123") == before, f"{number}: nothing was changed"
        for side in Side:
            new, old = pupil.holds(side, password), pupil.holds(side, truth[side])
            assert new != old, f"{number} {side}: exactly one of the two opens it"
            match result.sides[side]:
                case Holds.NEW:
                    assert new, f"{number} {side}: said to be new"
                case Holds.OLD:
                    assert old, f"{number} {side}: said to be old"
            truth[side] = password if new else truth[side]
        if truth[Side.SCHOOL] != truth[Side.CLOUD]:
            assert result.differs, f"{number}: a silent difference"
            (known,) = kept(database, "0123")
            assert known.differs, f"{number}: a difference that the state does not show"
        seen.add((result.sides[Side.SCHOOL], result.sides[Side.CLOUD]))
    wanted = {(Holds.NEW, Holds.NEW), (Holds.OLD, Holds.OLD), (Holds.OLD, Holds.NEW), (Holds.UNKNOWN, Holds.NEW)}
    assert wanted <= seen
    assert any(cloud is Holds.UNKNOWN for _, cloud in seen)
    assert database.school("0123", {}).verify().ok
    lines = [str(row.entry) for row in database.school("0123", {}).journal()]
    assert not [line for line in lines if "Probe-Wort" in line]


class Killed(BaseException):
    """The process dies: nothing after it is run."""


@dataclass
class Deadly:
    """The real thing; the process dies just before or just after the write."""

    real: Passwords
    after: bool

    async def ask(self, anchor: str) -> Asked:
        return await self.real.ask(anchor)

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        if self.after:
            await self.real.set(anchor, secret, must_change=must_change)
        raise Killed


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_around_a_write_leaves_no_lie(
    database: Database, sides: dict[Side, Passwords], pupil: Pupil, side: Side, after: bool
) -> None:
    desk = desk_of(database, {**sides, side: Deadly(sides[side], after)})
    with pytest.raises(Killed):
        await set_password(desk, pupil.account(), "Neues-Wort-88", must_change=False)
    (known,) = kept(database, "0123")
    assert known.differs
    holds = {where: what for where, (what, _) in known.sides.items()}
    assert holds[side] is Holds.UNKNOWN
    assert pupil.holds(side, "Neues-Wort-88") is after
    assert holds[side.other] is (Holds.NEW if pupil.holds(side.other, "Neues-Wort-88") else Holds.OLD)
    assert (await set_password(desk_of(database, sides), pupil.account(), "Neues-Wort-99", must_change=False)).ok


async def test_two_at_once_leave_one_password(desk: Desk, pupil: Pupil) -> None:
    words = [f"Gleich-Zeitig-{number}" for number in range(4)]
    results = await asyncio.gather(*(set_password(desk, pupil.account(), word, must_change=False) for word in words))
    assert all(result.ok for result in results)
    opened = {side: [word for word in words if pupil.holds(side, word)] for side in Side}
    assert opened[Side.SCHOOL] == opened[Side.CLOUD]
    assert len(opened[Side.CLOUD]) == 1


async def test_who_logs_in_is_who_it_is(sides: dict[Side, Passwords], pupil: Pupil, server: SchoolServer) -> None:
    door: Any = sides[Side.SCHOOL]
    assert await door.log_in(pupil.login, FIRST) == pupil.anchor
    assert await door.log_in(pupil.login.upper(), FIRST) == pupil.anchor
    for login, secret in ((pupil.login, "falsch"), (pupil.login, ""), ("*", FIRST), ("niemand", FIRST),
                          ("Administrator", server.administrator_password)):  # fmt: skip
        assert await door.log_in(login, secret) is None
    server.modify(pupil.dn, pwdLastSet="0")
    assert await door.log_in(pupil.login, FIRST) == pupil.anchor, "right, but to be changed first"
