"""Budgets, faults and permissions."""

from __future__ import annotations

import time

import aiohttp
import pytest

from connectors.sandbox import Application, MovableClock, Sandbox
from connectors.sandbox.budgets import Budgets, cost
from tests.sandbox.client import Client, connected, new_group, new_user
from tests.sandbox.plugin import MakeSandbox


class Stopped:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("method", "template", "query", "units"),
    [
        ("GET", "/users", {}, 2),
        ("GET", "/users", {"select": "id"}, 1),
        ("GET", "/users", {"select": "id", "top": "10"}, 1),
        ("GET", "/users", {"expand": "manager"}, 3),
        ("GET", "/groups/{id}/members", {}, 3),
        ("GET", "/groups/{id}/members", {"top": "5"}, 2),
        ("GET", "/groups/{id}/transitiveMembers", {}, 5),
        ("GET", "/users/delta", {}, 1),
        ("POST", "/users", {}, 1),
        ("POST", "/directoryObjects/getByIds", {}, 3),
    ],
)
def test_prices(method: str, template: str, query: dict[str, str], units: int) -> None:
    assert cost(method, template, query) == units


def test_writes_are_refused_after_three_thousand_and_refill() -> None:
    budgets = Budgets(enabled=True)
    passed = [budgets.charge(0.0, "app", "tenant", 1, 600, write=True).allowed for _ in range(3001)]
    assert passed == [True] * 3000 + [False]
    refused = budgets.charge(0.0, "app", "tenant", 1, 600, write=True)
    assert refused.headers["x-ms-throttle-scope"] == "Tenant_Application/Write/app/tenant"
    assert refused.headers["x-ms-throttle-information"] == "WriteLimitExceeded"
    assert float(refused.headers["x-ms-throttle-limit-percentage"]) >= 1
    assert refused.retry_after == 1
    passed = [budgets.charge(75.0, "app", "tenant", 1, 600, write=True).allowed for _ in range(1501)]
    assert passed == [True] * 1500 + [False]
    assert budgets.charge(75.0, "other", "tenant", 1, 600, write=True).allowed, "each application has its own"


@pytest.mark.parametrize(("users", "limit"), [(49, 3500), (50, 5000), (500, 5000), (501, 8000)])
def test_units_by_size_of_tenant(users: int, limit: int) -> None:
    budgets = Budgets(enabled=True)
    passed = 0
    while (verdict := budgets.charge(0.0, "app", "tenant", 5, users, write=False)).allowed:
        passed += 5
    assert passed == limit
    assert verdict.headers["x-ms-resource-unit"] == "5"


def test_a_scaled_clock_refills_sooner() -> None:
    budgets = Budgets(enabled=True, scale=100)
    for _ in range(3000):
        budgets.charge(0.0, "app", "tenant", 1, 600, write=True)
    assert not budgets.charge(0.0, "app", "tenant", 1, 600, write=True).allowed
    assert all(budgets.charge(0.75, "app", "tenant", 1, 600, write=True).allowed for _ in range(1500))


