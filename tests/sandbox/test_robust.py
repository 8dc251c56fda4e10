"""Nothing that a client sends makes the sandbox stumble: an answer, or a refusal in Graph's words."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox import Application, Sandbox
from connectors.sandbox.properties import properties
from tests.sandbox.client import new_group, new_user
from tests.sandbox.openapi_check import Checker
from tests.sandbox.test_directory import STOCK

EXAMPLES = int(os.environ.get("SANDBOX_FUZZ", "25"))
BASE = "http://127.0.0.1:1"
USER, GROUP = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
INNER = ["id", "skuId", "disabledPlans", "password", "url", "method", "body", "headers", "dependsOn", "@odata.id"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KNOWN = st.sampled_from([USER, GROUP, f"{BASE}/v1.0/users/{USER}", "1", "GET", "/users"])
VALUES = st.recursive(
    SCALARS | KNOWN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner, max_size=4),
    max_leaves=6,
)
BINDS = ["members@odata.bind", "owners@odata.bind"]
USERS, GROUPS = [*properties("user")], [*properties("group"), *BINDS]
ROUTES: list[tuple[str, str, list[str]]] = [
    ("POST", "/users", USERS),
    ("PATCH", f"/users/{USER}", USERS),
    ("POST", f"/users/{USER}/assignLicense", ["addLicenses", "removeLicenses"]),
    ("PATCH", f"/users/{USER}/onPremisesSyncBehavior", ["isCloudManaged"]),
    ("PUT", f"/users/{USER}/manager/$ref", ["@odata.id"]),
    ("POST", "/groups", GROUPS),
    ("PATCH", f"/groups/{GROUP}", GROUPS),
    ("PATCH", f"/groups/{GROUP}", BINDS),
    ("PATCH", "/groups(uniqueName='u')", GROUPS),
    ("POST", f"/groups/{GROUP}/members/$ref", ["@odata.id"]),
    ("POST", "/directoryObjects/getByIds", ["ids", "types"]),
    ("POST", "/education/users", [*USERS, "student", "primaryRole"]),
    ("POST", "/education/classes", ["displayName", "mailNickname", "term", "grade", *BINDS]),
    ("POST", "/education/schools", ["displayName", "address"]),
    ("PATCH", f"/education/users/{USER}", [*USERS, "student", "primaryRole"]),
    ("POST", "/$batch", ["requests"]),
]
BASES = {"/users": new_user("new"), "/groups": new_group("new"), "/education/users": new_user("new"),
         "/groups(uniqueName='u')": new_group("new"),
         "/education/classes": {"displayName": "5a", "mailNickname": "5a"},
         f"/users/{USER}/assignLicense": {"addLicenses": [], "removeLicenses": []}}  # fmt: skip


@pytest.fixture
def furnished() -> Sandbox:
    sandbox = Sandbox(applications=[Application("app")], seed=1)
    sandbox.load(
        {
            **STOCK,
            "users": [{**new_user("anna"), "passwordProfile": None, "id": USER}],
            "groups": [{**new_group("5a"), "id": GROUP}],
        }
    )
    return sandbox


@pytest.mark.parametrize(("method", "path", "names"), ROUTES)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_body(furnished: Sandbox, method: str, path: str, names: list[str], data: st.DataObject) -> None:
    body = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=4) | VALUES)
    checker = Checker().attach(furnished)
    app = next(iter(furnished.service.applications.values()))
    sent = {**BASES.get(path, {}), **body} if isinstance(body, dict) else body
    reply = furnished.service.answer(app, method, path, {"prefer": "create-if-missing"}, sent, BASE)
    assert reply.status < 500
    furnished.service.answer(app, "GET", "/users?$select=id,assignedLicenses,businessPhones", {}, None, BASE)
    for collection in ("users", "groups", "users/delta", "groups/delta", "education/users"):
        assert furnished.service.answer(app, "GET", f"/{collection}", {}, None, BASE).status == 200
    checker.verify()
    furnished.service.observers.clear()


@pytest.mark.parametrize(
    "option", ["filter", "select", "expand", "top", "orderby", "search", "skiptoken", "deltatoken", "count"]
)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet="abeidqno =,'()/$:-1%.", max_size=16))
def test_any_option(furnished: Sandbox, option: str, text: str) -> None:
    app = next(iter(furnished.service.applications.values()))
    for path in ("/users", "/groups/delta", f"/groups/{GROUP}/members", "/education/classes"):
        for headers in ({}, {"consistencylevel": "eventual"}):
            reply = furnished.service.answer(app, "GET", f"{path}?${option}={text}", headers, None, BASE)
            assert reply.status < 500


@settings(max_examples=200, deadline=None)
@given(path=st.text(alphabet="usergopdlta()'/%2F$.-=", max_size=30))
def test_any_path(path: str) -> None:
    sandbox = Sandbox(applications=[Application("app")], seed=1)
    app = next(iter(sandbox.service.applications.values()))
    assert sandbox.service.answer(app, "GET", f"/{path}", {}, None, BASE).status < 500


async def test_malformed_bodies_over_http(sandbox: Sandbox) -> None:
    reader, writer = await asyncio.open_connection(*sandbox.base_url.removeprefix("http://").split(":"))
    payload = b"{not json"
    writer.write(
        b"POST /v1.0/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + sandbox.token().encode()
        + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload
    )  # fmt: skip
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
