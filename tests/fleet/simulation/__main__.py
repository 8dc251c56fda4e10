"""``python -m tests.fleet.simulation FIRST [LAST] [--site] [--hub]``: play seeds, the failing ones are printed."""

from __future__ import annotations

import argparse
import logging
import sys

import structlog

from tests.fleet.simulation.play import Plan, Run


def main() -> int:
    """1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.simulation", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--site", action="store_true", help="sites are put back from backups")
    parser.add_argument("--hub", action="store_true", help="the hub is put back from a backup")
    said = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    failed = 0
    for seed in range(said.first, (said.last or said.first) + 1):
        try:
            Run(Plan(seed, site_backups=said.site, hub_backups=said.hub)).play().check()
        except AssertionError as error:
            failed += 1
            print(error, flush=True)
    print(f"{(said.last or said.first) + 1 - said.first} played, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
