"""What the engine hands to a connector when it observes: the token, or what the last one was."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bridge.core.model import Side
from bridge.engine.wrap import Wrapped
from bridge.ports import Connector, Page
from tests.machines.rig import rig


class Told(Wrapped):
    """Remembers what it was given."""

    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.given: list[tuple[str | None, str | None]] = []

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        self.given.append((token, recall))
        async for page in super().observe(token, recall=recall):
            yield page


async def test_a_listing_is_given_what_the_last_token_was() -> None:
    with rig() as one:
        school = one.school
        told = Told(one.connectors[Side.SCHOOL])
        one.connectors[Side.SCHOOL] = told  # type: ignore[assignment]
        school.create("user", {"source_anchor": "P1", "display_name": "Anna", "upn_base": "anna"})
        await one.cycle()
        first = one.store.token(Side.SCHOOL)
        await one.cycle()
        one.store.drop_token(Side.SCHOOL)
        told.given.clear()
        one.connectors[Side.CLOUD].faults.unreachable = 1
        await one.cycle()
        assert told.given == [(None, first)]
        school.expire_tokens()
        second = one.store.token(Side.SCHOOL)
        told.given.clear()
        await one.cycle()
        assert told.given == [(second, None), (None, second)]
