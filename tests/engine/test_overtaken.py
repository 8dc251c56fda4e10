"""A plan that takes hours: what is saved meanwhile does not wait for its end, and others have their turn in between."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.core.model import Side
from bridge.engine import cycle as module
from bridge.engine import execute
from bridge.engine.bridged import Bridged, Report
from bridge.engine.cycle import cycle
from bridge.engine.execute import FEW
from connectors.memory.contents import new_file
from tests.machines.rig import Rig, rig

_SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}
FILES = 700


def _filled(one: Rig) -> None:
    for number in range(FILES):
        new_file(one.school, {"name": f"{number:03}"}, b"%d" % number)


def _names(one: Rig) -> set[str]:
    return {str(record.fields["name"]) for record in one.cloud.records("file")}


class Busy:
    """Each question for the time takes a second; ``news`` as told."""

    def __init__(self, one: Rig, *, news: bool) -> None:
        self.bridged: Bridged = one.bridged()
        self.bridged.monotonic = self._monotonic
        self.bridged.news = lambda: news
        self.seconds = 0.0

    def _monotonic(self) -> float:
        self.seconds += 1
        return self.seconds

    async def cycle(self) -> Report:
        return await cycle(self.bridged)


async def test_news_end_a_long_plan_and_the_newest_file_is_the_first_of_the_next() -> None:
    with rig(shows=_SHARE, chunk=5) as one:
        _filled(one)
        report = await Busy(one, news=True).cycle()
        done = report.executed["file:create"]
        assert module.LEAST / 2 * 5 <= done < FILES / 2 + module.LEAST * 5
        assert done < FILES
        assert report.again == one.clock.now, "the rest is due at once"
        assert not report.error
        assert not report.failed
        new_file(one.school, {"name": "just saved"}, b"new")
        busy = Busy(one, news=True)
        order: list[str] = []
        apply = one.connectors[Side.CLOUD].apply

        def told(writes):  # type: ignore[no-untyped-def]
            order.extend(str(write.fields["name"]) for write in writes)
            return apply(writes)

        one.connectors[Side.CLOUD].apply = told  # type: ignore[method-assign]
        await busy.cycle()
        assert "just saved" in order[:10], "it goes first"
        await one.settle()
        assert _names(one) == {*(f"{number:03}" for number in range(FILES)), "just saved"}
        assert len(list(one.cloud.records("file"))) == FILES + 1


async def test_without_news_a_long_plan_goes_on_to_its_end() -> None:
    with rig(shows=_SHARE, chunk=5) as one:
        _filled(one)
        report = await Busy(one, news=False).cycle()
        assert report.executed == {"file:create": FILES}
        assert report.again is None


async def test_while_somebody_waits_it_gives_way_after_a_few_operations() -> None:
    with rig(shows=_SHARE, chunk=200) as one:
        _filled(one)
        bridged = one.bridged()
        bridged.awaited = lambda: True
        done: list[int] = []

        async def give_way() -> None:
            done.append(len(_names(one)))

        bridged.give_way = give_way
        report = await cycle(bridged)
        assert report.executed == {"file:create": FILES}
        steps = [after - before for before, after in pairwise(done)]
        assert max(steps) <= FEW
        assert done.count(0) >= 3, "also while it reads and counts"


async def test_so_many_bytes_of_small_files_go_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "BYTES", 25)
    for place in ("core.urgency", "engine.contents"):
        monkeypatch.setattr(f"bridge.{place}.LARGE", 100)
    with rig(shows=_SHARE, chunk=200) as one:
        for number in range(7):
            new_file(one.school, {"name": f"small {number}"}, b"ten bytes.")
        for number in range(3):
            new_file(one.school, {"name": f"large {number}"}, bytes(100))
        sizes: list[int] = []
        apply = one.connectors[Side.CLOUD].apply

        def told(writes):  # type: ignore[no-untyped-def]
            sizes.append(len(writes))
            return apply(writes)

        one.connectors[Side.CLOUD].apply = told  # type: ignore[method-assign]
        assert (await one.cycle()).executed == {"file:create": 10}
        assert sizes == [3, 3, 4], "large ones go side by side"
