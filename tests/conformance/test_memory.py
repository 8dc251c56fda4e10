"""The reference connector passes the suite in each of its ways of telling."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from bridge.core.model import Digest, Fields
from bridge.ports import ConfigurationError, Unreachable
from connectors.memory import Faults, MemoryConnector, Options, connect
from tests.conformance.base import Bench, Conformance, Seen, context, creation, watch, write, written


class MemoryBench:
    kinds = ("user", "group", "folder", "file")
    label = {"user": "display_name", "group": "display_name", "folder": "name", "file": "name"}  # noqa: RUF012
    lossless = True

    def __init__(self, connector: MemoryConnector) -> None:
        self.connector = connector
        self.side = connector.side

    def sample(self, kind: str, number: int) -> Fields:
        text = {self.label[kind]: f"{kind} {number}"}
        own: dict[str, Fields] = {
            "user": {"source_anchor": f"u{number}", "upn": f"u{number}@hfg.example", "enabled": True},
            "group": {"source_anchor": f"g{number}", "mail_nickname": f"g{number}"},
            "folder": {},
            "file": {"content": Digest("sha256", f"{number:064x}", number)},
        }
        return {**text, **own[kind]}

    async def make(self, kind: str, fields: Fields) -> str:
        return self.side.create(kind, fields)

    async def change(self, anchor: str, fields: Fields) -> None:
        self.side.change(anchor, fields)

    async def delete(self, anchor: str) -> None:
        self.side.delete(anchor)

    async def read(self, anchor: str) -> Fields | None:
        record = self.side.record(anchor)
        return record.fields if record else None

    async def settle(self) -> None:
        return None


class TestMemory(Conformance):
    refuses_stale = True

    @pytest.fixture(params=["whole", "differences", "small pages", "file", "limbo"])
    async def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
        options = {
            "whole": Options(),
            "differences": Options(differences=True),
            "small pages": Options(page_size=1, differences=True),
            "file": Options(path=tmp_path / "school.json"),
            "limbo": Options(limbo=True),
        }[request.param]
        connector = await connect(options, context())
        bench = MemoryBench(connector)
        yield bench
        await connector.close()


async def test_a_file_changed_by_another_process_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "school.json"
    connector = await connect(Options(path=path), context())
    seen = await watch(connector)
    program = (
        "import sys; from pathlib import Path; from connectors.memory import MemorySide; "
        "from connectors.memory.persistence import Shelf\n"
        "with Shelf(Path(sys.argv[1]), MemorySide('other')).changing() as side:\n"
        "    side.create('user', {'source_anchor': 'u1', 'display_name': 'Jörg', 'licenses': frozenset({'A'})})\n"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(path)], check=True)
    await asyncio.wait_for(anext(connector.hints()), 10)
    await watch(connector, seen.token, seen=seen)
    (fields,) = seen.records.values()
    assert fields == {"source_anchor": "u1", "display_name": "Jörg", "licenses": frozenset({"A"})}


async def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "school.json"
    path.write_text('{"objects": [}', "utf-8")
    with pytest.raises(ConfigurationError, match=r"school\.json"):
        await connect(Options(path=path), context())


async def test_a_lost_response_has_happened(tmp_path: Path) -> None:
    connector = await connect(Options(), context())
    bench = MemoryBench(connector)
    connector.faults.lost_responses = 1
    with pytest.raises(Unreachable):
        await write(connector, creation("user", bench.sample("user", 1)))
    done = await written(connector, creation("user", bench.sample("user", 1)))
    assert done.adopted
    assert len(list(connector.side.records())) == 1


async def test_a_cut_listing_is_never_complete() -> None:
    connector = await connect(Options(page_size=1), context())
    bench = MemoryBench(connector)
    for number in range(3):
        await bench.make("user", bench.sample("user", number))
    connector.faults.cut_pages = 2
    seen = Seen()
    with pytest.raises(Unreachable):
        await watch(connector, seen=seen)
    assert len(seen.pages) == 2
    assert not any(page.complete for page in seen.pages)


async def test_disorder_ends_in_the_same_state() -> None:
    connector = await connect(Options(page_size=2, differences=True), context())
    bench = MemoryBench(connector)
    seen = await watch(connector)
    users = [await bench.make("user", bench.sample("user", number)) for number in range(4)]
    group = await bench.make("group", {**bench.sample("group", 1), "members": frozenset(users)})
    await bench.change(group, {"members": frozenset(users[:1])})
    await bench.delete(users[2])
    connector.faults.duplicate, connector.faults.shuffle, connector.faults.replay = True, Random(7), 5
    await watch(connector, seen.token, seen=seen)
    connector.faults = Faults()
    assert seen.records == (await watch(connector)).records
