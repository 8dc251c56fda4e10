"""``schoolbridge demo-fleet``: build a city, play the story, tell whether all of it was found true."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.lab import screen
from bridge.lab.city import SCHOOLS
from bridge.lab.demo_cast import FEWEST, waves
from bridge.lab.demo_fleet import DemoFleet
from bridge.lab.fleet_stage import FleetStage
from bridge.lab.guardian import children_of
from bridge.lab.processes import Unavailable
from bridge.lab.steps import write_report


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="schoolbridge demo-fleet", description="Show a city of schools and its hub.")
    parser.add_argument("--sites", type=int, default=SCHOOLS, help=f"how many, at least {FEWEST} (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another number gives another city")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was expected and found as JSON")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the board there, by a browser")
    parser.add_argument("--sqlite", action="store_true", help="the hub remembers in a file, without PostgreSQL")
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards, until Ctrl-C")
    found = parser.parse_args(arguments)
    if not FEWEST <= found.sites <= 200:
        parser.error(f"--sites {found.sites}: expected {FEWEST} to 200")
    return found


def main(arguments: list[str] | None = None) -> int:
    """0 when every step was found true, 1 otherwise."""
    options = _arguments(arguments)
    console = screen.opened()
    try:
        stage = FleetStage(sites=options.sites, seed=options.seed, waves=waves, postgresql=not options.sqlite)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 1
    try:
        console.print(f"{options.sites} schools, one hub on {stage.hub.database}")
        if stage.hub.why_sqlite:
            console.print(f"[dim]{escape(stage.hub.why_sqlite)}[/dim]")
        demo = DemoFleet(stage, console, pictures=options.pictures)
        found_true = demo.run()
        _weigh(stage, console)
        demo.told.table(f"schoolbridge demo-fleet · {options.sites} schools · {stage.hub.database}")
        if options.report:
            write_report(options.report, {"sites": options.sites, "steps": demo.told.tree()})
        if options.keep:
            screen.stay(
                console,
                f"The board: http://127.0.0.1:{stage.hub.people}/ with a token of\n  schoolbridge --config "
                f"{stage.hub.config} hub token make --label me --scopes read,operate,approve",
            )
        return 0 if found_true else 1
    except (Unavailable, LookupError) as error:
        console.print(f"[red]The demo can't go on:[/red] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 1
    finally:
        stage.stop()


def _weigh(stage: FleetStage, console: Console) -> None:
    """What all of it takes."""
    daemons = [pid for site in stage.sites.values() for pid in site.pids()]
    hub = children_of(stage.hub.process.pid) if stage.hub.process else []
    console.print(
        f"[dim]{len(daemons)} processes of the schools hold {_megabytes(daemons):,.0f} MB, the hub holds "
        f"{_megabytes(hub):,.0f} MB[/dim]"
    )


def _megabytes(pids: list[int]) -> float:
    pages = 0
    for pid in pids:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
