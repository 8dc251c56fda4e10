"""A plan is made batch by batch: its memory does not grow with the share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: MiB that requirement R9 allows for 10⁶ objects.
MOST = 512


def planned(files: int, state: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.engine.planned", str(files), str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["error"], told["kept"], told["written"]) == ("", 100, 0)
    assert told["planned"] == {"folder:create": files // 100 + 1, "file:create": files}
    return told


def test_five_times_as_many_files_need_hardly_more_memory(tmp_path: Path) -> None:
    few, many = planned(4_000, tmp_path / "few.db"), planned(20_000, tmp_path / "many.db")
    assert many["peak"] <= few["peak"] + 24


@pytest.mark.soak
def test_r9_a_million_files_are_planned_in_less_than_512_mib(tmp_path: Path) -> None:
    told = planned(1_000_000, tmp_path / "state.db")
    sys.stderr.write(f"{told}\n")
    assert told["peak"] < MOST
