"""What all drives of one application in one tenant share: connections, token, budget, transfers at a time.

Many hundred drives of a school (and of other schools in the same tenant) are one application to Microsoft, with one
budget. The registry is counted: the last connector that closes closes the connections.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from bridge.ports import Context
from connectors.graph.batch import Batches
from connectors.graph_drive.budget import FileBudget
from connectors.graph_drive.client import FilesClient
from connectors.graph_drive.day import Day
from connectors.graph_drive.lanes import Lanes
from connectors.graph_drive.options import Options
from connectors.graph_drive.pace import Pace
from connectors.graph_drive.ranges import Widths
from connectors.graph_drive.volume import Volumes


@dataclass(slots=True)
class Shared:
    """One application in one tenant. ``missing``: owner -> when its drive may be asked for again."""

    client: FilesClient
    batches: Batches
    lanes: Lanes
    volumes: Volumes
    permissions: Pace
    widths: Widths
    missing: dict[str, float] = field(default_factory=dict)
    users: int = 0


_Key = tuple[str, str, str, asyncio.AbstractEventLoop]
_open: dict[_Key, Shared] = {}


def _key(options: Options) -> _Key:
    return (options.tenant_id.lower(), options.client_id.lower(), options.graph_url, asyncio.get_running_loop())


def _file(options: Options, context: Context) -> Path | None:
    """Where the day's budget is kept: one file for each application in a tenant."""
    if context.common is None:
        return None
    who = (options.tenant_id.lower(), options.client_id.lower(), options.graph_url, options.file_budgets.clock_scale)
    return context.common / f"file-budget-{hashlib.sha256(repr(who).encode()).hexdigest()[:16]}.sqlite"


def enter(options: Options, context: Context) -> Shared:
    """What this application shares; the first connector's settings count for all. Give it back with ``leave``."""
    key = _key(options)
    if key not in _open:
        lanes = Lanes(options.parallel)
        budgets, monotonic, sleep = options.file_budgets, context.monotonic, context.sleep
        day = Day(_file(options, context), scale=budgets.clock_scale, monotonic=monotonic, clock=context.clock)
        purse = context.purse(options.tenant_id, "files") if context.purse is not None else None
        budget = FileBudget(budgets, monotonic=monotonic, sleep=sleep, day=day, purse=purse)
        client = FilesClient(options, context, budget=budget, lanes=lanes)
        volumes = Volumes(budgets, monotonic=monotonic, sleep=sleep)
        pace = Pace(share=budgets.share, scale=budgets.clock_scale, monotonic=monotonic)
        _open[key] = Shared(client, Batches(client, context), lanes, volumes, pace, Widths(monotonic))
    _open[key].users += 1
    return _open[key]


async def leave(options: Options, shared: Shared) -> None:
    """The connector is closed."""
    shared.users -= 1
    if shared.users <= 0:
        if _open.get(_key(options)) is shared:
            del _open[_key(options)]
        shared.client.budget.day.close()
        await shared.client.close()
