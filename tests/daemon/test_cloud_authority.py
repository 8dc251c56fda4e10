"""The cloud's own source of authority goes with the cutover and comes back with it, whatever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.core.changeover import Step
from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.notices import Concern, Severity
from bridge.daemon import authority, changeover, readiness, wiring
from bridge.daemon import steps as own
from bridge.daemon.concerns import Watch
from bridge.daemon.health import Colour, Health
from bridge.daemon.notice_text import titled
from bridge.daemon.shares import Ground
from bridge.daemon.status import remembered, verdict
from bridge.daemon.steps import Steps
from bridge.ports import BridgeError, Observation, Page, Refused
from bridge.settings import School
from bridge.state import changeover as runs
from bridge.state import mastered as books
from bridge.state import open_database
from bridge.state.transaction import writing
from connectors.graph.permissions import BUNDLES
from tests.connectors.graph.kit import application, connector
from tests.connectors.graph.test_authority import ALL, on_premises, synced
from tests.machines.rig import CODE
from tests.machines.test_changeover import probe
from tests.sandbox.plugin import MakeSandbox


class Died(BaseException):
    """The power fails."""


class Desk:
    """A school whose directory knows the people 0 to 24 and group 500; the tenant has 20 more of other schools."""

    def __init__(self, root: Path) -> None:
        self.database = open_database(f"sqlite:///{root / 'state.db'}")
        self.school: School = probe(root / "probe")
        self.ground: Ground = SimpleNamespace(database=self.database, school=self.school)  # type: ignore[assignment]
        self.store = self.database.school(CODE, self.school.kinds())
        self.steps = Steps(self.ground, lambda: None)
        people = [self._seen("user", f"a{number}", number) for number in range(25)]
        page = Page((*people, self._seen("group", "g", 500)), token="1")
        self.store.fold(Side.SCHOOL, page, now=datetime.now(UTC))

    @staticmethod
    def _seen(kind: str, anchor: str, number: int) -> Observation:
        return Observation(kind, anchor, "1", {"sid": f"S-1-5-21-1-2-3-{number}", "display_name": anchor})

    async def cloud(self, make_sandbox: MakeSandbox, *permissions: str) -> None:
        self.sandbox = await make_sandbox(tls=True, applications=[application(*permissions)])
        group = {"displayName": "5a", "mailNickname": "5a", "securityEnabled": True, "mailEnabled": False,
                 "onPremisesSyncEnabled": True, "onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-500"}  # fmt: skip
        self.sandbox.load({"users": [synced(number) for number in range(45)], "groups": [group]})
        self.graph = connector(self.sandbox, timeouts={"retry": 5})
        self.one: Any = SimpleNamespace(connectors={Side.CLOUD: self.graph})

    def soaking(self) -> None:
        self.store.move_stage(Stage.SOAKING, event="test", actor="test", reason="test")

    def back(self) -> None:
        self.store.move_stage(Stage.HYBRID, event="test", actor="test", reason="test")

    def switching(self) -> runs.Run:
        """A run that has verified everything."""
        self.store.move_stage(Stage.FREEZING, event="test", actor="test", reason="test")
        now = wiring.now()
        run = runs.Run("1", now, now + timedelta(hours=4), "meyer", Step.SWITCH, now)
        with writing(self.database, CODE) as tx:
            runs.begin(tx, run)
        return run

    @property
    def left(self) -> int:
        """Still mastered on premises, of all 46."""
        return on_premises(self.sandbox)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    await made.graph.close()
    made.database.close()


async def test_only_this_school_s_are_switched_and_exactly_they_come_back(
    desk: Desk, make_sandbox: MakeSandbox
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    assert await authority.to_cloud(desk.ground, desk.one) == {"users": 25, "groups": 1}
    assert desk.left == 20
    desk.soaking()
    assert await authority.give_back(desk.ground, desk.one, Stage.SOAKING) == 0
    desk.back()
    await authority.settle(desk.ground, desk.one, desk.store, None)
    assert (desk.left, books.remembered(desk.database, CODE)) == (46, [])
    (entry,) = (row.entry for row in desk.store.journal() if row.entry.action == "source of authority")
    assert entry.after == {"of": "school", "users": 25, "groups": 1}
    assert "Kim" not in str(entry)
    assert await authority.give_back(desk.ground, desk.one, Stage.HYBRID) == 0


async def test_who_is_refused_at_a_roll_back_is_asked_for_again(
    desk: Desk, make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    await authority.to_cloud(desk.ground, desk.one)
    port = type(desk.graph.capabilities.authority)
    real = port.switch

    async def but_one(self: Any, found: Any, *, cloud: bool) -> dict[str, str]:
        return {**await real(self, found[1:], cloud=cloud), found[0].anchor: "it is busy"}

    with monkeypatch.context() as refusing:
        refusing.setattr(port, "switch", but_one)
        with pytest.raises(BridgeError, match="it is busy"):
            await authority.give_back(desk.ground, desk.one, Stage.HYBRID)
    assert (desk.left, len(books.remembered(desk.database, CODE))) == (45, 1)
    assert await authority.give_back(desk.ground, desk.one, Stage.HYBRID) == 1
    assert desk.left == 46


async def test_what_could_not_be_given_back_is_a_concern_until_it_is(
    desk: Desk, make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    await authority.to_cloud(desk.ground, desk.one)
    row = {"observed": True, "sides": {}, "owing": ""}
    settings: Any = SimpleNamespace(schools=[desk.school])

    def seen() -> tuple[Health, list[Concern]]:
        later = wiring.now() + timedelta(minutes=2)
        told = {"beat": later.isoformat(), "schools": {CODE: row}}
        health = verdict(remembered(desk.database, desk.store), told, CODE, later)
        found = Watch().concerns(settings, desk.database, told, later)
        return health, [one for one in found if one.kind == "authority"]

    for stage in (Stage.FREEZING, Stage.SOAKING):  # it is the cloud's, and rightly
        desk.store.move_stage(stage, event="test", actor="test", reason="test")
        assert seen() == (Health(Colour.GREEN), [])
    desk.back()
    steps = Steps(desk.ground, lambda: None)
    with monkeypatch.context() as refusing:
        refusing.setattr(type(desk.graph.capabilities.authority), "switch", _denied)
        for _ in range(2):
            assert not await steps.go(desk.one, desk.store, None)
    row["owing"] = steps.owing
    health, (concern,) = seen()
    assert (health.colour, health.causes[0].since) == (Colour.AMBER, desk.store.stage_since())
    assert "missing permission: grant It" in health.causes[0].text
    assert (concern.severity, concern.count, concern.since) == (Severity.WARNING, 26, desk.store.stage_since())
    assert titled(concern, "en") == "still the cloud's after a roll back: 26"
    assert not await steps.go(desk.one, desk.store, None)
    row["owing"] = steps.owing
    assert (steps.owing, desk.left, seen()) == ("", 46, (Health(Colour.GREEN), []))


async def _denied(self: Any, wanted: Any, *, cloud: bool) -> dict[str, str]:
    return {one.anchor: "missing permission: grant It" for one in wanted}


async def test_who_was_refused_to_the_cloud_has_not_to_be_given_back(desk: Desk, make_sandbox: MakeSandbox) -> None:
    await desk.cloud(make_sandbox, *BUNDLES["roster"])
    with pytest.raises(Refused, match="26 of 26"):
        await authority.to_cloud(desk.ground, desk.one)
    desk.back()
    assert (books.remembered(desk.database, CODE), books.owed(desk.database, CODE)) == ([], (0, None))


@pytest.mark.parametrize("place", ["before it is noted", "before it is asked", "in the middle", "before the stage"])
async def test_after_a_crash_anywhere_it_goes_on_or_comes_back_whole(
    desk: Desk, make_sandbox: MakeSandbox, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    run = desk.switching()
    monkeypatch.setattr(readiness, "measure", _nothing)
    monkeypatch.setattr(changeover, "wanted", lambda *_, **__: [])
    with monkeypatch.context() as power:
        if place == "before it is noted":
            power.setattr(books, "remember", _die)
        elif place == "before it is asked":
            power.setattr(type(desk.graph.capabilities.authority), "switch", _die)
        elif place == "in the middle":
            power.setattr(type(desk.graph.capabilities.authority), "switch", _half(desk))
        else:
            power.setattr(own.stages, "move", _die)
        with pytest.raises(Died):
            await desk.steps._switch(run, desk.one, desk.store)
    assert (desk.store.stage(), desk.left >= 20) == (Stage.FREEZING, True)
    again = runs.running(desk.database, CODE)
    assert again is not None
    await desk.steps._switch(again, desk.one, desk.store)
    assert (desk.store.stage(), desk.left) == (Stage.SOAKING, 20)
    (moved,) = (row.entry for row in desk.store.journal() if row.entry.reason.endswith("the gates hold"))
    assert moved.after["authority"] == {"users": 25, "groups": 1}
    desk.back()
    await authority.settle(desk.ground, desk.one, desk.store, None)
    assert desk.left == 46


async def test_what_a_deadline_cut_short_comes_back_too(
    desk: Desk, make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    with monkeypatch.context() as power:
        power.setattr(type(desk.graph.capabilities.authority), "switch", _half(desk))
        with pytest.raises(Died):
            await authority.to_cloud(desk.ground, desk.one)
    assert 20 < desk.left < 46
    desk.back()
    desk.sandbox.faults.add("unavailable", path=".*onPremisesSyncBehavior", where="part")
    warned: list[str] = []
    log = SimpleNamespace(warning=lambda *_, **more: warned.append(more["reason"]))
    await authority.settle(desk.ground, desk.one, desk.store, log)
    assert "nobody knows" in warned[0]
    desk.sandbox.faults.rules.clear()
    await authority.settle(desk.ground, desk.one, desk.store, log)
    assert (desk.left, len(warned)) == (46, 1)


async def test_a_missing_right_holds_the_run_up_and_the_gate_says_which(desk: Desk, make_sandbox: MakeSandbox) -> None:
    await desk.cloud(make_sandbox, *BUNDLES["roster"], "User-OnPremisesSyncBehavior.ReadWrite.All")
    with pytest.raises(Refused, match=r"1 of 26 objects.*Group-OnPremisesSyncBehavior"):
        await authority.to_cloud(desk.ground, desk.one)
    for stage, ok in ((Stage.HYBRID, False), (Stage.OBSERVING, None)):
        (finding,) = await authority.lacking(desk.ground, desk.graph, stage)
        assert finding.ok is ok
        assert finding.found == "missing to give the cloud 1 groups that Entra Connect masters"
        assert "Group-OnPremisesSyncBehavior.ReadWrite.All" in finding.remedy


async def test_a_school_that_leaves_it_or_has_none_asks_for_nothing(desk: Desk, make_sandbox: MakeSandbox) -> None:
    await desk.cloud(make_sandbox, *BUNDLES["roster"])
    left: Any = SimpleNamespace(
        database=desk.database, school=SimpleNamespace(code=CODE, cutover=SimpleNamespace(cloud_authority="leave"))
    )
    assert await authority.to_cloud(left, desk.one) == {}
    assert await authority.lacking(left, desk.graph, Stage.HYBRID) == []
    assert desk.left == 46
    with writing(desk.database, CODE) as tx:
        tx.connection.exec_driver_sql("DELETE FROM observation")
    assert await authority.to_cloud(desk.ground, desk.one) == {}
    assert await authority.lacking(desk.ground, desk.graph, Stage.HYBRID) == []
    assert desk.left == 46


async def _nothing(*_: object, **__: object) -> list[Any]:
    return []


def _die(*_: object, **__: object) -> None:
    raise Died


def _half(desk: Desk) -> Any:
    switch = type(desk.graph.capabilities.authority).switch

    async def half(self: Any, wanted: Any, *, cloud: bool) -> Any:
        await switch(self, wanted[: len(wanted) // 2], cloud=cloud)
        raise Died

    return half
