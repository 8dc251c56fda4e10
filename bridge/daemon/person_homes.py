"""The folders of shares that are one person's, as far as the bridge can still get at them: their trash and indexes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.roots import Root, placed
from bridge.daemon.scratch import scratch
from bridge.daemon.shares import Ground
from bridge.ports import BridgeError, ConfigurationError, Connector, Kept
from bridge.state import whereabouts
from bridge.state.roots import BETWEEN


@dataclass(slots=True)
class Home:
    """One folder. ``why``: it could not be opened; ``kept``: what lies in its trash; ``emptied``: versions removed."""

    code: str
    index: Path
    kept: Sequence[Kept] = ()
    emptied: int = 0
    why: str = ""
    files: Sequence[str] = field(default_factory=list)


async def look(ground: Ground, codes: Sequence[str], *, empty: bool = False) -> list[Home]:
    """Every folder's trash, listed; with ``empty`` removed for good, after the folder proved to be the known one."""
    return [await _home(ground, code, empty=empty) for code in codes]


async def _home(ground: Ground, code: str, *, empty: bool) -> Home:
    index = _index(ground, code)
    home = Home(code, index, files=sorted(str(one) for one in index.rglob("*") if one.is_file()))
    try:
        async with _opened(ground, code) as connector:
            trash = connector.capabilities.trash
            if trash is None:
                home.why = "this side has no trash of the bridge"
                return home
            home.kept = [one async for one in trash.kept()]
            home.emptied = await trash.empty() if empty else 0
    except (BridgeError, OSError) as error:
        home.why = str(error)
    return home


def forget_indexes(homes: Sequence[Home]) -> None:
    """Remove what connectors kept of these folders beside the state."""
    for home in homes:
        shutil.rmtree(home.index, ignore_errors=True)


def _index(ground: Ground, code: str) -> Path:
    nothing = Root(code, "", "", {}, "")
    return ground.directory(nothing, Side.SCHOOL).parent


@asynccontextmanager
async def _opened(ground: Ground, code: str) -> AsyncIterator[Connector]:
    """The school's side where it was proved to lie at last; its owner need not live any more."""
    school, share, owner = code.split(BETWEEN, 2)
    known = whereabouts.recall(ground.database, code)
    if known.identity is None:
        raise ConfigurationError(f"{code}: it was never mirrored")
    if share not in {one.name for one in ground.school.shares}:
        raise ConfigurationError(f"{code}: the share {share} is not in the configuration of {school} any more")
    settings = placed(ground.school, Root(code, share, owner, {}, ""), known.filled)
    if settings is None:
        raise ConfigurationError(f"{code}: its place can't be made out from the configuration any more")
    with scratch(ground.settings.indexes.parent, "person") as own:
        context = replace(wiring.context(ground.settings, ground.school), directory=own)
        connector = await ground.catalog.connect(settings.connector, settings.options, context)
        try:
            found = await connector.identify()
            if found.id != known.identity:
                raise ConfigurationError(f"{code}: another folder lies at its place; nothing in it was touched")
            yield connector
        finally:
            await connector.close()
