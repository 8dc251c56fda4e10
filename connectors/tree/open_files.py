"""Which files are open, as the port asks it: off the event loop, and beside whatever else the root is used for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.ports import Opened


class TreeOpenFiles:
    """See ``bridge.ports.OpenFiles``; ``look`` blocks."""

    def __init__(self, look: Callable[[], Opened]) -> None:
        self._look = look

    async def opened(self) -> Opened:
        """Look now."""
        return await asyncio.to_thread(self._look)
