"""Appointments and what people were told, on both engines: in the journal, in one transaction, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.notices import Concern, Notice, Severity
from bridge.state import SchoolStore, appointments, journal, notices
from bridge.state.appointments import Outcome
from bridge.state.cutover_tables import changeover
from bridge.state.database import Database
from bridge.state.notices import News
from tests.state.conftest import Clock


def outcomes(database: Database, code: str = "west") -> list[str]:
    with database.read() as connection:
        assert journal.verify(connection, code).ok
        return [one.entry.outcome for one in journal.read(connection, code) if one.entry.action == "appointment"]


def test_made_moved_and_called_off(database: Database, store: SchoolStore, clock: Clock) -> None:
    first, second = clock.now + timedelta(days=1), clock.now + timedelta(days=2)
    appointments.appoint(database, "west", KINDS, first, actor="ada", reason="all are ready")
    made = appointments.appoint(database, "west", KINDS, second, actor="ada", reason="exams")
    assert appointments.appointment(database, "west") == made
    assert appointments.appointments(database) == {"west": made}
    assert made.at == second
    assert appointments.cancel(database, "west", KINDS, actor="bob", reason="storm") == made
    assert appointments.cancel(database, "west", KINDS, actor="bob", reason="storm") is None
    assert outcomes(database) == ["made", "moved", "cancelled"]


def test_an_appointment_that_was_moved_is_not_concluded(database: Database, store: SchoolStore, clock: Clock) -> None:
    old = appointments.appoint(database, "west", KINDS, clock.now, actor="ada", reason="first")
    clock.pass_(seconds=1)
    new = appointments.appoint(database, "west", KINDS, clock.now, actor="ada", reason="second")
    assert appointments.conclude(database, old, KINDS, Outcome.STARTED, reason="") is None
    assert appointments.appointment(database, "west") == new
    assert appointments.conclude(database, new, KINDS, Outcome.REFUSED, reason="no", cause="gates") == new
    assert outcomes(database) == ["made", "moved", "refused"]


def run(database: Database, number: int, outcome: str, clock: Clock, *, ended: bool = True) -> None:
    at = clock.pass_(hours=1)
    row = {
        "id": f"r{number}",
        "started": at,
        "deadline": at,
        "actor": "a",
        "step": "over",
        "step_at": at,
        "attempts": 0,
    }
    row |= {"state": "{}", "problem": "", "outcome": outcome, "ended": at if ended else None}
    with database.write() as connection:
        connection.execute(changeover.insert().values(school="west", **row))


def test_what_counts_as_failed(database: Database, store: SchoolStore, clock: Clock) -> None:
    store.move_stage("hybrid", event="mirror", actor="a", reason="r")
    seen = []
    for number, outcome in enumerate(["rehearsed", "aborted", "rehearsed", "deadline passed", "switched"]):
        run(database, number, outcome, clock)
        seen.append(appointments.places(database)["west"].failed)
    assert seen == [False, True, True, True, False]
    switched = clock.now
    clock.pass_(days=3)
    store.move_stage("soaking", event="switch", actor="a", reason="r")
    assert appointments.places(database)["west"].moved == switched
    run(database, 9, "rolled back", clock)
    store.move_stage("hybrid", event="roll-back", actor="a", reason="r")
    place = appointments.places(database)["west"]
    assert (place.stage, place.failed, place.moved) == (Stage.HYBRID, True, None)
    assert appointments.begun(database, "east") is None
    run(database, 10, "", clock, ended=False)
    assert appointments.begun(database, "west") == clock.now


def test_what_was_told_is_remembered_and_journaled(database: Database, store: SchoolStore, clock: Clock) -> None:
    database.school("east", KINDS)
    both = [
        Notice(Concern(code, "held", Severity.WARNING, clock.now, subject="guard", count=3), seen=clock.now)
        for code in ("west", "east", "")
    ]
    notices.keep(database, "it", [], both)
    notices.keep(database, "boss", [], both[:1])
    assert {one.concern.school: one for one in notices.remembered(database)[0]["it"]} == {
        one.concern.school: one for one in both
    }
    told = [
        replace(one, tried=clock.now, told=clock.now, times=1, said=Severity.WARNING, thread="SB-1", calm=clock.now)
        for one in both
    ]
    notices.keep(database, "it", both, told)
    notices.keep(database, "it", told, told)
    with database.read() as connection:
        rows = [one.entry for one in journal.read(connection, "west") if one.entry.action == "tell"]
        assert journal.verify(connection, "east").ok
    assert [(one.reason, one.outcome, one.after["key"]) for one in rows] == [("held guard", "told", "SB-1")]
    assert sorted(notices.remembered(database)[0]["it"], key=repr) == sorted(told, key=repr)
    notices.keep(database, "it", told, told[:1])
    assert notices.remembered(database)[0]["it"] == told[:1]
    notices.forget_others(database, ["boss"])
    assert set(notices.remembered(database)[0]) == {"boss"}


def test_news_begin_with_the_first_look(database: Database, store: SchoolStore) -> None:
    store.move_stage("observing", event="observe", actor="a", reason="before")
    notices.gather(database, {"west": ["it", "boss"], "unknown": ["it"]})
    assert notices.remembered(database)[1] == {}
    store.move_stage("rehearsing", event="rehearse", actor="a", reason="a name")
    notices.gather(database, {"west": ["it", "boss"]})
    notices.gather(database, {"west": ["it", "boss"]})
    news = notices.remembered(database)[1]
    assert [len(news[name]) for name in ("it", "boss")] == [1, 1]
    assert news["it"][0].facts == {"before": "observing", "after": "rehearsing", "event": "rehearse"}
    notices.done(database, "it", news["it"])
    assert set(notices.remembered(database)[1]) == {"boss"}
    notices.forget_others(database, [])
    assert notices.remembered(database) == ({}, {})


def test_news_of_a_whole_district_at_once_are_done(database: Database, store: SchoolStore, clock: Clock) -> None:
    many = [News(f"{number:04}", 1, "stage", clock.now, Severity.NOTICE) for number in range(1500)]
    one = News("west", 1, "stage", clock.now, Severity.NOTICE)
    notices.done(database, "it", [*many, one])
    assert notices.remembered(database)[1] == {}
