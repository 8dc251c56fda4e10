"""The OpenAPI 3.1 document, made of the table of routes and of the models."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bridge import __version__
from bridge.api import answers
from bridge.api.problems import MEDIA
from bridge.api.routes import JSON, PLACES, ROUTES, Route
from bridge.api.values import LIMIT, MOST

_REF = "#/components/schemas/{model}"
#: One event as a client reads it; its ``data`` is a LiveEvent.
_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": JSON},
        "retry": {"type": "integer"},
    },
}
_PROBLEM = {"$ref": _REF.format(model="Problem")}


@cache
def document() -> dict[str, Any]:
    """All of it."""
    models = {one for route in ROUTES for one in _models(route)}
    modes = [(one, "serialization") for one in sorted(models, key=lambda one: one.__name__)]
    asked = [(route.ask, "validation") for route in ROUTES if route.ask]
    _, schemas = models_json_schema([*modes, *asked, (answers.Problem, "serialization")], ref_template=_REF)  # type: ignore[list-item]
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "schoolbridge status API",
            "version": __version__,
            "description": "Times are UTC (RFC 3339). Names of people appear only with the scope `names`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`sb_...`"}},
        },
    }


def _models(route: Route) -> list[type[BaseModel]]:
    found = [route.answer, *get_args(route.answer)]
    return [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)][:1]


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.does,
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [{"token": []}] if route.scopes else [],
        "x-scopes": list(route.scopes),
    }
    if route.ask is not None:
        schema = {"$ref": _REF.format(model=route.ask.__name__)}
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": dict(schema)}
        for name, schema in PLACES.items()
        if f"{{{name}}}" in route.path
    ]
    if route.limited:
        number = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}
        found.append({"name": "limit", "in": "query", "schema": number, "description": "At most so many rows."})
    if route.paged:
        text = {"type": "string", "maxLength": 600}
        found.append(_header("before", text, "`next` of the page before: what comes after it.", where="query"))
    if route.name == "events":
        number = {"type": "integer", "minimum": 0, "maximum": 2**53}
        found.append(_header("after", number, "Like the header Last-Event-ID.", where="query"))
        found.append(_header("once", {"type": "boolean"}, "Send what is remembered, then end.", where="query"))
        found.append(_header("Last-Event-ID", number, "The last event that was seen."))
    if route.name == "actions":
        key = {"type": "string", "pattern": "^[!-~]{1,100}$"}
        found.append(_header("Idempotency-Key", key, "The same key and request again: the same answer, done once."))
        found.append(_header("If-Match", {"type": "string"}, "ETag of the school's cutover, as it was seen."))
    return found


def _header(name: str, schema: dict[str, Any], text: str, where: str = "header") -> dict[str, Any]:
    return {"name": name, "in": where, "schema": schema, "description": text}


def _responses(route: Route) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.does, "content": {route.media: {"schema": _answer(route)}}}
    found = {"200": good}
    if route.answer is not None and route.method == "GET":
        good["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."}}
        found["304"] = {"description": "What is known already still holds."}
    statuses = {500: "Internal error.", 503: "The state can't be used now, or the site is away."}
    statuses |= {400: "Not well formed.", 421: "Asked under a foreign name.", 422: "It does not fit the document."}
    if route.scopes:
        statuses |= {401: "No valid token.", 403: "The token may not.", 429: "Too often; see Retry-After."}
    if route.school:
        statuses[404] = "No such school, or not for this token."
    if route.method == "POST":
        statuses |= {409: "It can't be done now.", 413: "Too large.", 415: "No JSON."}
    if route.name == "actions":
        statuses[412] = "It is not as it was seen."
    for status, text in sorted(statuses.items()):
        content = {MEDIA: {"schema": _PROBLEM}}
        if route.name == "readyz" and status == 503:
            content["text/plain"] = {"schema": {"type": "string"}}
        found[str(status)] = {"description": text, "content": content}
    return found


def _answer(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return _EVENT if route.name == "events" else {"type": "object" if route.media == JSON else "string"}
    model = _REF.format(model=_named(_models(route)[0]))
    return {"type": "array", "items": {"$ref": model}} if get_origin(route.answer) is list else {"$ref": model}


def _named(model: type[BaseModel]) -> str:
    """How pydantic calls a model in a document: letters, digits and underscores."""
    return "".join(letter if letter.isalnum() else "_" for letter in model.__name__)
