"""What was derived to be counted is carried out as it was as long as it can't have changed, else derived again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.model import Link, Side
from bridge.core.reconcile import Reconciled
from bridge.engine import cycle as module
from bridge.engine import kept
from bridge.engine.bridged import Bridged
from connectors.memory.contents import new_file
from tests.machines.rig import Rig, rig

_SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many links each derivation was for; batches are of two."""
    found: list[int] = []

    async def derive(bridged: Bridged, links: Sequence[Link], **more: Any) -> Reconciled:
        found.append(len(links))
        return await original(bridged, links, **more)

    original = module.derive
    monkeypatch.setattr(module, "derive", derive)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(kept, "ROOM", kept.Room())
    return found


def _filled(one: Rig, number: int, prefix: str = "") -> None:
    for name in range(number):
        new_file(one.school, {"name": f"{prefix}{name}"}, b"%d" % name)


def _names(one: Rig, side: Side) -> list[str]:
    return sorted(str(record.fields["name"]) for record in one.side(side).records("file"))


async def test_new_files_are_derived_once(derived: list[int]) -> None:
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        _filled(one, 6)
        report = await one.cycle()
        assert (report.executed, derived) == ({"file:create": 6}, [2, 2, 2])
        assert kept.ROOM.taken == 0
        assert _names(one, Side.CLOUD) == _names(one, Side.SCHOOL)


async def test_what_there_is_no_room_for_is_derived_again(derived: list[int]) -> None:
    kept.ROOM.most = 1
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        _filled(one, 8)
        assert (await one.cycle()).executed == {"file:create": 8}
        assert derived == [2, 2, 2, 2, 2, 2], "the first and one more were kept"
        assert kept.ROOM.taken == 0


async def test_nothing_is_kept_behind_what_is_not_new(derived: list[int]) -> None:
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        _filled(one, 4)
        await one.settle()
        for record in list(one.school.records("file")):
            one.school.change(record.anchor, {"name": f"again {record.fields['name']}"})
        derived.clear()
        assert (await one.cycle()).executed == {"file:update": 4}
        assert derived == [2, 2, 2]
        assert _names(one, Side.CLOUD) == _names(one, Side.SCHOOL)


async def test_after_a_failure_the_rest_is_derived_again(derived: list[int]) -> None:
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        _filled(one, 6)
        one.cloud_faults().full = 0
        report = await one.cycle()
        assert (report.executed, report.failed) == ({}, {"file:quota": 6})
        assert derived == [2, 2, 2, 2, 2]
        assert kept.ROOM.taken == 0


async def test_a_file_that_gets_the_name_of_one_in_a_later_batch_is_made_once(derived: list[int]) -> None:
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        new_file(one.school, {"name": "old"}, b"old")
        await one.settle()
        _filled(one, 5)
        (record,) = one.cloud.records("file")
        one.cloud.change(record.anchor, {"name": "0"})
        await one.settle()
        assert _names(one, Side.CLOUD) == _names(one, Side.SCHOOL)
        assert len(_names(one, Side.CLOUD)) == 6
        assert kept.ROOM.taken == 0


async def test_the_room_is_given_back_when_a_side_is_away(derived: list[int]) -> None:
    with rig(shows=_SHARE, kinds=("folder", "file")) as one:
        _filled(one, 6)
        one.cloud_faults().cut_writes = 1
        assert (await one.cycle()).error
        assert kept.ROOM.taken == 0
        one.calm()
        await one.settle()
        assert _names(one, Side.CLOUD) == _names(one, Side.SCHOOL)
