"""What both doors share: writing a reply to the socket, reading a body to disk, dropping a connection."""

from __future__ import annotations

import asyncio
import json
import uuid
from email.utils import formatdate

from aiohttp import web

from connectors.sandbox.drive_blobs import Spool
from connectors.sandbox.drive_errors import too_large
from connectors.sandbox.service import Service
from connectors.sandbox.wire import Reply

_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


class Cut(Exception):
    """The connection is to be dropped now."""


def response(service: Service, request: web.BaseRequest, reply: Reply) -> web.Response:
    """A reply as aiohttp sends it."""
    request_id = str(uuid.UUID(int=service.rng.getrandbits(128), version=4))
    headers = {"OData-Version": "4.0", "Cache-Control": "no-store", "request-id": request_id, **reply.headers}
    # By the clock that stamps what is made: who tells an object's age by this header must not be wrong here only.
    headers["Date"] = formatdate(service.tenant.clock(), usegmt=True)
    if client_id := request.headers.get("client-request-id"):
        headers["client-request-id"] = client_id
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    headers["Content-Type"] = _JSON
    body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=reply.status, headers=headers, body=body)


def drop(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without an answer."""
    service.counters.count("connections dropped")
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def stream_body(service: Service, request: web.BaseRequest, spool: Spool, most: int) -> None:
    """Append a request's body to a spool as it arrives.

    Raises:
        GraphError: 413 when it is longer than ``most`` bytes.
        Cut: a fault wants the connection dropped in the middle.
    """
    faults, method, target = service.faults, request.method, request.raw_path
    cut = faults.fires(("cut-upload",), method, target, part=False) if faults.rules else None
    slow = faults.fires(("slow-content",), method, target, part=False) if faults.rules else None
    before = spool.length
    async for piece in request.content.iter_any():
        if cut and spool.length - before + len(piece) >= cut.after:
            raise Cut
        if spool.length - before + len(piece) > most:
            raise too_large(most)
        spool.write(piece)
        if slow and slow.rate:
            await asyncio.sleep(len(piece) / slow.rate)
    if cut:
        raise Cut