async def test_throttled_over_http(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(budgets=True, clock=Stopped())
    async with connected(sandbox) as graph:
        for _ in range(1750):
            sandbox.service.budgets.charge(sandbox.clock(), graph_app(sandbox), sandbox.tenant.id, 2, 0, write=False)
        answer = await graph.get("/users")
        assert (answer.status, answer.code) == (429, "TooManyRequests")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["x-ms-throttle-scope"].startswith("Tenant_Application/ResourceUnit/")
        sandbox.clock.now += 10
        answer = await graph.get("/users")
        assert (answer.status, answer.headers["x-ms-resource-unit"]) == (200, "2")


def graph_app(sandbox: Sandbox) -> str:
    return next(iter(sandbox.service.applications.values())).client_id


async def test_warning_before_the_limit(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(budgets=True, clock=Stopped())
    async with connected(sandbox) as graph:
        for _ in range(3000):
            sandbox.service.budgets.charge(sandbox.clock(), graph_app(sandbox), sandbox.tenant.id, 1, 0, write=False)
        assert 0.8 <= float((await graph.get("/users")).headers["x-ms-throttle-limit-percentage"]) <= 1


async def test_429_and_503_on_demand(graph: Client) -> None:
    await graph.admin(
        "POST", "faults", {"kind": "throttle", "method": "GET", "path": "/users", "count": 1, "retry_after": 3}
    )
    await graph.admin("POST", "faults", {"kind": "unavailable", "path": "/groups", "count": 1})
    answer = await graph.get("/users")
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert (await graph.get("/users")).status == 200
    assert (await graph.get("/groups")).status == 503
    listed = (await graph.admin("GET", "faults")).body["value"]
    assert [rule["fired"] for rule in listed] == [1, 1]
    assert (await graph.admin("DELETE", "faults")).status == 200
    assert (await graph.admin("POST", "faults", {"kind": "nonsense"})).status == 400


async def test_connection_dropped_before_and_after_the_commit(graph: Client, sandbox: Sandbox) -> None:
    for kind, made in (("drop-before", False), ("drop-after", True)):
        sandbox.faults.add(kind, method="POST", count=1)
        with pytest.raises(aiohttp.ClientError):
            await graph.post("/users", new_user(kind))
        found = await graph.get(f"/users/{kind}@schule.example")
        assert (found.status == 200) is made
    assert sandbox.counters()["connections dropped"] == 2


async def test_slow_answers_and_probability(graph: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add("slow", seconds=0.15, count=1)
    started = time.monotonic()
    await graph.get("/organization")
    assert time.monotonic() - started >= 0.15
    sandbox.faults.rules.clear()
    sandbox.faults.add("missing", method="GET", path="/organization", probability=0.5)
    outcomes = [(await graph.get("/organization")).status for _ in range(40)]
    assert set(outcomes) == {200, 404}


async def test_probability_replays_from_its_seed(graph: Client, sandbox: Sandbox) -> None:
    runs = []
    for _ in range(2):
        await graph.admin("PATCH", "settings", {"fault_seed": 7})
        sandbox.faults.rules.clear()
        sandbox.faults.add("unavailable", probability=0.3)
        runs.append([(await graph.get("/organization")).status for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


async def test_admin_routes_need_the_key(graph: Client) -> None:
    url = f"{graph.sandbox.base_url}/_sandbox/tenant"
    assert (await graph.call("GET", url, X_Sandbox_Key="wrong")).status == 401
    assert (await graph.call("GET", url)).status == 401
    assert (await graph.admin("GET", "nowhere")).status == 404
    assert (await graph.admin("PATCH", "settings", {"nonsense": 1})).status == 400
    changed = await graph.admin("PATCH", "settings", {"delta_page": 5, "visibility_delay": 2, "budgets": True})
    assert (changed.body["delta_page"], changed.body["visibility_delay"], changed.body["budgets"]) == (5, 2.0, True)


async def test_bulk_load_and_read_back(graph: Client) -> None:
    seeds = {
        "skus": [{"skuId": "11111111-2222-4333-8444-555555555555", "skuPartNumber": "A3", "enabled": 5}],
        "users": [{**new_user("anna"), "passwordProfile": None, "password": "Xy-12345678", "privileged": True}],
        "groups": [{**new_group("5a"), "members": ["anna@schule.example"], "onPremisesSyncEnabled": True}],
    }
    assert (await graph.admin("POST", "load", seeds)).body == {"users": 1, "groups": 1}
    dump = (await graph.admin("GET", "tenant")).body
    assert dump["groups"][0]["members"] == [dump["users"][0]["id"]]
    assert (await graph.delete(f"/users/{dump['users'][0]['id']}")).status == 403
    assert "Xy-12345678" not in str(dump)


ANNA = "/users/anna@schule.example"
ROSTER = frozenset({"User.Read.All", "Group.Read.All"})


@pytest.mark.parametrize(
    ("permissions", "roles", "method", "path", "body", "allowed"),
    [
        (ROSTER, (), "GET", "/users", None, True),
        (ROSTER, (), "POST", "/users", new_user("bernd"), False),
        ({"User.Create"}, (), "POST", "/users", new_user("bernd"), True),
        ({"User.EnableDisableAccount.All"}, (), "PATCH", ANNA, {"accountEnabled": False}, True),
        ({"User.EnableDisableAccount.All"}, (), "PATCH", ANNA, {"jobTitle": "x"}, False),
        ({"User.ReadWrite.All"}, (), "PATCH", ANNA, {"passwordProfile": {}}, False),
        ({"User-PasswordProfile.ReadWrite.All"}, (), "PATCH", ANNA, {"passwordProfile": {}}, False),
        ({"User-PasswordProfile.ReadWrite.All"}, ("User Administrator",), "PATCH", ANNA,
         {"passwordProfile": {"forceChangePasswordNextSignIn": True}}, True),
        (ROSTER, (), "DELETE", ANNA, None, False),
        ({"User.DeleteRestore.All"}, (), "DELETE", ANNA, None, True),
        (ROSTER, (), "POST", "/groups", new_group("5a"), False),
        ({"Group.Create"}, (), "POST", "/groups", new_group("5a"), True),
        ({"User.Create"}, (), "GET", "/education/classes", None, False),
        ({"EduRoster.ReadWrite.All"}, (), "GET", "/education/classes", None, True),
        (ROSTER, (), "GET", "/domains", None, False),
    ],
)  # fmt: skip
async def test_permissions(
    make_sandbox: MakeSandbox,
    permissions: frozenset[str],
    roles: tuple[str, ...],
    method: str,
    path: str,
    body: object,
    allowed: bool,
) -> None:
    app = Application("limited", secrets=("s",), permissions=frozenset(permissions), roles=frozenset(roles))
    sandbox = await make_sandbox(applications=[app])
    sandbox.load({"users": [{**new_user("anna"), "passwordProfile": None}]})
    async with connected(sandbox) as graph:
        answer = await graph.call(method, path, body)
        assert (answer.status < 400) is allowed, answer.body
        if not allowed:
            assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
            sandbox.service.knobs.check_permissions = False
            assert (await graph.call(method, path, body)).status < 400


async def test_expired_bearer(graph: Client, sandbox: Sandbox) -> None:
    token = sandbox.token(life=60)
    assert (await graph.get("/users", Authorization=f"Bearer {token}")).status == 200
    assert isinstance(sandbox.clock, MovableClock)
    sandbox.clock.advance(61)
    answer = await graph.get("/users", Authorization=f"Bearer {token}")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert "www-authenticate" in answer.headers
    assert (await graph.get("/users", Authorization="Bearer x.y.z")).status == 401
    assert (await graph.get("/users", Authorization="")).status == 401
