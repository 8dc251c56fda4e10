"""One root in a process of its own, as the daemon drives it: ``python -m tests.benchmarks.shares_alone CONFIG USER``.

One pass, told as a line of JSON; with ``follow`` one for each line of standard input. ``BENCH_PROFILE`` names a file
for what cProfile sees meanwhile.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bridge.cli import spare_the_collector
from bridge.core.model import Side
from bridge.daemon import shares, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.roots import made
from bridge.daemon.threads import new_loop
from bridge.daemon.turn import begin
from bridge.settings import load
from bridge.state.owners import Owner


async def alone(config: str, owner: str, *, follow: bool) -> None:
    """The root mirrored once, or once for each line of standard input."""
    catalog = Catalog()
    settings = load(Path(config), catalog)
    school = settings.schools[0]
    with wiring.database(settings, create=True) as database:
        ground = shares.Ground(settings, catalog, school, database)
        begin(ground.store(school.code), school, settings.runtime)
        root = made(school, school.shares[0], Owner("owner", "user", "pupil", "U", "u", "", "S", owner))
        async with shares.opened(ground, root) as bridged:
            while not follow or bool(await asyncio.to_thread(sys.stdin.readline)):
                wall, cpu = time.perf_counter(), time.process_time()
                report = await shares.turn(ground, root, bridged, sides=tuple(Side))
                found: dict[str, Any] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
                told = {"error": report.error, "messages": report.messages[:3], **report.counts()}
                print(json.dumps(found | told), flush=True)
                if not follow:
                    return


def main(config: str, owner: str, *more: str) -> None:
    """Run, under a profiler when one is asked for."""
    spare_the_collector()
    work, wanted = alone(config, owner, follow="follow" in more), os.environ.get("BENCH_PROFILE")
    with asyncio.Runner(loop_factory=new_loop) as runner:
        if not wanted:
            runner.run(work)
            return
        profile = cProfile.Profile()
        profile.runcall(runner.run, work)
    profile.dump_stats(wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
