"""Wrappers of the port: a connector that can't write, one that counts. Neither knows a vendor.

There is no wrapper that retries: a connector repeats single requests by its vendor's rules, the daemon repeats a cycle
that broke off; a third layer between them would only multiply both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

from bridge.ports import Capabilities, Connector, Failed, Finding, Identity, Outcome, Page, Write


class Wrapped:
    """Passes everything through; the others change one thing each."""

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

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        for write in writes:
            yield Failed(write.id, "read_only", "this connector was opened for reading only", transient=True)


class Metered(Wrapped):
    """Counts pages, records and outcomes, for the status and for tests of proportionality."""

    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.counted: Counter[str] = Counter()

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        async for page in self._inner.observe(token, recall=recall):
            self.counted["pages"] += 1
            self.counted["records"] += len(page.observations) + len(page.removals)
            yield page

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        self.counted["writes"] += len(writes)
        async for outcome in self._inner.apply(writes):
            self.counted["failed" if isinstance(outcome, Failed) else "written"] += 1
            yield outcome
