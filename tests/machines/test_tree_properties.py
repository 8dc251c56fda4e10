"""Short properties of two trees: moves transfer nothing, order does not matter, the same steps give the same run."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.model import Side
from bridge.engine import cycle as engine_cycle
from connectors.memory.contents import new_file
from tests.machines.rig import Rig
from tests.machines.soak import short_and_long
from tests.machines.staged import alike
from tests.machines.test_trees import _FREE, SHARE, SHARES
from tests.machines.tree_work import METADATA, NAMES, VERBS, Work, do

_SMALL = st.integers(0, 7)


def works(verbs: tuple[str, ...], *, longest: int) -> st.SearchStrategy[list[tuple[Side, Work]]]:
    work = st.builds(
        Work, st.sampled_from(verbs), _SMALL, _SMALL, st.sampled_from(NAMES), st.just(b"text"), st.just("2026-09-01")
    )
    return st.lists(st.tuples(st.sampled_from(tuple(Side)), work), min_size=1, max_size=longest)


def play(
    steps: list[tuple[Side, Work]], shows: dict[Side, str], *, batch: int = 500, order: int | None = None
) -> tuple[Rig, int]:
    """Mirror a tree, do the work on both sides, mirror again; the rig, and the bytes that the work let travel.

    ``order``: a seed that mixes the order in which the sides tell what happened.
    """
    rig = Rig(policy=_FREE, shows=shows, kinds=("folder", "file"))
    rig.threads = False
    above = None
    for name in ("x", "y", "z"):
        above = rig.school.create("folder", {"name": name, "parent": above})
        for number in range(2):
            new_file(rig.school, {"name": f"{number}", "parent": above}, f"{name} {number}".encode())
    # The first mirror is always the same, so that the work meets the same objects.
    asyncio.run(rig.settle())
    engine_cycle.BATCH, whole = batch, engine_cycle.BATCH
    try:
        sent = rig.sent()
        for number, (side, work) in enumerate(steps):
            body = f"{side} {number}".encode()
            do(rig.side(side), Work(work.verb, work.one, work.two, work.name, body, work.at))
        for side in Side:
            rig.connectors[side].faults.shuffle = None if order is None else Random(order)
        asyncio.run(rig.settle(within=25))
        return rig, rig.sent() - sent
    finally:
        engine_cycle.BATCH = whole


def moves_transfer_nothing(steps: list[tuple[Side, Work]], shares: bool, batch: int) -> None:
    """I10 and I11: names, places, times."""
    rig, sent = play(steps, SHARES if shares else SHARE, batch=batch)
    try:
        assert rig.tree(Side.SCHOOL) == rig.tree(Side.CLOUD)
        assert sent == 0
        assert not rig.store.conflicts()
    finally:
        rig.close()


MOVED = given(works(METADATA, longest=8), st.booleans(), st.sampled_from([3, 500]))
test_moves_transfer_nothing, test_moves_transfer_nothing_soak = short_and_long(MOVED, moves_transfer_nothing, 12, 3000)


def the_order_does_not_matter(steps: list[tuple[Side, Work]], order: int, batch: int) -> None:
    """I5: in which order changes are told, and how they are cut into batches, changes nothing of what comes out.

    But for who of several rivals for a name gets it: that is by link, and links are numbered as they come.
    """
    rigs = [play(steps, SHARE)[0], play(steps, SHARE, batch=batch, order=order)[0]]
    for one in rigs:
        assert one.tree(Side.SCHOOL) == one.tree(Side.CLOUD)
    first, second = (alike(one.tree(Side.SCHOOL)) for one in rigs)
    for one in rigs:
        one.close()
    assert first == second


ORDERED = given(works(tuple(sorted(VERBS)), longest=10), st.integers(0, 99), st.sampled_from([1, 3]))
test_the_order_does_not_matter, test_the_order_does_not_matter_soak = short_and_long(
    ORDERED, the_order_does_not_matter, 8, 1500
)


def test_a_name_that_was_freed_is_given_back() -> None:
    """Found by a soak: a folder that a file took the place of, while somebody wrote into it, kept its transit name."""
    written, taken = (
        (side, Work(verb, 0, 0, "a", b"text", "2026-09-01"))
        for side, verb in ((Side.SCHOOL, "append"), (Side.CLOUD, "change_type"))
    )
    the_order_does_not_matter([written, taken], 0, 1)


def test_what_was_brought_back_to_the_root_stays_there() -> None:
    """Found by a soak: for a moment the state believed it where it had been deleted, and a deleted folder lived on."""
    steps = ((Side.SCHOOL, "append", 0), (Side.SCHOOL, "move", 6), (Side.CLOUD, "change_type", 0))
    the_order_does_not_matter(
        [(side, Work(verb, one, 0, "a", b"text", "2026-09-01")) for side, verb, one in steps], 0, 1
    )


def the_same_journal(steps: list[tuple[Side, Work]]) -> None:
    """I12."""
    rigs = [play(steps, SHARE)[0] for _ in range(2)]
    first, second = ([(one.at, one.entry) for one in rig.store.journal()] for rig in rigs)
    for rig in rigs:
        rig.close()
    assert first == second


STEPS = given(works(tuple(sorted(VERBS)), longest=12))
test_the_same_steps_give_the_same_journal, test_the_same_steps_give_the_same_journal_soak = short_and_long(
    STEPS, the_same_journal, 5, 500
)
