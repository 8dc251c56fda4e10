"""Query options: what Graph's directory takes, and what it refuses without ConsistencyLevel."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.errors import GraphError
from connectors.sandbox.filters import parse_filter
from connectors.sandbox.properties import properties
from connectors.sandbox.tenant import INDEXED
from tests.sandbox.client import Client

UNIFIED = "groupTypes/any(c:c eq 'Unified')"
EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture
async def school(graph: Client) -> Client:
    for name, department, enabled in (
        ("anna", "5a", True),
        ("bernd", "5b", False),
        ("carla", "5a", True),
        ("dora", None, True),
    ):
        await graph.user(name, department=department, accountEnabled=enabled, employeeId=f"E-{name}")
    return graph


def filtered(text: str) -> str:
    return f"/users?$select=displayName&$filter={quote(text)}"


async def names(graph: Client, path: str, **headers: str) -> list[str]:
    return [found["displayName"] for found in await graph.all(path, **headers)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("userPrincipalName eq 'ANNA@schule.example'", ["Anna"]),
        ("employeeId eq 'E-bernd'", ["Bernd"]),
        ("employeeId in ('E-dora', 'E-anna')", ["Anna", "Dora"]),
        ("department eq '5a'", ["Anna", "Carla"]),
        ("department eq '5a' and displayName eq 'Carla'", ["Carla"]),
        ("displayName eq 'Anna' or department eq '5b'", ["Anna", "Bernd"]),
        ("displayName eq 'Anna' or employeeId eq 'E-dora'", ["Anna", "Dora"]),
        ("startsWith(displayName,'b')", ["Bernd"]),
        ("startswith(userPrincipalName, 'c') eq true", ["Carla"]),
        ("accountEnabled eq false", ["Bernd"]),
        ("department eq null", ["Dora"]),
        ("(department eq '5b' or department eq '5a') and accountEnabled eq true", ["Anna", "Carla"]),
        ("displayName ge 'C'", ["Carla", "Dora"]),
        ("displayName eq 'O''Neill'", []),
    ],
)
async def test_filter(school: Client, text: str, expected: list[str]) -> None:
    assert await names(school, filtered(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("department ne '5a'", ["Bernd", "Dora"]),
        ("not(department eq '5a')", ["Bernd", "Dora"]),
        ("endsWith(userPrincipalName,'a@schule.example')", ["Anna", "Carla", "Dora"]),
        ("assignedLicenses/$count eq 0", ["Anna", "Bernd", "Carla", "Dora"]),
    ],
)
async def test_advanced_filter(school: Client, text: str, expected: list[str]) -> None:
    plain = await school.get(filtered(text))
    assert (plain.status, plain.code) == (400, "Request_UnsupportedQuery")
    assert (await school.get(filtered(text) + "&$count=true")).status == 400
    assert (await school.get(filtered(text), **EVENTUAL)).status == 400
    assert await names(school, filtered(text) + "&$count=true", **EVENTUAL) == expected


@pytest.mark.parametrize(
    "text",
    ["nonsense eq 'x'", "displayName eq", "displayName is 'x'", "displayName eq 'x' and", "department endsWith 'x'",
     "startsWith(accountEnabled,'x')", "aboutMe eq 'x'", "displayName eq 'x", "(displayName eq 'x'", "@@"],
)  # fmt: skip
async def test_bad_filter(school: Client, text: str) -> None:
    assert (await school.get(filtered(text))).status == 400


async def test_groups_by_type(graph: Client) -> None:
    await graph.group("5a")
    await graph.team("ag")
    path = f"/groups?$select=displayName&$filter={quote(UNIFIED)}"
    assert await names(graph, path) == ["ag"]


async def test_pages(school: Client) -> None:
    first = (await school.get("/users?$top=2&$select=displayName")).body
    assert [one["displayName"] for one in first["value"]] == ["Anna", "Bernd"]
    assert "$top=2" in first["@odata.nextLink"]
    assert "$select=displayName" in first["@odata.nextLink"]
    second = (await school.get(first["@odata.nextLink"])).body
    assert [one["displayName"] for one in second["value"]] == ["Carla", "Dora"]
    assert "@odata.nextLink" not in second
    for path in (filtered("startsWith(displayName,'a') or startsWith(displayName,'b')") + "&$top=1", "/users?$top=3"):
        assert await names(school, path) in (["Anna", "Bernd"], ["Anna", "Bernd", "Carla", "Dora"])


@pytest.mark.parametrize("top", ["0", "1000", "x"])
async def test_page_size_limits(graph: Client, top: str) -> None:
    assert (await graph.get(f"/users?$top={top}")).status == 400


async def test_default_page_is_a_hundred(graph: Client) -> None:
    for number in range(101):
        await graph.user(f"u{number}")
    assert len((await graph.get("/users")).body["value"]) == 100
    assert len(await graph.all("/users")) == 101


async def test_count_only_on_the_first_page_and_only_eventual(school: Client) -> None:
    assert (await school.get("/users?$count=true")).code == "Request_UnsupportedQuery"
    first = (await school.get("/users?$count=true&$top=3", **EVENTUAL)).body
    assert first["@odata.count"] == 4
    assert (await school.get(first["@odata.nextLink"])).status == 400, "the header is not carried by the link"
    assert "@odata.count" not in (await school.get(first["@odata.nextLink"], **EVENTUAL)).body


async def test_order_and_search(school: Client) -> None:
    assert await names(school, "/users?$orderby=displayName%20desc&$select=displayName") == [
        "Dora",
        "Carla",
        "Bernd",
        "Anna",
    ]
    assert (await school.get("/users?$orderby=city")).status == 400
    path = f"/users?$select=displayName&$search={quote(chr(34) + 'displayName:ca' + chr(34))}"
    assert (await school.get(path)).status == 400
    assert await names(school, path, **EVENTUAL) == ["Carla"]


async def test_unknown_property_in_select(graph: Client) -> None:
    answer = await graph.get("/users?$select=displayNme")
    assert answer.status == 400
    assert "Could not find a property named 'displayNme'" in answer.message
    assert (await graph.get("/users?$skip=5")).status == 400


async def test_bare_select_and_unknown_paths(school: Client) -> None:
    assert set((await school.get("/users?select=displayName")).body["value"][0]) == {"id", "displayName"}
    answer = await school.get("/userz")
    assert (answer.status, answer.message) == (400, "Resource not found for the segment 'userz'.")
    assert (await school.call("PUT", "/users", {})).status == 405
    assert (await school.get(f"{school.sandbox.base_url}/beta/users")).status == 400


_VALUES = st.text(alphabet="abc'é ", max_size=4)


@given(st.lists(_VALUES, min_size=1, max_size=4), _VALUES)
def test_indexed_keys_agree_with_the_predicate(values: list[str], held: str) -> None:
    """What the index would look up is exactly what the predicate lets pass."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    found = parse_filter(f"displayName in ({quoted})", properties("user"), INDEXED)
    assert found.keys is not None
    by_key = ("displayName", held.lower()) in found.keys
    assert found.matches({"displayName": held}) is by_key


@given(st.text(alphabet="abeqnotrd ()'/,$", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Nothing but a GraphError ever comes out of the parser."""
    with contextlib.suppress(GraphError):
        parse_filter(text, properties("user"), INDEXED)
