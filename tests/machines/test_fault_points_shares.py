"""Fail the i-th access, file system call and request of a whole mirror run between a directory or share and a drive.

In it something is made, written, renamed, swapped, moved, deleted and restored on both sides, and one file is in
conflict (``staged``). Whatever failed, the run ends as if nothing had: nothing lost, nothing twice, both sides equal.
``make test`` takes a sample of the points, ``make soak`` all of them, in chunks that spread over processes.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.lab.file_server import FileServer
from bridge.ports import Connector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import application
from tests.connectors.smb.conftest import file_server
from tests.machines.shares import Shares, drive_in, folder, mirrored, share
from tests.machines.soak import CHUNKS
from tests.machines.staged import Result, finished, staged
from tests.machines.walls import BREAKS, FAILURES, Accesses, Broken, Calls, Requests, Wall
from tests.machines.wire_walls import ANSWERS, Sendings
from tests.sandbox.plugin import MakeSandbox

__all__ = ["file_server"]

#: Cycles with the wall standing: what one puts off the next one does.
CYCLES = 3


@dataclass
class Ground:
    """One sandbox for all runs, and a directory for each."""

    sandbox: Sandbox
    place: Path
    school: Callable[[Path], tuple[Connector, Path]] = folder
    runs: int = 0

    async def run(self, wall: Wall, patch: pytest.MonkeyPatch) -> Result:
        """One mirror run with the wall; what came out of it in the end."""
        self.runs += 1
        place = self.place / str(self.runs)
        with patch.context() as local:
            if isinstance(wall, (Accesses, Calls, Sendings)):
                wall.between(local)
            async with mirrored(self.school(place), drive_in(self.sandbox, place, str(self.runs))) as one:
                one.threads = False
                texts = await staged(one, one.hands)
                await self._through(wall, one)
                return await finished(one, one.hands, texts)

    async def _through(self, wall: Wall, one: Shares) -> None:
        for _ in range(CYCLES):
            around: Any = nullcontext()
            if isinstance(wall, Requests):
                around = wall.around(self.sandbox)
            elif isinstance(wall, (Calls, Sendings)):
                around = wall.around()
            elif isinstance(wall, Accesses):
                around = wall.around(one)
            try:
                with around:
                    await one.cycle()
            except (Broken, sqlite3.OperationalError):
                assert isinstance(wall, Accesses)  # the daemon says so and begins anew
            one.pass_(minutes=1)


@pytest.fixture
async def ground(make_sandbox: MakeSandbox, tmp_path: Path) -> Ground:
    return Ground(await make_sandbox(tls=True, applications=[application("Files.ReadWrite.All")]), tmp_path)


async def all_points(
    ground: Ground, wall: Callable[[int | None], Wall], patch: pytest.MonkeyPatch, *, stride: int, first: int = 1
) -> None:
    """Break each ``stride``-th point of a run, and show which ones did harm."""
    whole = wall(None)
    result = await ground.run(whole, patch)
    assert whole.count > 5
    harmed: list[Exception] = []
    for point in range(first, whole.count + 1, stride):
        one = wall(point)
        try:
            found = await ground.run(one, patch)
            assert found == result, (sorted(set(found) - set(result)), sorted(set(result) - set(found)))
        except Exception as error:  # noqa: BLE001 - all of them are told at the end
            error.add_note(f"point {point} of {whole.count}: {getattr(one, 'broke', '')}")
            print(*error.__notes__, repr(error)[:500], flush=True)
            harmed.append(error)
    if harmed:
        raise ExceptionGroup(f"{len(harmed)} of {whole.count} points", harmed)


async def every_point(
    ground: Ground, wall: Callable[[int | None], Wall], patch: pytest.MonkeyPatch, chunk: int
) -> None:
    """All points of this chunk."""
    await all_points(ground, wall, patch, stride=len(CHUNKS), first=1 + chunk)


async def test_an_access_to_a_database_may_fail(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    await all_points(ground, Accesses, monkeypatch, stride=701, first=97)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
async def test_any_access_to_a_database_may_fail(ground: Ground, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await every_point(ground, Accesses, monkeypatch, chunk)


@pytest.mark.parametrize("failure", sorted(FAILURES))
async def test_a_call_of_the_file_system_may_fail(
    ground: Ground, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await all_points(ground, lambda at: Calls(at, failure), monkeypatch, stride=499, first=53)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("failure", sorted(FAILURES))
async def test_any_call_of_the_file_system_may_fail(
    ground: Ground, failure: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await every_point(ground, lambda at: Calls(at, failure), monkeypatch, chunk)


@pytest.mark.parametrize("where", BREAKS)
async def test_a_request_may_fail(ground: Ground, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await all_points(ground, lambda at: Requests(at, where), monkeypatch, stride=17, first=5)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("where", BREAKS)
async def test_any_request_may_fail(ground: Ground, where: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await every_point(ground, lambda at: Requests(at, where), monkeypatch, chunk)


@pytest.fixture
def served(ground: Ground, file_server: FileServer) -> Ground:
    """With a share of a real Samba instead of a directory."""

    def school(place: Path) -> tuple[Connector, Path]:
        return share(file_server, place.with_name(f"{place.parent.name} {place.name} {uuid.uuid4().hex[:8]}"))

    ground.school = school
    return ground


@pytest.mark.parametrize("how", ANSWERS)
async def test_what_is_sent_to_a_file_server_may_fail(
    served: Ground, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await all_points(served, lambda at: Sendings(at, how), monkeypatch, stride=97, first=31)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("how", ANSWERS)
async def test_anything_sent_to_a_file_server_may_fail(
    served: Ground, how: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await every_point(served, lambda at: Sendings(at, how), monkeypatch, chunk)
