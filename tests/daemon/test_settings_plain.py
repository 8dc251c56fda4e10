"""What is shown of a configuration is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

from pydantic import BaseModel

from bridge.settings.plain import plain

_SCRIPT = """
from pydantic import BaseModel
from bridge.settings.plain import plain
class Options(BaseModel):
    licenses: frozenset[str]
    order: tuple[str, ...]
    deep: dict[str, frozenset[str]]
names = [f"L{number}" for number in range(40)]
print(plain(Options(licenses=frozenset(names), order=("b", "a"), deep={"x": frozenset(names)})))
"""


class Options(BaseModel):
    order: tuple[str, ...]
    some: frozenset[int]


def test_sets_are_sorted_and_lists_keep_their_order() -> None:
    assert plain(Options(order=("b", "a"), some=frozenset({3, 1, 2}))) == {"order": ["b", "a"], "some": [1, 2, 3]}


def test_it_is_the_same_in_every_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
