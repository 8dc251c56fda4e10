"""A give-back that fails, from the daemon's turn to what ``status`` and the API show."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.api.views import Seen, row
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.board import FILE, Board, SchoolRow
from bridge.daemon.catalog import Catalog
from bridge.daemon.status import remembered
from bridge.daemon.supervisor import Supervisor
from bridge.engine.bridged import silent
from bridge.ports import Mastered, Unreachable
from bridge.settings import load
from bridge.state import mastered as books
from connectors.memory import MemoryConnector
from tests.daemon.embedded import Embedded


class Away:
    """A cloud that does not switch anybody back, as long as it is ``away``."""

    away = True

    async def switch(self, wanted: Any, *, cloud: bool) -> dict[str, str]:
        if self.away:
            raise Unreachable("Graph is busy.")
        return {}


async def test_the_turn_tells_it_until_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, port = Embedded(tmp_path), Away()
    real = MemoryConnector.capabilities.fget
    assert real is not None
    monkeypatch.setattr(MemoryConnector, "capabilities", property(lambda self: replace(real(self), authority=port)))
    settings = load(site.config, Catalog())
    school = settings.schools[0]
    (tmp_path / "run").mkdir()
    board = Board(tmp_path / "run" / FILE, 1, started=wiring.now().isoformat(), schools={school.code: SchoolRow()})
    with wiring.database(settings, create=True) as database:
        store = database.school(school.code, school.kinds())
        books.remember(database, school.code, [Mastered("X", "user"), Mastered("G", "group")])
        supervisor = Supervisor(settings, Catalog(), school, database, board)

        async def shown() -> list[str]:
            async with supervisor._opened(silent) as one:
                await supervisor._turn(one, frozenset(Side), False)
            later = wiring.now() + timedelta(minutes=2)
            board.write(later)
            told = json.loads((tmp_path / "run" / FILE).read_text())
            view = row(Seen(settings, school, told, later, found=remembered(database, store)))
            return [cause.text for cause in view.causes if cause.text.startswith("the cloud still masters")]

        (text,) = await shown()
        assert "2 people and groups" in text
        assert "Graph is busy. It is tried again with each cycle" in text
        port.away = False
        assert await shown() == []
        assert books.remembered(database, school.code) == []
        await supervisor.stop()
