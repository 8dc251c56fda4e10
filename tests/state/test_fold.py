"""What a page changes: the difference only, and which links it concerns."""

from __future__ import annotations

import pytest

from bridge.core.model import Evidence
from bridge.ports import Observation, Removal
from bridge.state import SchoolStore
from tests.state.words import (
    CLOUD,
    NOW,
    SCHOOL,
    both,
    due,
    enrol,
    folder,
    group,
    listing,
    page,
    part,
    quiet,
    user,
)


def test_a_new_record_is_loose_until_it_is_paired(store: SchoolStore) -> None:
    assert store.fold(SCHOOL, page(user("a")), now=NOW) == 1
    assert [(one.anchor, one.link, dict(one.keys)) for one in store.loose(None, 10)] == [
        ("a", None, {"source_anchor": "a"})
    ]
    assert due(store) == []


def test_an_equal_record_concerns_nobody(store: SchoolStore) -> None:
    both(store, user("a"), group("g", "a"))
    assert store.fold(SCHOOL, page(user("a"), group("g", "a")), now=NOW) == 0
    assert due(store) == []


def test_another_version_alone_is_remembered_but_concerns_nobody(store: SchoolStore) -> None:
    both(store, user("a"))
    assert store.fold(SCHOOL, page(user("a", version="2")), now=NOW) == 0
    assert due(store) == []
    record = store.links(["La"])[0].school.record
    assert record is not None
    assert record.version == "2"


def test_a_changed_record_touches_its_link_and_no_other(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("g", "ab"))
    assert store.fold(SCHOOL, page(user("a", display_name="Ada")), now=NOW) == 1
    assert due(store) == ["La"]


def test_empty_values_are_the_same_as_absent_ones(store: SchoolStore) -> None:
    both(store, user("a"))
    assert store.fold(SCHOOL, page(user("a", given_name="", usage_location=None, licenses=frozenset())), now=NOW) == 0


def test_a_partial_observation_leaves_the_rest_alone(store: SchoolStore) -> None:
    both(store, user("a", given_name="Ada", licenses=frozenset({"A1"})))
    store.fold(SCHOOL, page(part("user", "a", display_name="Ada L.")), now=NOW)
    more = Observation("user", "a", "3", {}, whole=False, added={"licenses": frozenset({"A3"})})
    store.fold(SCHOOL, page(more), now=NOW)
    record = store.links(["La"])[0].school.record
    assert record is not None
    assert record.fields["given_name"] == "Ada"
    assert record.fields["display_name"] == "Ada L."
    assert record.fields["licenses"] == frozenset({"A1", "A3"})


def test_a_whole_observation_empties_what_it_does_not_name(store: SchoolStore) -> None:
    both(store, user("a", given_name="Ada"))
    store.fold(SCHOOL, page(user("a")), now=NOW)
    record = store.links(["La"])[0].school.record
    assert record is not None
    assert "given_name" not in record.fields


