"""What is left frozen by a run that could not find it is given back when it is mirrored again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.freezing import freeze_all
from bridge.daemon.shares import Ground
from bridge.settings import load
from bridge.state.frozen import frozen_roots
from tests.daemon.folders import Folders


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write what is frozen")
@pytest.mark.parametrize(
    ("stage", "after", "frozen"),
    [
        ("hybrid", "read-only", False),
        ("freezing", "writable", True),
        ("soaking", "writable", False),
        ("soaking", "read-only", True),
    ],
)
def test_a_home_that_nobody_thawed(tmp_path: Path, stage: str, after: str, frozen: bool) -> None:
    school = Folders(tmp_path)
    school.school_file.write_text(f"{school.school_file.read_text()}cutover: {{shares_after: {after}}}\n")
    (school.home / "mine.txt").write_text("x")
    school.mirror()
    before = (school.home / "mine.txt").stat().st_mode
    catalog = Catalog()
    settings = load(school.config, catalog)
    with wiring.database(settings, create=False) as database:
        ground = Ground(settings, catalog, settings.schools[0], database)
        asyncio.run(freeze_all(ground, confirmed=()))
        ground.store("0123").move_stage(stage, event="test", actor="test", reason="test")
        assert frozen_roots(database, "0123")
    school.run("sync")
    with wiring.database(settings, create=False) as database:
        assert bool(frozen_roots(database, "0123")) is frozen
    assert ((school.home / "mine.txt").stat().st_mode == before) is not frozen
