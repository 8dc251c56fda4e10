"""The check itself: that it finds what is wrong, and that it judges every answer."""

from __future__ import annotations

import pytest

from connectors.sandbox import Reply, Sandbox
from tests.sandbox.client import Client, new_user
from tests.sandbox.openapi_check import Checker, normal, subset

USER = {"id": "1", "displayName": "Anna"}
GONE = {"id": "1", "@removed": {"reason": "changed"}}
TYPED = {"@odata.type": "#microsoft.graph.user"}
ERROR = {"error": {"code": "x", "message": "y"}}


@pytest.mark.parametrize(
    ("method", "target", "reply"),
    [
        ("GET", "/users/1", Reply(200, USER)),
        ("GET", "/users/1", Reply(200, {**USER, "businessPhones": [], "mail": None})),
        ("GET", "/users/1", Reply(404, ERROR)),
        ("GET", "/userz", Reply(400, ERROR)),
        ("GET", "/users/microsoft.graph.delta()?$select=id", Reply(200, {"value": [GONE]})),
        ("GET", "/groups/delta", Reply(200, {"value": [{"id": "1", "members@delta": [{"id": "2"}]}]})),
        ("GET", "/groups/1/members", Reply(200, {"value": [{**TYPED, **USER}]})),
        ("PATCH", "/users('1')", Reply(204)),
        ("PATCH", "/groups(uniqueName='x')", Reply(201, {"id": "1", "uniqueName": "x"})),
    ],
)  # fmt: skip
def test_right_answers(method: str, target: str, reply: Reply) -> None:
    assert subset().problems(method, target, reply) == []


@pytest.mark.parametrize(
    ("method", "target", "reply"),
    [
        ("GET", "/users/1", Reply(200, {**USER, "displayNme": "Anna"})),
        ("GET", "/users/1", Reply(200, {**USER, "displayName": 5})),
        ("GET", "/users/1", Reply(200, {**USER, "businessPhones": None})),
        ("GET", "/users/1", Reply(200, {**USER, "createdDateTime": "yesterday"})),
        ("GET", "/users/1", Reply(200)),
        ("GET", "/users/1", Reply(404, {"error": {"code": "x"}})),
        ("GET", "/users", Reply(200, {"values": []})),
        ("GET", "/users/1/nonsense", Reply(200, {})),
        ("POST", "/users", Reply(200, USER)),
        ("PATCH", "/users/1", Reply(204, USER)),
        ("PUT", "/users/1", Reply(204)),
        ("DELETE", "/groups/1/members/2", Reply(204)),
        ("GET", "/users/delta", Reply(200, {"value": [{"displayName": "x"}]})),
        ("GET", "/users/delta", Reply(200, {"value": [{"id": "1", "@removed": {"reason": "gone"}}]})),
        ("GET", "/groups/1/members", Reply(200, {"value": [{**TYPED, "groupTypes": []}]})),
        ("GET", "/subscribedSkus", Reply(200, {"value": [{"skuId": "no guid"}]})),
        ("POST", "/t/oauth2/v2.0/token", Reply(401, {"nonsense": 1})),
    ],
)  # fmt: skip
def test_wrong_answers(method: str, target: str, reply: Reply) -> None:
    assert subset().problems(method, target, reply) != []


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/users/delta", "/users/delta()"),
        ("//users//microsoft.graph.delta()", "/users/delta()"),
        ("/users/anna%40schule.example", "/users/{user-id}"),
        ("/users(userPrincipalName='a@b')", "/users(userPrincipalName='{userPrincipalName}')"),
        ("/groups(uniqueName=%27x%27)", "/groups(uniqueName='{uniqueName}')"),
        ("/groups/1/members/$ref", "/groups/{group-id}/members/$ref"),
        ("/directory/deletedItems/microsoft.graph.user", "/directory/deletedItems/graph.user"),
        ("/groups/1/members/2", None),
    ],
)
def test_paths(path: str, template: str | None) -> None:
    assert subset().template(path) == template, normal(path)


async def test_every_answer_is_judged(graph: Client, sandbox: Sandbox) -> None:
    checker = next(one for one in sandbox.service.observers if isinstance(one, Checker))
    seen = checker.seen
    parts = [{"id": str(n), "method": "GET", "url": "/users"} for n in range(5)]
    await graph.post("/$batch", {"requests": parts})
    assert checker.seen == seen + 6
    await graph.get("/users", Authorization="")
    await graph.get("/nonsense")
    await graph.get(f"{sandbox.base_url}/x/v2.0/.well-known/openid-configuration")
    assert checker.seen == seen + 9


async def test_a_wrong_part_of_a_batch_is_found(graph: Client, sandbox: Sandbox) -> None:
    checker = next(one for one in sandbox.service.observers if isinstance(one, Checker))
    user = await graph.user("anna")
    sandbox.tenant.entries[user].properties["displayName"] = 5
    part = {"id": "1", "method": "GET", "url": f"/users/{user}"}
    await graph.post("/$batch", {"requests": [part]})
    with pytest.raises(AssertionError, match="displayName"):
        checker.verify()
    checker.violations.clear()
    await graph.post("/users", new_user("bernd"))
