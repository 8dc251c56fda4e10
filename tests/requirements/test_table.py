"""Every requirement has a row, every row a test that pytest finds, or a reason why there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements.table import ROWS

ROOT = Path(__file__).parents[2]


def collected(files: set[str]) -> set[str]:
    """Node ids without their parameters, as pytest itself finds them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)
    found = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return found


def test_every_test_that_is_named_exists() -> None:
    named = {test for row in ROWS for test in row.tests}
    assert named - collected({test.partition("::")[0] for test in named}) == set()


def test_a_test_that_does_not_exist_is_noticed() -> None:
    found = collected({"tests/requirements/test_table.py"})
    assert "tests/requirements/test_table.py::test_every_requirement_has_one_row" in found
    assert "tests/requirements/test_table.py::test_that_does_not_exist" not in found


def test_every_requirement_has_one_row() -> None:
    wanted = [*(f"R{number}" for number in range(1, 16)), *(f"S{number}" for number in range(1, 17))]
    assert [row.id for row in ROWS] == wanted


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_names_its_tests_or_says_why_there_is_none(row: object) -> None:
    assert bool(row.tests) != bool(row.open), "open means that no test proves it"  # type: ignore[attr-defined]
    assert len(set(row.tests)) == len(row.tests)  # type: ignore[attr-defined]
