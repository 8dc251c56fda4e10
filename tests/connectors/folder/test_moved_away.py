"""A name is free because somebody moved away what was there, and the bridge takes it before anybody has looked."""

from __future__ import annotations

import pytest

from bridge.core.model import Action
from tests.conformance.base import written
from tests.connectors.folder.conftest import Mirrored, really


def put(mirrored: Mirrored, name: str, kind: str) -> None:
    mirrored.put(f"{name}/in it" if kind == "folder" else name, name)


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("other", ["file", "folder"])
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE])
async def test_what_was_moved_away_is_still_known(mirrored: Mirrored, kind: str, other: str, action: Action) -> None:
    put(mirrored, "a", other)
    put(mirrored, "b", kind)
    put(mirrored, "there/c", "file")
    await mirrored.look()
    known = mirrored.at("a")
    (mirrored.root / "a").rename(mirrored.root / "there" / "d")
    content = b"new" if kind == "file" and action is Action.CREATE else None
    path = "b" if action is Action.UPDATE else None
    await written(mirrored.connector, mirrored.write(action, kind, path, parent=None, name="a", content=content))
    await mirrored.look()
    assert mirrored.at("there/d") == known
    assert mirrored.tree() == really(mirrored.root)


@pytest.mark.parametrize("kind", ["file", "folder"])
async def test_what_was_deleted_is_told(mirrored: Mirrored, kind: str) -> None:
    put(mirrored, "a", "file")
    put(mirrored, "b", kind)
    await mirrored.look()
    known = mirrored.at("a")
    (mirrored.root / "a").unlink()
    await written(mirrored.connector, mirrored.write(Action.UPDATE, kind, "b", parent=None, name="a"))
    await mirrored.look()
    assert known not in mirrored.seen.records
    assert mirrored.tree() == really(mirrored.root)
