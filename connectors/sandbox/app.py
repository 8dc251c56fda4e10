"""The HTTP door: aiohttp's low-level server, one function for all paths, because Graph routes on the raw path."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from connectors.sandbox import admin, batch, delta, directory, education, elsewhere, groups, members, tokens, users
from connectors.sandbox.errors import GraphError
from connectors.sandbox.service import Service
from connectors.sandbox.wire import Reply, Router, Routes

#: All tables of routes below /v1.0. A new part of the cloud is a module with a table, added here.
TABLES: tuple[Routes, ...] = (
    users.ROUTES,
    groups.ROUTES,
    members.ROUTES,
    directory.ROUTES,
    delta.ROUTES,
    education.ROUTES,
    elsewhere.ROUTES,
    batch.ROUTES,
)
_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


def router() -> Router:
    """The routes of this cloud."""
    return Router(*TABLES)


class Door:
    """Turns aiohttp requests into calls of the service and replies into responses."""

    def __init__(self, service: Service, admin_key: str, commit: Callable[[], None]) -> None:
        self.service = service
        self.admin_key = admin_key
        self.commit = commit

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        raw = await request.content.read()
        target = request.raw_path
        path = "/" + "/".join(part for part in target.split("?", 1)[0].split("/") if part)
        base_url = f"{request.scheme}://{request.host}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        faults, method = self.service.faults, request.method
        is_admin = path.startswith("/_sandbox/")
        if faults.rules and not is_admin:
            if slow := faults.fires(("slow",), method, target, part=False):
                await asyncio.sleep(slow.seconds)
            if faults.fires(("drop-before",), method, target, part=False):
                return self._drop(request)
        reply = self._answer(method, path, target, base_url, headers, raw)
        self.commit()
        if faults.rules and not is_admin and faults.fires(("drop-after",), method, target, part=False):
            return self._drop(request)
        return self._response(request, reply)

    def _drop(self, request: web.BaseRequest) -> web.StreamResponse:
        self.service.counters.count("connections dropped")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _answer(
        self, method: str, path: str, target: str, base_url: str, headers: Mapping[str, str], raw: bytes
    ) -> Reply:
        if path.startswith("/_sandbox/"):
            name = path.removeprefix("/_sandbox/")
            return admin.answer(self.service, self.admin_key, method, name, headers, _json(raw))
        if path.startswith("/v1.0/") or path == "/v1.0":
            return self._graph(method, target, base_url, headers, raw)
        reply = self._identity(method, path, base_url, headers, raw)
        for observe in self.service.observers:
            observe(method, target, reply)
        return reply

    def _graph(self, method: str, target: str, base_url: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        inner = target[target.index("/v1.0") + len("/v1.0") :]
        try:
            app = tokens.authenticate(self.service, headers.get("authorization", ""))
        except GraphError as error:
            reply = self.service.refusal(error, headers)
            self.service.counters.count("requests")
            self.service.counters.count("status 401")
            for observe in self.service.observers:
                observe(method, inner, reply)
            return reply
        return self.service.answer(app, method, inner, headers, _json(raw), base_url)

    def _identity(self, method: str, path: str, base_url: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        tenant, _, rest = path.strip("/").partition("/")
        self.service.counters.count("identity requests")
        try:
            self.service.faults.refuse(method, path, part=False)
        except GraphError as error:
            return Reply(error.status, {"error": "temporarily_unavailable", "error_description": error.message,
                                        "error_codes": [90033]}, error.headers)  # fmt: skip
        match method, rest:
            case "POST", "oauth2/v2.0/token":
                form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
                return tokens.issue(self.service, base_url, tenant, {**_identity_headers(headers), **form})
            case "GET", "v2.0/.well-known/openid-configuration" | ".well-known/openid-configuration":
                return tokens.openid_configuration(self.service, base_url, tenant)
            case "GET", "discovery/instance":
                return tokens.instance_discovery(base_url, self.service.tenant.id)
            case "HEAD", "":
                return Reply(200)
        return self.service.refusal(GraphError(400, "BadRequest", f"Invalid version: {tenant}"), headers)

    def _response(self, request: web.BaseRequest, reply: Reply) -> web.Response:
        request_id = str(uuid.UUID(int=self.service.rng.getrandbits(128), version=4))
        headers = {"OData-Version": "4.0", "Cache-Control": "no-store", "request-id": request_id, **reply.headers}
        if client_id := request.headers.get("client-request-id"):
            headers["client-request-id"] = client_id
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        headers["Content-Type"] = _JSON
        body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
        return web.Response(status=reply.status, headers=headers, body=body)


def _identity_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("client-request-id",) if name in headers}


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None
