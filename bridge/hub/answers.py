"""Whoever waits for a site: for the answer to a question, or for what became of a command.

One look a second for all who wait in this process, and one at once with each hint. While nobody waits nobody looks.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from bridge.api.app import Run
from bridge.hub import hints
from bridge.state import hub_orders
from bridge.state.database import Database
from bridge.state.hub_orders import Command

#: Seconds between two looks without a hint.
LOOK = 1.0

T = TypeVar("T")


class _Waiting(Generic[T]):
    """Futures by what they wait for; several may wait for the same."""

    def __init__(self) -> None:
        self._futures: dict[str, list[asyncio.Future[T]]] = {}

    @property
    def names(self) -> list[str]:
        return [*self._futures]

    async def wait(self, name: str, seconds: float) -> T | None:
        """What comes within so long."""
        future = asyncio.get_running_loop().create_future()
        self._futures.setdefault(name, []).append(future)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return None
        finally:
            self._futures[name].remove(future)
            if not self._futures[name]:
                del self._futures[name]

    def give(self, name: str, found: T) -> None:
        for one in self._futures.get(name, ()):
            if not one.done():
                one.set_result(found)


class Awaited:
    """All that wait in this process; made within its loop."""

    def __init__(self, database: Database, run: Run) -> None:
        self._database, self._run = database, run
        self._questions, self._commands = _Waiting[str](), _Waiting[Command]()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._deaf = hints.listen(database, self._heard)

    async def answer(self, question: str, seconds: float) -> str | None:
        """The answer to a question as JSON of ``bridge.fleet.messages.Answer``; None where none comes in time."""
        self._watch()
        return await self._questions.wait(question, seconds)

    async def outcome(self, command: str, seconds: float) -> Command | None:
        """A command once it is closed; None where it is still open after so long."""
        self._watch()
        return await self._commands.wait(command, seconds)

    async def close(self) -> None:
        """End looking."""
        self._deaf()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, hint: str) -> None:
        """From whatever thread."""
        if hint == hints.ANSWERS:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    def _watch(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="hub: who waits for answers")

    async def _look(self) -> None:
        await asyncio.sleep(0)  # until who asked waits
        while self._questions.names or self._commands.names:
            self._news.clear()
            with suppress(SQLAlchemyError, OSError):  # the state can't be used now: who waits is told in the end
                await self._once()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK)

    async def _once(self) -> None:
        if asked := self._questions.names:
            for name, answer in (await self._run(hub_orders.fetch, self._database, asked)).items():
                self._questions.give(name, answer)
        if asked := self._commands.names:
            for one in await self._run(hub_orders.closed, self._database, asked):
                self._commands.give(one.id, one)
