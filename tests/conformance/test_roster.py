"""A roster passes the suite; it has no history, so that a change is a lost token and a listing."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Fields
from bridge.ports import TokenLost
from connectors.roster import Options, RosterConnector, connect
from tests.conformance.base import Bench, Conformance, context, elements, watch

_HEADER = ("Vorname", "Nachname", "Referenz-ID", "Gruppen#Klasse", "Gruppen#Kurs")


class RosterBench:
    kinds = ("user",)
    label = {"user": "surname"}  # noqa: RUF012
    lossless = False

    def __init__(self, connector: RosterConnector, path: Path) -> None:
        self.connector, self.path = connector, path
        self.rows: dict[str, dict[str, str]] = {}
        self._write()

    def _write(self) -> None:
        with self.path.open("w", newline="", encoding="utf-8-sig") as stream:
            writer = csv.DictWriter(stream, _HEADER, delimiter=";")
            writer.writeheader()
            writer.writerows(self.rows.values())

    def sample(self, kind: str, number: int) -> Fields:
        return {"source_anchor": f"R{number}", "given_name": "Ida", "surname": f"Ott {number}"}

    async def make(self, kind: str, fields: Fields) -> str:
        anchor = str(fields["source_anchor"])
        cells = ("Ida", str(fields["surname"]), anchor, "5a", "")
        self.rows[anchor] = dict(zip(_HEADER, cells, strict=True))
        self._write()
        return anchor

    async def change(self, anchor: str, fields: Fields) -> None:
        self.rows[anchor]["Nachname"] = str(fields["surname"])
        self._write()

    async def delete(self, anchor: str) -> None:
        del self.rows[anchor]
        self._write()

    async def read(self, anchor: str) -> Fields | None:
        return self.rows.get(anchor)

    async def settle(self) -> None:
        return None


class TestRoster(Conformance):
    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        path = tmp_path / "roster.csv"
        bench = RosterBench(await connect(Options(path=path), context()), path)
        yield bench
        await bench.connector.close()

    async def _listed_anew(self, bench: Bench, token: str | None) -> None:
        with pytest.raises(TokenLost):
            await watch(bench.connector, token)

    async def test_delta_shows_new_changed_and_deleted(self, bench: Bench) -> None:
        """A file that changed is listed: what is not in it any more is not reported as gone."""
        kept, going = [await bench.make("user", bench.sample("user", n)) for n in (1, 2)]
        before = await watch(bench.connector)
        await bench.change(kept, {"surname": "Anders"})
        await bench.delete(going)
        await self._listed_anew(bench, before.token)
        after = await watch(bench.connector)
        assert after.records[kept]["surname"] == "Anders"
        assert after.versions[kept] != before.versions[kept]
        assert going not in after.records
        assert after.gone == {}

    async def test_the_same_token_may_be_used_again(self, bench: Bench) -> None:
        await bench.make("user", bench.sample("user", 1))
        seen = await watch(bench.connector)
        for _ in range(2):
            assert (await watch(bench.connector, seen.token)).token == seen.token

    async def test_delta_and_listing_agree(self, bench: Bench) -> None:
        seen = await watch(bench.connector)
        await bench.make("user", bench.sample("user", 1))
        await self._listed_anew(bench, seen.token)

    async def test_members_come_as_anchors_and_change_by_delta(self, bench: Bench) -> None:
        users = {await bench.make("user", bench.sample("user", n)) for n in range(3)}
        assert elements((await watch(bench.connector)).records["class:5a"]["members"]) == users
