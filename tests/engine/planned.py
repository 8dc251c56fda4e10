"""``python -m tests.engine.planned FILES STATE``: the first enrolment of a share of so many files, planned and not
carried out, in a process of its own. Prints what was planned, the peak of its memory in MiB, and how long it took.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.model import Digest, Side
from bridge.core.policy import policy_for
from bridge.daemon.ids import TimeOrdered
from bridge.engine.bridged import Bridged
from bridge.engine.cycle import cycle
from bridge.ports import Observation, Page, chunks
from bridge.state import open_database
from tests.engine.test_scale import Told

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
#: Files of a folder, records of a page.
FILES, PAGE = 100, 1000


def seen(files: int) -> Iterator[Observation]:
    """Folders below one, each with its files."""
    yield Observation("folder", "top", "1", {"name": "Klassen", "parent": None})
    for number in range(files // FILES):
        yield Observation("folder", f"d{number}", "1", {"name": f"Ordner {number:06}", "parent": "top"})
        for one in range(FILES):
            content = Digest("quickxor", f"{number:020x}{one:020x}", 4096)
            fields = {"name": f"Datei {one:03}.docx", "parent": f"d{number}", "content": content}
            yield Observation("file", f"f{number}.{one}", "1", fields)


class Share(Told):
    """A side that makes up its pages as they are read."""

    def __init__(self, files: int) -> None:
        super().__init__()
        self.files = files

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        for some in chunks(seen(self.files), PAGE):
            yield Page(tuple(some))
        yield Page(token="end")


async def plan(files: int, state: Path) -> dict[str, object]:
    """Observe, pair and plan it all; a hundred operations are kept, the others counted."""
    begun = time.monotonic()
    sides = {Side.SCHOOL: Share(files), Side.CLOUD: Told()}
    store = open_database(f"sqlite:///{state}", clock=lambda: NOW).school(
        "west", {name: KINDS[name] for name in ("folder", "file")}
    )
    bridged = Bridged(
        code="west",
        name="West",
        store=store,
        connectors=sides,  # type: ignore[arg-type]
        kinds=store.kinds,
        policy=policy_for(Stage.HYBRID),
        naming=lambda *_: ("", ()),
        clock=lambda: NOW,
        new_id=TimeOrdered(lambda: NOW, lambda bits: 0),
    )
    report = await cycle(bridged, rehearse=True, most=100)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"error": report.error, "planned": dict(report.planned), "kept": len(report.operations)}
    told["written"] = sum(len(one.writes) for one in sides.values())
    return {**told, "peak": round(peak), "seconds": round(time.monotonic() - begun, 1)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(plan(int(sys.argv[1]), Path(sys.argv[2])))))
