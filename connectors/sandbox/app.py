"""The HTTP door: aiohttp's low-level server, one function for all paths, because Graph routes on the raw path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from connectors.sandbox import (
    admin,
    batch,
    delta,
    devices,
    directory,
    drive_changes,
    drive_content,
    drive_copy,
    drive_delta,
    drive_items,
    drive_sharing,
    drive_sites,
    drive_upload,
    drive_versions,
    education,
    elsewhere,
    groups,
    members,
    tokens,
    users,
)
from connectors.sandbox.drive_blobs import Spool
from connectors.sandbox.errors import GraphError
from connectors.sandbox.replies import Cut, drop, response, stream_body
from connectors.sandbox.service import Service
from connectors.sandbox.wire import Reply, Router, Routes

#: All tables of routes below /v1.0. A new part of the cloud is a module with a table, added here.
TABLES: tuple[Routes, ...] = (
    users.ROUTES,
    groups.ROUTES,
    members.ROUTES,
    directory.ROUTES,
    delta.ROUTES,
    devices.ROUTES,
    education.ROUTES,
    elsewhere.ROUTES,
    drive_items.ROUTES,
    drive_changes.ROUTES,
    drive_content.ROUTES,
    drive_copy.ROUTES,
    drive_sharing.ROUTES,
    drive_upload.ROUTES,
    drive_versions.ROUTES,
    drive_delta.ROUTES,
    drive_sites.ROUTES,
    batch.ROUTES,
)
#: SharePoint's own door to the same API, by which rclone (`tenant_url`) and others go in.
_SHAREPOINT = "/_api/v2.0/"


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
        target = request.raw_path
        path = "/" + "/".join(part for part in target.split("?", 1)[0].split("/") if part)
        if path.startswith(_SHAREPOINT):
            path, target = (text.replace(_SHAREPOINT, "/v1.0/", 1) for text in (path, target))
        base_url = f"{request.scheme}://{request.host}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        faults, method = self.service.faults, request.method
        is_admin = path.startswith("/_sandbox/")
        if faults.rules and not is_admin:
            if slow := faults.fires(("slow",), method, target, part=False):
                await asyncio.sleep(slow.seconds)
            if faults.fires(("drop-before",), method, target, part=False):
                return drop(self.service, request)
        raw: bytes | Spool = b""
        try:
            if method == "PUT" and path.lower().endswith("/content"):
                raw = await self._spooled(request, target, headers)
            else:
                raw = await request.content.read()
            reply = self._answer(method, path, target, base_url, headers, raw)
        except Cut:
            return drop(self.service, request)
        except GraphError as error:
            reply = self.service.refusal(error, headers)
        finally:
            if isinstance(raw, Spool):
                raw.discard()
        self.commit()
        if faults.rules and not is_admin and faults.fires(("drop-after",), method, target, part=False):
            return drop(self.service, request)
        return response(self.service, request, reply)

    async def _spooled(self, request: web.BaseRequest, target: str, headers: Mapping[str, str]) -> Spool:
        """The body of a PUT of content, streamed to disk; only for who may come in."""
        tokens.authenticate(self.service, headers.get("authorization", ""))
        spool = self.service.drives.blobs.spool()
        try:
            await stream_body(self.service, request, spool, drive_content.LARGEST)
        except BaseException:
            spool.discard()
            raise
        return spool

    def _answer(
        self, method: str, path: str, target: str, base_url: str, headers: Mapping[str, str], raw: bytes | Spool
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

    def _graph(self, method: str, target: str, base_url: str, headers: Mapping[str, str], raw: bytes | Spool) -> Reply:
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
        body = raw if isinstance(raw, Spool) else _json(raw)
        return self.service.answer(app, method, inner, headers, body, base_url)

    def _identity(self, method: str, path: str, base_url: str, headers: Mapping[str, str], raw: bytes | Spool) -> Reply:
        tenant, _, rest = path.strip("/").partition("/")
        self.service.counters.count("identity requests")
        try:
            self.service.faults.refuse(method, path, part=False)
        except GraphError as error:
            return Reply(error.status, {"error": "temporarily_unavailable", "error_description": error.message,
                                        "error_codes": [90033]}, error.headers)  # fmt: skip
        match method, rest:
            case "POST", "oauth2/v2.0/token":
                text = raw if isinstance(raw, bytes) else b""
                form = dict(parse_qsl(text.decode("utf-8", "replace"), keep_blank_values=True))
                return tokens.issue(self.service, base_url, tenant, {**_identity_headers(headers), **form})
            case "GET", "v2.0/.well-known/openid-configuration" | ".well-known/openid-configuration":
                return tokens.openid_configuration(self.service, base_url, tenant)
            case "GET", "discovery/instance":
                return tokens.instance_discovery(base_url, self.service.tenant.id)
            case "HEAD", "":
                return Reply(200)
        return self.service.refusal(GraphError(400, "BadRequest", f"Invalid version: {tenant}"), headers)


def _identity_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("client-request-id",) if name in headers}


def _json(raw: bytes | Spool) -> Any:
    if not isinstance(raw, bytes) or not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None
