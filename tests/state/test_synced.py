"""Who is in the cloud by another synchronisation counts as there: exactly those of whom that is proved."""

from __future__ import annotations

from bridge.core.kinds import KINDS
from bridge.ports import Mastered, Observation
from bridge.state import Database, SchoolStore, synced
from bridge.state.equality import Equality, Same, compare
from tests.state.words import CLOUD, NOW, SCHOOL, both, enrol, group, mirror, page, user

CODE = "west"


def seen(database: Database, *found: Mastered, **members: str) -> Equality:
    """Both sides with these of the cloud; a group's members by their letters."""
    theirs = synced.matched(database, CODE, found)
    return synced.counted(
        database, CODE, compare(database, CODE), theirs, {of: set(them) for of, them in members.items()}
    )


def made(anchor: str, kind: str = "user", *, sid: str = "") -> Mastered:
    """What Entra Connect made of ``x`` is ``X``, and its SID says so."""
    return Mastered(anchor, kind, sid or f"S-{anchor.lower()}")


def by_sid(store: SchoolStore, people: str, **groups: str) -> None:
    """People and groups of the school whom the bridge has not in the cloud."""
    store.fold(SCHOOL, page(*(user(one, sid=f"S-{one}") for one in people)), now=NOW)
    store.fold(SCHOOL, page(*(group(one, of, sid=f"S-{one}") for one, of in groups.items())), now=NOW)


def test_they_are_there_by_their_sid_and_nobody_else_is(store: SchoolStore, database: Database) -> None:
    both(store, user("a"))
    by_sid(store, "bcd", g="")
    same = seen(database, made("B"), made("C", "group"), made("Z"), made("G", "group"), G="")
    assert same.kinds["user"] == Same(both=1, only_school=2, mastered=1)
    assert same.kinds["group"] == Same(mastered=1)
    assert not same.equal
    assert seen(database, made("B"), made("C"), made("D"), made("G", "group"), G="").equal


def test_what_is_not_certain_stays_missing(store: SchoolStore, database: Database) -> None:
    by_sid(store, "bc", g="")
    store.fold(SCHOOL, page(user("d", sid="S-c"), user("e", sid="S-e", consent=False), user("f")), now=NOW)
    twice, nameless = made("X", sid="S-b"), Mastered("F", "user")
    same = seen(database, made("B"), twice, made("C"), made("E"), nameless, made("G", "group"))
    assert same.kinds["user"] == Same(only_school=4, exempt=1), "two carry a SID, one has none, one gave no consent"
    assert same.kinds["group"] == Same(only_school=1), "a group whose members nobody told is not there"


def test_who_was_linked_before_is_known_by_the_link(store: SchoolStore, database: Database) -> None:
    both(store, user("a"))
    store.fold(CLOUD, page(out("A")), now=NOW)
    assert compare(database, CODE).kinds["user"] == Same(only_school=1)
    assert seen(database, Mastered("A", "user")).kinds["user"] == Same(mastered=1)
    assert seen(database, Mastered("A", "group")).kinds["user"] == Same(only_school=1)


def out(anchor: str) -> Observation:
    """Not the bridge's any more."""
    return Observation("user", anchor, "1", {}, in_scope=False)


def test_their_memberships_are_compared_too(store: SchoolStore, database: Database) -> None:
    """``g`` and ``b`` are Entra Connect's, ``h`` and ``a`` the bridge's."""
    both(store, user("a"), group("h", ["a", "b"]))
    store.fold(SCHOOL, page(user("b", sid="S-b"), group("g", "ab", sid="S-g")), now=NOW)
    store.fold(CLOUD, page(mirror(group("h", ["a"]))), now=NOW)
    them = made("B"), made("G", "group")
    same = seen(database, *them, G="AB")
    assert (same.memberships, same.missing, same.extra) == (4, 1, 0), "the bridge could not let b into h"
    store.fold(CLOUD, page(mirror(group("h", ["a", "b"]))), now=NOW)
    assert seen(database, *them, G="AB").equal
    same = seen(database, *them, G="B")
    assert (same.memberships, same.missing, same.extra) == (4, 1, 0)
    store.fold(SCHOOL, page(group("g", "b", version="2", sid="S-g")), now=NOW)
    same = seen(database, *them, G="ABQ")
    assert (same.memberships, same.missing, same.extra) == (3, 0, 1), "who is nobody of the school does not count"


def test_nested_groups_are_followed_on_both_sides_and_a_ring_ends(store: SchoolStore, database: Database) -> None:
    by_sid(store, "ab", g="hb", h="ga")
    assert seen(database, made("A"), made("B"), made("G", "group"), made("H", "group"), G="HB", H="GA").equal
    same = seen(database, made("A"), made("B"), made("G", "group"), made("H", "group"), G="B", H="GA")
    assert (same.memberships, same.missing, same.extra) == (4, 1, 0)


def test_another_school_has_no_part_in_it(store: SchoolStore, database: Database) -> None:
    by_sid(store, "a")
    enrol(database.school("east", KINDS), SCHOOL, user("b", sid="S-b"))
    same = seen(database, made("A"), made("B"))
    assert same.kinds["user"] == Same(mastered=1)
