"""A directory of this machine passes the suite, watched and scanned; other means are the plain os calls."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Fields
from connectors.folder import FolderConnector, Options
from connectors.folder.system import look
from connectors.tree.records import rfc3339
from tests.conformance.base import Bench, Conformance, context
from tests.conformance.trees import TreeBench


class FolderBench(TreeBench):
    def __init__(self, connector: FolderConnector, root: Path) -> None:
        self.connector, self.root = connector, root

    def _find(self, anchor: str) -> Path | None:
        for folder, folders, files in os.walk(self.root):
            folders[:] = [one for one in folders if not one.startswith(".schoolbridge-")]
            fd = os.open(folder, os.O_RDONLY)
            try:
                for name in folders + files:
                    if look(fd, name).anchor == anchor:
                        return Path(folder) / name
            finally:
                os.close(fd)
        return None

    async def make(self, kind: str, fields: Fields) -> str:
        path = self.root / str(fields["name"])
        if kind == "folder":
            path.mkdir()
        else:
            path.touch()
        fd = os.open(self.root, os.O_RDONLY)
        try:
            return look(fd, path.name).anchor
        finally:
            os.close(fd)

    async def change(self, anchor: str, fields: Fields) -> None:
        path = self._find(anchor)
        assert path is not None
        path.rename(path.with_name(str(fields["name"])))

    async def delete(self, anchor: str) -> None:
        path = self._find(anchor)
        assert path is not None
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    async def read(self, anchor: str) -> Fields | None:
        path = self._find(anchor)
        if path is None:
            return None
        return {"name": path.name, "modified": rfc3339(path.stat().st_mtime_ns)}


class TestFolder(Conformance):
    refuses_stale = True

    @pytest.fixture(params=["watched", "scanned"])
    async def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
        root = tmp_path / "base" / "Jörg"
        root.mkdir(parents=True)
        options = Options(base=tmp_path / "base", root="Jörg", quiet_seconds=0, watch=request.param == "watched")
        connector = FolderConnector(options, dataclasses.replace(context(), directory=tmp_path / "index"))
        yield FolderBench(connector, root)
        await connector.close()
