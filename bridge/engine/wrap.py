"""A wrapper of the port: a connector that can't write. It knows no vendor.

There is no wrapper that retries: a connector repeats single requests by its vendor's rules, the daemon repeats a cycle
that broke off; a third layer between them would only multiply both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from bridge.ports import Capabilities, Connector, Failed, Finding, Identity, Outcome, Page, Write


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
        return replace(self._inner.capabilities, purge=None)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        for write in writes:
            yield Failed(write.id, "read_only", "this connector was opened for reading only", transient=True)
