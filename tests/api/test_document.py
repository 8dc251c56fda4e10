"""The document is valid OpenAPI 3.1, and says of every address what the address does."""

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from bridge.api.actions import SCOPES
from bridge.api.asked import Action
from bridge.api.document import document
from bridge.api.routes import ROUTES
from tests.api.kit import Served


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_it_is_what_is_served(api: Served) -> None:
    reply = api.ask("/api/v1/openapi.json")
    assert (reply.status, reply.json) == (200, document())


def test_every_route_is_in_it() -> None:
    assert {(path, method) for path, method, _ in operations()} == {(one.path, one.method) for one in ROUTES}


def test_only_three_addresses_are_open() -> None:
    open_ = {path for path, _, operation in operations() if not operation["security"]}
    assert open_ == {"/healthz", "/readyz", "/api/v1/openapi.json"}


def test_every_action_has_a_scope() -> None:
    names = Action.model_json_schema()["properties"]["action"]["enum"]
    assert set(names) == set(SCOPES)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.answer is not None], ids=lambda one: one.name)
def test_what_it_refers_to_is_in_it(route: Any) -> None:
    schema = document()["paths"][route.path][route.method.lower()]["responses"]["200"]["content"]["application/json"]
    target = schema["schema"].get("$ref") or schema["schema"]["items"]["$ref"]
    assert target.rpartition("/")[2] in document()["components"]["schemas"]
