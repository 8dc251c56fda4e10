"""Short properties of two trees: nothing travels for a move, and the same steps give the same run."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.model import Side
from bridge.engine import cycle as engine_cycle
from connectors.memory.contents import new_file
from tests.machines.rig import Rig
from tests.machines.test_trees import _FREE, SHARE, SHARES
from tests.machines.tree_work import MOVES, NAMES, VERBS, Work, do

_SMALL = st.integers(0, 7)


def works(verbs: tuple[str, ...], *, longest: int) -> st.SearchStrategy[list[tuple[Side, Work]]]:
    work = st.builds(
        Work, st.sampled_from(verbs), _SMALL, _SMALL, st.sampled_from(NAMES), st.just(b"text"), st.just("2026-09-01")
    )
    return st.lists(st.tuples(st.sampled_from(tuple(Side)), work), min_size=1, max_size=longest)


def play(steps: list[tuple[Side, Work]], shows: dict[Side, str], *, batch: int = 500) -> tuple[Rig, int]:
    """Mirror a tree, do the work on both sides, mirror again; the rig, and the bytes that the work let travel."""
    rig = Rig(policy=_FREE, shows=shows, kinds=("folder", "file"))
    rig.threads = False
    above = None
    for name in ("x", "y", "z"):
        above = rig.school.create("folder", {"name": name, "parent": above})
        for number in range(2):
            new_file(rig.school, {"name": f"{number}", "parent": above}, f"{name} {number}".encode())
    engine_cycle.BATCH, whole = batch, engine_cycle.BATCH
    try:
        asyncio.run(rig.settle())
        sent = rig.sent()
        for number, (side, work) in enumerate(steps):
            body = f"{side} {number}".encode()
            do(rig.side(side), Work(work.verb, work.one, work.two, work.name, body, work.at))
        asyncio.run(rig.settle(within=25))
        return rig, rig.sent() - sent
    finally:
        engine_cycle.BATCH = whole


def moves_transfer_nothing(steps: list[tuple[Side, Work]], shares: bool, batch: int) -> None:
    rig, sent = play(steps, SHARES if shares else SHARE, batch=batch)
    try:
        assert rig.tree(Side.SCHOOL) == rig.tree(Side.CLOUD)
        assert sent == 0
        assert not rig.store.conflicts()
    finally:
        rig.close()


MOVED = given(works(MOVES, longest=8), st.booleans(), st.sampled_from([3, 500]))
test_moves_transfer_nothing = settings(max_examples=12, deadline=None, derandomize=True)(MOVED(moves_transfer_nothing))
test_moves_transfer_nothing_soak = pytest.mark.soak(
    settings(max_examples=3000, deadline=None, print_blob=True)(MOVED(moves_transfer_nothing))
)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(works(tuple(sorted(VERBS)), longest=12))
def test_the_same_steps_give_the_same_journal(steps: list[tuple[Side, Work]]) -> None:
    rigs = [play(steps, SHARE)[0] for _ in range(2)]
    first, second = ([(one.at, one.entry) for one in rig.store.journal()] for rig in rigs)
    for rig in rigs:
        rig.close()
    assert first == second
