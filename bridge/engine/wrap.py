"""Wrappers of the port: a connector that can't write, and one that may only as long as a lease lasts. No vendor's.

There is no wrapper that retries: a connector repeats single requests by its vendor's rules, the daemon repeats a cycle
that broke off; a third layer between them would only multiply both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from bridge.core.model import Digest
from bridge.ports import (
    Capabilities,
    CloudAuthority,
    Connector,
    Failed,
    Finding,
    Foundation,
    Freezing,
    Identity,
    Outcome,
    Page,
    Purge,
    Sharing,
    Source,
    Write,
)


class Wrapped:
    """Passes everything through; whoever changes one thing begins here."""

    def __init__(self, inner: Connector) -> None:
        self._inner = inner

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def identify(self) -> Identity:
        return await self._inner.identify()

    def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        return self._inner.observe(token, recall=recall)

    def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        return self._inner.apply(writes)

    def hints(self) -> AsyncIterator[None]:
        return self._inner.hints()

    async def check(self) -> Sequence[Finding]:
        return await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()


class ReadOnly(Wrapped):
    """The belt beside the braces of a stage that writes nothing: whatever the engine asks, nothing reaches the side."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._inner.capabilities, purge=None, authority=None)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        for write in writes:
            yield Failed(write.id, "read_only", "this connector was opened for reading only", transient=True)


class Leased(Wrapped):
    """Writes only while ``permit`` raises no Fenced: asked before a call, before each write whose outcome is waited
    for, and before each chunk of bytes, so that what a stopped process had begun ends there when it wakes.

    A connector asks ``Context.permit`` besides, before each request that it sends.
    """

    def __init__(self, inner: Connector, permit: Callable[[], None]) -> None:
        super().__init__(inner)
        self._permit = permit

    @property
    def capabilities(self) -> Capabilities:
        found = self._inner.capabilities
        return replace(
            found,
            purge=found.purge and self._purging(found.purge),
            sharing=found.sharing and cast(Sharing, _Asking(found.sharing, self._permit)),
            foundation=found.foundation and cast(Foundation, _Asking(found.foundation, self._permit)),
            authority=found.authority and cast(CloudAuthority, _Asking(found.authority, self._permit)),
            freezing=found.freezing and cast(Freezing, _Asking(found.freezing, self._permit)),
        )

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        self._permit()
        bounded = [
            write if write.content is None else replace(write, content=_Bounded(write.content, self._permit))
            for write in writes
        ]
        async for outcome in self._inner.apply(bounded):
            yield outcome
            self._permit()

    def _purging(self, purge: Purge) -> Purge:
        async def purged(anchors: Sequence[str]) -> AsyncIterator[Outcome]:
            self._permit()
            async for outcome in purge(anchors):
                yield outcome
                self._permit()

        return purged


@dataclass(frozen=True, slots=True)
class _Asking:
    """A capability each of whose methods is asked for permission."""

    inner: object
    permit: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def asked(*args: Any, **more: Any) -> Any:
            self.permit()
            return await method(*args, **more)

        return asked


@dataclass(frozen=True, slots=True)
class _Bounded:
    """The bytes of a file, as long as they may be sent."""

    inner: Source
    permit: Callable[[], None]

    @property
    def size(self) -> int:
        return self.inner.size

    @property
    def digest(self) -> Digest | None:
        return self.inner.digest

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in self.inner.chunks(start):
            self.permit()
            yield chunk
        self.permit()
