"""Many threads that write to one SQLite state: ``python -m tests.benchmarks.turns``; ``--no-queue`` as it was before.

Each holds the state for 20 ms and comes again at once. How long who waits longest?
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

from bridge.state.database import Database, open_database

HELD = 0.02


def write(database: Database, until: float, waits: list[float]) -> None:
    """Take turns until then; a wait that goes on at the end counts for as long as it took."""
    while (began := time.monotonic()) < until:
        with database.write():
            waits.append(time.monotonic() - began)
            time.sleep(HELD)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--no-queue", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        database = open_database(f"sqlite:///{Path(root) / 'state.db'}")
        if said.no_queue:
            database._queue.turn = nullcontext  # type: ignore[method-assign]
        waits, until = list[float](), time.monotonic() + said.seconds
        threads = [threading.Thread(target=write, args=(database, until, waits)) for _ in range(said.threads)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        database.close()
    waits.sort()
    middle, longest = waits[len(waits) // 2], waits[-1]
    sys.stdout.write(f"{len(waits)} turns, waited p50 {middle:.3f} s, at most {longest:.1f} s\n")


if __name__ == "__main__":
    main()
