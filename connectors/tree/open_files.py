"""Which files are open, as the port asks it: off the event loop, and beside whatever else the root is used for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.ports import AllOpened, Opened


class TreeOpenFiles:
    """See ``bridge.ports.OpenFiles``; ``look`` and ``below`` block."""

    def __init__(self, look: Callable[[], AllOpened], below: Callable[[AllOpened], Opened]) -> None:
        self._look, self._below = look, below

    async def look(self) -> AllOpened:
        """Look now."""
        return await asyncio.to_thread(self._look)

    async def opened(self, whole: AllOpened) -> Opened:
        """What of it lies below the root."""
        return await asyncio.to_thread(self._below, whole)
