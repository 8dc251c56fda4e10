"""``schoolbridge demo``: set the stage, play the story, tell whether all of it was found true."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.markup import escape

from bridge.lab import screen
from bridge.lab.demo import Demo
from bridge.lab.processes import Unavailable
from bridge.lab.stage import Stage
from bridge.lab.steps import write_report


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="schoolbridge demo", description="Show the bridge at work on real servers.")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was expected and found as JSON")
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards, until Ctrl-C")
    parser.add_argument(
        "--directory",
        choices=["auto", "samba", "embedded"],
        default="auto",
        help="the school's server: a real Samba domain controller where it can be had, else a file",
    )
    parser.add_argument("--seed", type=int, default=1, help="another number gives another school")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0 when every step was found true, 1 otherwise."""
    options = _arguments(arguments)
    console = screen.opened()
    console.print("Starting a school server and a cloud ... (the first time this takes a minute)")
    try:
        stage = Stage(directory=options.directory, seed=options.seed)
    except Unavailable as error:
        console.print(f"[red]The demo can't start:[/red] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 1
    try:
        if stage.why_embedded:
            console.print(f"No Samba here, so the school's directory is a file (embedded): {stage.why_embedded}")
        console.print(f"{stage.school.name}: {len(stage.school.people)} people, directory: {stage.directory_name}")
        demo = Demo(stage, console)
        found_true = demo.run()
        report = demo.summary(stage.directory_name)
        if options.report:
            write_report(options.report, report)
        if options.keep:
            screen.stay(
                console,
                f"Try, in another terminal:\n  schoolbridge --config {stage.config} status\n"
                f"This process: {os.getpid()}; the daemon's log: {stage.root / 'daemon.log'}",
            )
        return 0 if found_true else 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 1
    finally:
        stage.stop()


if __name__ == "__main__":
    sys.exit(main())
