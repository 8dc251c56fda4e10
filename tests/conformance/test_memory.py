"""The reference connector passes the suite in each of its ways of telling."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Digest, Fields
from connectors.memory import MemoryConnector, Options, connect
from tests.conformance.base import Bench, Conformance, context


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

    @pytest.fixture(params=["whole", "differences", "small pages", "file"])
    async def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
        options = {
            "whole": Options(),
            "differences": Options(differences=True),
            "small pages": Options(page_size=1, differences=True),
            "file": Options(path=tmp_path / "school.json"),
        }[request.param]
        connector = await connect(options, context())
        bench = MemoryBench(connector)
        yield bench
        await connector.close()
