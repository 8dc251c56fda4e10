"""Cost follows the change: what is equal touches no row, and one member of 5,000 is one row."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event

from bridge.core.model import Action, Operation
from bridge.state import SchoolStore
from tests.state.words import (
    CLOUD,
    NOW,
    SCHOOL,
    both,
    done,
    due,
    group,
    listing,
    mirror,
    operation,
    page,
    part,
    quiet,
    user,
)

BIG = [f"m{number}" for number in range(5000)]


def rows_changed(store: SchoolStore, what: Callable[[], object]) -> int:
    """Rows inserted, updated or deleted, as SQLite counts them. The pool gives the same connection each time."""
    with store.database.read() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        before = raw.total_changes
    what()
    with store.database.read() as connection:
        assert connection.connection.driver_connection is raw
        return int(raw.total_changes - before)


def statements(store: SchoolStore, what: Callable[[], object]) -> int:
    count = [0]

    def one_more(*_: object) -> None:
        count[0] += 1

    event.listen(store.database.engine, "before_cursor_execute", one_more)
    what()
    event.remove(store.database.engine, "before_cursor_execute", one_more)
    return count[0]


def test_folding_what_is_known_touches_no_row(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    seen = [user("a"), user("b", licenses=frozenset({"x", "y"})), group("g", "ab")]
    both(store, *seen)
    store.fold(SCHOOL, page(token="t"), now=NOW)
    same = page(*seen, part("user", "a", version="1", display_name="a"), token="t")
    assert rows_changed(store, lambda: store.fold(SCHOOL, same, now=NOW)) == 0
    assert rows_changed(store, lambda: due(store)) == 0
    assert rows_changed(store, lambda: store.quiet([])) == 0
    deltas = page(part("group", "g", version="1", added="ab", removed="zy"), token="t2")
    assert rows_changed(store, lambda: store.fold(SCHOOL, deltas, now=NOW)) == 1


def test_a_whole_listing_of_what_is_known_writes_only_its_marks(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    seen = [user(anchor) for anchor in "abcdef"]
    both(store, *seen)
    marks = 2 * len(seen)
    assert rows_changed(store, lambda: store.fold(SCHOOL, listing(*seen), now=NOW)) == marks


def test_one_member_of_5000_costs_a_few_rows(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    big = group("g", BIG)
    store.fold(SCHOOL, page(big), now=NOW)
    assert rows_changed(store, lambda: store.fold(SCHOOL, page(part("group", "g", added=["new"])), now=NOW)) <= 4
    whole = group("g", BIG[1:], version="3")
    assert rows_changed(store, lambda: store.fold(SCHOOL, page(whole), now=NOW)) <= 5


def test_recording_one_member_of_5000_costs_a_few_rows(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    people = [user(anchor) for anchor in [*BIG, "new"]]
    both(store, *people)
    both(store, group("g", BIG))
    everybody = frozenset(f"L{anchor}" for anchor in BIG)
    agree: dict[str, object] = {"display_name": "g", "members": everybody}
    store.record([done(operation("Lg", Action.AGREE, kind="group", agree=agree))], cycle="c", now=NOW)
    more = everybody | {"Lnew"}
    change = Operation(
        "Lg",
        "group",
        CLOUD,
        Action.UPDATE,
        "G",
        before={"members": everybody},
        after={"members": more},
        agree={"display_name": "g", "members": more},
    )
    assert rows_changed(store, lambda: store.record([done(change, "G")], cycle="c", now=NOW)) <= 12
    longest = max(len(str(one.entry.after)) for one in store.journal())
    assert longest < 500
    same = mirror(group("g", [*BIG, "new"], version="w1"))
    assert rows_changed(store, lambda: store.fold(CLOUD, page(same), now=NOW)) == 0


def test_500_links_cost_as_many_statements_as_5(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    people = [user(f"u{number}") for number in range(500)]
    both(store, *people)
    few = statements(store, lambda: store.links([f"Lu{number}" for number in range(5)]))
    many = statements(store, lambda: store.links([f"Lu{number}" for number in range(500)]))
    assert few == many
    assert many <= 8
    quiet(store)
