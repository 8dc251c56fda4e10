"""The planner as a whole: one tree, perturbed twice, reconciled until quiet, whatever is cut off in between.

Nothing but core decides here; ``tests/machines`` runs the same over the real engine and store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS, Shape, equal
from bridge.core.model import Side
from bridge.core.policy import policy_for
from tests.core.people import FILES, PEOPLE, Edit, do, edits
from tests.core.world import Crash, World

#: `make test` draws this many; the soak far more.
EXAMPLES, SOAK = 600, 20_000


@dataclass(frozen=True, slots=True)
class Round:
    """What people do, and where the bridge is killed before it is started again: after operations, agreed or not."""

    edits: list[Edit]
    cuts: list[tuple[int, bool]]


def rounds(verbs: tuple[str, ...], *, sides: tuple[Side, ...] = tuple(Side)) -> st.SearchStrategy[list[Round]]:
    cuts = st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=2)
    return st.lists(st.builds(Round, edits(verbs, sides=sides), cuts), min_size=1, max_size=4)


FILE_ROUNDS = rounds(FILES)
PEOPLE_ROUNDS = rounds(PEOPLE)


def play(world: World, one: Round, number: int) -> None:
    """People work, then the bridge is started and killed as often as the round says."""
    note(f"round {number}: {one}")
    for position, edit in enumerate(one.edits):
        do(world.side(edit.side), edit, stamp=f"round{number}", number=position)
    interrupt(world, one)


def interrupt(world: World, one: Round) -> None:
    for cut, unheard in one.cuts:
        try:
            world.cycle(cut=cut, unheard=unheard)
        except Crash:
            continue


def nothing_left_to_do(world: World) -> None:
    plan = world.plan()
    assert not plan.operations
    assert not plan.conflicts


def files_in_step(drawn: list[Round]) -> None:
    """Both trees end equal, a second run does nothing, and what people wrote is still there, on both sides."""
    world = World(policy_for(Stage.HYBRID))
    written: set[object] = set()
    for number, one in enumerate(drawn):
        note(f"round {number}: {one}")
        for position, edit in enumerate(one.edits):
            side = world.side(edit.side)
            before = world.contents(edit.side)
            do(side, edit, stamp=f"round{number}", number=position)
            after = world.contents(edit.side)
            # Whoever overwrites or deletes a text does so knowingly, on the side where he sees it.
            written = (written | {text for text in after - before if text.algorithm == f"round{number}"}) - (
                before - after
            )
        interrupt(world, one)
        world.settle()
        school, cloud = world.tree(Side.SCHOOL), world.tree(Side.CLOUD)
        assert school == cloud
        assert written <= world.contents(Side.SCHOOL), "a text that somebody wrote is gone"
        nothing_left_to_do(world)
        written = set()


def people_under_authority(drawn: list[Round], stage: Stage) -> None:
    """The owner's people are never written by the bridge; the other side ends up looking like them."""
    owner = Side.SCHOOL if stage is Stage.HYBRID else Side.CLOUD
    world = World(policy_for(stage))
    for number, one in enumerate(drawn):
        note(f"round {number}: {one}")
        for position, edit in enumerate(one.edits):
            do(world.side(edit.side), edit, stamp=f"round{number}", number=position)
        before = world.people(owner)
        interrupt(world, one)
        world.settle()
        assert world.people(owner) == before, "a value flowed against authority"
        world.now += timedelta(days=31)  # what retires is deleted at the end of its period
        world.settle()
        assert world.people(owner) == before
        for link in world.links():
            if link.agreed is None:
                continue
            ends = (link.end(owner).record, link.end(owner.other).record)
            assert ends[1] is None or ends[0] is not None, f"{link.id} lives on although its owner deleted it"
            consents = ends[0] is None or ends[0].fields.get("consent") is not False
            assert ends[0] is None or ends[1] is not None or not consents, f"{link.id} is missing on the other side"
        mirror(world, owner)
        nothing_left_to_do(world)


def mirror(world: World, owner: Side) -> None:
    """Linked people are equal but for what is shared."""
    links = world.links()
    both = {link.id for link in links if link.school.record and link.cloud.record}
    for link in links:
        one, two = link.end(owner).record, link.end(owner.other).record
        if one is None or two is None or (owner is Side.SCHOOL and one.fields.get("consent") is False):
            continue  # without consent the account is disabled, and nothing more is written to it
        for column in KINDS[link.kind].compared:
            mine, theirs = one.fields.get(column.name), two.fields.get(column.name)
            if column.shape is Shape.REFS:  # nobody can be a member where he has no account
                mine = (mine if isinstance(mine, frozenset) else frozenset()) & both
                theirs = (theirs if isinstance(theirs, frozenset) else frozenset()) & both
            if column.shared:
                assert (mine or frozenset()) <= (theirs or frozenset()), (link.id, column.name)
            else:
                assert equal(column, mine, theirs), (link.id, column.name, mine, theirs)


@given(FILE_ROUNDS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_files_end_equal_and_nothing_written_is_lost(drawn: list[Round]) -> None:
    files_in_step(drawn)


@pytest.mark.parametrize("stage", [Stage.HYBRID, Stage.SOAKING])
@given(drawn=PEOPLE_ROUNDS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_people_follow_their_authority(stage: Stage, drawn: list[Round]) -> None:
    people_under_authority(drawn, stage)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@given(FILE_ROUNDS)
@settings(max_examples=5 * SOAK, deadline=None, print_blob=True)
def test_files_soak(drawn: list[Round]) -> None:
    files_in_step(drawn)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage", [Stage.HYBRID, Stage.SOAKING])
@given(drawn=PEOPLE_ROUNDS)
@settings(max_examples=SOAK, deadline=None)
def test_people_soak(stage: Stage, drawn: list[Round]) -> None:
    people_under_authority(drawn, stage)
