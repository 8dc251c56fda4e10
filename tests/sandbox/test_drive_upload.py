"""Upload sessions: every check that the real service makes, and those that a client must live through."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from connectors.sandbox import Sandbox
from connectors.sandbox.drive_upload import STEP
from connectors.sandbox.quickxor import quick_xor
from tests.sandbox.client import Answer, Client

CONTENT = random.Random(5).randbytes(3 * STEP + 1234)
BEHAVIOUR = "@microsoft.graph.conflictBehavior"


async def session(graph: Client, path: str, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    """Create a session; ``replace`` unless said."""
    wanted = {BEHAVIOUR: "replace", **body.pop("item", {})}
    return await graph.post(f"{path}/createUploadSession", {"item": wanted, **body}, **(headers or {}))


async def fragment(graph: Client, url: str, first: int, end: int, content: bytes = CONTENT, **headers: str) -> Answer:
    """PUT the bytes from ``first`` to before ``end``."""
    sent = {"Content_Range": f"bytes {first}-{end - 1}/{len(content)}", **headers}
    return await graph.put(url, content[first:end], **sent)


async def breaks(graph: Client, url: str, first: int, end: int) -> None:
    """PUT a fragment that a fault cuts off."""
    await graph.breaks("PUT", url, CONTENT[first:end], Content_Range=f"bytes {first}-{end - 1}/{len(CONTENT)}")


def inner(answer: Answer) -> str:
    return str(answer.body["error"]["innerError"].get("code"))


async def test_from_first_to_last_fragment(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    times = {"createdDateTime": "2020-01-01T00:00:00Z", "lastModifiedDateTime": "2021-02-03T04:05:06.7Z"}
    made = await session(graph, f"{drive}/root:/neu/x.bin:", item={"fileSystemInfo": times, "fileSize": len(CONTENT)})
    assert made.status == 200
    url = made.body["uploadUrl"]
    assert url.startswith(sandbox.service.content_url)
    assert made.body["nextExpectedRanges"] == [f"0-{len(CONTENT) - 1}"]
    answer = await fragment(graph, url, 0, STEP)
    assert (answer.status, answer.body["nextExpectedRanges"]) == (202, [f"{STEP}-{len(CONTENT) - 1}"])
    assert (await graph.send("GET", url)).body["nextExpectedRanges"] == [f"{STEP}-{len(CONTENT) - 1}"]
    assert (await graph.get(f"{drive}/root:/neu/x.bin")).status == 404, "nothing is there before the end"
    assert (await fragment(graph, url, STEP, 3 * STEP)).status == 202
    done = await fragment(graph, url, 3 * STEP, len(CONTENT))
    assert (done.status, done.body["size"]) == (201, len(CONTENT))
    assert done.body["file"]["hashes"]["quickXorHash"] == quick_xor(CONTENT)
    assert done.body["fileSystemInfo"] == {**times, "lastModifiedDateTime": "2021-02-03T04:05:06Z"}
    assert await graph.read(f"{drive}/root:/neu/x.bin") == CONTENT
    assert (await graph.get(f"{drive}/items/{done.body['id']}/versions")).body["value"][0]["id"] == "1.0"
    again = await fragment(graph, url, 3 * STEP, len(CONTENT))
    assert (again.status, again.body["id"]) == (200, done.body["id"]), "the last fragment may be repeated"
    assert (await fragment(graph, url, 0, STEP)).status == 404
    assert (await graph.send("GET", url)).status == 404


async def test_size_unknown_before_the_first_fragment(graph: Client) -> None:
    drive = await graph.drive()
    made = await session(graph, f"{drive}/root:/x.bin:")
    assert made.body["nextExpectedRanges"] == ["0-"]
    assert (await fragment(graph, made.body["uploadUrl"], 0, len(CONTENT))).status == 201


async def test_an_empty_body_is_enough(graph: Client) -> None:
    drive = await graph.drive()
    made = await graph.send("POST", f"{drive}/root:/x.bin:/createUploadSession", b"")
    assert made.status == 200
    assert (await fragment(graph, made.body["uploadUrl"], 0, len(CONTENT))).status == 201


async def test_fragments_that_are_refused(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    bearer = await fragment(graph, url, 0, STEP, Authorization=f"Bearer {sandbox.token()}")
    assert bearer.status == 401
    assert (await fragment(graph, url, 0, STEP - 1)).status == 400, "no multiple of 320 KiB"
    ahead = await fragment(graph, url, STEP, 2 * STEP)
    assert (ahead.status, ahead.code, inner(ahead)) == (416, "invalidRange", "fragmentOutOfOrder")
    assert (await graph.put(url, CONTENT[:STEP])).status == 400, "no Content-Range"
    assert (await graph.put(url, CONTENT[:STEP], Content_Range="bytes 0-1")).status == 400
    assert (await graph.put(url, CONTENT[:STEP], Content_Range=f"bytes 0-{STEP}/{STEP}")).status == 400
    short = await graph.put(url, CONTENT[: STEP - 1], Content_Range=f"bytes 0-{STEP - 1}/{len(CONTENT)}")
    assert (short.status, inner(short)) == (416, "fragmentLengthMismatch")
    most = 60 * 1024 * 1024
    huge = await graph.put(url, bytes(most), Content_Range=f"bytes 0-{most - 1}/{2 * most}")
    assert (huge.status, inner(huge)) == (413, "maxFragmentLengthExceeded")
    assert (await fragment(graph, url, 0, STEP)).status == 202
    repeated = await fragment(graph, url, 0, STEP)
    assert (repeated.status, inner(repeated)) == (416, "fragmentOverlap")
    other = await graph.put(url, CONTENT[STEP : 2 * STEP], Content_Range=f"bytes {STEP}-{2 * STEP - 1}/{9 * STEP}")
    assert other.status == 400, "another total"
    assert (await fragment(graph, url, STEP, len(CONTENT))).status == 201
    sandbox.service.knobs.strict_fragments = False
    url = (await session(graph, f"{drive}/root:/y.bin:")).body["uploadUrl"]
    assert (await fragment(graph, url, 0, STEP + 1)).status == 202


async def test_cancelled_expired_and_unknown(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    await fragment(graph, url, 0, STEP)
    assert (await graph.send("DELETE", url)).status == 204
    gone = await fragment(graph, url, STEP, 2 * STEP)
    assert (gone.status, gone.code, inner(gone)) == (404, "itemNotFound", "uploadSessionNotFound")
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    sandbox.clock.advance(86_000)
    assert (await fragment(graph, url, 0, STEP)).status == 202
    sandbox.clock.advance(86_000)
    assert (await graph.send("GET", url)).status == 200, "each fragment extends the life"
    sandbox.clock.advance(1_000)
    assert (await graph.send("GET", url)).status == 404
    assert (await graph.send("GET", f"{sandbox.service.content_url}/_upload/x")).status == 404
    assert not [path for path in sandbox.blobs.folder.rglob("*") if path.is_file()], "nothing is left behind"


async def test_names_that_are_taken(graph: Client) -> None:
    drive = await graph.drive()
    first = (await graph.put(f"{drive}/root:/x.bin:/content", b"first")).body
    url = (await session(graph, f"{drive}/root:/X.bin:", item={BEHAVIOUR: "fail"})).body["uploadUrl"]
    refused = await fragment(graph, url, 0, len(CONTENT))
    assert (refused.status, refused.code) == (409, "nameAlreadyExists"), "at the end, as on the real service"
    assert await graph.read(f"{drive}/items/{first['id']}") == b"first"
    await graph.delete(f"{drive}/items/{first['id']}")
    committed = await graph.send("POST", url)
    assert committed.status == 201, "the bytes are still there"
    url = (await session(graph, f"{drive}/root:/x.bin:", item={BEHAVIOUR: "rename"})).body["uploadUrl"]
    assert (await fragment(graph, url, 0, len(CONTENT))).body["name"] == "x 1.bin"
    replaced = await session(graph, f"{drive}/items/{committed.body['id']}")
    answer = await fragment(graph, replaced.body["uploadUrl"], 0, len(CONTENT))
    assert (answer.status, answer.body["id"]) == (200, committed.body["id"])
    await graph.put(f"{drive}/root:/folder/x:/content", b"")
    assert (await session(graph, f"{drive}/root:/folder:")).code == "nameAlreadyExists"
    assert (await session(graph, f"{drive}/root:/a%7Cb:")).code == "invalidRequest"


async def test_preconditions_at_both_ends(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    first = (await graph.put(f"{drive}/root:/x.bin:/content", b"first")).body
    url = f"{drive}/items/{first['id']}"
    assert (await session(graph, url, {"If_Match": '"{X},9"'})).status == 412
    assert (await session(graph, f"{drive}/root:/x.bin:", {"If_None_Match": "*"})).status == 412
    made = await session(graph, url, {"If_Match": first["eTag"]})
    await graph.patch(url, {"name": "moved meanwhile.bin"})
    refused = await fragment(graph, made.body["uploadUrl"], 0, len(CONTENT))
    assert (refused.status, refused.code) == (412, "resourceModified")
    assert await graph.read(url) == b"first"
    sandbox.service.knobs.session_recheck = False
    assert (await graph.send("POST", made.body["uploadUrl"])).body["name"] == "moved meanwhile.bin"


async def test_a_file_that_appears_meanwhile(graph: Client) -> None:
    drive = await graph.drive()
    made = await session(graph, f"{drive}/root:/x.bin:", {"If_None_Match": "*"})
    await graph.put(f"{drive}/root:/x.bin:/content", b"first")
    assert (await fragment(graph, made.body["uploadUrl"], 0, len(CONTENT))).status == 412
    assert await graph.read(f"{drive}/root:/x.bin") == b"first"
    assert (await session(graph, f"{drive}/root:/none.bin:", {"If_Match": '"{X},1"'})).status == 412


async def test_deferred_commit(graph: Client) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:", deferCommit=True)).body["uploadUrl"]
    assert (await graph.send("POST", url)).status == 400, "not all there"
    answer = await fragment(graph, url, 0, len(CONTENT))
    assert (answer.status, answer.body["nextExpectedRanges"]) == (202, [])
    assert (await graph.get(f"{drive}/root:/x.bin")).status == 404
    assert (await graph.send("POST", url)).status == 201
    assert await graph.read(f"{drive}/root:/x.bin") == CONTENT


async def test_a_fragment_that_breaks_is_not_acknowledged(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    assert (await fragment(graph, url, 0, STEP)).status == 202
    for after in (0, 1000, 2 * STEP - 1):
        sandbox.faults.add("cut-upload", path="/_upload/", count=1, after=after)
        await breaks(graph, url, STEP, 3 * STEP)
        assert (await graph.send("GET", url)).body["nextExpectedRanges"] == [f"{STEP}-{len(CONTENT) - 1}"]
    assert (await fragment(graph, url, STEP, 3 * STEP)).status == 202
    assert (await fragment(graph, url, 3 * STEP, len(CONTENT))).status == 201
    assert await graph.read(f"{drive}/root:/x.bin") == CONTENT


async def test_an_answer_that_is_lost(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    sandbox.faults.add("drop-after", path="/_upload/", count=1)
    await breaks(graph, url, 0, STEP)
    assert (await graph.send("GET", url)).body["nextExpectedRanges"] == [f"{STEP}-{len(CONTENT) - 1}"]
    sandbox.faults.add("drop-after", path="/_upload/", count=1)
    await breaks(graph, url, STEP, len(CONTENT))
    assert (await graph.send("GET", url)).status == 404, "done, but the client does not know"
    assert (await fragment(graph, url, STEP, len(CONTENT))).status == 200
    assert await graph.read(f"{drive}/root:/x.bin") == CONTENT


async def test_two_fragments_at_once(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/x.bin:")).body["uploadUrl"]
    answers = await asyncio.gather(*[fragment(graph, url, 0, STEP) for _ in range(4)])
    assert sorted(answer.status for answer in answers) == [202, 416, 416, 416]
    assert (await fragment(graph, url, STEP, len(CONTENT))).status == 201
    assert await graph.read(f"{drive}/root:/x.bin") == CONTENT
    assert sandbox.counters()["files written"] == 1


async def test_the_folder_goes_meanwhile(graph: Client) -> None:
    drive = await graph.drive()
    url = (await session(graph, f"{drive}/root:/a/x.bin:")).body["uploadUrl"]
    await graph.delete(f"{drive}/root:/a")
    assert (await fragment(graph, url, 0, len(CONTENT))).status == 404
    url = (await session(graph, f"{drive}/root:/a/x.bin:")).body["uploadUrl"]
    await graph.patch(f"{drive}/root:/a", {"name": "b"})
    await fragment(graph, url, 0, len(CONTENT))
    assert await graph.read(f"{drive}/root:/b/x.bin") == CONTENT
