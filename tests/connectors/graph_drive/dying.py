"""A process of its own that uploads one file, to be killed: ``python -m tests.connectors.graph_drive.dying``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from connectors.bandwidth import Bandwidth
from connectors.graph_drive import DriveConnector, Options
from connectors.graph_drive import shared as registry
from tests.connectors.graph.kit import Timeline, context
from tests.connectors.graph_drive.kit import new_file, outcomes


async def main(options: Options, directory: Path, content: bytes) -> None:
    """Upload it."""
    doors = context(Timeline(), directory=directory)
    drive = DriveConnector(options, doors, shared=registry.enter(options, doors), line=Bandwidth())
    await outcomes(drive, new_file("a.bin", content))


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    found = Options.model_validate(told["options"])
    asyncio.run(main(found, Path(told["directory"]), Path(told["content"]).read_bytes()))