def test_members_come_and_go_one_by_one(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"), group("g", "ab"))
    store.fold(SCHOOL, page(part("group", "g", added="c", removed="a")), now=NOW)
    link = store.links(["Lg"])[0]
    assert link.school.record is not None
    assert link.school.record.fields["members"] == frozenset({"Lb", "Lc"})
    assert due(store) == ["Lg"]
    assert store.fold(SCHOOL, page(part("group", "g", added="c", removed="a")), now=NOW) == 0


def test_the_same_record_twice_in_a_page_ends_as_the_last_one(store: SchoolStore) -> None:
    both(store, group("g", "ab"))
    store.fold(SCHOOL, page(part("group", "g", added="c"), part("group", "g", removed="c"), group("g", "b")), now=NOW)
    assert store.links(["Lg"])[0].school.foreign == {"members": 1}


@pytest.mark.parametrize("evidence", [Evidence.DELETED, Evidence.PURGED, Evidence.LEFT, Evidence.MISSING])
def test_a_removal_keeps_anchor_and_evidence_and_touches_groups(store: SchoolStore, evidence: Evidence) -> None:
    both(store, user("a"), group("g", "a"))
    assert store.fold(SCHOOL, page(Removal("a", evidence)), now=NOW) == 1
    end = store.links(["La"])[0].school
    assert (end.anchor, end.record, end.gone) == ("a", None, evidence)
    assert due(store) == ["La", "Lg"]


def test_a_removal_of_what_is_not_known_is_ignored(store: SchoolStore) -> None:
    assert store.fold(SCHOOL, page(Removal("nobody", Evidence.DELETED)), now=NOW) == 0
    assert list(store.loose(None, 10)) == []


def test_missing_never_weakens_stronger_evidence(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.fold(SCHOOL, page(Removal("a", Evidence.DELETED)), now=NOW)
    quiet(store)
    assert store.fold(SCHOOL, page(Removal("a", Evidence.MISSING)), now=NOW) == 0
    assert store.fold(SCHOOL, listing(user("b")), now=NOW) == 0
    assert store.links(["La"])[0].school.gone is Evidence.DELETED


def test_what_comes_back_is_there_again(store: SchoolStore) -> None:
    both(store, user("a"), group("g", "a"))
    store.fold(SCHOOL, page(Removal("a", Evidence.MISSING)), now=NOW)
    quiet(store)
    assert store.fold(SCHOOL, page(user("a")), now=NOW) == 1
    assert store.links(["La"])[0].school.gone is None
    assert due(store) == ["La", "Lg"]


def test_out_of_scope_is_ignored_unless_known(store: SchoolStore) -> None:
    outside = Observation("user", "z", "1", {"display_name": "Z"}, in_scope=False)
    assert store.fold(SCHOOL, page(outside), now=NOW) == 0
    assert store.counts() == {}
    both(store, user("a"))
    left = Observation("user", "a", "2", {}, in_scope=False)
    assert store.fold(SCHOOL, page(left), now=NOW) == 1
    assert store.links(["La"])[0].school.gone is Evidence.LEFT
    store.fold(SCHOOL, page(part("user", "a", version="3")), now=NOW)
    back = store.links(["La"])[0].school.record
    assert back is not None
    assert back.fields["display_name"] == "a"


def test_a_complete_listing_makes_the_unseen_missing(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"))
    store.token(SCHOOL)
    assert store.fold(SCHOOL, listing(user("a"), complete=False), now=NOW) == 0
    assert store.fold(SCHOOL, listing(user("b"), token="t"), now=NOW) == 1
    assert store.links(["Lc"])[0].school.gone is Evidence.MISSING
    assert store.links(["Lc"])[0].cloud.gone is None
    assert store.token(SCHOOL) == "t"


def test_a_listing_that_broke_off_concludes_nothing(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.token(SCHOOL)
    store.fold(SCHOOL, listing(user("a"), complete=False), now=NOW)
    store.token(SCHOOL)
    store.fold(SCHOOL, listing(user("b")), now=NOW)
    assert store.links(["La"])[0].school.gone is Evidence.MISSING
    assert store.links(["Lb"])[0].school.gone is None


def test_a_listing_that_goes_on_from_its_token_remembers_what_it_saw(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.token(SCHOOL)
    store.fold(SCHOOL, listing(user("a"), complete=False, token="page 2"), now=NOW)
    again = store.database.school("west", store.kinds)
    assert again.token(SCHOOL) == "page 2"
    assert again.fold(SCHOOL, listing(user("b"), token="end"), now=NOW) == 0


def test_a_dropped_token_begins_a_new_listing(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.fold(SCHOOL, listing(user("a"), complete=False, token="page 2"), now=NOW)
    store.drop_token(SCHOOL)
    assert store.token(SCHOOL) is None
    assert store.fold(SCHOOL, listing(user("b")), now=NOW) == 1
    assert store.links(["La"])[0].school.gone is Evidence.MISSING


def test_what_the_last_token_was_outlives_its_being_dropped(store: SchoolStore) -> None:
    assert store.recall(SCHOOL) is None
    store.fold(SCHOOL, page(token="first"), now=NOW)
    assert store.recall(SCHOOL) == "first"
    for _ in range(2):
        store.drop_token(SCHOOL)
        again = store.database.school("west", store.kinds)
        assert (again.token(SCHOOL), again.recall(SCHOOL), again.recall(CLOUD)) == (None, "first", None)
    store.fold(SCHOOL, listing(user("a"), complete=False, token="page 2"), now=NOW)
    assert (store.token(SCHOOL), store.recall(SCHOOL)) == ("page 2", "first")
    store.drop_token(SCHOOL)
    assert (store.token(SCHOOL), store.recall(SCHOOL)) == (None, "first")
    store.fold(SCHOOL, listing(user("a"), token="second"), now=NOW)
    assert (store.token(SCHOOL), store.recall(SCHOOL)) == ("second", "second")
    store.fold(SCHOOL, listing(user("a"), complete=False, token="page 2"), now=NOW)
    assert store.recall(SCHOOL) == "second"


def test_tokens_are_kept_for_each_side(store: SchoolStore) -> None:
    store.fold(SCHOOL, page(token="s"), now=NOW)
    store.fold(CLOUD, page(token="c"), now=NOW)
    store.fold(CLOUD, page(), now=NOW)
    assert (store.token(SCHOOL), store.token(CLOUD)) == ("s", "c")


def test_schools_do_not_see_each_other(store: SchoolStore) -> None:
    both(store, user("a"))
    east = store.database.school("east", store.kinds)
    assert east.fold(SCHOOL, listing(user("b")), now=NOW) == 1
    assert [one.anchor for one in east.loose(None, 10)] == ["b"]
    assert store.links(["La"])[0].school.gone is None
    assert store.database.schools() == ["east", "west"]


def test_a_change_in_a_nested_group_touches_what_contains_it(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("inner", "a"), group("middle", ["inner"]), group("outer", ["middle"]))
    store.fold(SCHOOL, page(part("group", "inner", added="b")), now=NOW)
    assert due(store) == ["Linner", "Lmiddle", "Louter"]
    outer = store.links(["Louter"])[0]
    assert outer.school.record is not None
    assert outer.school.record.fields["members"] == frozenset({"La", "Lb"})
    quiet(store)
    store.fold(CLOUD, page(part("group", "INNER", added="B")), now=NOW)
    assert due(store) == ["Linner"]


def test_groups_that_contain_each_other_come_to_an_end(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), group("g", ["h", "a"]), group("h", ["g", "b"]))
    store.fold(SCHOOL, page(part("group", "g", removed="a")), now=NOW)
    assert due(store) == ["Lg", "Lh"]
    for link in store.links(["Lg", "Lh"]):
        assert link.school.record is not None
        assert link.school.record.fields["members"] == frozenset({"Lb"})


def test_a_nested_group_that_is_not_linked_is_followed_too(store: SchoolStore) -> None:
    both(store, user("a"), group("outer", ["inner", "x"]))
    store.fold(SCHOOL, page(group("inner", "a")), now=NOW)
    assert due(store) == ["Louter"]
    end = store.links(["Louter"])[0].school
    assert end.record is not None
    assert end.record.fields["members"] == frozenset({"La"})
    assert end.foreign == {"members": 1}


def test_a_moved_folder_changes_one_record(store: SchoolStore) -> None:
    enrol(store, SCHOOL, folder("r", "root"), folder("d", "docs", "r"), folder("f", "files", "d"))
    assert store.fold(SCHOOL, page(folder("d", "docs", None)), now=NOW) == 1
    assert due(store) == ["Ld"]
    assert store.rivals([("Ld", "FILES"), ("", "docs")]) == {"Lf", "Ld"}
    assert store.occupied(["Lr", "Ld", "Lf"], SCHOOL) == {"Ld"}


def test_what_a_side_says_nothing_of_but_that_it_is_there_stays_as_it_was(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.fold(SCHOOL, listing(user("b"), complete=False), now=NOW)
    store.fold(SCHOOL, listing(untold=("a", "never known")), now=NOW)
    assert due(store) == []
    assert store.links(["La"])[0].school.record is not None
    store.fold(SCHOOL, listing(user("b")), now=NOW)
    assert store.links(["La"])[0].school.gone is Evidence.MISSING
