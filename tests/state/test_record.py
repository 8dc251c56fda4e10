"""What became of operations: observations, agreements, ends, retirements; and replicas that lag behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.core.model import Action, Evidence, Operation
from bridge.ports import Observation, Pair, Removal
from bridge.state import SchoolStore
from tests.state.conftest import Clock
from tests.state.words import (
    CLOUD,
    NOW,
    SCHOOL,
    both,
    done,
    due,
    enrol,
    folder,
    group,
    listing,
    mirror,
    operation,
    page,
    part,
    user,
)

AGREED = {"display_name": "a", "enabled": True}


def create(link: str = "La", *, kind: str = "user", **after: object) -> Operation:
    return operation(link, Action.CREATE, kind=kind, after={"display_name": "a", **after}, agree=AGREED, role="pupil")


def test_a_creation_gives_the_link_its_end_and_touches_groups(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"), group("g", "a"))
    store.touch(["La"])
    store.record([done(create(), "A")], cycle="c", now=NOW)
    link = store.links(["La"])[0]
    assert link.cloud.record is not None
    assert (link.cloud.anchor, link.cloud.record.version, link.cloud.record.fields) == (
        "A",
        "w1",
        {"display_name": "a"},
    )
    assert link.agreed == AGREED
    assert due(store) == ["Lg"]  # whoever contains him at the school has to contain him in the cloud
    assert store.fold(CLOUD, page(Observation("user", "A", "w1", {"display_name": "a"})), now=NOW) == 0


def test_a_written_group_is_quiet_until_its_members_exist(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"))
    enrol(store, CLOUD, group("G", ["A"]))
    store.record([done(create(), "A")], cycle="c", now=NOW)
    assert due(store) == ["LG"]


def test_members_written_are_folded_as_anchors_and_agreed_as_links(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"), group("g", "ab"))
    store.fold(CLOUD, page(part("group", "G", added=["GUEST"])), now=NOW)
    change = operation(
        "Lg",
        Action.UPDATE,
        kind="group",
        anchor="G",
        before={"members": frozenset({"La", "Lb"})},
        after={"members": frozenset({"Lb", "Lc"})},
        agree={"members": frozenset({"Lb", "Lc"}), "display_name": "g"},
    )
    store.record([done(change, "G")], cycle="c", now=NOW)
    link = store.links(["Lg"])[0]
    assert link.cloud.record is not None
    assert link.cloud.record.fields["members"] == frozenset({"Lb", "Lc"})
    assert link.cloud.foreign == {"members": 1}
    assert link.agreed == {"members": frozenset({"Lb", "Lc"}), "display_name": "g"}
    entry = [one.entry for one in store.journal()][-1]
    assert (entry.before, entry.after) == ({"members": ["La"]}, {"members": ["Lc"]})
    again = group("G", ["B", "C", "GUEST"], source_anchor="g", display_name="g")
    assert store.fold(CLOUD, page(again), now=NOW) == 0


def test_unknown_and_refused_are_neither_observed_nor_agreed(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"), group("g"))
    change = operation(
        "Lg",
        Action.UPDATE,
        kind="group",
        anchor="G",
        after={"members": frozenset({"La", "Lb", "Lc"}), "description": "x"},
        agree={"members": frozenset({"La", "Lb", "Lc"})},
    )
    refused = {"description": "too long", "members:C": "is a guest"}
    later = NOW + timedelta(minutes=5)
    one = done(change, "G", unknown={"members": frozenset({"B"})}, refused=refused, again=later)
    store.record([one], cycle="c", now=NOW)
    link = store.links(["Lg"])[0]
    assert link.cloud.record is not None
    assert link.cloud.record.fields["members"] == frozenset({"La"})
    assert "description" not in link.cloud.record.fields
    assert link.agreed == {"members": frozenset({"La"})}
    assert (due(store), due(store, later)) == ([], ["Lg"])


def test_retirement_step_by_step_and_its_end(store: SchoolStore) -> None:
    both(store, user("a"))
    store.fold(SCHOOL, page(Removal("a", Evidence.DELETED)), now=NOW)
    later = NOW + timedelta(days=30)
    store.record([done(operation("La", Action.RETIRE, agree=AGREED), again=later)], cycle="c", now=NOW)
    assert store.links(["La"])[0].retired_at == NOW
    assert (due(store), due(store, later)) == ([], ["La"])
    disable = operation("La", Action.DISABLE, anchor="A", after={"enabled": False}, agree=AGREED)
    store.record([done(disable, "A", again=later)], cycle="c", now=NOW)
    link = store.links(["La"])[0]
    assert link.cloud.record is not None
    assert link.cloud.record.fields["enabled"] is False
    assert link.retired_at == NOW
    store.fold(SCHOOL, page(user("a")), now=NOW)
    store.record([done(operation("La", Action.AGREE, agree=AGREED))], cycle="c", now=NOW)
    assert store.links(["La"])[0].retired_at is None
    assert due(store, later) == []


def test_a_deletion_keeps_the_anchor_for_the_restore(store: SchoolStore) -> None:
    both(store, user("a"), group("g", "a"))
    store.record([done(operation("La", Action.DELETE, anchor="A", agree=AGREED), "A")], cycle="c", now=NOW)
    end = store.links(["La"])[0].cloud
    assert (end.anchor, end.record, end.gone) == ("A", None, Evidence.DELETED)
    restore = operation("La", Action.RESTORE, anchor="A", after={"enabled": True}, agree=AGREED)
    store.record([done(restore, "A", version="w2")], cycle="c", now=NOW)
    end = store.links(["La"])[0].cloud
    assert end.record is not None
    assert (end.record.version, end.record.fields["display_name"]) == ("w2", "a")


@pytest.mark.parametrize("parent", [None, "Lp", "Lq"])
def test_what_is_brought_back_is_where_it_was_put_and_nowhere_else(store: SchoolStore, parent: str | None) -> None:
    ends = {"Lp": "P", "Lq": "Q"}
    for one in (folder("p", "one"), folder("q", "two"), folder("a", "in")):
        store.fold(SCHOOL, page(one), now=NOW)
    store.fold(CLOUD, page(folder("P", "one"), folder("Q", "two"), folder("A", "in", "P")), now=NOW)
    store.pair([Pair(f"L{one}", "folder", one, one.upper()) for one in ("p", "q", "a")])
    store.fold(CLOUD, page(Removal("A", Evidence.DELETED)), now=NOW)
    fields = {"name": "in", "parent": parent}
    restore = operation("La", Action.RESTORE, kind="folder", anchor="A", before={}, after=fields, agree=fields)
    store.record([done(restore, "A", version="w2")], cycle="c", now=NOW)
    record = store.links(["La"])[0].cloud.record
    assert record is not None
    assert record.fields == {"name": "in"} | ({"parent": parent} if parent else {})
    told = Observation("folder", "A", "w2", {"name": "in", "parent": ends.get(parent or "")})
    assert store.fold(CLOUD, page(told), now=NOW) == 0, "what is told then is what is known"
    assert store.verify().ok


def test_forgetting_leaves_a_tombstone_and_the_name(store: SchoolStore) -> None:
    both(store, user("a"), group("g", "a"))
    store.reserve("login", [("La", ["ada"])])
    store.record([done(operation("La", Action.AGREE, agree=AGREED))], cycle="c", now=NOW)
    for side, anchor in [(SCHOOL, "a"), (CLOUD, "A")]:
        store.fold(side, page(Removal(anchor, Evidence.PURGED)), now=NOW)
    store.record([done(operation("La", Action.FORGET))], cycle="c", now=NOW)
    assert list(store.links(["La"])) == []
    assert store.tombstones() == [("La", "user", NOW)]
    assert store.reserve("login", [("Lb", ["ada", "ada2"])]) == {"Lb": "ada2"}
    assert ("school", "user") not in store.counts()
    assert store.bury(NOW + timedelta(days=1)) == 1
    assert store.fold(SCHOOL, page(Removal("a", Evidence.PURGED)), now=NOW) == 0


def test_detach_sets_the_losing_version_free(store: SchoolStore) -> None:
    both(store, user("a"))
    detach = operation("La", Action.DETACH, anchor="A", after={"display_name": "a (2)"})
    store.record([done(detach, "A")], cycle="c", now=NOW)
    link = store.links(["La"])[0]
    assert (link.school.anchor, link.cloud.anchor, link.agreed) == ("a", None, None)
    assert [(one.side, one.anchor, one.link) for one in store.loose(None, 10)] == [(CLOUD, "A", None)]


def test_an_adopted_object_is_taken_from_a_link_that_has_no_other_end(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"))
    enrol(store, CLOUD, user("A"))
    store.record([done(create(), "A", adopted=True)], cycle="c", now=NOW)
    assert store.anchors(["La", "LA"]) == {"La": ("a", "A")}


def test_an_adopted_object_of_somebody_else_is_disputed(store: SchoolStore) -> None:
    both(store, user("b"))
    enrol(store, SCHOOL, user("a"))
    store.record([done(create(), "B", adopted=True)], cycle="c", now=NOW)
    assert store.anchors(["La", "Lb"]) == {"La": ("a", None), "Lb": ("b", "B")}
    assert [(one.link, one.rule) for one in store.troubles()] == [("La", "disputed")]
    assert "Lb" in store.troubles()[0].message


# --- replicas that lag ----------------------------------------------------------------------------------------------


def rename(name: str = "Ada") -> Operation:
    return operation("La", Action.UPDATE, anchor="A", before={"display_name": "a"}, after={"display_name": name})


def test_what_was_before_our_write_is_a_replica_that_lags(store: SchoolStore) -> None:
    both(store, user("a"))
    store.record([done(rename(), "A")], cycle="c", now=NOW)
    assert store.fold(CLOUD, page(mirror(user("a"))), now=NOW + timedelta(minutes=14)) == 0
    record = store.links(["La"])[0].cloud.record
    assert record is not None
    assert record.fields["display_name"] == "Ada"
    assert (due(store), due(store, NOW + timedelta(minutes=15))) == ([], ["La"])


def test_after_a_quarter_of_an_hour_it_is_somebody(store: SchoolStore) -> None:
    both(store, user("a"))
    store.record([done(rename(), "A")], cycle="c", now=NOW)
    assert store.fold(CLOUD, page(mirror(user("a"))), now=NOW + timedelta(minutes=16)) == 1


def test_another_edit_at_the_same_time_is_no_lag(store: SchoolStore) -> None:
    both(store, user("a"))
    store.record([done(rename(), "A")], cycle="c", now=NOW)
    assert store.fold(CLOUD, page(mirror(user("a", display_name="Eva"))), now=NOW) == 1


def test_each_state_before_a_row_of_writes_may_come_but_not_the_one_written_now(store: SchoolStore) -> None:
    both(store, user("a"))
    store.record([done(rename("Ada"), "A")], cycle="c", now=NOW)
    store.record([done(rename("Eva"), "A")], cycle="c", now=NOW)
    store.record([done(rename("Ada"), "A")], cycle="c", now=NOW)
    for name in ("a", "Eva"):
        assert store.fold(CLOUD, page(part("user", "A", display_name=name)), now=NOW) == 0
    record = store.links(["La"])[0].cloud.record
    assert record is not None
    assert record.fields["display_name"] == "Ada"


def test_a_doubt_is_settled_by_a_newer_observation_or_asks_for_a_listing(store: SchoolStore, clock: Clock) -> None:
    both(store, user("a"))
    store.record([done(rename(), "A")], cycle="c", now=NOW)
    store.fold(CLOUD, page(mirror(user("a"))), now=NOW)
    assert store.doubtful() == frozenset()
    clock.pass_(minutes=16)
    assert store.doubtful() == {CLOUD}
    store.fold(CLOUD, page(part("user", "A", display_name="Ada")), now=clock.now)
    assert store.doubtful() == frozenset()


@pytest.mark.parametrize(("ours", "theirs"), [({"after": "ab"}, {"removed": ["B"]}), ({"after": ""}, {"added": ["A"]})])
def test_elements_that_contradict_our_write_are_ignored_a_while(
    store: SchoolStore, ours: dict[str, str], theirs: dict[str, list[str]]
) -> None:
    both(store, user("a"), user("b"), user("c"), group("g", "a"))
    after = frozenset(f"L{anchor}" for anchor in ours["after"])
    change = operation(
        "Lg",
        Action.UPDATE,
        kind="group",
        anchor="G",
        before={"members": frozenset({"La"})},
        after={"members": after},
    )
    store.record([done(change, "G")], cycle="c", now=NOW)
    store.fold(CLOUD, page(part("group", "G", **{**theirs, "added": [*theirs.get("added", []), "C"]})), now=NOW)
    record = store.links(["Lg"])[0].cloud.record
    assert record is not None
    assert record.fields["members"] == after | {"Lc"}
    later = NOW + timedelta(minutes=16)
    store.fold(CLOUD, page(part("group", "G", version="3", **theirs)), now=later)
    record = store.links(["Lg"])[0].cloud.record
    assert record is not None
    assert record.fields["members"] == (frozenset({"La", "Lc"}))


def test_what_we_just_created_is_not_missing_because_a_listing_lags(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"))
    store.record([done(create(), "A")], cycle="c", now=NOW)
    assert store.fold(CLOUD, listing(), now=NOW + timedelta(minutes=1)) == 0
    assert store.links(["La"])[0].cloud.gone is None
    assert store.fold(CLOUD, listing(), now=NOW + timedelta(minutes=16)) == 1
    assert store.links(["La"])[0].cloud.gone is Evidence.MISSING


def test_what_we_just_deleted_does_not_come_back_by_a_replay(store: SchoolStore) -> None:
    both(store, user("a"))
    store.record([done(operation("La", Action.DELETE, anchor="A", agree=AGREED), "A")], cycle="c", now=NOW)
    assert store.fold(CLOUD, page(mirror(user("a"))), now=NOW) == 0
    assert store.links(["La"])[0].cloud.gone is Evidence.DELETED


def test_intentions_are_journaled_once_a_call(store: SchoolStore) -> None:
    enrol(store, SCHOOL, user("a"), user("b"))
    store.intend([create("La"), create("Lb")], cycle="c7", now=NOW)
    store.intend([], cycle="c7", now=NOW)
    entries = [one.entry for one in store.journal()]
    assert [(one.action, one.cycle, one.after) for one in entries] == [
        ("intend", "c7", {"create user cloud": ["La", "Lb"]})
    ]


def test_a_folder_made_anew_may_get_the_id_of_another_that_was_deleted(store: SchoolStore) -> None:
    both(store, folder("p", "one"), folder("q", "two", "p"))
    store.fold(SCHOOL, page(Removal("q", Evidence.DELETED), Removal("p", Evidence.DELETED)), now=NOW)
    made = operation("Lp", Action.CREATE, side=SCHOOL, kind="folder", after={"name": "one"}, agree={"name": "one"})
    store.record([done(made, "q")], cycle="c", now=NOW)
    new, old = store.links(["Lp", "Lq"])
    assert new.school.anchor == "q"
    assert new.school.record is not None
    assert new.school.record.fields == {"name": "one"}  # nothing of the old folder, its parent least of all
    assert (old.school.record, old.school.gone) == (None, Evidence.PURGED)
    assert old.school.anchor != "q"
    assert "Lq" in due(store)
    assert store.fold(SCHOOL, page(folder("q", "one")), now=NOW) == 0


def test_what_was_found_there_keeps_its_link(store: SchoolStore) -> None:
    both(store, folder("p", "one"), folder("q", "two"))
    store.fold(SCHOOL, page(Removal("q", Evidence.DELETED), Removal("p", Evidence.DELETED)), now=NOW)
    made = operation("Lp", Action.CREATE, side=SCHOOL, kind="folder", after={"name": "one"}, agree={"name": "one"})
    store.record([done(made, "q", adopted=True)], cycle="c", now=NOW)
    assert [one.rule for one in store.troubles()] == ["disputed"]
    assert store.links(["Lq"])[0].school.anchor == "q"
