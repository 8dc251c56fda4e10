"""Who is meant, by anchor and by membership: found by index, whatever else the school has."""

from __future__ import annotations

from collections.abc import Callable

from bridge.state import SchoolStore
from bridge.web.people import by_anchor, classes_of, pupil_of
from tests.state.words import CLOUD, NOW, SCHOOL, both, enrol, group, page, user


def steps(store: SchoolStore, what: Callable[[], object]) -> int:
    """How many instructions SQLite needs, by tens. The pool gives the same connection each time."""
    with store.database.read() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
    count = [0]

    def more() -> int:
        count[0] += 1
        return 0

    raw.set_progress_handler(more, 10)
    what()
    raw.set_progress_handler(None, 0)
    return count[0]


def test_a_group_is_found_through_groups_without_a_link_and_on_its_side_only(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("g", ["n"]), group("h", ["b"]))
    store.fold(SCHOOL, page(group("n", ["a", "g"])), now=NOW)
    store.fold(CLOUD, page(group("H", ["A", "B"], version="2")), now=NOW)
    assert set(store.groups_of(SCHOOL, "a")) == {"Lg"}
    assert set(store.groups_of(SCHOOL, "b")) == {"Lh"}
    assert set(store.groups_of(CLOUD, "A")) == {"Lh"}
    assert store.linked(SCHOOL, ["a", "n", "A"]) == {"a": "La"}


def test_whom_a_teacher_may_reset_costs_the_same_in_a_large_school(sqlite_store: SchoolStore) -> None:
    store = sqlite_store
    pupils = [user("p", display_name="Pia"), user("q")]
    both(store, user("t", role="teacher"), *pupils, group("g", ["t", "p"], role="class"), group("h", "q", role="class"))

    def ask() -> None:
        teacher = by_anchor(store, "t")
        assert teacher is not None
        assert [(one.name, [pupil.link for pupil in one.pupils]) for one in classes_of(store, teacher)] == [
            ("g", ["Lp"])
        ]
        assert pupil_of(store, teacher, "Lp") is not None
        assert pupil_of(store, teacher, "Lq") is None

    small = steps(store, ask)
    enrol(store, SCHOOL, *(user(f"more{number}") for number in range(2000)))
    assert steps(store, ask) < 1.2 * small
    assert steps(store, lambda: store.find("t")) > 10 * small, "what reads everybody is noticed"


def test_nobody_of_the_cloud_and_nobody_who_left_is_known_by_anchor(store: SchoolStore) -> None:
    both(store, user("a"), group("g"))
    enrol(store, SCHOOL, user("b"))
    assert by_anchor(store, "A") is None
    assert by_anchor(store, "g") is None
    assert by_anchor(store, "B") is None
    found = by_anchor(store, "b")
    assert found is not None
    assert found.id == "Lb"
