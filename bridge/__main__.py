"""``python -m bridge`` is ``schoolbridge``."""

from bridge.cli import main

main()
