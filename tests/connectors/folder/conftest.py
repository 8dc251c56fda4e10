"""A root on the real disk with a connector to it, and sources of bytes for writes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action, Digest, Fields
from bridge.ports import QUICKXOR, ContentChanged, Write
from connectors.folder import FolderConnector, Options
from connectors.folder.system import look
from connectors.quickxor import QuickXor
from tests.conformance.base import Seen, context, watch


def anchor_of(path: Path) -> str:
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        return look(fd, path.name).anchor
    finally:
        os.close(fd)


def digest_of(content: bytes) -> Digest:
    running = QuickXor()
    running.update(content)
    return Digest(QUICKXOR, running.hexdigest(), running.size)


class Bytes:
    """A source: ``content`` in pieces; with ``changes`` the file turns out to have changed at the end."""

    def __init__(self, content: bytes, *, changes: bool = False) -> None:
        self.content, self.changes = content, changes
        self.meanwhile: Callable[[], object] = lambda: None

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def digest(self) -> Digest | None:
        return digest_of(self.content)

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        for begin in range(start, len(self.content), 1000):
            yield self.content[begin : begin + 1000]
        self.meanwhile()
        if self.changes:
            raise ContentChanged("it changed")


class Mirrored:
    """One root below ``folder``, its connector, and what was observed so far."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.root = folder / "base" / "root"
        self.root.mkdir(parents=True, exist_ok=True)
        self.options = Options(**{"base": folder / "base", "root": "root", "quiet_seconds": 0, **options})
        self.seen = Seen()
        self.connector = self.opened()

    def opened(self) -> FolderConnector:
        return FolderConnector(self.options, dataclasses.replace(context(), directory=self.folder / "index"))

    async def restart(self) -> None:
        """Another process takes over."""
        await self.connector.close()
        self.connector = self.opened()

    async def look(self) -> Seen:
        """Observe on from the last token."""
        return await watch(self.connector, self.seen.token, seen=self.seen)

    def at(self, path: str) -> str:
        """The anchor that was observed at a path."""
        parent: str | None = None
        for step in path.split("/"):
            found = [
                anchor for anchor, one in self.seen.records.items() if (one["parent"], one["name"]) == (parent, step)
            ]
            assert len(found) == 1, (path, found)
            parent = found[0]
        assert parent is not None
        return parent

    def tree(self) -> dict[str, str]:
        """Observed path -> kind."""
        return {self._path(anchor): self.seen.kinds[anchor] for anchor in self.seen.records}

    def _path(self, anchor: str) -> str:
        one = self.seen.records[anchor]
        parent = one["parent"]
        return f"{self._path(str(parent))}/{one['name']}" if parent else str(one["name"])

    def put(self, path: str, content: bytes | str = b"") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def write(self, action: Action, kind: str, path: str | None = None, **fields: Any) -> Write:
        """A write as the engine sends it; ``content`` in ``fields`` may be bytes or a source."""
        content = fields.pop("content", None)
        source = Bytes(content) if isinstance(content, bytes) else content
        values: Fields = {**fields, **({"content": source.digest} if source else {})}
        anchor = self.at(path) if path else fields.get("anchor")
        expected = self.seen.versions.get(str(anchor), "")
        return Write("w1", kind, action, anchor, values, expected=expected, content=source)


def really(root: Path) -> dict[str, str]:
    """Path -> kind of what is on the disk."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [one for one in folders if not one.startswith(".schoolbridge-")]
        here = Path(folder).relative_to(root)
        found |= {str(here / one): "folder" for one in folders}
        found |= {str(here / one): "file" for one in files}
    return found


@pytest.fixture(params=["watched", "scanned"])
async def mirrored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mirrored]:
    one = Mirrored(tmp_path, watch=request.param == "watched")
    yield one
    await one.connector.close()


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Let a function of ``os`` fail with an error number."""

    def fail(name: str, number: int) -> None:
        def broken(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, name, broken)

    yield fail
    monkeypatch.undo()
