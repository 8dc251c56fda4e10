"""``POST /$batch``: up to 20 requests, each throttled and refused on its own (Graph: json-batching)."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.errors import GraphError
from connectors.sandbox.wire import Call, Handler, Reply

LARGEST = 20
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _refuse(message: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid batch payload format. {message}")


def _checked(call: Call) -> list[dict[str, Any]]:
    parts = call.json_object().get("requests")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise _refuse("'requests' is missing or empty.")
    if len(parts) > LARGEST:
        raise GraphError(
            400, "MaximumValueExceeded", f"Number of batch request steps exceeds the maximum value of {LARGEST}."
        )
    seen: set[str] = set()
    for part in parts:
        identity = part.get("id")
        if not isinstance(identity, str) or not identity or identity.lower() in seen:
            raise _refuse("Each request needs an 'id' of its own.")
        if str(part.get("method", "")).upper() not in _METHODS or not isinstance(part.get("url"), str):
            raise _refuse("Each request needs 'method' and 'url'.")
        if any(str(needed).lower() not in seen for needed in part.get("dependsOn") or ()):
            raise _refuse("'dependsOn' must name earlier requests.")
        seen.add(identity.lower())
        if part.get("body") is not None and "content-type" not in {name.lower() for name in part.get("headers") or {}}:
            raise _refuse(f"Request '{identity}' has a body and needs a Content-Type header.")
    return parts


def batch(call: Call) -> Reply:
    """Answer a batch; responses come in any order, as in the real service."""
    answers: list[dict[str, Any]] = []
    outcome: dict[str, int] = {}
    for part in _checked(call):
        failed = [needed for needed in part.get("dependsOn") or () if outcome[str(needed).lower()] >= 400]
        headers = {str(name).lower(): str(value) for name, value in (part.get("headers") or {}).items()}
        if failed:
            refusal = GraphError(424, "FailedDependency", f"Request depends on failed request '{failed[0]}'.")
            reply = call.service.refusal(refusal, headers)
            for observe in call.service.observers:
                observe(part["method"].upper(), part["url"], reply)
        else:
            target = part["url"].removeprefix(call.base_url).removeprefix("/v1.0")
            target = target if target.startswith("/") else f"/{target}"
            method = part["method"].upper()
            if target.split("?")[0].rstrip("/").endswith("$batch"):
                raise _refuse("A batch cannot hold a batch.")
            reply = call.service.answer(call.app, method, target, headers, part.get("body"), call.base_url, part=True)
        outcome[part["id"].lower()] = reply.status
        answers.append(_shown(part["id"], reply))
    if call.service.knobs.shuffle_batch:
        call.service.rng.shuffle(answers)
    return Reply(200, {"responses": answers})


def _shown(identity: str, reply: Reply) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": identity, "status": reply.status, "headers": dict(reply.headers)}
    if reply.body is not None:
        shown["headers"]["Content-Type"] = "application/json"
        shown["body"] = reply.body
    return shown


ROUTES: dict[tuple[str, str], Handler] = {("POST", "/$batch"): batch}
