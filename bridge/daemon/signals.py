"""What an operating system asks of a process that stays: to end, or to load its configuration anew."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable


def heed(ending: asyncio.Event, reload: asyncio.Event) -> None:
    """SIGTERM and SIGINT set the one event, SIGHUP the other."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)


async def until_ended(ending: asyncio.Event, reload: asyncio.Event, load: Callable[[], Awaitable[object]]) -> None:
    """Wait for the end; meanwhile ``load`` whenever that is asked."""
    waiting = asyncio.create_task(ending.wait())
    while not ending.is_set():
        asked = asyncio.create_task(reload.wait())
        await asyncio.wait({waiting, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if reload.is_set() and not ending.is_set():
            reload.clear()
            await load()
