"""``python -m tests.benchmarks.year``: the figures of the school year at full size, for each way of rebuilding.

1,200 pupils: 1,050 go on (12 of them repeat), 150 leave, 150 come, two classes become one and one becomes two. Real
engine and real SQLite between two memory sides; what a side is asked for is counted as Graph takes it
(``tests.school_years.cost``), against the least that this change can cost (``tests.school_years.least``).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bridge.core.model import Action, Side
from bridge.core.year import PersonTurn
from bridge.daemon import school_year
from connectors.memory import State
from tests.core.years import WAYS
from tests.machines.rig import Rig, rig
from tests.school_years import counting, drawn, least, settle_year, settled


async def _cycles(one: Rig, number: int = 4) -> None:
    for _ in range(number):
        one.policy = replace(one.policy, year=one.store.year_phase())
        report = await one.cycle()
        if report.error:
            raise RuntimeError(report.error)
        one.pass_(hours=1)


async def measure(way: str, *, full: bool = True, seed: int = 7) -> dict[str, float | int | str]:
    """One school year; raises RuntimeError when a class is not what it should be."""
    with tempfile.TemporaryDirectory() as folder, rig(f"sqlite:///{Path(folder) / 'state.db'}") as one:
        year = await settled(one, drawn(seed, way=way, full=full))
        accounts = {record.anchor for record in one.cloud.records("user")}
        one.store.open_year("Y0", actor="benchmark", reason="August")
        counted = counting(one.connectors[Side.CLOUD])
        year.rebuild()
        await _cycles(one)
        begun = time.perf_counter()
        planned = school_year.plan(one.store)
        seconds = time.perf_counter() - begun
        await settle_year(one)
        await _cycles(one)
        if wrong := year.wrong():
            raise RuntimeError(f"{way}: {wrong[:5]}")
        turns = [one.turn for one in planned.plan.people]
        gone = [a for a in (*accounts, *year.before.values()) if one.cloud.state(a) is not State.ALIVE]
        return {
            "way": way,
            "pupils": len(year.one.last.people),
            "promoted": turns.count(PersonTurn.PROMOTED),
            "repeat": turns.count(PersonTurn.REPEATS),
            "leave": turns.count(PersonTurn.LEAVES),
            "new": turns.count(PersonTurn.NEW),
            "planned in s": round(seconds, 2),
            "accounts deleted": len(gone) + len(counted.of("user", Action.DELETE, Action.DISABLE)),
            "accounts made": len(counted.of("user", Action.CREATE)),
            "groups deleted": len(counted.of("group", Action.DELETE)),
            "groups made": len(counted.of("group", Action.CREATE)),
            "file bytes": one.sent(),
            "requests": counted.requests(),
            "least": least(counted, year),
        }


def main() -> None:
    """Measure and print a table."""
    rows = [asyncio.run(measure(way)) for way in WAYS]
    print("| " + " | ".join(rows[0]) + " | × |")
    print("|" + "---|" * (len(rows[0]) + 1))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + f" | {row['requests'] / row['least']:.3f} |")  # type: ignore[operator]


if __name__ == "__main__":
    main()
