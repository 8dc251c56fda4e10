"""What the state knows of homes that are made, on both engines: held once, released, made, counted, journaled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from bridge.core.model import Side
from bridge.ports import Identity
from bridge.state import SchoolStore, homes, whereabouts
from bridge.state.homes import Home
from bridge.state.whereabouts import Known
from tests.state.conftest import Clock


def home(store: SchoolStore, link: str) -> Home:
    return Home(store.code, f"{store.code}/homes/{link}", link, "pupil")


def actions(store: SchoolStore, link: str) -> list[tuple[str, str]]:
    return [(one.entry.action, one.entry.anchor) for one in store.journal(link=link)]


def test_held_since_it_was_held_first_until_it_is_made(store: SchoolStore, clock: Clock) -> None:
    one = home(store, "L1")
    homes.hold(store.database, one, "too many")
    since = clock.now
    clock.pass_(hours=1)
    homes.hold(store.database, one, "still too many")
    assert [(trouble.link, trouble.rule, trouble.since) for trouble in store.troubles()] == [
        (one.root, "guard:create", since)
    ]
    store.release(one.root, actor="admin", reason="checked")
    assert homes.freed(store.database, store.code) == {one.root}
    homes.note(store.database, one, Identity("1-1", "a directory"))
    assert store.troubles() == []
    assert homes.freed(store.database, store.code) == frozenset(), "a release is good for one home"
    assert store.verify().ok


def test_who_needs_none_any_more_is_not_held(store: SchoolStore) -> None:
    for link in ("L1", "L2"):
        homes.hold(store.database, home(store, link), "too many")
    homes.forget(store.database, store.code, {home(store, "L2").root})
    assert [one.link for one in store.troubles()] == [home(store, "L2").root]


def test_homes_count_by_role_within_the_window(store: SchoolStore, clock: Clock) -> None:
    for link in ("L1", "L2"):
        homes.note(store.database, home(store, link), Identity(link, "a directory"))
    clock.pass_(hours=2)
    homes.note(store.database, home(store, "L3"), Identity("L3", "a directory"))
    since = clock.now - timedelta(hours=1)
    assert homes.made_since(store.database, home(store, "L4"), since) == 1
    assert homes.made_since(store.database, home(store, "L4"), since - timedelta(hours=2)) == 3
    teacher = Home(store.code, "r", "T1", "teacher")
    assert homes.made_since(store.database, teacher, since - timedelta(hours=2)) == 0


def test_the_journal_tells_an_intention_once_and_what_came_of_it(store: SchoolStore) -> None:
    one = home(store, "L1")
    for _ in range(3):
        homes.intend(store.database, one)
    homes.note(store.database, one, Identity("1-1", "a directory"))
    homes.note_moved(store.database, one, "1-1")
    assert actions(store, "L1") == [("intend", ""), ("create", "1-1"), ("move", "1-1")]


def test_what_was_ever_bound_is_known_and_only_of_that_share(store: SchoolStore) -> None:
    database = store.database
    for code, identity in ((f"{store.code}/homes/L1", "1-1"), (f"{store.code}/homes2/L1", "2-2")):
        database.school(code, store.kinds).bind(Side.SCHOOL, Identity(identity, "a directory"))
    whereabouts.keep(database, f"{store.code}/homes/L1", {"class": "5a"})
    assert homes.bound(database, store.code, "homes") == {f"{store.code}/homes/L1": Known("1-1", {"class": "5a"})}
    assert homes.bound(database, store.code, "homes2") == {f"{store.code}/homes2/L1": Known("2-2", {})}


def test_the_journal_stays_whole_while_the_cycle_writes_it_too(store: SchoolStore) -> None:
    def make() -> None:
        for number in range(40):
            homes.note(store.database, home(store, f"L{number}"), Identity(str(number), "a directory"))

    with ThreadPoolExecutor(1) as beside:
        making = beside.submit(make)
        for _ in range(40):
            store.move_stage("mirror", event="test", actor="t", reason="r")
        making.result()
    verdict = store.verify()
    assert verdict.ok, verdict.message
    assert verdict.rows == 80
