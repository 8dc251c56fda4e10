"""Settle and the order of a plan: kept folders, circles, names that clash, names that have to be freed first."""

from __future__ import annotations

import unicodedata

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.merge import transit_name
from bridge.core.model import Action, Digest, Fields, Link, Operation, Side
from bridge.core.policy import policy_for
from bridge.core.reconcile import reconcile
from tests.core.words import NOW, link


def folder(name: str, parent: str | None = None) -> Fields:
    return {"name": name, "parent": parent}


def file(name: str, parent: str | None = None, text: str = "one") -> Fields:
    return {"name": name, "parent": parent, "content": Digest("sha256", text, 1)}


def plan(*links: Link) -> list[Operation]:
    there = {(one.id, side) for one in links for side in Side if one.end(side).record is not None}
    return reconcile(
        links, kinds=KINDS, policy=policy_for(Stage.HYBRID), now=NOW, anchored=lambda one, side: (one, side) in there
    ).operations


def steps(*links: Link) -> list[tuple[str, str, str]]:
    return [(one.link, str(one.side), str(one.action)) for one in plan(*links)]


def same(kind: str, fields: Fields, id: str) -> Link:  # noqa: A002
    return link(kind, fields, fields, fields, id=id)


def test_parents_are_made_before_children() -> None:
    links = [
        link("file", file("a", "L3"), id="L1"),
        link("folder", folder("in", "L3"), id="L2"),
        link("folder", folder("out"), id="L3"),
    ]
    assert [one.link for one in plan(*links)] == ["L3", "L2", "L1"]


def test_children_go_before_parents() -> None:
    gone = [
        link("folder", None, folder("out"), folder("out"), id="L1"),
        link("folder", None, folder("in", "L1"), folder("in", "L1"), id="L2"),
        link("file", None, file("a", "L2"), file("a", "L2"), id="L3"),
    ]
    assert steps(*gone) == [("L3", "cloud", "delete"), ("L2", "cloud", "delete"), ("L1", "cloud", "delete")]


def test_a_folder_is_kept_for_what_lives_in_it() -> None:
    deleted = link("folder", None, folder("out"), folder("out"), id="L1")
    edited = link("file", None, file("a", "L1", "two"), file("a", "L1"), id="L2")
    assert steps(deleted, edited) == [("L1", "school", "restore"), ("L2", "school", "restore")]


def test_a_circle_follows_the_school() -> None:
    one = link("folder", folder("one", "L2"), folder("one"), folder("one"), id="L1")
    two = link("folder", folder("two"), folder("two", "L1"), folder("two"), id="L2")
    moves = {(step.link, step.side): step.after["parent"] for step in plan(one, two)}
    assert moves == {("L2", Side.CLOUD): None, ("L1", Side.CLOUD): "L2"}


def test_names_clash_by_case_and_unicode_form() -> None:
    for here, there in (("a.txt", "A.TXT"), ("ü.txt", unicodedata.normalize("NFD", "ü.txt"))):
        made = plan(link("file", file(here), id="L1"), link("file", None, file(there), id="L2"))
        renamed = [step for step in made if step.action is Action.UPDATE]
        stem, suffix = there.split(".")
        assert [(step.link, step.side, step.after) for step in renamed] == [
            ("L2", Side.CLOUD, {"name": f"{stem} (2).{suffix}"})
        ]


def test_names_in_different_folders_do_not_clash() -> None:
    one, two = same("folder", folder("one"), "L1"), same("folder", folder("two"), "L2")
    assert steps(one, two, same("file", file("a", "L1"), "L3"), same("file", file("A", "L2"), "L4")) == []


def test_a_swap_goes_over_a_transit_name() -> None:
    one = link("file", file("b"), file("a"), file("a"), id="L1")
    two = link("file", file("a"), file("b"), file("b"), id="L2")
    names = [(step.link, step.after["name"]) for step in plan(one, two)]
    assert names == [("L1", transit_name("L1")), ("L2", "a"), ("L1", "b")]


def test_a_transit_name_keeps_nothing_that_was_deleted() -> None:
    passing = link("folder", folder(transit_name("L1")), None, folder("x"), id="L1")
    assert steps(passing) == [("L1", "school", "delete")]


def test_what_is_kept_under_a_transit_name_gets_its_own_back() -> None:
    passing = link("folder", folder(transit_name("L1")), None, folder("x"), id="L1")
    edited = link("file", file("a", "L1", "two"), None, file("a", "L1"), id="L2")
    names = [(step.link, step.side, step.action, step.after["name"]) for step in plan(passing, edited)]
    assert sorted(names) == [
        ("L1", Side.CLOUD, Action.RESTORE, "x"),
        ("L1", Side.SCHOOL, Action.UPDATE, "x"),
        ("L2", Side.CLOUD, Action.RESTORE, "a"),
    ]


def test_a_move_into_a_folder_that_takes_its_name_gives_the_name_back() -> None:
    inside = link("folder", folder("B"), folder("B", "L2"), folder("B"), id="L1")
    around = link("folder", None, folder("B"), id="L2")
    made = [(step.link, step.action, dict(step.after)) for step in plan(inside, around)]
    assert made == [
        ("L1", Action.UPDATE, {"name": transit_name("L1")}),
        ("L2", Action.CREATE, {"name": "B"}),
        ("L1", Action.UPDATE, {"parent": "L2", "name": "B"}),
    ]


def test_a_renaming_that_is_due_anyway_frees_the_name() -> None:
    one = link("file", file("b"), file("a"), file("a"), id="L1")
    two = link("file", file("c"), file("b"), file("b"), id="L2")
    assert [(step.link, step.after["name"]) for step in plan(one, two)] == [("L2", "c"), ("L1", "b")]


def test_a_file_that_goes_makes_room_first() -> None:
    old = link("file", None, file("a"), file("a"), id="L1")
    new = link("file", file("a", text="two"), id="L2")
    assert steps(old, new) == [("L1", "cloud", "delete"), ("L2", "cloud", "create")]


def test_until_the_last_step_not_everything_is_agreed() -> None:
    one = link("file", file("b"), file("a", text="two"), file("a"), id="L1")
    first, last = plan(one)
    assert (first.side, last.side) == (Side.SCHOOL, Side.CLOUD)
    assert first.agree["content"] == last.agree["content"] == Digest("sha256", "two", 1)
    assert (first.agree["name"], last.agree["name"]) == ("a", "b")
    # Where the other side has nothing yet, there is no agreement at all.
    clash = plan(link("folder", folder("x"), id="L1"), link("file", None, file("x"), id="L2"))
    assert [bool(step.agree) for step in clash if step.link == "L2"] == [False, True]


def test_nobody_is_added_who_is_not_there() -> None:
    members = {"source_anchor": "g1", "members": frozenset({"L8"})}
    group = link("group", members, {"source_anchor": "g1"}, {"source_anchor": "g1"}, id="L1")
    newcomer = link("user", {"source_anchor": "u8", "enabled": True}, id="L8")
    assert [step.action for step in plan(group)] == []
    assert [(step.link, step.action) for step in plan(group, newcomer)] == [
        ("L8", Action.CREATE),
        ("L1", Action.UPDATE),
    ]
