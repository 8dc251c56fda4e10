"""How large fragments are."""

from __future__ import annotations

from connectors.graph_drive.fragments import FIRST, LONGEST, Fragments
from connectors.graph_drive.options import STEP


def test_fast_lines_get_ever_larger_fragments_up_to_the_most() -> None:
    sizes = Fragments(32 * STEP)
    found = [sizes.size]
    for _ in range(4):
        sizes.took(sizes.size, 0.5)
        found.append(sizes.size)
    assert found == [FIRST, 2 * FIRST, 4 * FIRST, 4 * FIRST, 4 * FIRST]


def test_slow_lines_get_what_they_carry_in_time() -> None:
    sizes = Fragments(32 * STEP)
    sizes.took(32 * STEP, LONGEST * 3.2)
    assert sizes.size == 10 * STEP, "what goes in a third of that time"
    sizes.took(10 * STEP, LONGEST * 0.8)
    assert sizes.size == 10 * STEP, "neither too long nor so short that there is room for more"
    sizes.took(10 * STEP, LONGEST / 2)
    sizes.took(20 * STEP, LONGEST * 0.7)
    assert sizes.size == 28 * STEP, "as much as goes in the time that is allowed"
    sizes.took(28 * STEP, 28 * LONGEST * 100)
    assert sizes.size == STEP


def test_a_small_file_beside_it_says_nothing() -> None:
    sizes = Fragments(32 * STEP)
    sizes.took(20_000, 0.5)
    sizes.took(20_000, LONGEST * 3)
    assert sizes.size == FIRST
    sizes.took(STEP, 1.0)
    assert sizes.size == 2 * FIRST, "the end of a file tells how fast the line is"


def test_a_broken_line_halves_them_down_to_one_step() -> None:
    sizes = Fragments(8 * STEP)
    found = []
    for _ in range(5):
        sizes.broke()
        found.append(sizes.size)
    assert found == [4 * STEP, 2 * STEP, STEP, STEP, STEP]


def parts(sizes: Fragments, file: int) -> list[int]:
    """The fragments of a file."""
    found = []
    while file:
        found.append(sizes.part(file))
        file -= found[-1]
    return found


def test_on_a_slow_line_the_last_fragment_is_a_short_one() -> None:
    sizes = Fragments(32 * STEP)
    sizes.took(8 * STEP, 1.0)
    assert parts(sizes, 30 * STEP + 7) == [16 * STEP, 14 * STEP + 7], "not on a fast one"
    sizes.took(16 * STEP, 21.0)
    assert parts(sizes, 70 * STEP + 7) == [32 * STEP, 32 * STEP, 6 * STEP + 7]
    assert parts(sizes, 60 * STEP + 7) == [32 * STEP, 20 * STEP, FIRST + 7]
    assert parts(sizes, 32 * STEP) == [24 * STEP, FIRST]
    assert parts(sizes, FIRST + STEP - 1) == [FIRST + STEP - 1]
    assert parts(sizes, 7) == [7]
