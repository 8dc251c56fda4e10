"""Every operation that the subset describes about drives and sites answers as described."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connectors.sandbox import Sandbox
from tests.sandbox.client import Client
from tests.sandbox.openapi_check import subset

#: Not of this cloud: sites have no delta here, and are found by id.
_LATER = re.compile(r"/sites/delta|.*getByPath")
_REFUSED = re.compile(r"/me/.*|.*/socketIo")
PATHS = [
    (method, path)
    for method, path in subset().operations()
    if re.match(r"/drives/|/sites|/me/drive|/(users|groups)/[^/]*/drive", path) and not _LATER.match(path)
]


async def furnish(graph: Client, sandbox: Sandbox, method: str, template: str) -> tuple[dict[str, str], Any]:
    """A library with a folder and a file; gives the path's parameters and a body."""
    team = await graph.team("ag")
    user = await graph.user("anna")
    sandbox.service.knobs.drives = "all"
    drive = (await graph.get(f"/groups/{team}/drive")).body["id"]
    (site,) = (await graph.get("/sites")).body["value"]
    folder = (await graph.post(f"/drives/{drive}/root/children", {"name": "a", "folder": {}})).body["id"]
    file = (await graph.put(f"/drives/{drive}/root:/a/b.txt:/content", b"x")).body["id"]
    invited = {"recipients": [{"objectId": user}], "roles": ["read"], "sendInvitation": False}
    given = (await graph.post(f"/drives/{drive}/items/{file}/invite", invited)).body["value"][0]["id"]
    by_folder = template.endswith("/children") or "}:/" in template or "/root:" in template
    item = folder if by_folder else file
    if "delta" in template:
        item = "root"
    path = "b.txt" if "items" in template else "a/b.txt"
    if template.endswith(":/children"):
        path = "" if "items" in template else "a"
    if "/versions/" in template:
        await graph.put(f"/drives/{drive}/items/{file}/content", b"second")
    if method == "POST" and template.endswith("/restore"):
        await graph.delete(f"/drives/{drive}/items/{file}")
    bodies = {
        "children": {"name": "new", "folder": {}}, "copy": {"name": "kopie"}, "invite": invited,
        "createLink": {"type": "view"}, "createUploadSession": {"item": {}},
    }  # fmt: skip
    body = {"roles": ["write"]} if "permission-id" in template else bodies.get(template.rsplit("/", 1)[1], {})
    known = {
        "drive-id": drive, "driveItem-id": item, "item-path": path, "permission-id": given, "site-id": site["id"],
        "user-id": user, "group-id": team, "token": "latest", "q": "b", "version-id": "1.0",
    }  # fmt: skip
    return known, body


@pytest.mark.parametrize(("method", "template"), PATHS)
async def test_every_drive_path_answers(graph: Client, sandbox: Sandbox, method: str, template: str) -> None:
    known, body = await furnish(graph, sandbox, method, template)
    path = re.sub(r"\{([^}]*)\}", lambda match: known[match[1]], template)
    if method == "PUT":
        answer = await graph.put(path, b"content")
    elif template.endswith("/content"):
        answer = await graph.send(method, path)
    else:
        answer = await graph.call(method, path, None if method in ("GET", "DELETE") else body)
    if _REFUSED.match(template):
        assert answer.status in (400, 403)
        assert "segment" not in answer.message
    elif template == "/drives/{drive-id}/root/content":
        assert answer.status == 400, "a folder has no content"
    else:
        assert answer.status < 400, answer.body
