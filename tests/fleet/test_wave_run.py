"""The law of a wave under way: each row of its tables, and a machine of everything that may happen to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.core.cutover import Stage
from bridge.core.wave_run import (
    PATIENCE,
    SILENT,
    Ask,
    Part,
    Run,
    Seen,
    Stand,
    Wave,
    Wish,
    end,
    look,
    order_id,
    resumed,
    stand,
)

T0 = datetime(2027, 2, 1, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = T0 + PATIENCE + timedelta(minutes=1)
ASKED = Part("0123", at=T0, asked=T0 - HOUR)
SINCE = Run("r1", T0, deadline=T0 + 4 * HOUR)


def heard(at: datetime, **more: object) -> Seen:
    return Seen(**{"stage": Stage.HYBRID, "heard": at, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "seen", "now", "expected"),
    [
        (ASKED, heard(T0, stage=Stage.SOAKING, order="refused"), T0, Stand.THROUGH),
        (replace(ASKED, kept=True), heard(T0, order="withdrawn"), T0, Stand.KEPT),
        (replace(ASKED, kept=True), heard(T0, runs=(SINCE,), stage=Stage.FREEZING), T0, Stand.UNDER_WAY),
        (Part("0123", at=T0), heard(T0), T0, Stand.PLANNED),
        (ASKED, heard(T0, order="refused"), T0, Stand.FAILED),
        (ASKED, heard(T0, order="expired"), T0, Stand.FAILED),
        (ASKED, heard(T0, order="withdrawn"), T0, Stand.FAILED),
        (ASKED, heard(T0, order="done", runs=(replace(SINCE, ended=LATER, outcome="aborted"),)), LATER, Stand.FAILED),
        (ASKED, heard(T0, order="done", runs=(SINCE,)), T0, Stand.UNDER_WAY),
        # Not heard, but before its deadline: it may well be at work.
        (ASKED, heard(T0, order="done", runs=(SINCE,)), T0 + 3 * HOUR, Stand.UNDER_WAY),
        (ASKED, heard(T0, order="done", runs=(SINCE,)), T0 + 5 * HOUR, Stand.UNKNOWN),
        (ASKED, heard(T0 - HOUR, order="done"), LATER, Stand.UNKNOWN),
        (ASKED, Seen(), LATER, Stand.UNKNOWN),
        (ASKED, heard(LATER, order="done"), LATER, Stand.FAILED),
        (ASKED, heard(LATER, order="sent"), LATER, Stand.ASKED),
        (ASKED, heard(LATER + PATIENCE, order="sent"), LATER + PATIENCE, Stand.FAILED),
        (ASKED, heard(T0, order="waiting"), T0, Stand.ASKED),
        (ASKED, heard(T0 - HOUR, order="done"), T0, Stand.APPOINTED),
        # A rehearsal, a run that was known before, and one of long ago are not the wave's.
        (ASKED, heard(T0, order="done", runs=(replace(SINCE, ended=T0, outcome="rehearsed"),)), T0, Stand.APPOINTED),
        (
            replace(ASKED, before=frozenset({"r1"})),
            heard(T0, order="done", runs=(replace(SINCE, ended=T0, outcome="aborted"),)),
            T0,
            Stand.APPOINTED,
        ),
        (
            ASKED,
            heard(T0, order="done", runs=(Run("r0", T0 - 9 * HOUR, ended=T0 - 8 * HOUR, outcome="aborted"),)),
            T0,
            Stand.APPOINTED,
        ),
    ],
)
def test_where_a_school_stands(part: Part, seen: Seen, now: datetime, expected: Stand) -> None:
    assert stand(part, seen, now)[0] is expected


def wave(*parts: Part, stop_after: int = 1) -> Wave:
    return Wave("wave 2", T0 - HOUR, parts or (ASKED,), stop_after=stop_after)


def test_all_through_is_through() -> None:
    assert look(wave(), {"0123": heard(T0, stage=Stage.SOAKING)}, T0).wave.state == "through"


def test_planned_are_asked_once_and_at_their_time() -> None:
    one = wave(Part("0123", at=T0), Part("0124"))
    first = look(one, {}, T0 - HOUR)
    assert [(ask.code, ask.wish, ask.at) for ask in first.asks] == [
        ("0123", Wish.SCHEDULE, T0),
        ("0124", Wish.FREEZE, None),
    ]
    assert look(first.wave, {}, T0 - HOUR).asks == ()
    # After a crash the same is asked again, under the same ids.
    assert look(one, {}, T0 - HOUR + timedelta(minutes=3)).asks == first.asks


def test_it_stops_by_itself_and_asks_those_not_begun_to_stay() -> None:
    one = wave(ASKED, replace(ASKED, code="0124"), replace(ASKED, code="0125"), Part("0126", at=T0 + HOUR))
    seen = {
        "0123": heard(T0, order="refused", answer="its gates do not hold"),
        "0124": heard(T0, order="done"),
        "0125": heard(T0, order="done", runs=(SINCE,), stage=Stage.FREEZING),
    }
    found = look(one, seen, T0)
    assert found.wave.state == "stopped"
    assert found.wave.why == "1 failed (0123); it stops after 1"
    assert [(ask.code, ask.wish) for ask in found.asks] == [("0124", Wish.UNSCHEDULE)]
    assert [part.code for part in found.wave.parts if part.kept] == ["0124", "0126"]
    assert look(found.wave, seen, T0).asks == ()


@pytest.mark.parametrize(("order", "stop_after"), [("expired", 1), ("withdrawn", 1), ("expired", 5)])
def test_who_may_hold_an_appointment_is_asked_to_stay(order: str, stop_after: int) -> None:
    """The site took the order and its line was cut: its answer never came, and it would begin in a stopped wave."""
    at = T0 + 72 * HOUR
    one = wave(replace(ASKED, at=at), Part("0124", at=at, asked=T0 - HOUR), stop_after=stop_after)
    seen = {"0123": heard(T0, order=order), "0124": heard(T0, order="refused")}
    found = look(one, seen, T0)
    assert [(ask.code, ask.wish) for ask in found.asks] == [("0123", Wish.UNSCHEDULE)]
    assert {code: one for code, one, _ in found.stands}["0123"] is Stand.FAILED
    begun = {**seen, "0123": heard(T0, order=order, runs=(SINCE,), stage=Stage.FREEZING)}
    assert look(one, begun, T0).asks == ()  # what runs goes on


def test_it_ends_where_nothing_more_is_to_come() -> None:
    one = wave(ASKED, replace(ASKED, code="0124"), stop_after=5)
    seen = {"0123": heard(T0, order="refused"), "0124": heard(T0, stage=Stage.CLOUD)}
    assert look(one, seen, T0).wave.why == "nothing is under way any more; not cut over: 0123"


def test_resumed_asks_again_those_that_failed_and_no_other() -> None:
    one = wave(ASKED, replace(ASKED, code="0124"), replace(ASKED, code="0125", kept=True), stop_after=1)
    seen = {
        "0123": heard(T0, order="refused"),
        "0124": heard(T0, stage=Stage.SOAKING),
        "0125": heard(T0, order="withdrawn"),
    }
    stopped = look(one, seen, T0).wave
    again = resumed(stopped, seen, T0, times={"0123": T0 + HOUR, "0125": T0 + HOUR})
    # The hub looks orders up by the attempt: the new ones are not asked yet.
    fresh = {code: replace(one, order="", answer="") for code, one in seen.items()}
    asks = look(again, fresh, T0).asks
    assert [ask.code for ask in asks] == ["0123", "0125"]
    assert {ask.id for ask in asks}.isdisjoint({order_id(one, part, Wish.SCHEDULE) for part in one.parts})


@dataclass
class Site:
    """A school's server as it may behave: orders are carried out once each, told late, or never."""

    heard: datetime
    stage: Stage = Stage.HYBRID
    cut: bool = False
    appointment: datetime | None = None
    runs: list[Run] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    told: Seen = field(default_factory=Seen)


