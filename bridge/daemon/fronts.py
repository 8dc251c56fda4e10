"""Several fronts of one daemon: what goes wrong with one of them stops neither the others nor the mirroring."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bridge.daemon.service import Front, Service
from bridge.daemon.trouble import place


class Fronts:
    """Implements ``bridge.daemon.service.Front``."""

    def __init__(self, fronts: Sequence[Front]) -> None:
        self._fronts = fronts
        self._log = structlog.get_logger()

    @classmethod
    def of(cls, *makers: Callable[[Service], Front]) -> Callable[[Service], Front]:
        """What makes all of them for a service."""
        return lambda service: cls([make(service) for make in makers])

    async def start(self) -> None:
        """Begin all of them."""
        await self._each("start", lambda one: one.start())

    async def reload(self) -> None:
        """Tell all of them of another configuration."""
        await self._each("reload", lambda one: one.reload())

    async def stop(self) -> None:
        """End all of them, together."""
        await self._each("stop", lambda one: one.stop())

    async def _each(self, what: str, do: Callable[[Front], Awaitable[None]]) -> None:
        found = await asyncio.gather(*(do(one) for one in self._fronts), return_exceptions=True)
        for one, error in zip(self._fronts, found, strict=True):
            if isinstance(error, Exception):
                name = type(one).__name__
                self._log.error(f"a front did not {what}", front=name, error=type(error).__name__, place=place(error))
