"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def until(probe: Callable[[], object], *, seconds: float = 45, why: Callable[[], str] = str) -> None:
    """Wait until it is true; ``why`` tells what held it up. Looks that cost much are taken less often.

    45 seconds are enough for a busy machine, and less than the minute after which a daemon looks by itself.
    A look that runs a whole command would else take the time of the daemon that it looks at.
    """
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if probe():
            return
        assert time.monotonic() < end, f"did not happen in {seconds:.0f} s\n{why()}"
        time.sleep(min(0.5, max(0.02, 2 * (time.monotonic() - begun))))
