"""Who is let in at a shared root: the table row by row, and that it always ends where the school wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.access import Change, Given, Role, Standing, Step, decide

READ, WRITE = Role.READ, Role.WRITE
ANNA = "anna"


@pytest.mark.parametrize(
    ("wanted", "mine", "there", "changes", "less"),
    [
        (WRITE, None, [], [Change(Step.GIVE, ANNA, WRITE)], ()),
        (READ, None, [Standing("x", ANNA, "read")], [], ()),
        (READ, None, [Standing("x", ANNA, "write")], [], ()),
        (WRITE, None, [Standing("x", ANNA, "read")], [], (ANNA,)),
        (WRITE, None, [Standing("x", ANNA, "owner")], [], ()),
        (WRITE, Given(WRITE, "p"), [Standing("p", ANNA, "write")], [], ()),
        (READ, Given(WRITE, "p"), [Standing("p", ANNA, "write")], [Change(Step.CHANGE, ANNA, READ, "p")], ()),
        (WRITE, Given(WRITE, "p"), [Standing("p", ANNA, "read")], [Change(Step.CHANGE, ANNA, WRITE, "p")], ()),
        (WRITE, Given(WRITE, "p"), [], [Change(Step.GIVE, ANNA, WRITE)], ()),
        (WRITE, Given(WRITE, "p"), [Standing("x", ANNA, "write")], [Change(Step.FORGET, ANNA)], ()),
        (None, Given(WRITE, "p"), [Standing("p", ANNA, "write")], [Change(Step.TAKE_BACK, ANNA, id="p")], ()),
        (None, Given(WRITE, "p"), [], [Change(Step.FORGET, ANNA)], ()),
        (None, Given(WRITE, "p"), [Standing("x", ANNA, "write")], [Change(Step.FORGET, ANNA)], ()),
        (None, None, [Standing("x", ANNA, "write")], [], ()),
        # We died between asking and hearing.
        (WRITE, Given(WRITE), [Standing("p", ANNA, "write")], [Change(Step.GIVE, ANNA, WRITE, "p")], ()),
        (WRITE, Given(WRITE), [], [Change(Step.GIVE, ANNA, WRITE)], ()),
        (
            WRITE,
            Given(READ),
            [Standing("p", ANNA, "read")],
            [Change(Step.GIVE, ANNA, READ, "p"), Change(Step.CHANGE, ANNA, WRITE, "p")],
            (),
        ),
        (None, Given(WRITE), [Standing("p", ANNA, "write")], [Change(Step.TAKE_BACK, ANNA, id="p")], ()),
        (None, Given(WRITE), [], [Change(Step.FORGET, ANNA)], ()),
    ],
)
def test_each_row(
    wanted: Role | None, mine: Given | None, there: list[Standing], changes: list[Change], less: tuple[str, ...]
) -> None:
    found = decide({ANNA: wanted} if wanted else {}, {ANNA: mine} if mine else {}, there)
    assert list(found.changes) == changes
    assert found.less == less


class World:
    """Permissions of a drive, and what the bridge remembers; each step may be cut off before its answer is heard."""

    def __init__(self, by_hand: Mapping[str, Role]) -> None:
        self.there = [Standing(f"hand-{one}", one, role.value) for one, role in by_hand.items()]
        self.mine: dict[str, Given] = {}
        self.number = 0

    def carry_out(self, wanted: Mapping[str, Role], *, cut: Sequence[bool] = ()) -> None:
        cuts = iter(cut)
        for change in decide(wanted, self.mine, self.there).changes:
            self._one(change, cut=next(cuts, False))

    def _one(self, change: Change, *, cut: bool) -> None:
        of, role = change.principal, change.role
        if change.step in (Step.GIVE, Step.CHANGE):
            assert role is not None
            given = change.id
            if change.step is Step.CHANGE:
                self.there = [Standing(one.id, of, role.value) if one.id == given else one for one in self.there]
            elif not given:
                self.mine[of] = Given(role)
                self.number += 1
                given = f"p{self.number}"
                self.there.append(Standing(given, of, role.value))
            adopted = change.step is Step.GIVE and bool(change.id)  # Nobody was asked: no answer can be lost.
            if adopted or not cut:
                self.mine[of] = Given(role, given)
        else:
            assert change.step is Step.FORGET or change.id.startswith("p"), "what was given by hand was taken away"
            self.there = [one for one in self.there if not change.id or one.id != change.id]
            if not cut:
                self.mine.pop(of, None)


people = st.sampled_from(["a", "b", "c"])
roles = st.dictionaries(people, st.sampled_from([READ, WRITE]))


@given(roles, st.lists(st.tuples(roles, st.lists(st.booleans(), max_size=4)), min_size=1, max_size=5))
def test_it_ends_as_wanted_and_leaves_what_was_given_by_hand(
    by_hand: dict[str, Role], rounds: list[tuple[dict[str, Role], list[bool]]]
) -> None:
    world = World(by_hand)
    hand = [one for one in world.there if one.id.startswith("hand-")]
    for wanted, cut in rounds:
        world.carry_out(wanted, cut=cut)
    world.carry_out(rounds[-1][0])
    world.carry_out(rounds[-1][0])
    wanted = rounds[-1][0]
    assert [one for one in world.there if one.id.startswith("hand-")] == hand
    ours = [one for one in world.there if not one.id.startswith("hand-")]
    assert {one.principal: one.role for one in ours} == {of: role for of, role in wanted.items() if of not in by_hand}
    assert len(ours) == len({one.principal for one in ours})
    assert not decide(wanted, world.mine, world.there).changes
