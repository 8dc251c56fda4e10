"""Waves over a real database of both sorts: begun, asked once, stopped, resumed; two hub processes at the same time."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import event, select

from bridge.fleet.messages import Signed
from bridge.fleet.orders import checked
from bridge.hub import wave_rows as rows
from bridge.hub.foreseen import foresee
from bridge.hub.progress import progress
from bridge.hub.settings import HubSettings
from bridge.hub.wave_shown import shown_plan
from bridge.hub.wave_steps import Start, Waves
from bridge.hub.waves import Conductor
from bridge.ports import ConfigurationError
from bridge.settings.hub import HubFile
from bridge.state import Database, hub_orders
from bridge.state.fleet_tables import hub_command, hub_wave
from bridge.state.journal import verify
from bridge.state.tables import journal
from tests.fleet import told
from tests.state.conftest import Clock, clock, database, migrated_file, migrated_url, url  # noqa: F401

KEY = Ed25519PrivateKey.generate()
HOUR = timedelta(hours=1)


def hub_file(**more: Any) -> HubFile:
    waves = [
        {"name": "pilot", "schools": ["0101"]},
        {
            "name": "north",
            "schools": ["0201", "0202", "0203"],
            "stop_after": 1,
            "needs": ["parents are told"],
            "owner": "office 40",
        },
    ]
    return HubFile.model_validate({"version": 1, "sites": {"names": ["hub.example"]}, "waves": waves, **more})


@pytest.fixture
def hub(database: Database, clock: Clock) -> Waves:  # noqa: F811
    """A hub with four schools, each with a site of its own; the first wave is through."""
    for code in ("0101", "0201", "0202", "0203"):
        told.site(database, f"site-{code}", code, heard=clock.now)
        told.school(database, code, stage="soaking" if code == "0101" else "hybrid")
    found = Waves(hub_file, database, KEY)
    found.attest("north", "parents are told", actor="anna", reason="letter of Monday")
    return found


def hear(hub: Waves) -> None:
    for code in ("0101", "0201", "0202", "0203"):
        told.site(hub.database, f"site-{code}", code, heard=hub.database.clock())


def orders(hub: Waves) -> list[tuple[str, str, str]]:
    with hub.database.read() as connection:
        query = select(hub_command).order_by(hub_command.c.asked, hub_command.c.school)
        return [(row.school, json.loads(row.action)["action"], row.state) for row in connection.execute(query)]


def ids(hub: Waves, wish: str = "schedule") -> dict[str, str]:
    with hub.database.read() as connection:
        found = connection.execute(select(hub_command).order_by(hub_command.c.asked))
        return {row.school: row.id for row in found if json.loads(row.action)["action"] == wish}


def begin(hub: Waves, clock: Clock, every: timedelta = timedelta(0)) -> rows.Began:  # noqa: F811
    return hub.start("north", Start(clock.now + HOUR, every), actor="anna", reason="planned in March")


def test_each_site_is_asked_once_with_an_order_that_it_takes(hub: Waves, clock: Clock) -> None:  # noqa: F811
    at = clock.now + HOUR
    begin(hub, clock, timedelta(minutes=10))
    hub.look("north")
    assert orders(hub) == [(code, "schedule", "waiting") for code in ("0201", "0202", "0203")]
    with hub.database.read() as connection:
        row = connection.execute(select(hub_command).where(hub_command.c.school == "0202")).one()
    order = checked(
        Signed.model_validate_json(row.order), KEY.public_key().public_bytes_raw(), site="site-0202", now=clock.now
    )
    assert order.action == {
        "action": "schedule",
        "reason": "wave north: planned in March",
        "at": (at + timedelta(minutes=10)).isoformat(),
    }
    assert (row.wave, order.scopes, order.actor) == ("north", ["operate"], "anna")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda hub: told.school(hub.database, "0101", stage="hybrid"), "the wave pilot is not through yet"),
        (lambda hub: told.site(hub.database, "site-0202"), "no site speaks for 0202"),
    ],
)
def test_it_begins_only_where_the_plan_lets_it(
    hub: Waves, clock: Clock, change: Callable[[Waves], None], expected: str  # noqa: F811
) -> None:  # fmt: skip
    change(hub)
    with pytest.raises(ConfigurationError, match=expected):
        begin(hub, clock)
    assert orders(hub) == []


def test_needs_blackouts_and_times_are_asked(database: Database, clock: Clock) -> None:  # noqa: F811
    for code in ("0101", "0201", "0202", "0203"):
        told.site(database, f"site-{code}", code, heard=clock.now)
        told.school(database, code, stage="soaking" if code == "0101" else "hybrid")
    exams = [{"from": "2026-03-02", "to": "2026-03-06", "reason": "exams"}]
    hub = Waves(lambda: hub_file(blackouts=exams), database, KEY)
    with pytest.raises(ConfigurationError, match=r'blackout \(exams\).*"parents are told" is not attested'):
        begin(hub, clock)
    with pytest.raises(ConfigurationError, match="is over"):
        hub.start("north", Start(clock.now - HOUR), actor="anna", reason="why not")
    with pytest.raises(ConfigurationError, match=r'no wave is called "south"; hub\.yaml has: pilot, north'):
        hub.start("south", Start(), actor="anna", reason="why not")
    with pytest.raises(ConfigurationError, match=r'does not need "coffee"; hub\.yaml says: parents are told'):
        hub.attest("north", "coffee", actor="anna", reason="why not")
    with pytest.raises(ConfigurationError, match='nobody attested "parents are told" of the wave north'):
        hub.unattest("north", "parents are told", actor="anna", reason="letter came back")


def test_a_refusal_stops_it_and_the_others_are_asked_to_stay(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    found = ids(hub)
    told.answer(hub.database, found["0201"], "refused", "its gates do not hold")
    told.answer(hub.database, found["0202"], "done")
    stopped = hub.look("north")
    assert stopped is not None
    assert stopped.wave.why == "1 failed (0201); it stops after 1"
    # 0203 had not got its order: it is taken back. 0202 had: it is asked to call it off.
    assert sorted(orders(hub)) == [
        ("0201", "schedule", "refused"),
        ("0202", "schedule", "done"),
        ("0202", "unschedule", "waiting"),
        ("0203", "schedule", "withdrawn"),
    ]
    assert hub.look("north") == stopped
    with pytest.raises(ConfigurationError, match="go on with: schoolbridge hub wave resume"):
        begin(hub, clock)
    # Resumed: another attempt under other ids, of all that are not through.
    clock.pass_(minutes=5)
    told.school(hub.database, "0202", stage="soaking")
    hub.resume("north", Start(clock.now + HOUR), actor="bert", reason="mended")
    again = ids(hub)
    assert {code for code in again if again[code] != found[code]} == {"0201", "0203"}


def test_an_order_that_a_site_got_and_never_answered_is_called_off(hub: Waves, clock: Clock) -> None:  # noqa: F811
    """0201 took it and fell silent, 0202 never got it: a person there may have made an appointment of their own."""
    hub.start("north", Start(clock.now + 72 * HOUR), actor="anna", reason="planned in March")
    hub_orders.take(hub.database, ["site-0201"])
    clock.pass_(hours=25)
    hub_orders.expire(hub.database)
    hear(hub)
    found = hub.look("north")
    assert found is not None
    assert found.wave.state == "stopped"
    assert [row for row in orders(hub) if row[1] == "unschedule"] == [("0201", "unschedule", "waiting")]


def test_it_is_through_when_all_say_so(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    for id_ in ids(hub).values():
        told.answer(hub.database, id_, "done")
    began = clock.pass_(hours=1)
    for code in ("0201", "0202", "0203"):
        told.cutover(hub.database, code, stage="freezing", run=told.run("r", began, deadline=began + 4 * HOUR))
    hear(hub)
    shown = shown_plan(hub_file(), hub.database)["waves"][1]
    assert [row["stand"] for row in shown["schools"]] == ["under way"] * 3
    over = clock.pass_(hours=1)
    for code in ("0201", "0202", "0203"):
        told.cutover(
            hub.database, code, stage="soaking", past=[told.run("r", began, ended=over, outcome="switched")]
        )  # fmt: skip
        told.school(hub.database, code, stage="soaking")
    found = hub.look("north")
    assert found is not None
    assert found.wave.state == "through"


def test_a_wrong_clock_of_a_site_hides_no_failed_run(hub: Waves, clock: Clock) -> None:  # noqa: F811
    hub.start("north", Start(), actor="anna", reason="now")
    told.site(hub.database, "site-0202", "0202", heard=clock.now, ahead=-7200)
    began = clock.now - 2 * HOUR + timedelta(minutes=1)  # on its clock
    ended = told.run("r", began, ended=began + timedelta(minutes=20), outcome="aborted")
    told.cutover(hub.database, "0202", stage="hybrid", past=[ended])
    found = hub.look("north")
    assert found is not None
    assert found.wave.why == "1 failed (0202); it stops after 1"


def test_a_silent_site_is_never_through(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    clock.pass_(minutes=89)
    told.site(hub.database, "site-0201", "0201", heard=clock.now)
    assert hub.look("north").wave.state == "running"  # type: ignore[union-attr]
    clock.pass_(minutes=2)
    found = hub.look("north")
    assert found is not None
    assert "2 failed (0202, 0203)" in found.wave.why


def test_a_crash_in_the_middle_leaves_nothing_and_the_next_look_does_it(hub: Waves, clock: Clock) -> None:  # noqa: F811
    """The process dies at each statement of a step in turn; nothing is asked twice in the end."""

    class Died(Exception):
        pass

    point, count = 0, 0

    def die(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == point:
            raise Died

    while not orders(hub):
        point, count = point + 1, 0
        event.listen(hub.database.engine, "before_cursor_execute", die)
        with suppress(Died):
            begin(hub, clock)
        event.remove(hub.database.engine, "before_cursor_execute", die)
        assert len(orders(hub)) in (0, 3), point  # all or nothing
    assert point > 15
    hub.look("north")
    assert len(orders(hub)) == 3


def test_two_processes_ask_once(hub: Waves, url: str, clock: Clock) -> None:  # noqa: F811
    """Each with a connection of its own: both begin, both look, all the time."""
    from bridge.state import open_database

    others = [open_database(url, clock=clock) for _ in range(3)]
    both = [hub, *(Waves(hub_file, one, KEY) for one in others)]

    def work(one: Waves) -> str:
        try:
            begin(one, clock)
            outcome = "begun"
        except ConfigurationError as error:
            outcome = str(error)
        for _ in range(5):
            one.look("north")
        return outcome

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, both))
    assert found.count("begun") == 1
    assert sum("is running" in one for one in found) == 3
    assert len(orders(hub)) == 3
    for one in others:
        one.close()


def test_every_step_stands_in_whole_journals(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    hub.stop("north", actor="bert", reason="the line is cut")
    with hub.database.read() as connection:
        said = connection.execute(select(journal.c.school, journal.c.action, journal.c.outcome)).all()
        assert {(row.school, row.action, row.outcome) for row in said} >= {
            ("hub", "wave", "attested"), ("hub", "wave", "begun"), ("hub", "wave", "stopped"),
            ("0201", "ask", ""), ("0201", "withdraw command", ""),
        }  # fmt: skip
        assert all(verify(connection, code).ok for code in {row.school for row in said})
    hub.stop("north", actor="bert", reason="for good", cancel=True)
    with pytest.raises(ConfigurationError, match="is cancelled, expected: stopped"):
        hub.resume("north", Start(), actor="anna", reason="on we go")
    clock.pass_(minutes=1)
    begin(hub, clock)  # anew
    assert [state for _, _, state in orders(hub)].count("waiting") == 3


@pytest.mark.parametrize(
    ("slot", "body"),
    [
        ("school", {"view": {"stage": ["hybrid"], "amounts": 7, "held": "many", "appointment": 3}}),
        ("school", {"view": 5}),
        ("school", []),
        ("cutover", {"past": 5, "run": [], "stage": {}}),
        ("cutover", {"past": None, "run": {"started": 1, "outcome": {}, "id": []}}),
    ],
)
def test_what_one_site_tells_otherwise_hides_no_other_school(
    hub: Waves, clock: Clock, slot: str, body: Any  # noqa: F811
) -> None:  # fmt: skip
    """A newer version, or one that lies: its school is not known, and that is all."""
    begin(hub, clock)
    told._slot(hub.database, "0202", slot, body)
    assert hub.look("north").wave.state == "running"  # type: ignore[union-attr]
    shown = shown_plan(hub_file(), hub.database)["waves"][1]
    assert [row["school"] for row in shown["schools"]] == ["0201", "0202", "0203"]
    assert foresee(hub_file(), hub.database).schools["0202"]
    assert progress(hub_file(), hub.database)["schools"] == 4


def test_a_wave_that_can_not_be_looked_at_keeps_no_other_from_it(hub: Waves, clock: Clock) -> None:  # noqa: F811
    """A row that this version can't read, first by its name; and a school whose site is gone before it was asked."""
    begin(hub, clock)
    found = ids(hub)
    with hub.database.write() as connection:
        row = {"name": "a", "state": "running", "begun": clock.now, "actor": "x", "reason": "x", "schools": "{}"}
        connection.execute(hub_wave.insert().values(**row, changed=clock.now, why=""))
    told.answer(hub.database, found["0201"], "refused", "its gates do not hold")

    class Process:
        settings = HubSettings(Path("/nowhere/hub.yaml"), hub_file())
        keys = type("Keys", (), {"orders": KEY})()
        database = hub.database

    Conductor(Process()).look()
    with hub.database.read() as connection:
        assert rows.begun(connection, "north").wave.state == "stopped"  # type: ignore[union-attr]


def test_who_still_tells_an_appointment_is_not_said_to_stay(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    for id_ in ids(hub).values():
        told.answer(hub.database, id_, "done")
    told.school(hub.database, "0202", stage="hybrid", appointment=(clock.now + HOUR).isoformat())
    hub.stop("north", actor="bert", reason="the line is cut")
    shown = {row["school"]: row["why"] for row in shown_plan(hub_file(), hub.database)["waves"][1]["schools"]}
    assert shown["0202"] == "it was asked to stay as it is, but its site site-0202 still tells an appointment"
    assert shown["0203"] == "it was asked to stay as it is"


def test_a_school_whose_site_is_gone_fails_its_wave_and_nothing_else(hub: Waves, clock: Clock) -> None:  # noqa: F811
    begin(hub, clock)
    for id_ in ids(hub).values():
        told.answer(hub.database, id_, "done")
    told.site(hub.database, "site-0202")  # was taken from it, and given to nobody
    found = hub.stop("north", actor="bert", reason="the line is cut")
    assert found.wave.state == "stopped"
    assert sorted(code for code, what, _ in orders(hub) if what == "unschedule") == ["0201", "0203"]
