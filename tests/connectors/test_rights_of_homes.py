"""What a new home lets whom do: worked out from what its folder was given or would be handed down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.access import Role
from connectors.rights import Ace, Descriptor, NotReadable, read_descriptor, roles_of
from connectors.rights_of_homes import handed_down, is_everybody, lets_in, of_home, packed

ANNA, TEACHERS, ADMINISTRATORS = "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105", "S-1-5-32-544"
EVERYONE, DOMAIN_USERS, CREATOR = "S-1-1-0", "S-1-5-21-1-2-3-513", "S-1-3-0"
FULL, READ, BELOW, ONLY, FROM_ABOVE = 0x1F01FF, 0x1200A9, 0x3, 0x8, 0x10

_SIDS = st.sampled_from([ANNA, TEACHERS, ADMINISTRATORS, EVERYONE, DOMAIN_USERS, CREATOR, "S-1-5-11", "S-1-5-18"])
_ACES = st.builds(Ace, st.sampled_from([0, 1]), st.integers(0, 0x1F), st.sampled_from([FULL, READ, 0x1301BF]), _SIDS)


def test_what_is_inherited_by_everybody_ends_the_inheritance_and_the_rest_stays() -> None:
    given = [Ace(0, BELOW | FROM_ABOVE, READ, DOMAIN_USERS), Ace(0, BELOW | FROM_ABOVE, FULL, ADMINISTRATORS)]
    assert of_home(given, ANNA) == Descriptor(
        ANNA, (Ace(0, BELOW, FULL, ANNA), Ace(0, BELOW, FULL, ADMINISTRATORS)), protected=True
    )


def test_nothing_for_everybody_goes_on_inheriting() -> None:
    given = [Ace(0, BELOW | FROM_ABOVE, READ, TEACHERS), Ace(1, BELOW | FROM_ABOVE, 0x2, TEACHERS)]
    assert of_home(given, ANNA) == Descriptor(ANNA, (Ace(0, BELOW, FULL, ANNA), *given))


def test_another_sort_of_entry_is_not_dropped_in_silence() -> None:
    with pytest.raises(NotReadable, match="kind 9"):
        of_home([Ace(9, BELOW, FULL, "")], ANNA)


@pytest.mark.parametrize(
    ("above", "below"),
    [
        (Ace(0, 0, READ, TEACHERS), None),
        (Ace(0, 0x2, READ, TEACHERS), Ace(0, 0x12, READ, TEACHERS)),
        (Ace(0, 0x1, READ, TEACHERS), Ace(0, 0x19, READ, TEACHERS)),
        (Ace(0, 0x3 | ONLY, READ, TEACHERS), Ace(0, 0x13, READ, TEACHERS)),
        (Ace(0, 0x3 | 0x4, READ, TEACHERS), Ace(0, 0x10, READ, TEACHERS)),
        (Ace(0, 0x1 | 0x4, READ, TEACHERS), None),
        (Ace(0, 0x3 | ONLY, FULL, CREATOR), Ace(0, 0x1B, FULL, CREATOR)),
    ],
)
def test_what_is_handed_down(above: Ace, below: Ace | None) -> None:
    assert handed_down(Descriptor(ADMINISTRATORS, (above,))) == ([below] if below else [])


@given(st.lists(_ACES, max_size=8))
def test_the_owner_gets_in_and_nobody_for_being_somebody(given: list[Ace]) -> None:
    wanted = of_home(given, ANNA)
    found = read_descriptor(packed(wanted))
    assert found == wanted
    assert lets_in(found, ANNA)
    roles, _ = roles_of(Descriptor(found.owner, tuple(one for one in found.aces or () if one.kind == 0)))
    assert roles[ANNA] is Role.WRITE
    assert not [sid for sid in roles if is_everybody(sid)]
    denied = [one for one in given if one.kind == 1]
    assert len([one for one in found.aces or () if one.kind == 1]) == len(denied), "no Deny is lost"


@given(st.lists(_ACES, max_size=8))
def test_own_entries_come_first_and_of_these_the_denying_ones(given: list[Ace]) -> None:
    aces = of_home(given, ANNA).aces or ()
    order = [(bool(one.flags & FROM_ABOVE), one.kind == 0 and not one.flags & FROM_ABOVE) for one in aces]
    assert order == sorted(order)
