"""When a trouble is told: the table, and what must hold whatever comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.notices import MEMORY, STORM, Concern, Letter, Notice, Severity, What, letters, step, told, tried

START = datetime(2026, 9, 14, 6, 0, tzinfo=UTC)
AFTER = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


class Play:
    """One target, a clock, and whether what is sent arrives."""

    def __init__(self, *, least: Severity = WARNING) -> None:
        self.least, self.now = least, START
        self.known: list[Notice] = []
        self.sent: list[Letter] = []

    def minute(self, *wrong: Concern, arrives: bool = True, quiet: bool = False, crash: bool = False) -> list[Letter]:
        self.now += MINUTE
        self.known = step(self.known, wrong, least=self.least, after=AFTER, now=self.now)
        due = letters(self.known, after=AFTER, quiet=quiet, now=self.now)
        for letter in due:
            self._keep(tried(letter, self.now))
            if crash:
                self.sent.append(letter)  # it arrived, and nobody could note it
            elif arrives:
                self.sent.append(letter)
                self._keep(told(letter, self.now))
        return due

    def _keep(self, changed: Sequence[Notice]) -> None:
        by_name = {one.concern.name: one for one in changed}
        self.known = [by_name.get(one.concern.name, one) for one in self.known]

    def minutes(self, count: int, *wrong: Concern) -> list[Letter]:
        return [letter for _ in range(count) for letter in self.minute(*wrong)]


def concern(code: str = "a", kind: str = "error", severity: Severity = WARNING) -> Concern:
    return Concern(code, kind, severity, START)


def whats(found: Sequence[Letter]) -> list[str]:
    return [one.what.value for one in found]


def test_told_once_it_lasts_and_once_when_it_is_over() -> None:
    play = Play()
    assert play.minutes(5, concern()) == []
    assert whats(play.minutes(30, concern())) == ["begun"]
    assert whats(play.minutes(30)) == ["over"]
    assert len({one.thread for one in play.sent}) == 1


def test_what_ends_in_time_is_never_told() -> None:
    play = Play()
    play.minutes(4, concern())
    assert play.minutes(60) == []
    assert play.known == []


def test_reminders_come_in_growing_gaps() -> None:
    play = Play()
    begun = whats(play.minutes(3 * 24 * 60, concern(severity=CRITICAL)))
    assert begun == ["begun", *["lasts"] * 5]  # after 1, 5, 17, 41 and 65 hours


def test_worse_is_told_at_once_and_better_is_not() -> None:
    play = Play()
    play.minutes(6, concern())
    assert whats(play.minute(concern(severity=CRITICAL))) == ["worse"]
    assert play.minutes(20, concern()) == []
    assert play.minutes(20, concern(severity=CRITICAL)) == []


def test_a_target_for_critical_things_hears_of_nothing_else_but_of_their_end() -> None:
    play = Play(least=CRITICAL)
    assert play.minutes(20, concern()) == []
    assert whats(play.minutes(20, concern(severity=CRITICAL))) == ["begun"]
    assert play.minutes(20, concern()) == [], "it is not over while it is a warning"
    assert whats(play.minutes(20)) == ["over"]


def test_what_gets_better_before_it_is_told_is_not_for_a_target_for_critical_things() -> None:
    play = Play(least=CRITICAL)
    assert play.minutes(3, concern(severity=CRITICAL)) == []
    assert play.minutes(60, concern(severity=WARNING)) == []
    assert whats(play.minutes(30, concern(severity=CRITICAL))) == ["begun"]


def test_a_storm_is_one_letter_and_who_comes_late_joins_it() -> None:
    play = Play()
    many = [concern(code) for code in "abcde"]
    found = play.minutes(6, *many)
    assert [len(one.notices) for one in found] == [5]
    late = concern("z")
    (joined,) = play.minutes(10, *many, late)
    assert (joined.thread, [one.concern.school for one in joined.notices]) == (found[0].thread, ["z"])
    (first,) = play.minutes(30, *many[1:], late)
    assert (first.what, len(first.notices), first.left) == (What.OVER, 1, 5)
    over = play.minutes(30)
    assert [(one.what, len(one.notices), one.left) for one in over] == [(What.OVER, 5, 0)]


def test_those_that_begin_a_little_later_are_in_the_storms_letter() -> None:
    play = Play()
    play.minutes(3, concern("a"))
    found = play.minutes(10, concern("a"), concern("b"), concern("c"))
    assert [len(one.notices) for one in found] == [STORM]


def test_two_schools_are_no_storm() -> None:
    play = Play()
    found = play.minutes(6, concern("a"), concern("b"))
    assert [len(one.notices) for one in found] == [1, 1]
    assert len({one.thread for one in found}) == 2


def test_quiet_hours_hold_back_all_but_what_is_critical() -> None:
    play = Play()
    for _ in range(20):
        found = play.minute(concern(), concern("b", severity=CRITICAL), quiet=True)
        assert [one.notices[0].concern.school for one in found] in ([], ["b"])
    assert [one.notices[0].concern.school for one in play.minute(concern(), concern("b", severity=CRITICAL))] == ["a"]


def test_what_did_not_arrive_is_due_again() -> None:
    play = Play()
    for _ in range(10):
        play.minute(concern(), arrives=False)
    assert play.sent == []
    assert whats(play.minute(concern())) == ["begun"]


def test_an_end_is_told_even_where_only_the_attempt_is_known() -> None:
    """The process was killed between the send and the note of it."""
    play = Play()
    for _ in range(6):
        play.minute(concern(), crash=True)
    assert whats(play.sent) == ["begun"]
    play.minutes(10)
    assert whats(play.sent) == ["begun", "over"]


def test_an_end_that_was_not_noted_is_told_again() -> None:
    play = Play()
    play.minutes(6, concern())
    for _ in range(8):
        play.minute(crash=True)
    assert whats(play.sent)[:2] == ["begun", "over"]
    play.minutes(1)
    assert play.minutes(60) == []


def test_its_end_is_forgotten_after_a_day() -> None:
    play = Play()
    play.minutes(6, concern())
    play.minutes(10)
    assert len(play.known) == 1
    play.minutes(int(MEMORY / MINUTE) + 1)
    assert play.known == []


def test_what_comes_and_goes_all_day_is_told_a_few_times() -> None:
    play = Play()
    for _ in range(3 * 24 * 60 // 20):
        play.minutes(10, concern())
        play.minutes(10)
    assert len(play.sent) <= 12, whats(play.sent)
    assert "begun" in whats(play.sent)


_school_states = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([None, WARNING, CRITICAL])), max_size=40)


@given(_school_states, st.lists(st.sampled_from(["arrives", "fails", "crash"]), min_size=1, max_size=7))
def test_whatever_comes_and_goes(spans: list[tuple[int, Severity | None]], weather: list[str]) -> None:
    """An end only after a beginning that was tried; what lasts is told; messages stay few."""
    play, open_ = Play(), False
    minutes = [severity for length, severity in spans for _ in range(length)]
    for number, severity in enumerate(minutes):
        sky = weather[number % len(weather)]
        wrong = [concern(severity=severity)] if severity else []
        for letter in play.minute(*wrong, arrives=sky == "arrives", crash=sky == "crash"):
            assert letter.what is What.BEGUN or open_, "nothing but a beginning comes first"
            open_ = letter.what is not What.OVER or sky != "arrives"
    clean = weather == ["arrives"] * len(weather)
    if clean:
        assert len(play.sent) <= 2 + len(minutes) / 5
        order = [one for one in whats(play.sent) if one in {"begun", "over"}]
        assert order == (["begun", "over"] * len(order))[: len(order)]
    play.minutes(600, concern(severity=CRITICAL))
    assert any(one.told is not None and one.calm is None for one in play.known), "what lasts is told in the end"
    play.minutes(600)
    assert play.sent[-1].what is What.OVER
    assert all(one.ended is not None for one in play.known)


_fleet = st.lists(st.tuples(st.integers(1, 30), st.sets(st.sampled_from("abcdef"))), max_size=25)


@given(_fleet, st.sampled_from(["arrives", "crash"]))
def test_whatever_happens_at_many_schools(spans: list[tuple[int, set[str]]], sky: str) -> None:
    """Of each school: an end only after its beginning, under the same key; and nobody is forgotten in a storm."""
    play = Play()
    keys: dict[str, str] = {}
    for length, broken in [*spans, (30, set("abcdef")), (600, set())]:
        for _ in range(length):
            for letter in play.minute(*map(concern, sorted(broken)), crash=sky == "crash" and length < 30):
                for one in letter.notices:
                    code = one.concern.school
                    assert letter.what is What.BEGUN or keys[code] == letter.thread
                    keys[code] = letter.thread
    assert set(keys) == set("abcdef")
    assert all(one.ended is not None for one in play.known)
