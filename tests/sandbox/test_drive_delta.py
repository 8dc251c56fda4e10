"""Delta of a drive as OneDrive for Business answers it, and a client that must end with the same tree as the drive."""

from __future__ import annotations

import random
from typing import Any

import pytest

from connectors.sandbox import Sandbox
from tests.sandbox.client import Client, connected
from tests.sandbox.plugin import MakeSandbox

Values = list[dict[str, Any]]


async def fill(graph: Client, drive: str, *paths: str) -> dict[str, str]:
    """Files by path; gives ids."""
    return {path: (await graph.put(f"{drive}/root:{path}:/content", path.encode())).body["id"] for path in paths}


def names(values: Values) -> list[str]:
    return [one.get("name", "-") for one in values]


async def test_first_round(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    sandbox.service.knobs.delta_page = 4
    await fill(graph, drive, *(f"/a/b{number}/x.txt" for number in range(5)))
    values, link = await graph.round(f"{drive}/root/delta")
    assert values[0]["id"] == (await graph.get(f"{drive}/root")).body["id"]
    assert "root" in values[0]
    seen: set[str] = set()
    for one in values:
        assert "path" not in one["parentReference"]
        assert "cTag" not in one
        assert "@microsoft.graph.downloadUrl" not in one
        assert one["parentReference"]["driveId"] == drive.removeprefix("/drives/")
        assert "root" in one or one["parentReference"]["id"] in seen, "parents come first"
        seen.add(one["id"])
    assert len(values) == len(seen) == 1 + 1 + 5 + 5
    assert [one["file"]["hashes"]["quickXorHash"] for one in values if one["name"] == "x.txt"]
    values, again = await graph.round(link)
    assert values == []
    assert (await graph.round(again))[0] == []


async def test_changes_bring_their_parents(graph: Client) -> None:
    drive = await graph.drive()
    ids = await fill(graph, drive, "/a/b/x.txt", "/a/c.txt", "/d.txt")
    _, link = await graph.round(f"{drive}/root/delta")
    await graph.put(f"{drive}/items/{ids['/a/b/x.txt']}/content", b"new")
    values, _ = await graph.round(link)
    assert names(values) == ["root", "a", "b", "x.txt"]
    values, _ = await graph.round(link, deltaExcludeParent="true")
    assert names(values) == ["root", "x.txt"], "the root comes all the same"
    values, _ = await graph.round(f"{link}")
    assert names(values) == ["root", "a", "b", "x.txt"], "a token may be used again"


async def test_renaming_a_folder_returns_the_folder_only(graph: Client) -> None:
    drive = await graph.drive()
    await fill(graph, drive, *(f"/a/{number}.txt" for number in range(20)))
    _, link = await graph.round(f"{drive}/root/delta")
    await graph.patch(f"{drive}/root:/a", {"name": "b"})
    values, link = await graph.round(link)
    assert names(values) == ["root", "b"]
    made = (await graph.post(f"{drive}/root/children", {"name": "c", "folder": {}})).body["id"]
    await graph.patch(f"{drive}/root:/b", {"parentReference": {"id": made}})
    values, _ = await graph.round(link)
    assert names(values) == ["root", "c", "b"], "the new parent before what moved into it"


async def test_deleted_without_a_name(graph: Client) -> None:
    drive = await graph.drive()
    ids = await fill(graph, drive, "/a/x.txt", "/a/y.txt")
    folder = (await graph.get(f"{drive}/root:/a")).body["id"]
    _, link = await graph.round(f"{drive}/root/delta")
    await graph.delete(f"{drive}/items/{folder}")
    values, after = await graph.round(link)
    gone = [{"id": one, "deleted": {"state": "deleted"}} for one in (folder, ids["/a/x.txt"], ids["/a/y.txt"])]
    assert values == gone
    await graph.post(f"{drive}/items/{folder}/restore")
    values, _ = await graph.round(after)
    assert names(values) == ["root", "a", "x.txt", "y.txt"]
    assert {one["id"] for one in values[1:]} == {folder, *ids.values()}
    assert names((await graph.round(link))[0]) == ["root", "a", "x.txt", "y.txt"], "only the latest state"
    await graph.post(f"{drive}/items/{folder}/permanentDelete")
    assert (await graph.round(link))[0] == gone


@pytest.mark.parametrize(
    "path",
    ["/root/delta", "/root/delta()", "/items/root/delta", "/items/root/delta()", "/root/microsoft.graph.delta()",
     "/items/{root}/delta", "/root/delta?token=", "/root/delta(token='')"],
)  # fmt: skip
async def test_spellings(graph: Client, path: str) -> None:
    drive = await graph.drive()
    await fill(graph, drive, "/x.txt")
    root = (await graph.get(f"{drive}/root")).body["id"]
    values, _ = await graph.round(drive + path.format(root=root))
    assert names(values) == ["root", "x.txt"]


async def test_through_the_owner(graph: Client) -> None:
    drive, library = await graph.drive(), await graph.library()
    await fill(graph, drive, "/x.txt")
    user = (await graph.get(drive)).body["owner"]["user"]["id"]
    group = (await graph.get(library)).body["owner"]["group"]["id"]
    values, link = await graph.round(f"/users/{user}/drive/root/delta")
    assert names(values) == ["root", "x.txt"]
    assert link.split("?")[0].endswith(f"/users/{user}/drive/root/delta")
    assert names((await graph.round(f"/groups/{group}/drive/root/delta"))[0]) == ["root"]
    token = link.split("token=")[1]
    assert (await graph.get(f"{library}/root/delta?token={token}")).status == 400, "a token of another drive"
    assert (await graph.get(f"{drive}/root/delta?token={token[:-4]}AAAA")).status == 400
    folder = (await graph.post(f"{drive}/root/children", {"name": "f", "folder": {}})).body["id"]
    assert (await graph.get(f"{drive}/items/{folder}/delta")).status == 400, "the root only"


async def test_latest_and_times(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    await fill(graph, drive, "/old.txt")
    values, link = await graph.round(f"{drive}/root/delta?token=latest")
    assert values == []
    sandbox.clock.advance(100)
    between = sandbox.service.stamp()
    sandbox.clock.advance(100)
    await fill(graph, drive, "/new.txt")
    assert names((await graph.round(link))[0]) == ["root", "new.txt"]
    assert names((await graph.round(f"{drive}/root/delta?token={between}"))[0]) == ["root", "new.txt"]
    assert names((await graph.round(f"{drive}/root/delta(token='{between}')"))[0]) == ["root", "new.txt"]
    assert names((await graph.round(f"{drive}/root/delta(token='latest')"))[0]) == []


async def test_select(graph: Client) -> None:
    drive = await graph.drive()
    ids = await fill(graph, drive, "/x.txt")
    values, link = await graph.round(f"{drive}/root/delta?$select=id,name,@microsoft.graph.downloadUrl")
    file = values[1]
    assert {name for name in file if not name.startswith("@odata.")} == {
        "id", "name", "parentReference", "@microsoft.graph.downloadUrl",
    }  # fmt: skip
    await graph.delete(f"{drive}/items/{ids['/x.txt']}")
    assert (await graph.round(link))[0] == [{"id": ids["/x.txt"], "deleted": {"state": "deleted"}}]


async def test_tokens_that_are_too_old(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    _, link = await graph.round(f"{drive}/root/delta")
    for inner in ("resyncChangesApplyDifferences", "resyncChangesUploadDifferences"):
        sandbox.faults.add("expire-delta", count=1, code=inner)
        answer = await graph.get(link)
        assert (answer.status, answer.code) == (410, "resyncRequired")
        assert answer.body["error"]["innerError"]["code"] == inner
        assert names((await graph.round(answer.headers["location"]))[0]) == ["root"]
    sandbox.clock.advance(29 * 86400)
    _, link = await graph.round(link)
    sandbox.clock.advance(31 * 86400)
    answer = await graph.get(link)
    assert (answer.status, answer.body["error"]["innerError"]["code"]) == (410, "resyncChangesApplyDifferences")
    assert (await graph.get(f"{drive}/root/delta")).status == 200, "a first round has no token that could expire"


async def test_replays_duplicates_and_empty_pages(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    await fill(graph, drive, "/a.txt", "/b.txt")
    _, link = await graph.round(f"{drive}/root/delta")
    sandbox.faults.add("replay-delta", count=1, back=100)
    assert set(names((await graph.round(link))[0])) == {"root", "a.txt", "b.txt"}
    sandbox.faults.add("duplicate-delta", count=1)
    assert len((await graph.round(f"{drive}/root/delta"))[0]) == 5
    sandbox.faults.add("empty-delta", count=1)
    answer = await graph.get(f"{drive}/root/delta")
    assert answer.body["value"] == []
    assert len((await graph.round(answer.body["@odata.nextLink"]))[0]) == 3


async def test_a_change_shows_late(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(delta_delay=60)
    async with connected(sandbox) as graph:
        drive = await graph.drive()
        sandbox.clock.advance(61)
        _, link = await graph.round(f"{drive}/root/delta")
        await fill(graph, drive, "/x.txt")
        values, link = await graph.round(link)
        assert values == []
        assert names((await graph.round(f"{drive}/root/delta"))[0]) == ["root"]
        sandbox.clock.advance(61)
        assert names((await graph.round(link))[0]) == ["root", "x.txt"]


class Mirror:
    """What a careful client makes of delta: the last entry of each id wins."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}

    def take(self, values: Values) -> None:
        for one in values:
            if "deleted" in one:
                self.held.pop(one["id"], None)
            else:
                self.held[one["id"]] = one

    def paths(self) -> dict[str, str]:
        """Path to hash (empty for folders)."""
        return {self._path(one): one.get("file", {}).get("hashes", {}).get("quickXorHash", "")
                for one in self.held.values() if "root" not in one}  # fmt: skip

    def _path(self, one: dict[str, Any]) -> str:
        above = self.held[one["parentReference"]["id"]]
        return ("" if "root" in above else self._path(above)) + "/" + str(one["name"])


@pytest.mark.parametrize("seed", range(8))
async def test_a_client_ends_with_the_same_tree(graph: Client, sandbox: Sandbox, seed: int) -> None:
    """Random changes, also between the pages of a round, under replays and duplicates."""
    drive, chance = await graph.drive(), random.Random(seed)
    key = drive.removeprefix("/drives/")
    sandbox.service.knobs.delta_page = chance.choice((1, 3, 200))
    for kind in ("replay-delta", "duplicate-delta", "empty-delta"):
        sandbox.faults.add(kind, probability=0.2)
    sandbox.faults.reseed(seed)
    mirror, target = Mirror(), f"{drive}/root/delta"
    for number in range(60):
        await disturb(graph, drive, chance, number)
        answer = await graph.get(target)
        mirror.take(answer.body["value"])
        target = answer.body.get("@odata.nextLink") or answer.body["@odata.deltaLink"]
    sandbox.faults.rules.clear()
    for _ in range(2):
        values, target = await graph.round(target)
        mirror.take(values)
    assert mirror.paths() == {path: one["hash"] for path, one in sandbox.tree(key).items()}
    assert (await graph.round(target))[0] == []


async def disturb(graph: Client, drive: str, chance: random.Random, number: int) -> None:
    """One random change; refusals (a taken name, a move below itself) are part of the game."""
    ids = [one.id for one in graph.sandbox.drive(drive.removeprefix("/drives/")).root.below()]
    binned = list(graph.sandbox.drives.bin)
    one, other = chance.choice(ids), chance.choice(ids)
    match chance.randrange(7):
        case 0 | 1:
            await graph.put(f"{drive}/items/{one}:/f{chance.randrange(6)}:/content", b"%d" % number)
        case 2:
            await graph.post(f"{drive}/items/{one}/children", {"name": f"d{chance.randrange(4)}", "folder": {}})
        case 3:
            await graph.patch(f"{drive}/items/{one}", {"name": f"n{chance.randrange(9)}"})
        case 4:
            await graph.patch(f"{drive}/items/{one}", {"parentReference": {"id": other}})
        case 5:
            await graph.delete(f"{drive}/items/{one}")
        case _:
            if binned:
                verb = chance.choice(("restore", "permanentDelete"))
                await graph.post(f"{drive}/items/{chance.choice(binned)}/{verb}")
