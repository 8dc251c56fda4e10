"""S12: what is installed is what was locked, byte by byte."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from package.build_deb import bill

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>\S+)")


def requirements(text: str) -> list[str]:
    """One a line, with what was continued."""
    return [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.strip().startswith("#")
    ]


def plain(line: str) -> str:
    """The name of a distribution as all of its spellings are compared."""
    found = re.match(r"[A-Za-z0-9._-]+", line)
    assert found is not None, line
    return re.sub(r"[-_.]+", "-", found[0]).casefold()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_and_has_hashes(lock: Path) -> None:
    lines = requirements(lock.read_text())
    assert len(lines) > 10
    for line in lines:
        assert _PINNED.match(line), f"{line} is not pinned"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}(\s|$)", line), f"{line} has no hash"
        assert "://" not in line.partition("#")[0], f"{line} comes from somewhere else"


def test_what_the_project_needs_is_locked() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = {plain(line) for line in requirements((ROOT / "requirements.lock").read_text())}
    assert {plain(one) for one in wanted} - locked == set()


def test_installing_takes_nothing_without_a_hash() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line and ".lock" in line]
    assert lines
    assert [line for line in lines if "--require-hashes" not in line] == []


@pytest.mark.parametrize("bad", ["a==1 --hash=sha256:00", "a>=1 --hash=sha256:" + "0" * 64, "a==1"])
def test_a_line_that_is_not_locked_is_noticed(bad: str) -> None:
    assert not (_PINNED.match(bad) and re.search(r"--hash=sha256:[0-9a-f]{64}(\s|$)", bad))


def test_s12_a_bill_of_materials_names_each_locked_library_with_its_hashes(tmp_path: Path) -> None:
    bill(tmp_path / "sbom.json")
    said = json.loads((tmp_path / "sbom.json").read_text())
    assert (said["bomFormat"], said["metadata"]["component"]["name"]) == ("CycloneDX", "schoolbridge")
    named = {(plain(one["name"]), one["version"]) for one in said["components"]}
    locked = [_PINNED.match(line) for line in requirements((ROOT / "requirements.lock").read_text())]
    assert named == {(plain(one["name"]), one["version"]) for one in locked if one}
    for one in said["components"]:
        assert [way["hashes"] for way in one["externalReferences"] if way.get("hashes")], one["name"]
