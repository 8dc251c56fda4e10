"""Both sides of a school, connected so that passwords can be set there: for the command, the page and the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.passwords import Desk
from bridge.ports import ConfigurationError, Passwords
from bridge.settings import School, Settings
from bridge.state.store import SchoolStore


def writable(school: School, store: SchoolStore) -> frozenset[Side]:
    """The sides that may be written in the present stage; raises ConfigurationError where none may."""
    stage = Stage(store.stage())
    sides = school.policy(stage).writable
    if not sides:
        raise ConfigurationError(
            f"{school.code}: in stage {stage} nothing is written to either side, not even passwords"
        )
    return sides


@asynccontextmanager
async def desk_at(
    settings: Settings,
    catalog: Catalog,
    school: School,
    store: SchoolStore,
    sides: frozenset[Side],
    *,
    actor: str,
    reason: str,
) -> AsyncIterator[Desk]:
    """Both sides connected. Raises ConfigurationError where one of them can't set passwords."""
    async with AsyncExitStack() as stack:
        ports: dict[Side, Passwords] = {}
        for side in sorted(sides):
            connected = wiring.connected(settings, catalog, school, side)
            port = (await stack.enter_async_context(connected)).capabilities.passwords
            if port is None:
                raise ConfigurationError(
                    f"{school.code}: the connector {school.sides[side].connector} of the {side} side can't set "
                    f"passwords. Set only on the other side, the two would differ"
                )
            ports[side] = port
        yield Desk(store.database, school.code, ports, actor=actor, reason=reason, sleep=asyncio.sleep)
