"""Throttling of files: prices, windows, headers, sharing calls, and what does not count."""

from __future__ import annotations

import pytest

from connectors.sandbox.drive_budgets import DriveBudgets, cost, is_sharing, limits
from tests.sandbox.client import connected
from tests.sandbox.plugin import MakeSandbox
from tests.sandbox.test_limits import Stopped

ITEM = "/drives/{drive}/items/{item}"


@pytest.mark.parametrize(
    ("method", "template", "query", "units"),
    [
        ("GET", ITEM, {}, 1),
        ("GET", f"{ITEM}/content", {}, 1),
        ("GET", f"{ITEM}/children", {}, 2),
        ("GET", f"{ITEM}/delta", {}, 2),
        ("GET", f"{ITEM}/delta", {"token": "x"}, 1),
        ("GET", f"{ITEM}/delta(token)/{{token}}", {}, 1),
        ("PUT", f"{ITEM}/content", {}, 2),
        ("POST", f"{ITEM}/createUploadSession", {}, 2),
        ("PATCH", ITEM, {}, 2),
        ("DELETE", ITEM, {}, 2),
        ("POST", f"{ITEM}/invite", {}, 5),
        ("GET", f"{ITEM}/permissions", {}, 5),
        ("GET", "/users/{id}/drive", {}, 1),
    ],
)
def test_prices(method: str, template: str, query: dict[str, str], units: int) -> None:
    assert cost(method, template, query) == units


@pytest.mark.parametrize(
    ("licences", "minute"), [(0, 1250), (1000, 1250), (1001, 2500), (50_000, 5000), (60_000, 6250)]
)
def test_limits_by_licences(licences: int, minute: int) -> None:
    assert limits(licences)[0] == minute


def test_windows_of_a_minute_and_a_day() -> None:
    budgets = DriveBudgets(enabled=True)
    passed = [budgets.charge(float(second), "app", 125, 0, sharing=False) for second in range(11)]
    assert [allowed for allowed, _ in passed] == [True] * 10 + [False]
    assert passed[6][1] == {}
    assert passed[7][1] == {"RateLimit-Limit": "1250", "RateLimit-Remaining": "250", "RateLimit-Reset": "53"}
    assert passed[10][1]["Retry-After"] == "50"
    assert budgets.charge(0.0, "other", 125, 0, sharing=False)[0], "each application has its own"
    assert budgets.charge(60.0, "app", 125, 0, sharing=False)[0]
    day = DriveBudgets(enabled=True)
    day.charge(0.0, "app", 1_199_999, 0, sharing=False)
    assert day.charge(3600.0, "app", 1, 0, sharing=False)[0]
    allowed, headers = day.charge(3600.0, "app", 1, 0, sharing=False)
    assert (allowed, headers["Retry-After"]) == (False, str(86_400 - 3600))


def test_sharing_calls_have_a_window_of_their_own() -> None:
    assert is_sharing(f"{ITEM}/permissions/{{permission}}")
    budgets = DriveBudgets(enabled=True, scale=60)
    passed = [budgets.charge(0.0, "app", 1, 0, sharing=True)[0] for _ in range(301)]
    assert passed == [True] * 300 + [False]
    assert budgets.charge(0.0, "app", 1, 0, sharing=False)[0]
    assert budgets.charge(5.0, "app", 1, 0, sharing=True)[0], "five minutes, sixty times as fast"


async def test_throttled_over_http(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(budgets=True, clock=Stopped())
    async with connected(sandbox) as graph:
        drive = await graph.drive()
        app = next(iter(sandbox.service.applications.values())).client_id
        sandbox.service.drive_budgets.charge(sandbox.clock(), app, 1000, 0, sharing=False)
        answer = await graph.get(f"{drive}/root")
        assert answer.status == 200
        assert answer.headers["ratelimit-limit"] == "1250"
        assert int(answer.headers["ratelimit-remaining"]) < 250
        made = await graph.put(f"{drive}/root:/x:/content", b"x")
        sandbox.service.drive_budgets.charge(sandbox.clock(), app, 250, 0, sharing=False)
        answer = await graph.get(f"{drive}/root")
        assert (answer.status, answer.code) == (429, "activityLimitReached")
        assert int(answer.headers["retry-after"]) == int(answer.headers["ratelimit-reset"])
        assert (await graph.get("/users")).status == 200, "the identity service has budgets of its own"
        url = made.body["@microsoft.graph.downloadUrl"]
        assert (await graph.send("GET", url)).status == 200, "the bytes themselves come from the other host"
        sandbox.clock.now += 60
        assert (await graph.get(f"{drive}/root")).status == 200
        await graph.admin("POST", "reset", {"what": ["budgets"]})
        assert "ratelimit-limit" not in (await graph.get(f"{drive}/root")).headers
        assert sandbox.counters()["file resource units"] == 7
