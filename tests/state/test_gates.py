"""Gates in the state: one transaction, the journal told of what changed; and both sides compared as sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.cutover import Gate
from bridge.core.gates import ATTESTED, FAIL, PASS, WAIVED, Measured, Vouched
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Evidence
from bridge.ports import ConfigurationError, Pair, Removal, Trouble
from bridge.state import Database, SchoolStore, gates
from bridge.state.cutover_tables import changeover
from bridge.state.equality import Same, compare
from bridge.state.linked import licenceless
from bridge.state.transaction import writing
from tests.state.conftest import Clock
from tests.state.words import CLOUD, NOW, SCHOOL, both, enrol, group, mirror, page, part, user

CODE = "west"


def found(gate: Gate, result: str, **numbers: float) -> Measured:
    return Measured(gate, result, "so", "such", "do this", NOW, numbers)


def told(store: SchoolStore) -> list[tuple[str, str, str]]:
    return [(row.entry.action, row.entry.anchor, row.entry.outcome) for row in store.journal()]


def test_what_was_measured_comes_back_and_the_journal_tells_of_changes_only(
    store: SchoolStore, database: Database
) -> None:
    first = [found(Gate.CLOCK, PASS, seconds=1.5), found(Gate.COUNTS, FAIL, missing=3)]
    gates.note(database, CODE, KINDS, first)
    assert gates.measured(database, CODE) == {one.gate: one for one in first}
    gates.note(database, CODE, KINDS, [found(Gate.CLOCK, PASS, seconds=2), found(Gate.COUNTS, PASS)])
    assert gates.measured(database, CODE)[Gate.CLOCK].numbers == {"seconds": 2}
    changes = [("measure", "clock", PASS), ("measure", "counts", FAIL), ("measure", "counts", PASS)]
    assert told(store) == changes
    assert store.verify().ok
    assert gates.measured(database, "east") == {}


def test_words_are_kept_replaced_and_taken_back_each_with_a_row_of_the_journal(
    store: SchoolStore, database: Database
) -> None:
    one = Vouched(Gate.DEVICES, ATTESTED, "Kim", "looked at all of them", NOW, NOW + timedelta(days=3))
    gates.vouch(database, CODE, KINDS, one)
    two = Vouched(Gate.DEVICES, WAIVED, "Ali", "there are none", NOW)
    gates.vouch(database, CODE, KINDS, two)
    assert gates.vouched(database, CODE) == {Gate.DEVICES: two}
    gates.revoke(database, CODE, KINDS, Gate.DEVICES, "Kim", "there are some")
    assert gates.vouched(database, CODE) == {}
    rows = [(row.entry.action, row.entry.actor, row.entry.reason) for row in store.journal()]
    assert rows == [
        ("attest", "Kim", "looked at all of them"),
        ("waive", "Ali", "there are none"),
        ("revoke", "Kim", "there are some"),
    ]
    with pytest.raises(ConfigurationError, match="nothing to revoke"):
        gates.revoke(database, CODE, KINDS, Gate.DEVICES, "Kim", "again")


@pytest.mark.parametrize(
    ("word", "match"),
    [
        (Vouched(Gate.VERIFIED, WAIVED, "Kim", "no time", NOW), "verified .* can't be waived"),
        (Vouched(Gate.TWO_APPROVERS, WAIVED, "Kim", "alone", NOW), "can't be waived"),
        (Vouched(Gate.CREDENTIALS, WAIVED, "Kim", "later", NOW), "can't be waived"),
        (Vouched(Gate.COMPLETE_SCAN, ATTESTED, "Kim", "saw it", NOW), "can't be attested"),
        (Vouched(Gate.COUNTS, ATTESTED, "Kim", "counted", NOW), "Instead: waive it"),
        (Vouched(Gate.INFORMED, WAIVED, "Kim", "who cares", NOW), "Instead: attest it"),
        (Vouched(Gate.DEVICES, ATTESTED, "Kim", "  ", NOW), "say who and why"),
        (Vouched(Gate.DEVICES, ATTESTED, "", "so", NOW), "say who and why"),
        (Vouched(Gate.DEVICES, WAIVED, "Kim", "so", NOW, NOW), "has to end between"),
        (Vouched(Gate.DEVICES, WAIVED, "Kim", "so", NOW, NOW + timedelta(days=61)), "has to end between"),
    ],
)
def test_a_word_that_the_law_does_not_allow_changes_nothing(
    sqlite_store: SchoolStore, word: Vouched, match: str
) -> None:
    database = sqlite_store.database
    with pytest.raises(ConfigurationError, match=match):
        gates.vouch(database, CODE, KINDS, word)
    assert gates.vouched(database, CODE) == {}
    assert list(sqlite_store.journal()) == []


def test_the_rehearsed_configuration_is_kept_apart_from_what_was_measured(
    store: SchoolStore, database: Database, clock: Clock
) -> None:
    assert gates.rehearsed(database, CODE) == ({}, None)
    gates.keep_rehearsed(database, CODE, KINDS, {"a": "1", "b": "2"}, actor="Kim", reason="begin")
    clock.pass_(days=1)
    gates.keep_rehearsed(database, CODE, KINDS, {"a": "1", "b": "3", "c": "4"}, actor="Kim", reason="better")
    assert gates.rehearsed(database, CODE) == ({"a": "1", "b": "3", "c": "4"}, clock.now)
    assert gates.measured(database, CODE) == {}
    assert [row.entry.after["changed"] for row in store.journal()] == [[], ["b", "c"]]


def test_only_a_run_that_came_home_proves_the_way_back(store: SchoolStore, database: Database, clock: Clock) -> None:
    assert gates.way_back(database, CODE) is None

    def ran(of: str, outcome: str) -> None:
        row = {"id": of, "started": clock.now, "deadline": clock.now, "actor": "Kim", "step": "over",
               "step_at": clock.now, "attempts": 0, "state": "{}", "problem": "", "outcome": outcome,
               "ended": clock.now}  # fmt: skip
        with writing(database, CODE) as tx:
            tx.put(changeover, [row])

    for outcome in ("switched", "aborted", "deadline passed", ""):
        ran(outcome, outcome)
    assert gates.way_back(database, CODE) is None
    ran("1", "rehearsed")
    proved = clock.now
    clock.pass_(days=1)
    ran("2", "rolled back")
    assert gates.way_back(database, CODE) == clock.now > proved


# --- both sides as sets -----------------------------------------------------------------------------------------------


def test_equal_sides_are_equal_and_nested_groups_are_followed(store: SchoolStore, database: Database) -> None:
    both(store, user("a"), user("b"), user("c"))
    inner, outer = group("g", "ab"), group("h", ["g", "c"])
    store.fold(SCHOOL, page(inner, outer), now=NOW)
    enrol_both(store, "g", "h")
    store.fold(CLOUD, page(mirror(inner), mirror(group("h", "abc"))), now=NOW)
    same = compare(database, CODE)
    assert same.equal
    assert (same.memberships, same.kinds["user"], same.kinds["group"]) == (5, Same(both=3), Same(both=2))


def enrol_both(store: SchoolStore, *anchors: str) -> None:
    store.fold(CLOUD, page(*(mirror(group(one)) for one in anchors)), now=NOW)
    store.pair([Pair(f"L{one}", "group", one, one.upper()) for one in anchors])


def test_a_ring_of_groups_ends(store: SchoolStore, database: Database) -> None:
    both(store, user("a"))
    ring = [group("g", "h"), group("h", ["g", "a"])]
    store.fold(SCHOOL, page(*ring), now=NOW)
    enrol_both(store, "g", "h")
    store.fold(CLOUD, page(mirror(group("g", "a")), mirror(group("h", "a"))), now=NOW)
    same = compare(database, CODE)
    assert (same.memberships, same.equal) == (2, True)


def test_each_difference_is_counted_where_it_is(store: SchoolStore, database: Database) -> None:
    both(store, user("a"), user("b"), user("c"), group("g", "ab"))
    assert compare(database, CODE).equal
    store.fold(SCHOOL, page(part("group", "g", added=["c"], removed=["a"])), now=NOW)
    same = compare(database, CODE)
    assert (same.memberships, same.missing, same.extra, same.equal) == (2, 1, 1, False)
    store.fold(SCHOOL, page(part("group", "g", added=["a"], removed=["c"], version="3")), now=NOW)
    assert compare(database, CODE).equal
    enrol(store, SCHOOL, user("d"), user("e", consent=False))
    store.fold(SCHOOL, page(user("f")), now=NOW)
    assert compare(database, CODE).kinds["user"] == Same(both=3, only_school=2, exempt=1)
    store.fold(SCHOOL, page(Removal("c", Evidence.DELETED)), now=NOW)
    assert compare(database, CODE).kinds["user"] == Same(both=2, only_school=2, only_cloud=1, exempt=1)


def test_the_other_school_is_not_counted(store: SchoolStore, database: Database) -> None:
    both(store, user("a"), group("g", "a"))
    other = database.school("east", KINDS)
    enrol(other, SCHOOL, user("a"), group("g", "a"))
    assert compare(database, CODE).equal
    assert compare(database, "east").kinds["user"] == Same(only_school=1)


def test_names_of_what_is_missing_are_kept_but_not_journaled(store: SchoolStore, database: Database) -> None:
    names = tuple(f"PC-{number:03}" for number in range(300))
    gates.note(database, CODE, KINDS, [replace(found(Gate.DEVICES, FAIL), names=names)])
    assert gates.measured(database, CODE)[Gate.DEVICES].names == names[:200]
    assert "PC-" not in repr(list(store.journal()))


def test_people_without_a_licence_are_counted(store: SchoolStore, database: Database) -> None:
    rules = ["refused:licence", "failed:licence_stock", "guard:delete"]
    store.trouble([
        Trouble(f"l{number}", "user", CLOUD, Action.UPDATE, "pupil", rule, "", NOW) for number, rule in enumerate(rules)
    ])  # fmt: skip
    assert licenceless(database, CODE) == 2
    assert licenceless(database, "east") == 0
