"""Loose records, candidates, pairs; and link space as reconcile reads it."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.model import Action, Evidence
from bridge.ports import Candidate, Pair, Removal, Trouble
from bridge.state import SchoolStore
from tests.state.conftest import Clock
from tests.state.words import CLOUD, NOW, SCHOOL, both, due, enrol, folder, group, page, part, quiet, user


def test_loose_goes_on_after_an_anchor_and_tears_no_equal_anchors_apart(store: SchoolStore) -> None:
    store.fold(SCHOOL, page(user("a"), user("b"), user("c")), now=NOW)
    store.fold(CLOUD, page(user("b")), now=NOW)
    first = store.loose(None, 2)
    assert [(one.anchor, one.side) for one in first] == [("a", SCHOOL), ("b", CLOUD), ("b", SCHOOL)]
    assert [one.anchor for one in store.loose("b", 2)] == ["c"]


def test_one_ended_links_are_loose_while_touched_and_not_held(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"))
    assert list(store.loose(None, 10)) == []
    store.fold(SCHOOL, page(user("a", display_name="Ada")), now=NOW)
    assert [(one.anchor, one.link) for one in store.loose(None, 10)] == [("a", "La")]
    store.trouble([Trouble("La", "user", CLOUD, Action.CREATE, "pupil", "guard:create", "no", NOW)])
    assert list(store.loose(None, 10)) == []


def test_what_is_gone_is_not_loose(store: SchoolStore) -> None:
    store.fold(SCHOOL, page(user("a")), now=NOW)
    store.fold(SCHOOL, page(Removal("a", Evidence.DELETED)), now=NOW)
    assert list(store.loose(None, 10)) == []


def test_candidates_ignore_case_and_follow_changes(store: SchoolStore) -> None:
    store.fold(CLOUD, page(user("C1", source_anchor="ABC"), user("C2", source_anchor="abc"), user("C3")), now=NOW)
    found = store.candidates(CLOUD, "user", "source_anchor", ["abc", "none"])
    assert [one.anchor for one in found["abc"]] == ["C1", "C2"]
    assert list(found["none"]) == []
    store.fold(CLOUD, page(user("C2", source_anchor="xyz"), part("user", "C1", source_anchor=None)), now=NOW)
    found = store.candidates(CLOUD, "user", "source_anchor", ["abc", "xyz"])
    assert {value: [one.anchor for one in ones] for value, ones in found.items()} == {"abc": [], "xyz": ["C2"]}


def test_a_candidate_is_free_when_its_other_end_was_surely_deleted(store: SchoolStore) -> None:
    both(store, user("a"))
    assert store.candidates(CLOUD, "user", "source_anchor", ["a"]) == {"a": [Candidate("A", "La", paired=True)]}
    for evidence, paired in [(Evidence.MISSING, True), (Evidence.LEFT, True), (Evidence.DELETED, False)]:
        store.fold(SCHOOL, page(Removal("a", evidence)), now=NOW)
        assert store.candidates(CLOUD, "user", "source_anchor", ["a"])["a"][0].paired is paired


def test_pair_completes_and_absorbs(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"), group("g", "a"))
    enrol(store, CLOUD, user("A"))
    store.reserve("login", [("LA", ["ada"])])
    store.pair([Pair("La", "user", "a", "A", absorbs="LA")])
    assert store.anchors(["La", "LA"]) == {"La": ("a", "A")}
    assert due(store) == ["La", "Lg"]
    assert store.reserve("login", [("La", ["other"])]) == {"La": "ada"}
    assert [one.entry.action for one in store.journal()] == ["link"]


def test_pair_touches_what_refers_to_the_new_links(store: SchoolStore) -> None:
    enrol(store, SCHOOL, group("g", "ab"))
    store.fold(SCHOOL, page(user("a")), now=NOW)
    assert store.links(["Lg"])[0].school.foreign == {"members": 2}
    store.pair([Pair("La", "user", "a", None)])
    assert due(store) == ["La", "Lg"]
    end = store.links(["Lg"])[0].school
    assert end.record is not None
    assert end.record.fields["members"] == frozenset({"La"})
    assert end.foreign == {"members": 1}


def test_places_are_named_by_links_and_found_whatever_the_case(store: SchoolStore) -> None:
    enrol(store, SCHOOL, folder("r", "root"))
    enrol(store, CLOUD, folder("R", "root"))
    store.pair([Pair("Lr", "folder", "r", "R", absorbs="LR")])
    store.fold(SCHOOL, page(folder("d", "Übungen", "r"), folder("x", "lost", "nowhere")), now=NOW)
    store.fold(CLOUD, page(folder("D", "U\u0308bungen", "R")), now=NOW)
    keys = {(one.side, one.anchor): one.keys for one in store.loose(None, 10)}
    assert keys == {(SCHOOL, "d"): {"place": "Lr\0übungen"}, (CLOUD, "D"): {"place": "Lr\0übungen"}, (SCHOOL, "x"): {}}
    found = store.candidates(CLOUD, "folder", "place", ["Lr\0übungen", "Lr\0other"])
    assert {value: [one.anchor for one in ones] for value, ones in found.items()} == {
        "Lr\0übungen": ["D"],
        "Lr\0other": [],
    }


def test_a_tree_of_strange_names_is_stored(store: SchoolStore) -> None:
    enrol(store, SCHOOL, folder("r", "half \ud83d pair"), folder("n", "nul\0byte", "r"))
    names = [one.school.record.fields["name"] for one in store.links(["Lr", "Ln"]) if one.school.record]
    assert names == ["nul\0byte", "half \ud83d pair"]


def test_due_is_ordered_by_rank_and_pages_by_key(store: SchoolStore) -> None:
    both(store, user("b"), user("a"), group("g", "ab"))
    store.touch(["Lg", "Lb", "La"])
    seen: list[str] = []
    after = None
    while batch := store.due(NOW, after, 2):
        seen += [one.id for one in batch]
        after = (store.kinds[batch[-1].kind].rank, batch[-1].id)
    assert seen == ["La", "Lb", "Lg"]


def test_the_cloud_is_not_flattened_and_strangers_are_counted(store: SchoolStore) -> None:
    both(store, user("a"), group("inner", "a"), group("outer", ["inner"]))
    store.fold(CLOUD, page(part("group", "OUTER", added=["GUEST"])), now=NOW)
    link = store.links(["Louter"])[0]
    assert link.cloud.record is not None
    assert link.cloud.record.fields["members"] == frozenset({"Linner"})
    assert link.cloud.foreign == {"members": 1}


def test_links_to_what_is_gone_stay_in_link_space(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("g", "ab"))
    store.fold(SCHOOL, page(Removal("a", Evidence.LEFT)), now=NOW)
    end = store.links(["Lg"])[0].school
    assert end.record is not None
    assert end.record.fields["members"] == frozenset({"La", "Lb"})
    assert store.anchors(["La"]) == {"La": (None, "A")}


def test_a_nested_group_that_was_deleted_brings_nobody(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("inner", "a"), group("outer", ["inner", "b"]))
    store.fold(SCHOOL, page(Removal("inner", Evidence.DELETED)), now=NOW)
    assert due(store) == ["Linner", "Louter"]
    end = store.links(["Louter"])[0].school
    assert end.record is not None
    assert end.record.fields["members"] == frozenset({"Lb"})


def test_population_counts_living_linked_records_by_the_role_at_the_school(store: SchoolStore) -> None:
    both(store, user("a"), user("t", role="teacher"), group("g", "a", role="class"))
    store.fold(SCHOOL, page(user("loose"), Removal("t", Evidence.DELETED)), now=NOW)
    assert store.population() == {
        ("school", "user", "pupil"): 1,
        ("school", "group", "class"): 1,
        ("cloud", "user", "pupil"): 1,
        ("cloud", "user", "teacher"): 1,
        ("cloud", "group", "class"): 1,
    }


def test_names_are_given_once_and_for_ever(store: SchoolStore) -> None:
    wanted = [("La", ["ada.long", "ada.long2"]), ("Lb", ["Ada.Long", "ada.long2"]), ("Lc", ["ADA.LONG"])]
    assert store.reserve("login", wanted) == {"La": "ada.long", "Lb": "ada.long2"}
    assert store.reserve("login", [("La", ["ada.other"])]) == {"La": "ada.long"}
    assert store.reserve("mail", [("Lb", ["ada.long"])]) == {"Lb": "ada.long"}
    store.spoil("La")
    assert store.reserve("login", [("La", ["ada.long", "ada.long3"]), ("Ld", ["ada.long"])]) == {"La": "ada.long3"}


def test_many_of_one_name_get_the_next_free_ones_in_order(store: SchoolStore) -> None:
    """Also where most of the names are given already, so that they are looked up in several rounds."""
    names = [f"ali{number}" for number in range(31)]
    first = store.reserve("login", [(f"L{number}", names) for number in range(12)])
    assert list(first.values()) == names[:12]
    others = [("Lx", names), ("Ly", ["ali3", "ali4"]), ("Lz", ["zoe", "ali12"]), ("Lw", names), ("Lv", ["zoe", *names])]
    given = {"Lx": "ali12", "Lz": "zoe", "Lw": "ali13", "Lv": "ali14"}
    assert store.reserve("login", [*others, ("L3", names)]) == {**given, "L3": "ali3"}
    assert store.reserve("login", [("Ly", ["ali3", "ali4"])]) == {}


def test_postponed_links_are_due_in_their_time_and_a_change_does_not_forget_it(
    store: SchoolStore, clock: Clock
) -> None:
    both(store, user("a"))
    later = NOW + timedelta(days=30)
    store.postpone({"La": later})
    assert (due(store), due(store, later)) == ([], ["La"])
    store.fold(SCHOOL, page(user("a", display_name="Ada")), now=NOW)
    assert due(store) == ["La"]
    quiet(store)
    assert (due(store), due(store, later)) == ([], ["La"])
    clock.pass_(days=31)
    store.quiet(["La"])
    assert due(store, later) == []
