"""The stream of hints, looked at closely: what is missed is told, who reads too slowly keeps nobody back."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.api import live
from bridge.api.live import Live, differences
from bridge.api.survey import Shot, Survey
from bridge.api.views import Seen, row, view
from bridge.daemon.catalog import Catalog
from bridge.settings import load
from bridge.state.glance import Glance
from tests.daemon.embedded import Embedded

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Play:
    """Surveys of one school whose journal grows by one with each look."""

    def __init__(self, root: Path) -> None:
        settings = load(Embedded(root).config, Catalog())
        seen = Seen(settings, settings.schools[0], None, NOW, glance=Glance("hybrid", NOW))
        self.shot = Shot(seen, NOW, seen.glance, row(seen), view(seen, row(seen)))
        self.seq = 0

    def shown(self, **changes: Any) -> Shot:
        return replace(self.shot, seen=replace(self.shot.seen, glance=Glance("hybrid", NOW, **changes)))

    async def look(self) -> Survey:
        self.seq += 1
        return Survey(NOW, {"0123": self.shown(seq=self.seq)})


def test_what_differs_is_named(tmp_path: Path) -> None:
    play = Play(tmp_path)
    assert list(differences(None, play.shot)) == [("configuration", "a new school")]
    assert list(differences(play.shot, play.shot)) == []
    assert list(differences(play.shot, play.shown(seq=5))) == [("journal", "5")]
    assert list(differences(play.shot, play.shown(cycled=NOW))) == [("cycle", "")]
    assert list(differences(play.shot, play.shown(measured=NOW))) == [("gate", "")]
    assert list(differences(play.shot, play.shown(run="r", step=NOW))) == [("run", "r")]


async def test_ids_only_grow_and_a_gap_is_told(tmp_path: Path) -> None:
    stream = Live(Play(tmp_path).look, clock=lambda: NOW, differ=differences)
    await stream._step()
    for _ in range(live.RING + 50):
        await stream._step()
    first = stream._ring[0].id
    assert [one.id for one in stream._ring] == list(range(first, first + live.RING))
    assert [one.id for one in stream._missed(first + live.RING - 3)] == [first + live.RING - 2, first + live.RING - 1]
    assert [one.text for one in stream._missed(first - 5)] == ["events were missed"] * 2
    assert [one.text for one in stream._missed(10**15)] == ["events were missed"] * 2, "of another daemon"
    assert stream._missed(None) == []


async def test_who_reads_too_slowly_is_told_so_and_keeps_nobody_back(tmp_path: Path) -> None:
    stream = Live(Play(tmp_path).look, clock=lambda: NOW, differ=differences)
    slow, quick = stream.follow(None), stream.follow(None)
    waiting = asyncio.ensure_future(anext(quick))
    first = asyncio.ensure_future(anext(slow))
    while stream.listening < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    got = 0
    for _ in range(live.QUEUE + 20):
        await stream._step()
        await waiting
        waiting = asyncio.ensure_future(anext(quick))
        got += 1
    assert got == live.QUEUE + 20
    assert (await first).kind == "journal"
    assert (await anext(slow)).text == "events were missed"
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await slow.aclose()
    await stream.stop()


async def test_who_breaks_off_while_everything_is_told_is_told_it_again(tmp_path: Path) -> None:
    play = Play(tmp_path)

    async def look() -> Survey:
        return Survey(NOW, dict.fromkeys(("0123", "0456"), play.shot))

    stream = Live(look, clock=lambda: NOW, differ=differences)
    await stream._step()
    told = stream._missed(1)
    assert [one.school for one in told] == ["0123", "0456", ""]
    assert stream._missed(told[0].id) == told
    assert stream._missed(told[1].id) == told
    assert stream._missed(told[2].id) == []
