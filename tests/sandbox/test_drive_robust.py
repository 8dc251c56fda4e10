"""Nothing that a client sends about files makes the sandbox stumble, and no refusal changes a drive."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox import Application, Reply, Sandbox
from connectors.sandbox.drive_upload import check_fragment
from connectors.sandbox.errors import GraphError
from tests.sandbox.client import new_user
from tests.sandbox.openapi_check import Checker

EXAMPLES = int(os.environ.get("SANDBOX_FUZZ", "15"))
BASE = "http://127.0.0.1:1"
USER = "00000000-0000-4000-8000-000000000001"
INNER = ["id", "driveId", "path", "name", "createdDateTime", "lastModifiedDateTime", "objectId", "email", "fileSize",
         "@microsoft.graph.conflictBehavior", "fileSystemInfo"]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KNOWN = st.sampled_from([USER, "root", "fail", "replace", "rename", "read", "a", "b.txt", "2020-01-01T00:00:00Z",
                         "9999", "/drive/root:/a", "/drive/root:/a/b.txt"])  # fmt: skip
VALUES = st.recursive(
    SCALARS | KNOWN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner, max_size=4),
    max_leaves=6,
)
ROUTES: list[tuple[str, str, list[str]]] = [
    ("PATCH", "/root:/a/b.txt", ["name", "parentReference", "fileSystemInfo", "description", *INNER]),
    ("PATCH", "/root:/a", ["name", "parentReference", "fileSystemInfo", "description", *INNER]),
    ("PATCH", "/items/root", ["name", "parentReference", "fileSystemInfo", "description"]),
    ("POST", "/root/children", ["name", "folder", "fileSystemInfo", *INNER]),
    ("POST", "/root:/a/b.txt:/children", ["name", "folder"]),
    ("POST", "/root:/a/b.txt:/createUploadSession", ["item", "deferCommit", *INNER]),
    ("POST", "/root:/a:/copy", ["name", "parentReference", *INNER]),
    ("POST", "/root:/a:/invite", ["recipients", "roles", "requireSignIn", "sendInvitation"]),
    ("POST", "/root:/a:/createLink", ["type", "scope"]),
    ("POST", "/root:/a:/restore", ["name", "parentReference"]),
    ("PUT", "/root:/a/b.txt:/content", ["x"]),
]
BASES: dict[str, dict[str, Any]] = {
    "/root/children": {"name": "new", "folder": {}},
    "/root:/a:/invite": {"recipients": [{"objectId": USER}], "roles": ["read"], "sendInvitation": False},
    "/root:/a:/createLink": {"type": "view"},
}
relaxed = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Ground:
    """A sandbox without sockets, with one drive that holds ``/a/b.txt``."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(applications=[Application("app")], seed=1)
        self.sandbox.load({"users": [{**new_user("anna"), "passwordProfile": None, "id": USER}]})
        self.sandbox.put_file(USER, "/a/b.txt", b"content")
        self.drive = f"/drives/{self.sandbox.drive(USER).id}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        app = next(iter(self.sandbox.service.applications.values()))
        return self.sandbox.service.answer(app, method, self.drive + path, headers, body, BASE)


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.mark.parametrize(("method", "path", "names"), ROUTES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_any_body(method: str, path: str, names: list[str], data: st.DataObject) -> None:
    ground = Ground()
    checker = Checker().attach(ground.sandbox)
    body = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=4) | VALUES)
    before = ground.sandbox.tree(USER)
    reply = ground.ask(method, path, {**BASES.get(path, {}), **body} if isinstance(body, dict) else body)
    assert reply.status < 500
    if reply.status >= 400:
        assert ground.sandbox.tree(USER) == before, "a refusal changes nothing"
    for reading in ("/root/children", "/root/delta", "/root/permissions"):
        assert ground.ask("GET", reading).status == 200
    checker.verify()


@pytest.mark.parametrize("option", ["select", "expand", "top", "orderby", "skiptoken", "token", "deltatoken", "count"])
@relaxed
@given(text=st.text(alphabet="abeidqno =,'()/$:-1%.20T", max_size=16))
def test_any_option(ground: Ground, option: str, text: str) -> None:
    for path in ("/root", "/root/children", "/root/delta", "/root:/a/b.txt"):
        assert ground.ask("GET", f"{path}?${option}={text}").status < 500
    assert ground.ask("GET", f"/root/delta(token='{text}')").status < 500


@relaxed
@given(text=st.text(alphabet="abrot:/.%2F3AC()' #'", max_size=24))
def test_any_path(ground: Ground, text: str) -> None:
    for start in ("/", "/root", "/root:", "/items/", "/items/root:"):
        for method in ("GET", "POST", "PATCH", "DELETE"):
            assert ground.ask(method, start + text, {}).status < 500


@relaxed
@given(tag=st.text(alphabet='"{},W/*1aF-c:', max_size=20))
def test_any_tag(ground: Ground, tag: str) -> None:
    for name in ("if-match", "if-none-match"):
        assert ground.ask("PATCH", "/root:/a/b.txt", {"name": "b.txt"}, **{name: tag}).status < 500
        assert ground.ask("GET", "/root:/a/b.txt", **{name: tag}).status < 500


@relaxed
@given(text=st.text(alphabet="bytes 0123456789-/*", max_size=30), length=st.integers(0, 10**9))
def test_any_content_range(ground: Ground, text: str, length: int) -> None:
    url = ground.ask("POST", "/root:/x:/createUploadSession", {}).body["uploadUrl"]
    session = ground.sandbox.drives.sessions[url.rsplit("/", 1)[1]]
    headers = {"content-range": text, "content-length": str(length)}
    status = 0
    try:
        first, last, total = check_fragment(ground.sandbox.service, session, headers)
    except GraphError as refused:
        status = refused.status
    assert status in (400, 413, 416, 507) if status else 0 == first <= last < total
