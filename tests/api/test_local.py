"""What the source of one daemon answers: on a real state, filled by the real command."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bridge.api import asked
from bridge.api.local import LocalSource
from bridge.api.source import Denied, Unknown, Who
from bridge.api.standings import event_view
from bridge.api.survey import Bridge, Survey, Surveyor, _due
from bridge.core.changeover import Step
from bridge.core.cutover import Event, Gate, Stage
from bridge.core.gates import Vouched, short
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.settings import load
from bridge.state.approvals import Approval, approve
from bridge.state.changeover import Run, begin, trouble
from bridge.state.gates import put
from bridge.state.transaction import writing
from tests.daemon.embedded import Embedded, person

WHO = Who("test", frozenset({"read", "operate", "approve", "names"}))


@pytest.fixture
def school(tmp_path: Path) -> Embedded:
    school = Embedded(tmp_path)
    school.fill(4)
    assert school.run("sync").code == 0
    return school


@pytest.fixture
async def source(school: Embedded) -> AsyncIterator[LocalSource]:
    catalog = Catalog()
    settings = load(school.config, catalog)
    woken: list[str] = []

    def wake(code: str, full: bool) -> bool:
        woken.append(code)
        return True

    with wiring.database(settings, create=False) as database:
        one = LocalSource(Bridge(lambda: settings, catalog, database, lambda: None, wake, wiring.now))
        yield one
        await one.close()


def act(**fields: Any) -> asked.Action:
    return asked.Action.model_validate({"reason": "because", **fields})


async def test_the_board_is_the_same_object_while_nothing_changes(source: LocalSource, school: Embedded) -> None:
    first = await source.board()
    assert (first[0].code, first[0].stage, first[0].records["cloud:user"]) == ("0123", "hybrid", 4)
    assert first[0].health == "red", "no daemon runs"
    assert source._survey is not None
    source._survey = replace(source._survey, at=source._survey.at - timedelta(hours=1))
    assert await source.board() is first
    with school.school.changing() as side:
        side.create("user", person(9))
    assert (await asyncio.to_thread(school.start, "sync")).code == 0
    source._forget["0123"] = -1
    assert (await source.board())[0].records["cloud:user"] == 5


async def test_a_look_that_took_long_is_good_for_longer_but_never_after_something_was_done(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = Surveyor.look

    def slow(*given: Any, **more: Any) -> Any:
        looks.append(time.monotonic())
        time.sleep(0.5)
        return look(*given, **more)

    monkeypatch.setattr(Surveyor, "look", slow)
    await source.survey()
    source._survey = replace(found := await source.survey(), at=found.at - timedelta(seconds=2))
    await source.survey()
    assert (len(looks), source._looking and source._looking.done()) == (1, True), "it took half a second"
    await source.act("0123", act(action="pause"), WHO)
    assert (await source.board())[0].stage == "paused-hybrid"
    assert len(looks) == 2
    source._survey = replace(found := await source.survey(), at=found.at - timedelta(seconds=5))
    await source.survey()
    assert len(looks) == 3, "whatever it took, no answer is older than seconds"


async def test_a_page_of_one_school(source: LocalSource) -> None:
    view = await source.school("0123")
    assert view.meaning
    assert {one.event for one in view.events} >= {"freeze", "pause"}
    assert not next(one for one in view.events if one.event == "freeze").ready
    assert (await source.cutover("0123", names=True)).stage == "hybrid"
    assert len((await source.cycles("0123", before=None, limit=10)).rows) == 1
    assert await source.plan("0123", names=True, limit=10) == []
    with pytest.raises(Unknown):
        await source.school("9999")


async def test_the_journal_comes_in_pages_and_without_names(source: LocalSource) -> None:
    rows = []
    before = None
    while True:
        page = await source.journal("0123", names=False, before=before, limit=3)
        rows += page.rows
        if page.next is None:
            break
        before = page.next
    assert [one.seq for one in rows] == list(range(len(rows), 0, -1))
    assert all(one.names == {} and one.reason == "" for one in rows)
    named = await source.journal("0123", names=True, before=None, limit=50)
    assert any("Anna Lang" in one.names.values() for one in named.rows)


async def test_pausing_is_journaled_with_who_asked(source: LocalSource) -> None:
    answer = await source.act("0123", act(action="pause"), WHO)
    assert (answer.done, answer.stage) == (True, "paused-hybrid")
    assert (await source.board())[0].stage == "paused-hybrid"
    last = (await source.journal("0123", names=True, before=None, limit=1)).rows[0]
    assert (last.actor, last.action, "because" in last.reason) == ("api:test", "stage", True)
    with pytest.raises(Denied, match="'pause' is not possible"):
        await source.act("0123", act(action="pause"), WHO)
    with pytest.raises(Denied, match="needs the field `link`"):
        await source.act("0123", act(action="release"), WHO)


async def test_after_an_action_nobody_is_told_what_was_seen_before_it(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await source.board()
    look, begun, on = source._surveyor.look, threading.Event(), threading.Event()

    def slow(before: Survey | None, *, forget: Collection[str]) -> Survey:
        found = look(before, forget=forget)
        begun.set()
        assert on.wait(30)
        return found

    monkeypatch.setattr(source, "_surveyor", Mock(wraps=source._surveyor, look=slow))
    source._forget["0123"] = -1
    early = asyncio.create_task(source.board())
    await asyncio.to_thread(begun.wait, 30)
    await source.act("0123", act(action="pause"), WHO)
    late = asyncio.create_task(source.board())
    await asyncio.sleep(0)
    on.set()
    assert (await late)[0].stage == "paused-hybrid"
    await early


async def test_who_can_not_look_for_whatever_reason_is_not_ready(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await source.board()
    monkeypatch.setattr(source, "_surveyor", Mock(look=Mock(side_effect=KeyError("Anna"))))
    source._forget["0123"] = -1
    with pytest.raises(KeyError):
        await source.board()
    assert source.ready() == (False, "the state can't be read (KeyError)")


def test_who_looks_seldom_sees_all_schools_counted_lately() -> None:
    now = wiring.now()
    old = {f"{number:04}": Mock(counted=now - timedelta(seconds=40), marked=None) for number in range(40)}
    seen = {code: Mock(now=now, school=shot.seen.school, glance=shot.seen.glance) for code, shot in old.items()}
    assert len(_due(seen, old, timedelta(seconds=1))) == 4
    assert len(_due(seen, old, timedelta(seconds=15))) == 20
    assert len(_due(seen, old, timedelta(seconds=60))) == 40


async def test_an_approval_that_ran_out_is_not_shown_as_one(source: LocalSource, school: Embedded) -> None:
    now = wiring.now()
    with wiring.database(load(school.config, Catalog()), create=False) as database:
        school_ = source.bridge.settings().schools[0]
        for actor, left in (("anna", timedelta(hours=1)), ("ben", timedelta(seconds=-1))):
            approve(database, "0123", Approval(Event.FINALISE, actor, "because", "0123", now, now + left))
        view = event_view(database, school_, Stage.SOAKING, Event.FINALISE, now)
        told = [
            event_view(database, school_, Stage.SOAKING, Event.FINALISE, now, names=names) for names in (True, False)
        ]
    assert [one.actor for one in view.approvals] == ["anna"]
    assert view.approvals_needed == 2
    # What a person typed may name somebody.
    assert [one.approvals[0].reason for one in told] == ["because", ""]


async def test_a_gate_is_not_said_to_be_measured_while_only_another_one_is(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = asyncio.Event()
    measured: list[Any] = []

    async def measure(_: Any, *, gates: Any) -> None:
        measured.append(gates)
        await on.wait()

    monkeypatch.setattr("bridge.api.actions.readiness.measure", measure)
    one, other = (short(gate) for gate in (Gate.CREDENTIALS, Gate.CONFIGURATION))
    for _ in range(2):
        assert (await source.act("0123", act(action="measure-gates", gate=one), WHO)).done
    with pytest.raises(Denied, match=f"`{one}` is being measured"):
        await source.act("0123", act(action="measure-gates", gate=other), WHO)
    on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    on.clear()
    assert (await source.act("0123", act(action="measure-gates"), WHO)).done
    assert (await source.act("0123", act(action="measure-gates", gate=other), WHO)).done, "all of them are"
    await asyncio.sleep(0)
    assert measured == [[Gate.CREDENTIALS], None]


async def test_what_holds_a_run_up_is_told_only_to_who_may_see_names(source: LocalSource, school: Embedded) -> None:
    now = wiring.now()
    with wiring.database(load(school.config, Catalog()), create=False) as database:
        run = Run("R1", now, now + timedelta(hours=4), "anna", Step.FREEZE, now)
        with writing(database, "0123") as tx:
            begin(tx, run)
        trouble(database, "0123", run, "directory /srv/homes/grunwald: access is denied")
    told = [(await source.cutover("0123", names=names)).run for names in (True, False)]
    assert [one is not None and "grunwald" in one.problem for one in told] == [True, False]
    assert told[1] is not None
    assert told[1].problem.startswith("held up")


async def test_typed_reasons_and_the_sign_of_a_run_are_told_as_they_may_be(
    source: LocalSource, school: Embedded
) -> None:
    now = wiring.now()
    with wiring.database(load(school.config, Catalog()), create=False) as database, writing(database, "0123") as tx:
        put(tx, [Vouched(Gate.INFORMED, "attested", "anna", "Mrs Miller wrote", now)])
        begin(tx, Run("R1", now, now + timedelta(hours=4), "anna", Step.FREEZE, now))
    assert (await source.school("0123")).running
    for names in (True, False):
        text = (await source.cutover("0123", names=names)).model_dump_json()
        assert ("Mrs Miller" in text) is names
        assert '"vouched_by":"anna"' in text
    assert "Mrs Miller" not in (await source.school("0123")).model_dump_json()
    assert "Mrs Miller" not in (await source.gates("0123", "freeze")).model_dump_json()


async def test_a_share_that_was_frozen_by_hand_is_confirmed_while_a_run_waits_for_it(
    source: LocalSource, school: Embedded
) -> None:
    ends = f"{{connector: memory, name: a, path: {school.root}/a.json, kinds: [folder, file]}}"
    shares = f"shares: [{{name: homes, for: user, freeze: by-hand, school: {ends}, cloud: {ends}}}]\n"
    school.school_file.write_text(school.school_file.read_text() + shares)
    settings = load(school.config, Catalog())
    source.bridge = replace(source.bridge, settings=lambda: settings)
    source._surveyor.bridge = source.bridge
    with pytest.raises(Denied, match="homes: expected a run that waits for it"):
        await source.act("0123", act(action="confirm-share", share="homes"), WHO)
    now = wiring.now()
    with wiring.database(settings, create=False) as database, writing(database, "0123") as tx:
        begin(tx, Run("R1", now, now + timedelta(hours=4), "anna", Step.FREEZE, now))
    assert (run := (await source.cutover("0123", names=False)).run) is not None
    assert run.by_hand == ["homes"]
    with pytest.raises(Denied, match='no share "hoems" is frozen by hand; did you mean homes'):
        await source.act("0123", act(action="confirm-share", share="hoems"), WHO)
    with pytest.raises(Denied, match="needs the field `share`"):
        await source.act("0123", act(action="confirm-share"), WHO)
    assert (await source.act("0123", act(action="confirm-share", share="homes"), WHO)).done
    assert (run := (await source.cutover("0123", names=False)).run) is not None
    assert run.by_hand == []


async def test_a_school_is_drawn_anew_only_where_something_is_told_or_time_went_on(source: LocalSource) -> None:
    surveyor, now = source._surveyor, wiring.now()
    told: dict[str, Any] = {"updated": now.isoformat(), "schools": {"0123": {"doing": "reading"}}}
    clock = [now]
    surveyor.bridge = replace(source.bridge, clock=lambda: clock[0], told=lambda: told)

    def looks(seconds: float, before: Survey | None) -> Survey:
        clock[0] = now + timedelta(seconds=seconds)
        return surveyor.look(before)

    first = looks(0, None)
    assert looks(1, first).shots["0123"] is first.shots["0123"]
    told["schools"] = {"0123": {"doing": "writing"}}
    second = looks(2, first)
    assert second.shots["0123"].view.doing == "writing"
    told["updated"] = (now + timedelta(seconds=3)).isoformat()
    third = looks(3, second)
    assert third.shots["0123"] is not second.shots["0123"], "the daemon told something of itself"
    assert looks(9, third).shots["0123"] is not third.shots["0123"], "ages grow"
