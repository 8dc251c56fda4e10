"""Drives and items: provisioning, addressing, folders, names, moves, the bin, permissions, quota, locks, sites."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.sandbox import Application, Sandbox
from tests.sandbox.client import Client, connected
from tests.sandbox.plugin import MakeSandbox

SKU = "94763226-9b3c-4e75-a931-5c89701abe66"
FAIL = {"@microsoft.graph.conflictBehavior": "fail"}


def stock(*plans: tuple[str, str]) -> dict[str, Any]:
    return {
        "skus": [
            {
                "skuId": SKU, "skuPartNumber": "A3", "enabled": 5,
                "servicePlans": [{"servicePlanId": plan, "servicePlanName": name} for plan, name in plans],
            }
        ]
    }  # fmt: skip


async def folder(graph: Client, parent: str, name: str, **body: Any) -> dict[str, Any]:
    answer = await graph.post(f"{parent}/children", {"name": name, "folder": {}, **FAIL, **body})
    assert answer.status == 201, answer.body
    return dict(answer.body)


# -- provisioning


async def test_onedrive_needs_a_licence_with_sharepoint(graph: Client, sandbox: Sandbox) -> None:
    plan = "e03c7e47-402c-463c-ab25-949079bedb21"
    sandbox.load(stock((plan, "SHAREPOINTSTANDARD_EDU"), ("a23b959c-7ce8-4e57-9140-b90eb88a9e97", "SWAY")))
    user = await graph.user("anna", usageLocation="DE")
    for path in ("drive", "drives", "drive/root", "drive/root/delta", "drive/root/children"):
        answer = await graph.get(f"/users/{user}/{path}")
        assert (answer.status, answer.code, answer.message) == (404, "ResourceNotFound", "User's mysite not found.")
    assert sandbox.counters()["missing drives asked for"] == 5
    without = {"addLicenses": [{"skuId": SKU, "disabledPlans": [plan]}], "removeLicenses": []}
    assert (await graph.post(f"/users/{user}/assignLicense", without)).status == 200
    assert (await graph.get(f"/users/{user}/drive")).status == 404
    licence = {"addLicenses": [{"skuId": SKU, "disabledPlans": []}], "removeLicenses": []}
    assert (await graph.post(f"/users/{user}/assignLicense", licence)).status == 200
    drive = (await graph.get(f"/users/{user}/drive")).body
    assert (drive["driveType"], drive["owner"]["user"]["id"]) == ("business", user)
    assert drive["id"].startswith("b!")
    assert len(drive["id"]) == 66
    assert drive["quota"]["state"] == "normal"
    again = (await graph.get(f"/users/{user}/drives")).body["value"]
    assert [one["id"] for one in again] == [drive["id"]]
    assert (await graph.get(f"/drives/{drive['id'].replace('!', '%21')}/")).body["id"] == drive["id"]
    root = (await graph.get(f"/drives/{drive['id']}/root")).body
    assert root["id"].endswith("6Y2GOVW7725BZO354PWSELRRZ"), "as every root's id on the real service"
    assert "cTag" not in root
    assert "root" in root
    await graph.delete(f"/users/{user}")
    assert (await graph.get(f"/drives/{drive['id']}")).code == "itemNotFound"


async def test_provisioning_takes_its_time(graph: Client, sandbox: Sandbox) -> None:
    sandbox.service.knobs.drive_delay = 600
    sandbox.service.knobs.drives = "all"
    user, team = await graph.user("anna"), await graph.team("ag")
    assert (await graph.get(f"/users/{user}/drive")).status == 404
    answer = await graph.get(f"/groups/{team}/drive")
    assert (answer.status, answer.message) == (404, "Resource provisioning is in progress. Please try again.")
    sandbox.clock.advance(601)
    assert (await graph.get(f"/users/{user}/drive")).status == 200
    library = (await graph.get(f"/groups/{team}/drive")).body
    assert (library["driveType"], library["owner"]["group"]["id"]) == ("documentLibrary", team)


async def test_only_unified_groups_have_a_library(graph: Client, sandbox: Sandbox) -> None:
    assert (await graph.get(f"/groups/{await graph.group('5a')}/drive")).status == 404
    answer = await graph.get("/me/drive")
    assert answer.status == 400
    sandbox.service.knobs.drives = "none"
    assert (await graph.get(f"/groups/{await graph.team('ag')}/drive")).status == 404


async def test_sites_lead_to_libraries(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.library("klasse")
    (site,) = (await graph.get("/sites?search=klasse")).body["value"]
    assert (await graph.get(f"/sites/{site['id']}")).body["displayName"] == "klasse"
    found = (await graph.get(f"/sites/{site['id']}/drive")).body["id"]
    assert f"/drives/{found}" == drive
    assert len((await graph.get(f"/sites/{site['id']}/drives")).body["value"]) == 1
    assert (await graph.get(f"/sites/{site['id']}/drive/root/children")).status == 200
    assert (await graph.get("/sites/x,y,z")).status == 404


# -- addressing


@pytest.mark.parametrize(
    "path",
    [
        "/root:/Ordner%20eins/a%23b%25.txt",
        "/root:/Ordner%20eins/a%23b%25.txt:",
        "/ROOT:/ordner%20EINS/A%23B%25.TXT",
        "/root:/./Ordner%20eins//a%23b%25.txt",
        "/root%3A/Ordner%20eins/a%23b%25.txt",
        "/items/root:/Ordner%20eins/a%23b%25.txt:",
        "/items/root%3A%2FOrdner%20eins%2Fa%23b%25.txt%3A",
        "/items/{folder}:/a%23b%25.txt",
        "/items/{folder}:/a%23b%25.txt:",
        "/items/{folder}%3A%2Fa%23b%25.txt%3A",
        "/items/{file}",
        "/items/{lower}",
        "//items/{file}/?select=id",
    ],
)
async def test_ways_to_one_file(graph: Client, path: str) -> None:
    drive = await graph.drive()
    made = await graph.put(f"{drive}/root:/Ordner%20eins/a%23b%25.txt:/content", b"x")
    assert made.status == 201, made.body
    parent = made.body["parentReference"]
    assert (parent["name"], parent["path"]) == ("Ordner eins", f"{drive}/root:/Ordner%20eins")
    path = path.format(folder=parent["id"], file=made.body["id"], lower=made.body["id"].lower())
    answer = await graph.get(drive + path)
    assert (answer.status, answer.body.get("id")) == (200, made.body["id"])


async def test_ways_through_the_owner(graph: Client) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/a/b.txt:/content", b"x")).body
    owner = (await graph.get(drive)).body["owner"]["user"]["id"]
    for path in ("drive/root:/a/b.txt", "drive/items/" + made["id"], "drive/items/root:/a/b.txt:"):
        assert (await graph.get(f"/users/{owner}/{path}")).body["id"] == made["id"]
    assert (await graph.get("/users/anna@schule.example/drive/root:/a/b.txt:")).status == 200
    (found,) = (await graph.get(f"/users/{owner}/drive/root:/a:/children")).body["value"]
    assert found["id"] == made["id"]
    other = await graph.drive("bernd")
    assert (await graph.get(f"{other}/items/{made['id']}")).code == "itemNotFound"


async def test_selecting_and_expanding(graph: Client) -> None:
    drive = await graph.drive()
    for name in ("b.txt", "A.txt", "c.txt"):
        await graph.put(f"{drive}/root:/x/{name}:/content", name.encode())
    body = (await graph.get(f"{drive}/root:/x?$select=name,id&$expand=children($select=name,size)")).body
    assert {name for name in body if not name.startswith("@")} == {"id", "name", "children"}
    assert [(one["name"], one["size"]) for one in body["children"]] == [("A.txt", 5), ("b.txt", 5), ("c.txt", 5)]
    body = (await graph.get(f"{drive}/root:/x/A.txt")).body
    assert body["file"]["hashes"]["quickXorHash"]
    assert "@microsoft.graph.downloadUrl" in body
    body = (await graph.get(f"{drive}/root:/x/A.txt?select=id,@microsoft.graph.downloadUrl")).body
    assert body["@microsoft.graph.downloadUrl"].startswith("http://localhost:")
    folder_body = (await graph.get(f"{drive}/root:/x")).body
    assert (folder_body["folder"]["childCount"], folder_body["size"]) == (3, 15)


async def test_children_page_by_page(graph: Client) -> None:
    drive = await graph.drive()
    for number in range(5):
        await graph.put(f"{drive}/root:/{number}.txt:/content", b"")
    answer = await graph.get(f"{drive}/root/children?$top=2&$select=name")
    assert answer.body["@odata.count"] == 5
    assert [one["name"] for one in answer.body["value"]] == ["0.txt", "1.txt"]
    found = await graph.all(f"{drive}/root/children?$top=2&$orderby=name%20desc")
    assert [one["name"] for one in found] == [f"{number}.txt" for number in (4, 3, 2, 1, 0)]
    assert (await graph.get(f"{drive}/root/children?$top=0")).status == 400
    assert (await graph.get(f"{drive}/root/children?$skip=1")).status == 400


# -- folders and names


async def test_making_folders(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    made = await folder(graph, f"{drive}/root", "Übungen", fileSystemInfo={"createdDateTime": "2020-01-02T03:04:05.9Z"})
    assert made["fileSystemInfo"]["createdDateTime"] == "2020-01-02T03:04:05Z"
    answer = await graph.post(f"{drive}/root/children", {"name": "üBUNGEN", "folder": {}, **FAIL})
    assert (answer.status, answer.code) == (409, "nameAlreadyExists")
    renamed = await graph.post(
        f"{drive}/root/children",
        {"name": "Übungen", "folder": {}, "@microsoft.graph.conflictBehavior": "rename"},
    )
    assert renamed.body["name"] == "Übungen 1"
    same = await graph.post(
        f"{drive}/root/children", {"name": "übungen", "folder": {}, "@microsoft.graph.conflictBehavior": "replace"}
    )
    assert (same.body["id"], same.body["name"]) == (made["id"], "Übungen")
    assert "conflict behaviour left open" not in sandbox.counters()
    assert (await graph.post(f"{drive}/root/children", {"name": "Übungen", "folder": {}})).status == 409
    assert sandbox.counters()["conflict behaviour left open"] == 1
    assert (await graph.post(f"{drive}/root/children", {"name": "x"})).status == 400
    assert (await graph.post(f"{drive}/root:/nowhere:/children", {"name": "x", "folder": {}})).status == 404
    nfd = await folder(graph, f"{drive}/root", "U\u0308bungen")
    assert nfd["id"] != made["id"], "SharePoint tells NFC from NFD"


@pytest.mark.parametrize(
    "name",
    ['a"b', "a*b", "a<b", "a>b", "a?b", "a|b", " a", "a ", "a.", "CON", "com0", "LPT9", "nul", ".lock", "desktop.ini",
     "x_vti_y", "~$a.docx", "forms", "~ordner", "", "x" * 256, "a\tb"],
)  # fmt: skip
async def test_names_that_are_refused(graph: Client, name: str) -> None:
    drive = await graph.drive()
    answer = await graph.post(f"{drive}/root/children", {"name": name, "folder": {}, **FAIL})
    assert (answer.status, answer.code) == (400, "invalidRequest")
    assert answer.body["error"]["innerError"]["code"] == "invalidPath"


@pytest.mark.parametrize("name", ["CONx", "a#b%c", "com", ".hidden", "a..b", "vti", "x~", "AUX.txt"])
async def test_names_that_are_allowed(graph: Client, name: str) -> None:
    drive = await graph.drive()
    assert (await folder(graph, f"{drive}/root", name))["name"] == name


async def test_path_of_400_characters(graph: Client) -> None:
    drive = await graph.drive()
    # /personal/anna_schule_example/Documents is 39 characters long.
    parent = (await folder(graph, f"{drive}/root", "f" * 180))["id"]
    inner = (await folder(graph, f"{drive}/items/{parent}", "g" * 150))["id"]
    room = 400 - 39 - 181 - 151 - 1
    await folder(graph, f"{drive}/items/{inner}", "h" * room)
    answer = await graph.post(f"{drive}/items/{inner}/children", {"name": "h" * (room + 1), "folder": {}, **FAIL})
    assert (answer.status, answer.body["error"]["innerError"]["code"]) == (400, "pathIsTooLong")
    answer = await graph.patch(f"{drive}/items/{parent}", {"name": "f" * 181})
    assert answer.body["error"]["innerError"]["code"] == "pathIsTooLong", "what lies below counts too"
    assert (await graph.patch(f"{drive}/items/{parent}", {"name": "F" * 180})).status == 200


# -- moves


async def test_rename_and_move(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/a/x.txt:/content", b"x")).body
    target = await folder(graph, f"{drive}/root", "b")
    moved = await graph.patch(
        f"{drive}/items/{made['id']}", {"name": "X.TXT", "parentReference": {"id": target["id"]}}, If_Match=made["eTag"]
    )
    assert (moved.status, moved.body["name"], moved.body["parentReference"]["id"]) == (200, "X.TXT", target["id"])
    assert moved.body["cTag"] == made["cTag"]
    assert moved.body["eTag"] != made["eTag"]
    assert (await graph.patch(f"{drive}/items/{made['id']}", {"name": "x.txt"})).status == 200, "case only"
    stale = await graph.patch(f"{drive}/items/{made['id']}", {"name": "y.txt"}, If_Match=made["eTag"])
    assert (stale.status, stale.code) == (412, "resourceModified")
    by_content = await graph.patch(f"{drive}/items/{made['id']}", {"name": "y.txt"}, If_Match=made["cTag"])
    assert by_content.status == 200, "a cTag is a precondition as well"
    back = await graph.patch(f"{drive}/items/{made['id']}", {"parentReference": {"path": f"{drive}/root:/a"}})
    assert back.body["parentReference"]["path"].endswith("root:/a")
    assert sandbox.tree(drive.removeprefix("/drives/"))["/a"]["size"] == 1
    assert sandbox.tree(drive.removeprefix("/drives/"))["/b"]["size"] == 0


async def test_moves_that_are_refused(graph: Client) -> None:
    drive, other = await graph.drive(), await graph.drive("bernd")
    a = await folder(graph, f"{drive}/root", "a")
    b = await folder(graph, f"{drive}/items/{a['id']}", "b")
    file = (await graph.put(f"{drive}/root:/b:/content", b"x")).body
    url = f"{drive}/items/{a['id']}"
    for body, status in (
        ({"parentReference": {"id": b["id"]}}, 400),
        ({"parentReference": {"id": a["id"]}}, 400),
        ({"parentReference": {"id": "root"}}, 400),
        ({"parentReference": {"id": file["id"]}}, 400),
        ({"parentReference": {"id": "01NOWHERE"}}, 404),
        ({"parentReference": {"driveId": other.removeprefix("/drives/"), "id": "01NOWHERE"}}, 404),
        ({"name": "B"}, 409),
        ({"name": "a:b"}, 400),
        ({"fileSystemInfo": {"lastModifiedDateTime": "yesterday"}}, 400),
    ):
        assert (await graph.patch(url, body)).status == status, body
    root = (await graph.get(f"{other}/root")).body["id"]
    reference = {"driveId": other.removeprefix("/drives/"), "id": root}
    assert (await graph.patch(url, {"parentReference": reference})).status == 400, "another drive"
    assert (await graph.patch(f"{drive}/root", {"name": "x"})).status == 400
    assert (await graph.get(url)).body["eTag"] == a["eTag"], "a refused change changes nothing"
    moved = {"name": "b", "@microsoft.graph.conflictBehavior": "rename"}
    assert (await graph.patch(url, moved)).body["name"] == "b 1"
    other_file = (await graph.put(f"{drive}/root:/c:/content", b"y")).body
    replaced = await graph.patch(
        f"{drive}/items/{other_file['id']}", {"name": "b", "@microsoft.graph.conflictBehavior": "replace"}
    )
    assert replaced.status == 200
    assert (await graph.get(f"{drive}/items/{file['id']}")).status == 404


async def test_times_without_content(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/x.txt:/content", b"x")).body
    times = {"lastModifiedDateTime": "2001-02-03T04:05:06.789Z", "createdDateTime": "2000-01-01T00:00:00+01:00"}
    changed = (await graph.patch(f"{drive}/items/{made['id']}", {"fileSystemInfo": times})).body
    assert changed["fileSystemInfo"] == {
        "lastModifiedDateTime": "2001-02-03T04:05:06Z", "createdDateTime": "1999-12-31T23:00:00Z",
    }  # fmt: skip
    assert changed["cTag"] == made["cTag"]
    assert changed["eTag"] != made["eTag"]
    versions = (await graph.get(f"{drive}/items/{made['id']}/versions")).body["value"]
    assert [one["id"] for one in versions] == ["2.0", "1.0"], "as SharePoint does: times by PATCH cost a version"
    assert sandbox.counters()["versions by times"] == 1
    again = (await graph.patch(f"{drive}/items/{made['id']}", {"fileSystemInfo": times})).body
    assert again["eTag"] == changed["eTag"], "nothing changed"


# -- the bin


async def test_bin_and_restore(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    file = (await graph.put(f"{drive}/root:/a/b/x.txt:/content", b"12345")).body
    top = (await graph.get(f"{drive}/root:/a")).body
    assert (await graph.delete(f"{drive}/items/{top['id']}", If_Match='"{X},1"')).status == 412
    assert (await graph.delete(f"{drive}/items/{top['id']}", If_Match=top["eTag"])).status == 204
    assert (await graph.get(f"{drive}/items/{file['id']}")).code == "itemNotFound"
    quota = (await graph.get(drive)).body["quota"]
    assert (quota["used"], quota["deleted"]) == (0, 5)
    assert (await graph.post(f"{drive}/items/{file['id']}/restore")).status == 404, "it came with its folder"
    await folder(graph, f"{drive}/root", "A")
    assert (await graph.post(f"{drive}/items/{top['id']}/restore")).code == "nameAlreadyExists"
    back = await graph.post(f"{drive}/items/{top['id']}/restore", {"name": "zurück"})
    assert (back.status, back.body["name"]) == (200, "zurück")
    assert await graph.read(f"{drive}/root:/zur%C3%BCck/b/x.txt") == b"12345"
    quota = (await graph.get(drive)).body["quota"]
    assert (quota["used"], quota["deleted"]) == (5, 0)
    assert (await graph.delete(f"{drive}/root")).status == 400
    await graph.delete(f"{drive}/items/{top['id']}")
    sandbox.clock.advance(94 * 86400)
    assert (await graph.post(f"{drive}/items/{top['id']}/restore")).status == 404, "the bin has been emptied"
    assert (await graph.get(drive)).body["quota"]["deleted"] == 0
    assert not [path for path in sandbox.blobs.folder.rglob("*") if path.is_file()], "bytes are gone too"


async def test_permanent_delete(graph: Client, sandbox: Sandbox) -> None:
    drive = await graph.drive()
    first, second = [(await graph.put(f"{drive}/root:/{n}:/content", b"x")).body["id"] for n in "ab"]
    assert (await graph.post(f"{drive}/items/{first}/permanentDelete")).status == 204
    await graph.delete(f"{drive}/items/{second}")
    assert (await graph.post(f"{drive}/items/{second}/permanentDelete")).status == 204
    for item in (first, second):
        assert (await graph.post(f"{drive}/items/{item}/restore")).status == 404
    assert (await graph.get(drive)).body["quota"]["used"] == 0


# -- copy


async def test_copy_is_watched_on_the_other_host(graph: Client, sandbox: Sandbox) -> None:
    drive, library = await graph.drive(), await graph.library()
    file = (await graph.put(f"{drive}/root:/a/b/x.txt:/content", b"12345")).body
    top = (await graph.get(f"{drive}/root:/a")).body["id"]
    root = (await graph.get(f"{library}/root")).body["id"]
    reference = {"driveId": library.removeprefix("/drives/"), "id": root}
    answer = await graph.send("POST", f"{drive}/items/{top}/copy?@microsoft.graph.conflictBehavior=fail", b"{}")
    monitor = answer.headers["location"]
    assert answer.status == 202
    assert monitor.startswith(sandbox.service.content_url)
    assert (await graph.send("GET", monitor)).body["status"] == "inProgress"
    failed = (await graph.send("GET", monitor)).body
    assert (failed["status"], failed["error"]["code"]) == ("failed", "nameAlreadyExists")
    answer = await graph.post(f"{drive}/items/{top}/copy", {"name": "kopie", "parentReference": reference})
    monitor = answer.headers["location"]
    await graph.send("GET", monitor)
    done = (await graph.send("GET", monitor)).body
    assert (done["status"], done["percentageComplete"]) == ("completed", 100)
    copied = (await graph.get(f"{library}/items/{done['resourceId']}:/b/x.txt")).body
    assert copied["file"] == file["file"]
    assert copied["fileSystemInfo"] == file["fileSystemInfo"]
    await graph.post(f"{drive}/items/{top}/permanentDelete")
    assert await graph.read(f"{library}/items/{copied['id']}") == b"12345", "shared bytes stay while one needs them"
    assert (await graph.send("GET", f"{sandbox.service.content_url}/_monitor/x")).status == 404


# -- permissions


async def test_invite_and_inheritance(graph: Client, sandbox: Sandbox) -> None:
    drive, group = await graph.library(), await graph.group("lehrer")
    user = await graph.user("anna")
    top = (await folder(graph, f"{drive}/root", "a"))["id"]
    inner = (await folder(graph, f"{drive}/items/{top}", "b"))["id"]
    body = {
        "recipients": [{"objectId": group}, {"email": "anna@schule.example"}],
        "roles": ["read"], "requireSignIn": True, "sendInvitation": False,
    }  # fmt: skip
    answer = await graph.post(f"{drive}/items/{top}/invite", body)
    assert answer.status == 200, answer.body
    given = {identity["id"]: one["id"] for one in answer.body["value"] for identity in one["grantedToV2"].values()}
    assert set(given) == {group, user}
    again = (await graph.post(f"{drive}/items/{top}/invite", {**body, "roles": ["write"]})).body["value"]
    assert {one["id"] for one in again} == set(given.values()), "a role is changed, not doubled"
    shown = {one["id"]: one for one in (await graph.get(f"{drive}/items/{inner}/permissions")).body["value"]}
    assert shown[given[group]]["roles"] == ["write"]
    assert shown[given[group]]["inheritedFrom"]["id"] == top
    assert shown["owner"]["roles"] == ["owner"]
    url = f"{drive}/items/{top}/permissions/{given[user]}"
    assert (await graph.patch(url, {"roles": ["read"]})).body["roles"] == ["read"]
    assert (await graph.get(url)).body["roles"] == ["read"]
    assert (await graph.delete(f"{drive}/items/{inner}/permissions/{given[user]}")).status == 400
    assert (await graph.delete(url)).status == 204
    assert (await graph.get(url)).status == 404
    assert (await graph.post(f"{drive}/items/{top}/invite", {**body, "recipients": [{"objectId": "x"}]})).status == 400
    assert (await graph.post(f"{drive}/items/{top}/invite", {**body, "roles": ["deny"]})).status == 400
    link = await graph.post(f"{drive}/items/{inner}/createLink", {"type": "view", "scope": "organization"})
    assert (link.status, link.body["link"]["type"]) == (201, "view")
    assert (await graph.post(f"{drive}/items/{inner}/createLink", {"type": "view", "scope": "anonymous"})).status == 400
    assert sandbox.counters()["sharing calls"] == 12


async def test_files_need_their_permission(make_sandbox: MakeSandbox) -> None:
    reader = Application("reader", secrets=("s",), permissions=frozenset({"Files.Read.All"}))
    stranger = Application("stranger", secrets=("s",), permissions=frozenset({"User.Read.All"}))
    everything = Application("all", secrets=("s",))
    sandbox = await make_sandbox(applications=[everything, reader, stranger])
    async with connected(sandbox) as graph:
        drive = await graph.drive()
        reading = {"Authorization": f"Bearer {sandbox.token(reader)}"}
        strange = {"Authorization": f"Bearer {sandbox.token(stranger)}"}
        assert (await graph.get(f"{drive}/root/children", **reading)).status == 200
        assert (await graph.put(f"{drive}/root:/x:/content", b"x", **reading)).code == "accessDenied"
        assert (await graph.get(f"{drive}/root/children", **strange)).code == "accessDenied"
        assert (await graph.put(f"{drive}/root:/x:/content", b"x", Authorization="Bearer x")).status == 401
    assert sandbox.tree(drive.removeprefix("/drives/")) == {}


# -- quota and locks


async def test_quota(graph: Client) -> None:
    drive = await graph.drive()
    key = drive.removeprefix("/drives/")
    assert (await graph.admin("PATCH", "drives", {"drive": key, "quota": 100})).status == 200
    assert (await graph.put(f"{drive}/root:/a:/content", bytes(60))).status == 201
    full = await graph.put(f"{drive}/root:/b:/content", bytes(41))
    assert (full.status, full.code) == (507, "quotaLimitReached")
    assert (await graph.put(f"{drive}/root:/a:/content", bytes(41))).status == 507, "the older version stays"
    session = {"item": {"fileSize": 41, **FAIL}}
    assert (await graph.post(f"{drive}/root:/b:/createUploadSession", session)).status == 507
    await graph.delete(f"{drive}/root:/a")
    assert (await graph.put(f"{drive}/root:/b:/content", bytes(41))).status == 507, "the bin counts"
    assert (await graph.get(drive)).body["quota"]["remaining"] == 40
    assert (await graph.put(f"{drive}/root:/b:/content", bytes(40))).status == 201
    assert (await graph.get(drive)).body["quota"]["state"] == "exceeded"


async def test_open_in_office(graph: Client) -> None:
    drive = await graph.drive()
    made = (await graph.put(f"{drive}/root:/a/x.docx:/content", b"x")).body
    await graph.admin("PATCH", "drives/items", {"id": made["id"], "locked": True})
    url = f"{drive}/items/{made['id']}"
    answers = [
        await graph.put(f"{url}/content", b"y"),
        await graph.put(f"{drive}/root:/a/x.docx:/content", b"y"),
        await graph.post(f"{url}/createUploadSession", {"item": {"@microsoft.graph.conflictBehavior": "replace"}}),
        await graph.patch(url, {"name": "y.docx"}),
        await graph.delete(url),
        await graph.delete(f"{drive}/root:/a"),
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(423, "notAllowed")}
    assert {answer.body["error"]["innerError"]["code"] for answer in answers} == {"resourceLocked"}
    assert await graph.read(url) == b"x"
    await graph.admin("PATCH", "drives/items", {"drive": drive.removeprefix("/drives/"), "path": "/a/x.docx",
                                                "locked": False})  # fmt: skip
    assert (await graph.put(f"{url}/content", b"y")).status == 200


async def test_admin_sees_and_fills_drives(graph: Client, sandbox: Sandbox) -> None:
    user = await graph.user("anna")
    answer = await graph.admin("POST", "drives/load", {"drive": user, "files": {"/a/b.txt": "hallo", "/c.txt": ""}})
    assert answer.body["items"] == 3
    tree = (await graph.admin("POST", "drives/tree", {"drive": user})).body["value"]
    assert {path: one["size"] for path, one in tree.items()} == {"/a": 5, "/a/b.txt": 5, "/c.txt": 0}
    before = tree["/c.txt"]
    await graph.admin("PATCH", "drives/items", {"id": before["id"], "touch": True})
    assert sandbox.tree(user)["/c.txt"]["eTag"] != before["eTag"]
    (drive,) = (await graph.admin("GET", "drives")).body["value"]
    assert (drive["owner"], drive["used"], drive["items"]) == (user, 5, 3)
    assert (await graph.admin("POST", "drives/tree", {"drive": "x"})).status == 400
    assert (await graph.admin("PATCH", "drives/items", {"drive": user, "path": "/none"})).status == 400


async def test_writes_at_the_same_time(graph: Client) -> None:
    """One name, twenty writers: one is first, and only one."""
    drive = await graph.drive()
    url = f"{drive}/root:/x:/content?@microsoft.graph.conflictBehavior=fail"
    answers = await asyncio.gather(*[graph.put(url, b"%d" % number) for number in range(20)])
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
