"""What was not believed of a group is looked at again, whatever is written to it or told of it meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.core.model import Action, Evidence
from bridge.ports import Removal
from bridge.state import SchoolStore
from tests.state.conftest import Clock
from tests.state.words import CLOUD, NOW, both, done, group, listing, mirror, operation, page, part, user

SOON, LATER = NOW + timedelta(minutes=1), NOW + timedelta(minutes=17)


@pytest.fixture
def doubted(store: SchoolStore) -> SchoolStore:
    """Ben was put into the group, and a minute later the cloud says that he is out of it."""
    both(store, user("a"), user("b"), user("c"), group("g", "a"))
    write(store, "a", "ab")
    store.fold(CLOUD, page(part("group", "G", removed=["B"])), now=SOON)
    assert members(store) == frozenset({"La", "Lb"})
    return store


def write(store: SchoolStore, before: str, after: str) -> None:
    was, wanted = ({"members": frozenset(f"L{one}" for one in names)} for names in (before, after))
    change = operation("Lg", Action.UPDATE, kind="group", anchor="G", before=was, after=wanted)
    store.record([done(change, "G")], cycle="c", now=NOW)


def members(store: SchoolStore) -> object:
    record = store.links(["Lg"])[0].cloud.record
    assert record is not None
    return record.fields["members"]


def test_a_write_of_another_member_takes_no_doubt_away(doubted: SchoolStore, clock: Clock) -> None:
    write(doubted, "ab", "abc")
    clock.pass_(minutes=17)
    assert doubted.doubtful() == {CLOUD}


def test_news_of_another_member_take_no_doubt_away(doubted: SchoolStore, clock: Clock) -> None:
    doubted.fold(CLOUD, page(part("group", "G", version="3", added=["C"])), now=SOON)
    clock.pass_(minutes=17)
    assert doubted.doubtful() == {CLOUD}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "without its owners"])
def test_the_listing_ends_it_and_says_who_is_really_there(doubted: SchoolStore, clock: Clock, *, whole: bool) -> None:
    """A listing whose owners could not be read tells of no group whole; it must not be asked for again and again."""
    clock.pass_(minutes=17)
    there = mirror(group("g", "a")) if whole else part("group", "G", version="3", members=frozenset("A"))
    doubted.fold(CLOUD, listing(*(mirror(user(one)) for one in "abc"), there), now=LATER)
    assert members(doubted) == frozenset({"La"})
    assert doubted.doubtful() == frozenset()


def test_a_deletion_ends_it(doubted: SchoolStore, clock: Clock) -> None:
    doubted.record([done(operation("Lg", Action.DELETE, kind="group", anchor="G"), "G")], cycle="c", now=SOON)
    clock.pass_(minutes=17)
    assert doubted.doubtful() == frozenset()


@pytest.mark.parametrize("binned", [True, False], ids=["with a bin", "without one"])
def test_a_replay_of_somebody_deleted_asks_for_one_listing(store: SchoolStore, clock: Clock, *, binned: bool) -> None:
    both(store, user("a"), user("b"))
    store.record([done(operation("La", Action.DELETE, anchor="A"), "A")], cycle="c", now=NOW)
    store.fold(CLOUD, page(mirror(user("a"))), now=SOON)
    clock.pass_(minutes=17)
    assert store.doubtful() == {CLOUD}
    seen = (mirror(user("b")), *([Removal("A", Evidence.DELETED, "user")] if binned else []))
    store.fold(CLOUD, listing(*seen), now=LATER)
    assert store.doubtful() == frozenset()
    assert store.links(["La"])[0].cloud.gone is Evidence.DELETED
