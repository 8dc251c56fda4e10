"""The real command with one connector more, ``troubled``: ``python -m tests.daemon.troubled run``."""

from pathlib import Path

import connectors
from bridge.cli import main

connectors.__path__.append(str(Path(__file__).parent / "connectors"))
main()
