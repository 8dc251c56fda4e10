"""A share of a real Samba passes the suite, watched and listed; other means are a second connection and the disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Fields
from bridge.lab.file_server import FileServer
from connectors.smb.line import CREATE, DELETE, FILE, FOLDER
from connectors.smb.trash import remove, rename
from connectors.tree.records import rfc3339
from tests.conformance.base import Bench, Conformance
from tests.conformance.trees import TreeBench
from tests.connectors.smb.conftest import Rig, file_server, rig

__all__ = ["file_server"]


class SmbBench(TreeBench):
    def __init__(self, rig: Rig) -> None:
        self.connector, self._rig = rig.connector, rig

    def _find(self, anchor: str) -> str | None:
        """The path of what has an anchor; the id is the inode (asked over the wire: Samba makes it of the inode)."""
        for folder, folders, files in os.walk(self._rig.folder):
            folders[:] = [one for one in folders if not one.startswith(".schoolbridge-")]
            for name in folders + files:
                path = str((Path(folder) / name).relative_to(self._rig.folder))
                with self._rig.line.opened(path) as handle:
                    if handle.node.anchor == anchor:
                        return path
        return None

    async def make(self, kind: str, fields: Fields) -> str:
        name = str(fields["name"])
        with self._rig.line.opened(name, disposition=CREATE, options=FOLDER if kind == "folder" else FILE) as handle:
            anchor = handle.node.anchor
        await self._rig.told()
        return anchor

    async def change(self, anchor: str, fields: Fields) -> None:
        path = self._find(anchor)
        assert path is not None
        with self._rig.line.opened(path, access=DELETE) as handle:
            rename(self._rig.line, handle, str(Path(path).with_name(str(fields["name"]))))
        await self._rig.told()

    async def delete(self, anchor: str) -> None:
        path = self._find(anchor)
        assert path is not None
        remove(self._rig.line, path, folder=(self._rig.folder / path).is_dir())
        await self._rig.told()

    async def read(self, anchor: str) -> Fields | None:
        path = self._find(anchor)
        if path is None:
            return None
        there = self._rig.folder / path
        return {"name": there.name, "modified": rfc3339(there.stat().st_mtime_ns)}


class TestSmb(Conformance):
    refuses_stale = True

    @pytest.fixture(params=["watched", "listed"])
    async def bench(
        self, request: pytest.FixtureRequest, file_server: FileServer, tmp_path: Path
    ) -> AsyncIterator[Bench]:
        async for one in rig(file_server, tmp_path, watch=request.param == "watched"):
            yield SmbBench(one)
