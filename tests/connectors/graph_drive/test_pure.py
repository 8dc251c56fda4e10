"""What needs no server: items as fields, prices, budgets, lanes, the line."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.core.model import Digest
from connectors.bandwidth import Bandwidth, Direction
from connectors.graph.budget import Cost
from connectors.graph_drive.budget import price
from connectors.graph_drive.lanes import Lanes
from connectors.graph_drive.ledger import Ledger
from connectors.graph_drive.options import Options
from connectors.graph_drive.shape import digest_of, fields_of, kind_of, modified_of, outside
from tests.connectors.graph_drive.kit import Clock

FILE = {
    "id": "1", "name": "a.txt", "size": 5, "eTag": '"{1},1"', "parentReference": {"id": "p"},
    "file": {"hashes": {"quickXorHash": "aCgDG9jwBgAAAAAABQAAAAAAAAA="}},
    "fileSystemInfo": {"lastModifiedDateTime": "2026-11-23T19:05:31.987Z"},
}  # fmt: skip


def test_a_file_as_fields() -> None:
    content = Digest("quickxor", "6828031bd8f0060000000000050000000000" + "0000", 5)
    assert fields_of(FILE, root="r", library_root="r") == {
        "name": "a.txt", "parent": "p", "content": content, "modified": "2026-11-23T19:05:31Z",
    }  # fmt: skip
    assert "parent" not in fields_of(FILE, root="p", library_root="r")


def test_a_file_without_hash_is_unread_and_an_empty_one_is_known() -> None:
    assert digest_of({**FILE, "file": {}}) == Digest("unread", '"{1},1"', 5)
    assert digest_of({**FILE, "file": {}, "cTag": "c"}) == Digest("unread", "c", 5)
    assert digest_of({**FILE, "file": {}, "size": 0}) == Digest("quickxor", "0" * 40, 0)
    assert digest_of({**FILE, "file": {"hashes": {"quickXorHash": "no base64"}}}).algorithm == "unread"


@pytest.mark.parametrize(
    "facet",
    [
        {"package": {"type": "oneNote"}, "folder": {}}, {"remoteItem": {"id": "x"}}, {"malware": {}},
        {"file": {"irmEffectivelyEnabled": True}},
    ],
)  # fmt: skip
def test_what_is_not_mirrored_says_why(facet: dict[str, object]) -> None:
    assert outside({**FILE, **facet})
    assert kind_of({**FILE, **facet}) is None


def test_times_are_floored() -> None:
    assert modified_of(FILE) == "2026-11-23T19:05:31Z"


@pytest.mark.parametrize(
    ("method", "path", "units"),
    [
        ("GET", "/drives/d/items/i?$select=id", 1), ("GET", "/drives/d/root/delta?$top=5", 2),
        ("GET", "https://x/v1.0/drives/d/root/delta?token=abc", 1), ("GET", "/drives/d/items/i/children?$top=1", 2),
        ("POST", "/drives/d/items/i/createUploadSession", 2), ("DELETE", "/drives/d/items/i", 2),
        ("POST", "/drives/d/items/i/invite", 5), ("GET", "/drives/d/items/i/permissions", 5),
    ],
)  # fmt: skip
def test_prices(method: str, path: str, units: int) -> None:
    assert price(method, path) == Cost(units)


async def test_lanes_halve_and_recover_slowly() -> None:
    lanes = Lanes(8)
    lanes.slower()
    assert lanes.open == 4
    for _ in range(4):
        lanes.well()
    assert lanes.open == 5
    most = 0

    async def run() -> None:
        nonlocal most
        async with lanes.lane():
            most = max(most, lanes.running)
            await asyncio.sleep(0)

    await asyncio.gather(*(run() for _ in range(30)))
    assert (most, lanes.running) == (5, 0)


async def test_a_drive_with_one_transfer_does_not_wait_for_all_of_another_one() -> None:
    lanes, order = Lanes(1), list[str]()

    async def run(drive: str) -> None:
        async with lanes.lane(drive):
            order.append(drive)
            await asyncio.sleep(0)

    async with lanes.lane("busy"):
        waiting = [asyncio.create_task(run("busy")) for _ in range(100)]
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(run(drive)) for drive in ("one", "other")]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order[:4] == ["busy", "one", "other", "busy"]
    assert len(order) == 102


async def test_a_cancelled_wait_gives_its_lane_back() -> None:
    lanes = Lanes(1)
    async with lanes.lane():
        waiting = asyncio.create_task(lanes.lane().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), lanes.lane():
        assert lanes.running == 1


async def test_the_lines_limit_may_change_while_bytes_pass() -> None:
    clock, rate = Clock(), [65_536.0]

    def limits(direction: Direction) -> float | None:
        return rate[0] if direction == "down" else None

    line = Bandwidth(limits, monotonic=clock.now, sleep=clock.sleep)
    await line.take("down", 10 * 65_536)
    assert 9 < clock.time <= 10
    rate[0] *= 10
    await line.take("down", 10 * 65_536)
    assert 10 <= clock.time <= 11
    await line.take("up", 1 << 30)
    assert clock.time <= 11


async def test_a_small_transfer_is_not_starved_by_a_big_one() -> None:
    clock = Clock()
    line = Bandwidth(lambda _: 65_536.0, monotonic=clock.now, sleep=clock.sleep)
    ended: list[str] = []

    async def take(name: str, amount: int) -> None:
        await line.take("up", amount)
        ended.append(name)

    await asyncio.gather(take("big", 100 * 65_536), take("small", 65_536))
    assert ended == ["small", "big"]


@pytest.mark.parametrize("change", [{"drive": {}}, {"drive": {"user": "a", "group": "b"}}, {"fragment": 1000}])
def test_options_that_can_not_work(change: dict[str, object]) -> None:
    good = {"tenant_id": "t", "client_id": "c", "client_secret": "env:S", "drive": {"user": "u"}}
    Options.model_validate(good)
    with pytest.raises(ValidationError):
        Options.model_validate({**good, **change})


def test_a_commit_that_fails_ends_its_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [True]

    class Full(sqlite3.Connection):
        def execute(self, *given: Any) -> sqlite3.Cursor:
            if given[0] == "commit" and full[0]:
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(*given)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, factory=Full, **more))
    ledger = Ledger(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.keep_upload("key", "https://example.sharepoint.com/upload")
    full[0] = False
    assert ledger.upload("key") is None
    ledger.keep_upload("key", "https://example.sharepoint.com/upload")
    assert ledger.upload("key") == "https://example.sharepoint.com/upload"
    ledger.close()
