"""Purging goes by a capability of its own, so that no connector's ordinary writes can ever delete for good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from bridge.core.model import Action, Operation, Side
from bridge.ports import Connector, Outcome, Write


def purged_by_bridge(connectors: Mapping[Side, Connector]) -> frozenset[Side]:
    """The sides that keep what was soft-deleted until the bridge purges it."""
    return frozenset(side for side, one in connectors.items() if one.capabilities.purge is not None)


def able(connector: Connector, operation: Operation) -> bool:
    """Whether a side can be written this way."""
    if operation.action is Action.PURGE:
        return connector.capabilities.purge is not None
    return operation.action in connector.capabilities.writes.get(operation.kind, frozenset())


async def carried_out(connector: Connector, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
    """What became of writes of one kind, purges among them."""
    purges = {write.anchor or "": write.id for write in writes if write.action is Action.PURGE}
    others = [write for write in writes if write.action is not Action.PURGE]
    if others:
        async for outcome in connector.apply(others):
            yield outcome
    if purges and connector.capabilities.purge is not None:
        async for outcome in connector.capabilities.purge(list(purges)):
            yield replace(outcome, id=purges[outcome.id])