class Machine(RuleBasedStateMachine):
    """Sites that are late, silent or fail; a hub that crashes between deciding and writing; people who stop it."""

    @initialize(schools=st.integers(1, 5), stop=st.integers(1, 3), at_once=st.booleans())
    def begin(self, schools: int, stop: int, at_once: bool) -> None:
        self.now = T0
        codes = [f"01{number:02}" for number in range(schools)]
        times = {code: None if at_once else T0 + HOUR * (1 + place) for place, code in enumerate(codes)}
        self.wave = Wave("w", T0, tuple(Part(code, at=times[code]) for code in codes), stop_after=stop)
        self.sites = {code: Site(T0) for code in codes}
        self.orders: list[Ask] = []
        self.answers: dict[str, str] = {}
        self.sent: set[str] = set()
        self.begun_while_stopped = False

    def seen(self) -> dict[str, Seen]:
        found = {}
        for part in self.wave.parts:
            site = self.sites[part.code]
            mine = order_id(self.wave, part, Wish.SCHEDULE if part.at else Wish.FREEZE)
            made = any(ask.id == mine for ask in self.orders)
            state = self.answers.get(mine, ("sent" if mine in self.sent else "waiting") if made else "")
            found[part.code] = replace(site.told, heard=site.heard, order=state)
        return found

    @rule(crash=st.booleans())
    def look(self, crash: bool) -> None:
        decided = look(self.wave, self.seen(), self.now)
        if crash:
            return  # nothing of it was written: it is one transaction
        self._write(decided.wave, decided.asks)

    def _write(self, new: Wave, asks: tuple[Ask, ...]) -> None:
        known = {one.id for one in self.orders}
        for ask in asks:
            if ask.id not in known:
                self.orders.append(ask)
            if ask.wish is not Wish.UNSCHEDULE and new.state != "running":
                self.begun_while_stopped = True
            if ask.wish is Wish.UNSCHEDULE:
                for one in self.orders:
                    if one.code == ask.code and one.id not in self.sent and one.wish is not Wish.UNSCHEDULE:
                        self.answers.setdefault(one.id, "withdrawn")
        self.wave = new

    @rule(minutes=st.sampled_from((1, 10, 45, 200)))
    def pass_(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        for site in self.sites.values():
            self._work(site)

    def _work(self, site: Site) -> None:
        if site.appointment and site.appointment <= self.now and site.stage is Stage.HYBRID:
            if self.now - site.appointment <= timedelta(minutes=15):
                self._run(site)
            site.appointment = None
        last = site.runs[-1] if site.runs else None
        if last is not None and last.ended is None and last.deadline is not None and last.deadline <= self.now:
            self._ended(site, "deadline passed")

    def _run(self, site: Site) -> None:
        site.runs.append(Run(f"r{len(site.runs)}", self.now, deadline=self.now + 3 * HOUR))
        site.stage = Stage.FREEZING

    def _ended(self, site: Site, outcome: str) -> None:
        site.runs[-1] = replace(site.runs[-1], ended=self.now, outcome=outcome)
        site.stage = Stage.SOAKING if outcome == "switched" else Stage.HYBRID

    @rule(place=st.integers(0, 4), refuse=st.booleans())
    def deliver(self, place: int, refuse: bool) -> None:
        """The site asks for its orders: they come in their order; its answers come with a later report."""
        code = sorted(self.sites)[place % len(self.sites)]
        site = self.sites[code]
        if site.cut:
            return
        for ask in [one for one in self.orders if one.code == code and self.answers.get(one.id) is None]:
            self.sent.add(ask.id)
            if ask.id in site.done:
                continue  # it came twice
            good = site.stage is Stage.HYBRID and not refuse and (ask.at is None or ask.at > self.now)
            if ask.wish is Wish.UNSCHEDULE:
                site.appointment, good = None, True
            elif good and ask.wish is Wish.FREEZE:
                self._run(site)
            elif good:
                site.appointment = ask.at
            site.done[ask.id] = "done" if good else "refused"

    @rule(place=st.integers(0, 4))
    def tell(self, place: int) -> None:
        site = self.sites[sorted(self.sites)[place % len(self.sites)]]
        if not site.cut:
            site.heard, site.told = self.now, Seen(site.stage, runs=tuple(site.runs))
            self.answers.update(site.done)

    @rule(place=st.integers(0, 4), good=st.booleans())
    def conclude(self, place: int, good: bool) -> None:
        site = self.sites[sorted(self.sites)[place % len(self.sites)]]
        if site.stage is Stage.FREEZING:
            self._ended(site, "switched" if good else "aborted")

    @rule(place=st.integers(0, 4), cut=st.booleans())
    def line(self, place: int, cut: bool) -> None:
        self.sites[sorted(self.sites)[place % len(self.sites)]].cut = cut

    @precondition(lambda self: self.wave.state == "running")
    @rule(cancel=st.booleans())
    def a_person_stops_it(self, cancel: bool) -> None:
        decided = end(self.wave, self.seen(), self.now, state="cancelled" if cancel else "stopped", why="a person")
        self._write(decided.wave, decided.asks)

    @precondition(lambda self: self.wave.state == "stopped")
    @rule()
    def a_person_resumes_it(self) -> None:
        times = {
            part.code: self.now + HOUR if part.at else None for part in self.wave.parts
        }  # fmt: skip
        self.wave = resumed(self.wave, self.seen(), self.now, times=times)

    @invariant()
    def nobody_is_asked_twice(self) -> None:
        if not hasattr(self, "orders"):
            return
        for code in self.sites:
            begins = [one for one in self.orders if one.code == code and one.wish is not Wish.UNSCHEDULE]
            part = next(one for one in self.wave.parts if one.code == code)
            assert len(begins) <= part.attempt
            assert len({one.id for one in begins}) == len(begins)
        assert not self.begun_while_stopped

    @invariant()
    def through_is_only_what_was_told(self) -> None:
        if hasattr(self, "wave") and self.wave.state == "through":
            assert all(site.told.stage is Stage.SOAKING for site in self.sites.values())

    def teardown(self) -> None:
        """Left alone, heard or not, it comes to an end."""
        if not hasattr(self, "wave"):
            return
        for _ in range(60):
            self.pass_(45)
            for place in range(len(self.sites)):
                self.deliver(place, False)
                self.tell(place)
            self.look(False)
        assert self.wave.state != "running"


Machine.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase


def test_a_silent_site_is_unknown_only_after_a_while() -> None:
    assert SILENT < PATIENCE
