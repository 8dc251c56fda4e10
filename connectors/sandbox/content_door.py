"""The other host: pre-authenticated downloads, the URLs of upload sessions, the monitors of copies.

It has a host name of its own (``localhost`` where Graph is ``127.0.0.1``), so that clients drop their bearer token on
the way here, and refuses one that still comes along. Bodies stream from and to disk.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping

from aiohttp import web

from connectors.sandbox import drive_content, drive_copy, drive_upload
from connectors.sandbox.drive_errors import missing, range_refused, session_gone
from connectors.sandbox.drive_links import Download, downloaded
from connectors.sandbox.drive_upload import Session
from connectors.sandbox.errors import GraphError
from connectors.sandbox.replies import Cut, drop, response, stream_body
from connectors.sandbox.service import Service
from connectors.sandbox.wire import Reply

_PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ContentDoor:
    """Answers one request on the other host."""

    def __init__(self, service: Service, commit: Callable[[], None]) -> None:
        self.service = service
        self.commit = commit

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        service, method, target = self.service, request.method, request.raw_path
        headers = {name.lower(): value for name, value in request.headers.items()}
        faults = service.faults
        try:
            if slow := faults.fires(("slow",), method, target, part=False):
                await asyncio.sleep(slow.seconds)
            if faults.fires(("drop-before",), method, target, part=False):
                return drop(service, request)
            reply = await self._answer(request, headers)
        except Cut:
            return drop(service, request)
        if isinstance(reply, web.StreamResponse):
            return reply
        self.commit()
        service.counters.count("content requests")
        if reply.status >= 400:
            service.counters.count(f"status {reply.status}")
        for observe in service.observers:
            observe(method, target, reply)
        if faults.fires(("drop-after",), method, target, part=False):
            return drop(service, request)
        return response(service, request, reply)

    async def _answer(self, request: web.BaseRequest, headers: Mapping[str, str]) -> Reply | web.StreamResponse:
        service, method = self.service, request.method
        service.tenant.settle()
        drive_content.settle(service)
        try:
            service.faults.refuse(method, request.raw_path, part=False)
            kind, _, name = request.raw_path.partition("?")[0].strip("/").partition("/")
            match kind, method:
                case "_download", "GET" | "HEAD":
                    return await self._download(request, name, headers)
                case "_upload", "PUT":
                    return await self._fragment(request, name, headers)
                case "_upload", "GET" | "DELETE" | "POST":
                    await request.read()
                    return self._session(method, name, headers)
                case "_monitor", "GET":
                    return drive_copy.monitored(service.drives.jobs, name)
            raise missing()
        except GraphError as error:
            await _drain(request)
            return service.refusal(error, headers)

    # -- uploads

    def _session(self, method: str, name: str, headers: Mapping[str, str]) -> Reply:
        service = self.service
        session = drive_upload.find_session(service, name, headers)
        if method == "GET":
            return drive_upload.status(service, session)
        if session.done:
            raise session_gone()
        if method == "POST":
            return drive_upload.commit(service, session)
        drive_upload.forget(service, session)
        return Reply(204)

    async def _fragment(self, request: web.BaseRequest, name: str, headers: Mapping[str, str]) -> Reply:
        service = self.service
        session = drive_upload.find_session(service, name, headers)
        if again := drive_upload.replayed(service, session, headers):
            await _drain(request)
            return again
        first, last, total = drive_upload.check_fragment(service, session, headers)
        session.busy = True
        try:
            await stream_body(service, request, session.spool, last - first + 1)
            if session.received != last + 1:
                raise range_refused("fragmentLengthMismatch", "The body is shorter than the range.")
        except BaseException:
            session.spool.rewind()
            raise
        finally:
            session.busy = False
            session.spool.close()
        service.counters.count("fragment bytes", last - first + 1)
        return self._received(session, total)

    def _received(self, session: Session, total: int) -> Reply:
        if session.id not in self.service.drives.sessions:
            raise session_gone()  # cancelled while the fragment came in
        return drive_upload.received(self.service, session, total)

    # -- downloads

    async def _download(
        self, request: web.BaseRequest, token: str, headers: Mapping[str, str]
    ) -> Reply | web.StreamResponse:
        service = self.service
        if "authorization" in headers and service.knobs.refuse_bearer:
            service.counters.count("bearer tokens sent to the other host")
            raise GraphError(401, "unauthenticated", "The download URL is pre-authenticated: send no Authorization.")
        found = downloaded(service, token)
        if found is None:
            raise missing()
        service.counters.count("content requests")
        begin, end, part = _wanted(found, headers)
        answer = web.StreamResponse(status=206 if part else 200, headers=_headers(service, found))
        if part:
            answer.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.size}"
        answer.content_length = end - begin
        if request.method == "HEAD":
            await answer.prepare(request)
            return answer
        return await self._send(request, answer, found, begin, end)

    async def _send(
        self, request: web.BaseRequest, answer: web.StreamResponse, found: Download, begin: int, end: int
    ) -> web.StreamResponse:
        service, target = self.service, request.raw_path
        cut = service.faults.fires(("cut-download",), request.method, target, part=False)
        slow = service.faults.fires(("slow-content",), request.method, target, part=False)
        piece_size = max(1, slow.rate // 10) if slow and slow.rate else _PIECE
        stop = min(end, begin + cut.after) if cut else end
        with service.drives.blobs.path(found.blob).open("rb", buffering=0) as source:
            source.seek(begin)
            await answer.prepare(request)
            sent = begin
            while sent < stop:
                piece = source.read(min(piece_size, stop - sent))
                await answer.write(piece)
                sent += len(piece)
                if slow:
                    await asyncio.sleep(0.1)
        service.counters.count("bytes read", sent - begin)
        if cut:
            return drop(service, request)
        await answer.write_eof()
        service.counters.count("files read", begin == 0)
        return answer


def _wanted(found: Download, headers: Mapping[str, str]) -> tuple[int, int, bool]:
    """First byte, end and whether it is a part; a range of a form that is not understood means the whole file."""
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or (headers.get("if-range") and headers["if-range"].strip() != found.item.e_tag):
        return 0, found.size, False
    first, last = match.groups()
    if not first and not last:
        return 0, found.size, False
    begin = int(first) if first else max(0, found.size - int(last))
    end = min(int(last) + 1, found.size) if first and last else found.size
    if begin >= found.size or end <= begin:
        raise GraphError(416, "invalidRange", "The requested range is not satisfiable.",
                         headers={"Content-Range": f"bytes */{found.size}"})  # fmt: skip
    return begin, end, True


def _headers(service: Service, found: Download) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": found.item.e_tag,
        "Cache-Control": "private",
        "request-id": str(uuid.UUID(int=service.rng.getrandbits(128), version=4)),
    }


async def _drain(request: web.BaseRequest) -> None:
    """Read what is left of a body, so that the connection stays usable."""
    async for _ in request.content.iter_any():
        pass
