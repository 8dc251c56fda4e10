"""One cycle with its bookkeeping: what the daemon does all day and ``sync`` does once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bridge.core.model import Side
from bridge.core.recovery import Recovery
from bridge.daemon import wiring
from bridge.engine.bridged import Bridged, Report
from bridge.engine.cycle import cycle
from bridge.settings import School
from bridge.state.roots import unhold_in_roots
from bridge.state.store import SchoolStore


def begin(store: SchoolStore, school: School, runtime: Path) -> None:
    """Meet a school for the first time; judge anew what the guard held if its thresholds are others now.

    A fingerprint of them is kept in the runtime directory: without a change what is held stays held, since when it was.
    """
    if wiring.first_met(store):
        wiring.meet(store, school)
    rules = repr((sorted(school.thresholds.items()), school.window))
    mark = hashlib.sha256(rules.encode()).hexdigest()
    file = runtime / f"guard-{school.code}"
    with suppress(OSError):
        if file.read_text() == mark:
            return
    store.unhold("guard:")
    unhold_in_roots(store.database, school.code, "guard:")
    with suppress(OSError):
        file.write_text(mark)


async def turn(
    bridged: Bridged,
    school: School,
    store: SchoolStore,
    *,
    sides: Iterable[Side],
    full: bool = False,
    pause: timedelta = timedelta(0),
) -> Report:
    """Run one cycle over ``sides``; ``full``: compare them in full. The stage is looked up anew each time.

    ``pause``: how long a wave of vanishing must be over before it is judged; 0 for a cycle that sees all at once.
    """
    await bridged.remember(wiring.enter_stage, bridged, school, store)
    await bridged.remember(store.enter_stage, bridged.policy.writable, bridged.policy.recovery)
    bridged.policy = replace(bridged.policy, pause=pause)
    wanted = set(sides)
    doubtful = await bridged.remember(store.doubtful)
    for side in wanted if full else wanted & doubtful:
        await bridged.remember(store.drop_token, side)
    started = bridged.clock()
    report = await cycle(bridged, sides=[side for side in Side if side in wanted])
    await look_again(bridged, store, report)
    await bridged.remember(_keep_warnings, store, report)
    outcome = "failed" if report.error else "changed" if report.changed else "quiet"
    await bridged.remember(store.begin_cycle, report.cycle, now=started)
    counts = {**report.counts(), "warned": report.warned}
    await bridged.remember(store.end_cycle, report.cycle, outcome=outcome, counts=counts, now=bridged.clock())
    return report


async def look_again(bridged: Bridged, people: SchoolStore, report: Report) -> None:
    """Where both sides were read in full for the first time after a state was put back: what waited for that may go."""
    before = bridged.policy.recovery
    if before is not Recovery.COMPARING or report.error:
        return
    if await bridged.remember(people.recovery, bridged.code) is not before:
        report.again = bridged.clock()


def _keep_warnings(store: SchoolStore, report: Report) -> None:
    """What a side warned of stands until that side was read to its end again without the warning."""
    report.warned = {**warnings_of(store), **report.warned}


def warnings_of(store: SchoolStore) -> dict[str, list[str]]:
    """Side -> what it warns of, as of the last cycle."""
    last = store.cycles(limit=1)
    standing: dict[str, list[str]] = dict(last[0].counts.get("warned", {})) if last else {}
    return standing
