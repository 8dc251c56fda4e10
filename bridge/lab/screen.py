"""What both demos have of a terminal: where they print, how they are stopped, what stays on the screen at the end."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from rich.console import Console


def opened() -> Console:
    """Where to print; from now on SIGTERM is a Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 120)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def stay(console: Console, text: str) -> None:
    """Leave everything as it is until Ctrl-C; ``text``: what to try meanwhile."""
    console.print(f"Still running until Ctrl-C. {text}")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopping.")
