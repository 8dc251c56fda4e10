"""Content: one-request uploads, the redirect to the other host, ranges, tags, versions, Office, faults."""

from __future__ import annotations

import base64
import contextlib
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.sandbox import Sandbox
from connectors.sandbox.drive_content import LARGEST
from connectors.sandbox.quickxor import quick_xor
from tests.sandbox.client import Client, connected
from tests.sandbox.plugin import MakeSandbox

REPLACE = "@microsoft.graph.conflictBehavior=replace"


async def test_put_and_get(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    content = random.Random(1).randbytes(1_000_003)
    made = await graph.put(f"{drive}/root:/neu/Gr%C3%B6%C3%9Fe.bin:/content?{REPLACE}", content)
    assert (made.status, made.body["size"]) == (201, len(content))
    assert made.body["file"]["hashes"]["quickXorHash"] == quick_xor(content)
    assert made.body["createdBy"]["application"]["displayName"] == "schoolbridge"
    redirect = await graph.send("GET", f"{drive}/items/{made.body['id']}/content")
    assert (redirect.status, redirect.body) == (302, None)
    where = redirect.headers["location"]
    assert where.startswith("http://localhost:"), "another host name than Graph's"
    got = await graph.send("GET", where)
    assert (got.body, got.headers["etag"]) == (content, made.body["eTag"])
    assert (await graph.send("HEAD", where)).headers["content-length"] == str(len(content))
    with_token = await graph.send("GET", where, Authorization=f"Bearer {sandbox.token()}")
    assert with_token.status == 401
    assert sandbox.counters()["bearer tokens sent to the other host"] == 1
    sandbox.clock.advance(3601)
    assert (await graph.send("GET", where)).status == 404, "the URL is valid for an hour"
    assert (await graph.send("GET", where[:-3] + "xxx")).status == 404
    assert (await graph.send("GET", f"{drive}/root:/neu:/content")).status == 400


async def test_a_client_that_follows_leaves_its_token_behind(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    await graph.put(f"{drive}/root:/x:/content", b"x")
    headers = {"Authorization": f"Bearer {sandbox.token()}"}
    url = f"{sandbox.graph_url}{drive}/root:/x:/content"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"x")
    assert "bearer tokens sent to the other host" not in sandbox.counters()


@pytest.mark.parametrize(
    ("wanted", "status", "got", "said"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=5-4", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_ranges(graph: Client, wanted: str, status: int, got: bytes | None, said: str | None) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/x:/content", b"0123456789")).body
    url = made["@microsoft.graph.downloadUrl"]
    answer = await graph.send("GET", url, Range=wanted)
    assert (answer.status, answer.headers.get("content-range")) == (status, said)
    if got is not None:
        assert answer.body == got
        whole = await graph.send("GET", url, Range=wanted, If_Range='"{other},1"')
        assert (whole.status, whole.body) == (200, b"0123456789")


async def test_a_download_url_serves_what_is_there_now(graph: Client) -> None:
    """A resumed download may get bytes of another version: the ETag tells, and a client must look at it."""
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/x:/content", b"first version")).body
    url = made["@microsoft.graph.downloadUrl"]
    await graph.put(f"{drive}/items/{made['id']}/content", b"other version")
    answer = await graph.send("GET", url, Range="bytes=6-")
    assert (answer.body, answer.headers["etag"] == made["eTag"]) == (b"version", False)
    assert (await graph.send("GET", url, Range="bytes=6-", If_Range=made["eTag"])).status == 200


async def test_tags_and_versions(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/x:/content", b"one")).body
    url = f"{drive}/items/{made['id']}"
    assert (await graph.get(url, If_None_Match=made["eTag"])).status == 304
    stale = await graph.put(f"{url}/content", b"no", If_Match='"{00000000-0000-0000-0000-000000000000},1"')
    assert (stale.status, stale.code) == (412, "resourceModified")
    second = await graph.put(f"{url}/content", b"two", If_Match=made["eTag"])
    assert (second.status, second.body["size"]) == (200, 3)
    assert second.body["cTag"] != made["cTag"]
    assert (await graph.put(f"{url}/content", b"no", If_Match=made["eTag"])).status == 412
    renamed = (await graph.patch(url, {"name": "y"})).body
    assert renamed["cTag"] == second.body["cTag"]
    by_content = await graph.put(f"{url}/content", b"three", If_Match=f"W/{second.body['cTag']}")
    assert by_content.status == 200
    versions = (await graph.get(f"{url}/versions")).body["value"]
    assert [(one["id"], one["size"]) for one in versions] == [("3.0", 5), ("2.0", 3), ("1.0", 3)]
    assert (await graph.get(drive)).body["quota"]["used"] == 11, "versions take room"
    assert (await graph.put(f"{drive}/root:/y:/content", b"no", If_None_Match="*")).status == 412
    assert (await graph.put(f"{drive}/root:/z:/content", b"yes", If_None_Match="*")).status == 201
    assert (await graph.put(f"{drive}/root:/none:/content", b"no", If_Match=made["eTag"])).status == 412
    assert sandbox.counters()["stale eTags refused"] == 2


async def test_an_older_version_comes_back(graph: Client) -> None:
    drive = await graph.drive()
    for content in (b"first", b"2nd"):
        made = (await graph.put(f"{drive}/root:/x:/content", content)).body
    url = f"{drive}/items/{made['id']}"
    old = (await graph.send("GET", f"{url}/versions/1.0/content")).headers["location"]
    assert (await graph.send("GET", old, Range="bytes=1-")).body == b"irst"
    assert (await graph.post(f"{url}/versions/9.0/restoreVersion")).status == 404
    assert (await graph.post(f"{url}/versions/1.0/restoreVersion")).status == 204
    now = (await graph.get(url)).body
    assert (now["size"], now["file"]["hashes"]["quickXorHash"]) == (5, quick_xor(b"first"))
    assert now["cTag"] != made["cTag"]
    assert [one["size"] for one in (await graph.get(f"{url}/versions")).body["value"]] == [5, 3, 5]
    assert (await graph.get(drive)).body["quota"]["used"] == 13
    await graph.post(f"{url}/permanentDelete")
    assert (await graph.get(drive)).body["quota"]["used"] == 0
    assert not [path for path in graph.sandbox.blobs.folder.rglob("*") if path.is_file()]


async def test_conflict_behaviour(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    behaviour = "@microsoft.graph.conflictBehavior"
    first = (await graph.put(f"{drive}/root:/x.txt:/content", b"1")).body
    assert sandbox.counters()["conflict behaviour left open"] == 1
    assert (await graph.put(f"{drive}/root:/X.TXT:/content", b"2")).body["id"] == first["id"], "replace is the default"
    refused = await graph.put(f"{drive}/root:/x.txt:/content?{behaviour}=fail", b"3")
    assert (refused.status, refused.code) == (409, "nameAlreadyExists")
    renamed = await graph.put(f"{drive}/root:/x.txt:/content?%40microsoft.graph.conflictBehavior=rename", b"4")
    assert (renamed.status, renamed.body["name"]) == (201, "x 1.txt")
    assert (await graph.put(f"{drive}/root:/x.txt:/content?{behaviour}=nonsense", b"")).status == 400
    await graph.put(f"{drive}/root:/folder/x:/content", b"")
    assert (await graph.put(f"{drive}/root:/folder:/content", b"")).status == 409
    assert (await graph.put(f"{drive}/root:/x.txt/below:/content", b"")).status == 409
    assert await graph.read(f"{drive}/root:/x.txt") == b"2"


async def test_a_put_is_limited_to_250_mb(graph: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST == 250_000_000
    monkeypatch.setattr("connectors.sandbox.drive_content.LARGEST", 100_000)
    drive = await graph.drive()
    answer = await graph.put(f"{drive}/root:/x:/content", bytes(100_001))
    assert (answer.status, answer.body["error"]["innerError"]["code"]) == (413, "maxStreamSizeExceeded")
    assert (await graph.put(f"{drive}/root:/x:/content", bytes(100_000))).status == 201
    assert len([path for path in sandbox.blobs.folder.rglob("*") if path.is_file()]) == 1, "nothing else is left"


async def test_content_in_a_batch(graph: Client) -> None:
    drive = await graph.drive()
    headers = {"Content-Type": "application/octet-stream"}
    body = base64.b64encode(b"in a batch").decode()
    parts: list[dict[str, Any]] = [
        {"id": "1", "method": "PUT", "url": f"{drive}/root:/x:/content", "headers": headers, "body": body},
        {"id": "2", "method": "GET", "url": f"{drive}/root:/x:/content", "dependsOn": ["1"]},
        {"id": "3", "method": "PUT", "url": f"{drive}/root:/y:/content", "headers": headers, "body": "no base64!"},
    ]
    answer = await graph.post("/$batch", {"requests": parts})
    found = {one["id"]: one for one in answer.body["responses"]}
    assert [found[number]["status"] for number in "123"] == [201, 302, 400]
    assert (await graph.send("GET", found["2"]["headers"]["Location"])).body == b"in a batch"


# -- what SharePoint does behind a client's back


@pytest.mark.parametrize("delay", [0, 30])
async def test_office_files_grow_in_libraries(graph: Client, sandbox: Sandbox, delay: int) -> None:
    drive, library = await graph.drive(), await graph.library()
    settings = {"office_rewriting": True, "office_delay": delay}
    assert (await graph.admin("PATCH", "settings", settings)).body["office_delay"] == delay
    sent = b"PK" + bytes(1000)
    for name in ("a.docx", "a.PDF", "a.txt"):
        for place in (drive, library):
            made = (await graph.put(f"{place}/root:/{name}:/content", sent)).body
            sandbox.clock.advance(delay + 1)
            now = (await graph.get(f"{place}/items/{made['id']}")).body
            rewritten = place == library and name != "a.txt"
            assert now["size"] == len(sent) + (12 if rewritten else 0)
            assert (now["file"] == made["file"]) == (not rewritten or delay == 0)
            assert (now["cTag"] == made["cTag"]) == (not rewritten or delay == 0)
            content = await graph.read(f"{place}/items/{made['id']}")
            assert content.startswith(sent)
            assert quick_xor(content) == now["file"]["hashes"]["quickXorHash"]
            assert now["fileSystemInfo"] == made["fileSystemInfo"]


async def test_an_etag_that_changes_late(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    sandbox.service.knobs.late_etag = 5
    made = (await graph.put(f"{drive}/root:/x:/content", b"x")).body
    sandbox.clock.advance(6)
    refused = await graph.patch(f"{drive}/items/{made['id']}", {"name": "y"}, If_Match=made["eTag"])
    assert refused.status == 412
    now = (await graph.get(f"{drive}/items/{made['id']}")).body
    assert now["cTag"] == made["cTag"]


async def test_somebody_is_faster(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/x:/content", b"x")).body
    sandbox.faults.add("race-etag", method="PUT", count=1)
    url = f"{drive}/items/{made['id']}"
    assert (await graph.put(f"{url}/content", b"y", If_Match=made["eTag"])).status == 412
    fresh = (await graph.get(url)).body["eTag"]
    assert (await graph.put(f"{url}/content", b"y", If_Match=fresh)).status == 200


# -- faults


async def test_an_upload_that_breaks_leaves_nothing(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    sandbox.faults.add("cut-upload", method="PUT", path="/content", count=1, after=100_000)
    await graph.breaks("PUT", f"{drive}/root:/x:/content", bytes(1_000_000))
    assert (await graph.get(f"{drive}/root:/x")).status == 404
    assert not [path for path in sandbox.blobs.folder.rglob("*") if path.is_file()]
    assert (await graph.put(f"{drive}/root:/x:/content", bytes(1_000_000))).status == 201


async def test_a_download_that_breaks_can_be_resumed(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    content = random.Random(2).randbytes(3_000_000)
    url = (await graph.put(f"{drive}/root:/x:/content", content)).body["@microsoft.graph.downloadUrl"]
    sandbox.faults.add("cut-download", path="/_download/", count=1, after=1_500_000)
    got = bytearray()
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            async for piece in answer.content.iter_any():
                got += piece
    assert 0 < len(got) <= 1_500_000
    rest = await graph.send("GET", url, Range=f"bytes={len(got)}-")
    assert (rest.status, bytes(got) + rest.body) == (206, content)


async def test_faults_of_the_other_host(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await graph.put(f"{drive}/root:/x:/content", b"x")).body["@microsoft.graph.downloadUrl"]
    sandbox.faults.add("unavailable", path="/_download/", count=1, retry_after=7)
    answer = await graph.send("GET", url)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    sandbox.faults.add("drop-before", path="/_download/", count=1)
    await graph.breaks("GET", url)
    assert (await graph.send("GET", url)).body == b"x"
    sandbox.faults.add("slow-content", path="/_download/", count=1, rate=1_000_000)
    assert (await graph.send("GET", url)).body == b"x"
    sandbox.faults.add("slow", path="/_download/", count=1, seconds=0.01)
    assert (await graph.send("GET", url)).body == b"x"
    assert (await graph.send("GET", f"{sandbox.service.content_url}/nonsense")).status == 404


async def test_content_over_tls_and_by_sharepoints_own_door(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(content_url="https://contoso-my.sharepoint.com")
    async with connected(sandbox) as graph:
        drive = await graph.drive()
        made = (await graph.put(f"{drive}/root:/x:/content", b"x")).body
        assert made["@microsoft.graph.downloadUrl"].startswith("https://contoso-my.sharepoint.com/_download/")
        answer = await graph.get(f"{sandbox.base_url}/_api/v2.0{drive}/items/{made['id']}?$select=id")
        assert answer.body["id"] == made["id"]


async def test_memory_does_not_hold_files(graph: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    """30 MB go in and out in pieces; the blob is the only whole copy."""
    drive = await graph.drive()
    big = tmp_path / "big"
    big.write_bytes(random.Random(3).randbytes(30_000_000))
    with big.open("rb") as source:
        headers = {"Authorization": f"Bearer {sandbox.token()}"}
        url = f"{sandbox.graph_url}{drive}/root:/big:/content"
        async with graph.session.put(url, data=source, headers=headers) as answer:
            made = await answer.json(content_type=None)
    assert made["file"]["hashes"]["quickXorHash"] == quick_xor(big.read_bytes())
    (blob,) = [path for path in sandbox.blobs.folder.rglob("*") if path.is_file()]
    assert blob.read_bytes() == big.read_bytes()
    assert await graph.read(f"{drive}/items/{made['id']}") == big.read_bytes()
