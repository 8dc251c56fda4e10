"""JSON batches."""

from __future__ import annotations

from typing import Any

from connectors.sandbox import Sandbox
from tests.sandbox.client import Client, new_user

JSON = {"Content-Type": "application/json"}


def part(number: int, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
    given = {"id": str(number), "method": method, "url": url, **more}
    return given | ({"body": body, "headers": JSON} if body is not None else {})


async def send(graph: Client, *parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = await graph.post("/$batch", {"requests": list(parts)})
    assert answer.status == 200, answer.body
    return {one["id"]: one for one in answer.body["responses"]}


async def test_twenty_parts_each_on_its_own(graph: Client) -> None:
    parts = [part(n, "POST", "/users", new_user(f"u{n % 19}")) for n in range(20)]
    found = await send(graph, *parts)
    assert sorted(one["status"] for one in found.values()) == [201] * 19 + [400]
    assert found["19"]["body"]["error"]["code"] == "Request_BadRequest"
    assert found["0"]["headers"]["Location"].endswith(found["0"]["body"]["id"])
    answer = await graph.post("/$batch", {"requests": [part(n, "GET", "/users") for n in range(21)]})
    assert answer.status == 400


async def test_answers_come_in_any_order(graph: Client) -> None:
    orders = set()
    for _ in range(5):
        answer = await graph.post("/$batch", {"requests": [part(n, "GET", "/organization") for n in range(6)]})
        orders.add(tuple(one["id"] for one in answer.body["responses"]))
    assert len(orders) > 1


async def test_ids_are_unique_whatever_their_case(graph: Client) -> None:
    parts = [part(0, "GET", "/users") | {"id": "a"}, part(1, "GET", "/users") | {"id": "A"}]
    assert (await graph.post("/$batch", {"requests": parts})).status == 400


async def test_body_needs_a_content_type(graph: Client) -> None:
    bare = {"id": "1", "method": "POST", "url": "/users", "body": new_user("anna")}
    assert (await graph.post("/$batch", {"requests": [bare]})).status == 400


async def test_failed_dependency(graph: Client) -> None:
    found = await send(
        graph,
        part(1, "GET", "/users/nobody@schule.example"),
        part(2, "GET", "/organization", dependsOn=["1"]),
        part(3, "GET", "/organization"),
    )
    assert [found[key]["status"] for key in "123"] == [404, 424, 200]


async def test_one_part_is_throttled_within_a_200(graph: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add("throttle", method="POST", path="/users$", where="part", count=2, retry_after=7)
    found = await send(graph, *[part(n, "POST", "/users", new_user(f"u{n}")) for n in range(5)])
    assert sorted(one["status"] for one in found.values()) == [201, 201, 201, 429, 429]
    throttled = [one for one in found.values() if one["status"] == 429]
    assert {one["headers"]["Retry-After"] for one in throttled} == {"7"}
    assert sandbox.counters()["throttled"] == 2


async def test_four_hundred_members_in_one_call(graph: Client, sandbox: Sandbox) -> None:
    for start in range(0, 400, 20):
        await send(graph, *[part(n, "POST", "/users", new_user(f"u{n}")) for n in range(start, start + 20)])
    users = [entry["id"] for entry in sandbox.dump()["users"]]
    group = await graph.group("all")
    sandbox.service.counters.reset()
    binds = [
        part(at, "PATCH", f"/groups/{group}", {"members@odata.bind": [graph.reference(u) for u in users[at : at + 20]]})
        for at in range(0, 400, 20)
    ]
    found = await send(graph, *binds)
    assert {one["status"] for one in found.values()} == {204}
    assert len(await graph.members(group)) == 400
    counters = sandbox.counters()
    assert (counters["writes"], counters["parts"]) == (20, 20)
