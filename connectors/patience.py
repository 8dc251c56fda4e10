"""A large transfer makes room for others: how long they wait for it, and how long it goes on without them."""

from __future__ import annotations

import asyncio
from typing import Any

#: Seconds that others wait for a large file; that it goes on alone, when nobody comes back to it.
PATIENCE, ALONE = 5.0, 60.0


async def over_soon(going: asyncio.Task[Any], seconds: float) -> bool:
    """Wait for a task, but not for long; whoever is cancelled meanwhile takes it along. Whether it is over."""
    try:
        done, _ = await asyncio.wait({going}, timeout=seconds)
    except asyncio.CancelledError:
        going.cancel()
        raise
    return bool(done)
