"""Drives over a restart and a kill: items, content, versions, bin, permissions, uploads in progress, delta tokens."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from connectors.sandbox import Application, MovableClock, Sandbox
from connectors.sandbox.drive_upload import STEP
from tests.sandbox.client import Client, connected
from tests.sandbox.openapi_check import Checker

APP = Application("app", secrets=("s",))
CONTENT = random.Random(9).randbytes(2 * STEP + 77)


async def furnish(graph: Client, drive: str) -> dict[str, str]:
    """One of everything; gives ids."""
    ids = {}
    for path in ("/a/b/x.txt", "/a/y.txt", "/z.txt", "/bin/deep/gone.txt", "/purged.txt"):
        ids[path] = (await graph.put(f"{drive}/root:{path}:/content", path.encode() * 10)).body["id"]
    await graph.put(f"{drive}/items/{ids['/z.txt']}/content", b"second version")
    await graph.patch(f"{drive}/items/{ids['/a/y.txt']}", {"name": "Y.txt", "description": "d"})
    ids["/bin"] = (await graph.get(f"{drive}/root:/bin")).body["id"]
    await graph.delete(f"{drive}/items/{ids['/bin']}")
    await graph.post(f"{drive}/items/{ids['/purged.txt']}/permanentDelete")
    body = {"recipients": [{"email": "anna@schule.example"}], "roles": ["write"], "sendInvitation": False}
    assert (await graph.post(f"{drive}/root:/a:/invite", body)).status == 200
    await graph.post(f"{drive}/root:/a:/copy", {"name": "copy"})
    await graph.admin("PATCH", "drives/items", {"id": ids["/z.txt"], "locked": True})
    return ids


async def seen(graph: Client, drive: str) -> dict[str, Any]:
    """All that a client can see of a drive."""
    answers: dict[str, Any] = {"drive": (await graph.get(drive)).body}
    for path in ("/root", "/root/children", "/root:/a", "/root:/a/b:/children", "/root:/z.txt",
                 "/root:/z.txt:/versions", "/root:/a:/permissions", "/root:/copy/b/x.txt"):  # fmt: skip
        answers[path] = (await graph.get(f"{drive}{path}")).body
    return {path: _without_urls(body, graph.sandbox.base_url) for path, body in answers.items()}


def _without_urls(body: Any, base: str) -> Any:
    if isinstance(body, dict):
        return {name: _without_urls(value, base) for name, value in body.items() if "downloadUrl" not in name}
    if isinstance(body, list):
        return [_without_urls(value, base) for value in body]
    return body.replace(base, "") if isinstance(body, str) else body


async def test_all_of_a_drive_is_the_same_after_a_restart(tmp_path: Path) -> None:
    clock = MovableClock()
    options: dict[str, Any] = {"state": tmp_path / "t.db", "applications": [APP], "clock": clock}
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        checker = Checker().attach(sandbox)
        drive = await graph.drive()
        ids = await furnish(graph, drive)
        _, link = await graph.round(f"{drive}/root/delta")
        made = await graph.post(f"{drive}/root:/up.bin:/createUploadSession", {"item": {}})
        url = made.body["uploadUrl"]
        await graph.put(url, CONTENT[:STEP], Content_Range=f"bytes 0-{STEP - 1}/{len(CONTENT)}")
        before, tree = await seen(graph, drive), sandbox.tree(drive.removeprefix("/drives/"))
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        checker.attach(sandbox)
        assert sandbox.tree(drive.removeprefix("/drives/")) == tree
        assert await seen(graph, drive) == before
        link = sandbox.base_url + link[link.index("/v1.0") :]
        values, link = await graph.round(link)
        assert values == [], "the upload session is no change yet"
        assert await graph.read(f"{drive}/root:/copy/b/x.txt") == b"/a/b/x.txt" * 10
        assert (await graph.delete(f"{drive}/items/{ids['/z.txt']}")).status == 423
        upload = url.rsplit("/", 1)[1]
        url = f"{sandbox.service.content_url}/_upload/{upload}"
        assert (await graph.send("GET", url)).body["nextExpectedRanges"] == [f"{STEP}-{len(CONTENT) - 1}"]
        rest = f"bytes {STEP}-{len(CONTENT) - 1}/{len(CONTENT)}"
        done = await graph.put(url, CONTENT[STEP:], Content_Range=rest)
        assert done.status == 201
        assert await graph.read(f"{drive}/root:/up.bin") == CONTENT
        assert (await graph.post(f"{drive}/items/{ids['/bin']}/restore")).status == 200
        assert await graph.read(f"{drive}/root:/bin/deep/gone.txt") == b"/bin/deep/gone.txt" * 10
        values, _ = await graph.round(link)
        assert {one.get("name") for one in values} == {"root", "up.bin", "bin", "deep", "gone.txt"}
        for path in ("/a", "/bin", "/up.bin", "/copy"):
            assert (await graph.post(f"{drive}/root:{path}:/permanentDelete")).status == 204
        used = (await graph.get(drive)).body["quota"]["used"]
        assert used == len(b"second version") + len(b"/z.txt" * 10)
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        checker.attach(sandbox)
        assert len([path for path in sandbox.blobs.folder.rglob("*") if path.is_file()]) == 2, "z.txt and its version"
        assert (await graph.get(drive)).body["quota"]["used"] == used
        url = f"{sandbox.service.content_url}/_upload/{upload}"
        assert (await graph.put(url, CONTENT[STEP:], Content_Range=rest)).status == 404
    checker.verify()


async def test_orphaned_content_is_swept_at_start(tmp_path: Path) -> None:
    options: dict[str, Any] = {"state": tmp_path / "t.db", "applications": [APP]}
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        drive = await graph.drive()
        await graph.put(f"{drive}/root:/x:/content", b"x")
        spool = sandbox.blobs.spool()
        spool.write(b"a request that never ended")
        spool.close()
        assert spool.path.exists()
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        assert not spool.path.exists()
        assert await graph.read(f"{drive}/root:/x") == b"x"
