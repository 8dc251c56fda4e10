"""Which files of a plan go first, and that nothing goes before what it needs."""

from __future__ import annotations

from bridge.core.model import Action, Digest, Fields, Link, Side
from bridge.core.urgency import LARGE
from tests.core.test_tree import folder, plan, same, steps
from tests.core.words import link


def file(name: str, *, size: int = 1, day: int = 1, parent: str | None = None) -> Fields:
    modified = f"2026-09-{day:02}T08:00:00Z"
    return {"name": name, "parent": parent, "content": Digest("sha256", "text", size), "modified": modified}


def new(id: str, **how: int) -> Link:  # noqa: A002
    return link("file", file(id, **how), id=id)  # type: ignore[arg-type]


def test_small_files_go_before_large_ones_and_new_ones_before_old_ones() -> None:
    files = [
        new("L1", size=LARGE, day=9), new("L2", size=LARGE - 1, day=1), new("L3", size=10, day=5),
        new("L4", size=LARGE * 9, day=2), new("L5", size=0, day=7),
    ]  # fmt: skip
    assert [one.link for one in plan(*files)] == ["L5", "L3", "L2", "L1", "L4"]


def test_what_sends_no_bytes_goes_before_what_does() -> None:
    renamed = link("file", file("b", size=LARGE), file("a", size=LARGE), file("a", size=LARGE), id="L2")
    agreed = link("file", file("same"), file("same"), id="L3")
    assert [one.link for one in plan(new("L1", day=9), renamed, agreed)] == ["L3", "L2", "L1"]


def test_all_folders_go_before_the_files_however_deep_they_are() -> None:
    tree = [
        link("file", file("top", size=LARGE), id="L1"),
        link("folder", folder("in", "L3"), id="L2"),
        link("folder", folder("out"), id="L3"),
        link("file", file("deep", parent="L2"), id="L4"),
    ]
    assert [one.link for one in plan(*tree)] == ["L3", "L2", "L4", "L1"]


def test_what_goes_to_one_side_stays_together() -> None:
    ends = [(file(f"f{day}", day=day), None) for day in range(1, 7)]
    both = [link("file", *ends[day - 1][:: 1 if day % 2 else -1], id=f"L{day}") for day in range(1, 7)]
    assert [str(one.side) for one in plan(*both)] == ["cloud"] * 3 + ["school"] * 3


def test_a_name_is_freed_first_although_the_file_that_wants_it_is_more_urgent() -> None:
    # The large old one leaves the name that the small new one wants.
    leaves = link("file", file("b", size=LARGE), file("a", size=LARGE), file("a", size=LARGE), id="L9")
    wants = link("file", file("a", day=9), id="L1")
    assert steps(leaves, wants) == [("L9", "cloud", "update"), ("L1", "cloud", "create")]
    edited = link("file", file("b", size=LARGE + 1), file("a", size=LARGE), file("a", size=LARGE), id="L9")
    assert steps(edited, wants) == [("L9", "cloud", "update"), ("L1", "cloud", "create")]


def test_two_steps_of_one_file_stay_in_their_order() -> None:
    agreed = file("a", size=1)
    here, there = {**agreed, "name": "b"}, {**agreed, "content": Digest("sha256", "two", LARGE)}
    one = link("file", here, there, agreed, id="L1")
    made = plan(one, new("L2"), same("folder", folder("f"), "L3"))
    mine = [(step.side, step.action) for step in made if step.link == "L1"]
    assert mine == [(Side.SCHOOL, Action.UPDATE), (Side.CLOUD, Action.UPDATE)]
