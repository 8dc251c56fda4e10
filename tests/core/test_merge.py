"""The merge table, row by row, and sets."""

from __future__ import annotations

import pytest

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS, Authority
from bridge.core.merge import merge, transit_name
from bridge.core.model import Side, Value
from bridge.core.policy import Policy, policy_for
from tests.core.words import file, link, user


def policy(kind: str, column: str, owner: Authority) -> Policy:
    return policy_for(Stage.HYBRID, owners={(kind, column): owner})


@pytest.mark.parametrize(
    ("owner", "school", "cloud", "agreed", "value", "conflict"),
    [
        (Authority.SCHOOL, "s", "c", "a", "s", False),
        (Authority.SCHOOL, "a", "c", "a", "a", False),
        (Authority.CLOUD, "s", "c", "a", "c", False),
        (Authority.CLOUD, "s", "a", "a", "a", False),
        (Authority.BOTH, "s", "a", "a", "s", False),
        (Authority.BOTH, "a", "c", "a", "c", False),
        (Authority.BOTH, "x", "x", "a", "x", False),
        (Authority.BOTH, "s", "c", "a", "s", True),
        (Authority.BOTH, None, "a", "a", None, False),
    ],
)
def test_value(owner: Authority, school: Value, cloud: Value, agreed: Value, value: Value, conflict: bool) -> None:
    records = [user(display_name=one) for one in (school, cloud, agreed)]
    merged = merge(link("user", *records), KINDS["user"], policy("user", "display_name", owner))
    assert {side: merged.wanted[side]["display_name"] for side in Side} == {Side.SCHOOL: value, Side.CLOUD: value}
    assert merged.agree["display_name"] == value
    assert bool(merged.conflicts) is conflict


def _sets(
    column: str, owner: Authority, school: str, cloud: str, agreed: str, known: str = "abcdx"
) -> tuple[str, str, str]:
    records = [{"source_anchor": "g", column: frozenset(one)} for one in (school, cloud, agreed)]
    merged = merge(
        link("group", *records), KINDS["group"], policy("group", column, owner), lambda one, side: one in known
    )
    texts = [merged.wanted[Side.SCHOOL][column], merged.wanted[Side.CLOUD][column], merged.agree[column]]
    one, two, three = ("".join(sorted(text)) for text in texts if isinstance(text, frozenset))
    return one, two, three


def test_sets_of_both_merge_element_by_element() -> None:
    assert _sets("members", Authority.BOTH, "abx", "acd", "abc") == ("adx", "adx", "adx")


def test_a_set_of_the_school_is_what_the_school_has() -> None:
    assert _sets("members", Authority.SCHOOL, "ab", "abx", "ab") == ("ab", "ab", "ab")


def test_whom_the_owner_does_not_know_stays() -> None:
    assert _sets("members", Authority.SCHOOL, "ab", "abg", "ab") == ("ab", "abg", "ab")
    # Somebody who was agreed on and vanished from the school stays until the account itself is deleted.
    assert _sets("members", Authority.SCHOOL, "a", "ag", "ag") == ("a", "ag", "ag")
    assert _sets("members", Authority.SCHOOL, "a", "ab", "ab") == ("a", "a", "a")


def test_a_shared_set_keeps_what_was_never_agreed() -> None:
    assert _sets("owners", Authority.SCHOOL, "ab", "bcx", "bc") == ("ab", "abx", "ab")


def test_a_transit_name_is_no_change_of_a_person() -> None:
    records = [file(), file(name=f"{transit_name('L1')}.txt"), file()]
    merged = merge(link("file", *records), KINDS["file"], policy_for(Stage.HYBRID))
    assert merged.agree["name"] == "a.txt"
    assert merged.wanted[Side.CLOUD]["name"] == "a.txt"
    assert not merged.conflicts


def test_a_source_anchor_is_written_once() -> None:
    merged = merge(link("user", user(), user(source_anchor="other")), KINDS["user"], policy_for(Stage.HYBRID))
    assert merged.wanted[Side.CLOUD]["source_anchor"] == "other"


def test_a_move_to_or_from_the_root_is_a_change() -> None:
    # The state stores no parent as nothing at all.
    agreed = {name: value for name, value in file().items() if name != "parent"}
    merged = merge(link("file", file(), file(parent="L9"), agreed), KINDS["file"], policy_for(Stage.HYBRID))
    assert merged.agree["parent"] == "L9"
    assert not merged.conflicts


def test_one_record_can_not_be_merged() -> None:
    with pytest.raises(ValueError, match="L1"):
        merge(link("user", user()), KINDS["user"], policy_for(Stage.HYBRID))
