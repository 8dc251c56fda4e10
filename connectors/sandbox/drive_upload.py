"""Upload sessions: created on Graph's host, fed on the other one, with the checks of the real service.

Fragments come in order, each but the last a multiple of 320 KiB and all below 60 MiB, without a bearer token; each
extends the session's life. A fragment is acknowledged whole or not at all: what a broken connection left is dropped
(Graph: driveItem: createUploadSession).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.drive_blobs import Spool
from connectors.sandbox.drive_content import check_write, place, write_content
from connectors.sandbox.drive_errors import changed, full, invalid, range_refused, session_gone
from connectors.sandbox.drive_find import BEHAVIOUR, behaviour, check_present
from connectors.sandbox.drive_items import below, moment
from connectors.sandbox.drive_model import LIVE, Item
from connectors.sandbox.drive_names import check_name
from connectors.sandbox.drive_shapes import shown_item
from connectors.sandbox.errors import GraphError
from connectors.sandbox.wire import Call, Handler, Reply

if TYPE_CHECKING:
    from connectors.sandbox.service import Service

#: A fragment is a multiple of this many bytes, and smaller than the other many.
STEP, LARGEST = 327_680, 60 << 20
#: Seconds between two looks at expired sessions.
_SWEEP = 600.0
_NOTHING = "nothing"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(slots=True, eq=False)
class Session:
    """One upload in progress. ``total`` is unknown until the first fragment; ``item_id`` names what is replaced."""

    id: str
    folder_id: str
    name: str
    item_id: str
    tag: str
    how: str
    by: str
    expires: float
    spool: Spool
    total: int | None = None
    defer: bool = False
    times: dict[str, Any] = field(default_factory=dict)
    busy: bool = False
    done: str = ""

    @property
    def received(self) -> int:
        """Bytes that are acknowledged."""
        return self.spool.length

    def expected(self) -> list[str]:
        """``nextExpectedRanges`` as OneDrive for Business writes them: with an end (onedrive-api-docs#1273)."""
        if self.total is not None and self.received >= self.total:
            return []
        end = "" if self.total is None else str(self.total - 1)
        return [f"{self.received}-{end}"]


def create_session(call: Call) -> Reply:
    """``POST .../createUploadSession``: 200 with the URL to PUT to."""
    body = call.body if isinstance(call.body, dict) else {}
    wanted = body.get("item") or {}
    if not isinstance(wanted, dict):
        raise invalid("'item' is not an object.")
    folder, name, there = place(call, make=False)
    check_present(call, there)
    if (renamed := wanted.get("name")) and there is None:
        name = check_name(renamed, folder, folder=False)
        there = folder.child(name)
    # The default replaces, as for PUT: rclone says nothing and overwrites.
    how = behaviour(call, wanted if BEHAVIOUR in wanted else body, "replace")
    size = wanted.get("fileSize")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise invalid("'fileSize' is not a size.")
    times = wanted.get("fileSystemInfo") or {}
    if not isinstance(times, dict):
        raise invalid("'fileSystemInfo' is not an object.")
    for text in times.values():
        moment(text, 0)
    # A taken name with `fail` is refused at the end only, as on the real service; a folder or lock is at once.
    check_write(folder, name, size or 0, "rename" if how == "fail" else how, there)
    if there is None:
        folder, name, _ = place(call) if not renamed else (folder, name, None)
    service = call.service
    sweep(service)
    session = Session(
        id=secrets.token_urlsafe(24), folder_id=folder.id, name=name, item_id=there.id if there else "",
        tag=_expectation(call, there), how=how, by=call.app.client_id,
        expires=service.tenant.clock() + service.knobs.session_life, spool=service.drives.blobs.spool(),
        total=size, defer=bool(body.get("deferCommit")), times=times,
    )  # fmt: skip
    session.spool.close()
    service.drives.sessions[session.id] = session
    service.drives.dirty_sessions[session.id] = None
    shown = {"@odata.context": call.context("microsoft.graph.uploadSession")}
    url = f"{service.content_url}/_upload/{session.id}"
    return Reply(200, {**shown, "uploadUrl": url, **_state(service, session)})


def _expectation(call: Call, there: Item | None) -> str:
    """What a precondition expects to be there at the end as well; empty: nothing in particular."""
    if there is not None and call.headers.get("if-match"):
        return there.e_tag
    return _NOTHING if there is None and call.headers.get("if-none-match") else ""


def _state(service: Service, session: Session) -> dict[str, Any]:
    return {"expirationDateTime": service.stamp(session.expires), "nextExpectedRanges": session.expected()}


def find_session(service: Service, session_id: str, headers: Mapping[str, str]) -> Session:
    """The session of an upload URL.

    Raises:
        GraphError: 401 when a bearer token comes along, 404 when the session is gone.
    """
    if "authorization" in headers:
        service.counters.count("bearer tokens sent to the other host")
        raise GraphError(401, "unauthenticated", "The upload URL is pre-authenticated: send no Authorization header.")
    session = service.drives.sessions.get(session_id)
    if session is None:
        raise session_gone()
    if session.expires <= service.tenant.clock():
        forget(service, session)
        raise session_gone()
    return session


def forget(service: Service, session: Session) -> None:
    """Drop a session and what it received."""
    session.spool.discard()
    service.drives.sessions.pop(session.id, None)
    service.drives.dirty_sessions[session.id] = None


def sweep(service: Service) -> None:
    """Drop expired sessions that nobody asks for any more, every ten minutes."""
    drives, now = service.drives, service.tenant.clock()
    if now - drives.swept_at > _SWEEP:
        drives.swept_at = now
        for session in [one for one in drives.sessions.values() if one.expires <= now and not one.busy]:
            forget(service, session)


def check_fragment(service: Service, session: Session, headers: Mapping[str, str]) -> tuple[int, int, int]:
    """First and last byte and total of a fragment that may be received now.

    Raises:
        GraphError: 400 without a valid Content-Range or for a size that is no multiple of 320 KiB, 413 for 60 MiB and
            more, 416 for a range that does not continue the upload, 507 when the file does not fit.
    """
    match = _RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        raise invalid("The Content-Range header is missing or malformed.")
    first, last, total = (int(number) for number in match.groups())
    if last < first or last >= total:
        raise invalid("The Content-Range header is malformed: its end is not within the file.")
    if session.total is not None and session.total != total:
        raise invalid("The total size must be the same in every fragment.", "invalidParameterFormat")
    length = last - first + 1
    if (given := headers.get("content-length")) is not None and int(given) != length:
        raise range_refused("fragmentLengthMismatch", "Content-Length does not match the range.")
    if length >= LARGEST:
        raise GraphError(413, "invalidRequest", "A fragment must be smaller than 60 MiB.",
                         inner_code="maxFragmentLengthExceeded")  # fmt: skip
    if first < session.received or session.busy:
        raise range_refused("fragmentOverlap", "The range has already been received.")
    if first > session.received:
        raise range_refused("fragmentOutOfOrder", f"Expected the range to begin at {session.received}.")
    if service.knobs.strict_fragments and last + 1 < total and length % STEP:
        raise invalid("A fragment that is not the last must be a multiple of 320 KiB (327,680 bytes).")
    drive = service.drives.items[session.folder_id].drive
    if drive.used + drive.binned + total > drive.quota:
        raise full()
    return first, last, total


def received(service: Service, session: Session, total: int) -> Reply:
    """Acknowledge a fragment that has come in whole; after the last one the file is committed unless deferred."""
    session.total = total
    session.spool.mark()
    session.expires = service.tenant.clock() + service.knobs.session_life
    service.drives.dirty_sessions[session.id] = None
    if session.received < total or session.defer:
        return Reply(202, _state(service, session))
    return commit(service, session)


def commit(service: Service, session: Session) -> Reply:
    """Make a file of a session: 201 new, 200 replaced.

    Raises:
        GraphError: 400 when bytes are missing, 404 when the folder is gone, 409, 412, 423, 507 as for a PUT. The
            session stays, so that its outcome can be asked for again.
    """
    drives = service.drives
    if session.total is None or session.received < session.total:
        raise GraphError(
            400, "invalidRequest", "Not all bytes have been received.", inner_code="uploadSessionIncomplete"
        )
    folder = drives.items[session.folder_id]
    target = drives.items.get(session.item_id)
    if folder.state != LIVE:
        raise session_gone()
    name, how = session.name, session.how
    if target is not None and target.state == LIVE and target.parent is not None and how == "replace":
        # The upload is of the item, wherever it has been moved meanwhile.
        folder, name = target.parent, target.name
    there = folder.child(name)
    if session.tag and service.knobs.session_recheck and (there.e_tag if there else _NOTHING) != session.tag:
        raise changed()
    check_write(folder, name, session.received, how, there)
    item, made = write_content(service, folder, name, session.spool, how=how, by=session.by, times=session.times)
    session.done = item.id
    return Reply(201 if made else 200, shown_item(service, item))


def replayed(service: Service, session: Session, headers: Mapping[str, str]) -> Reply | None:
    """The answer to a repeated last fragment of a finished upload: the item again (msgraph-core does this)."""
    match = _RANGE.fullmatch(headers.get("content-range", "").strip())
    item: Item | None = service.drives.items.get(session.done)
    if not session.done or item is None:
        return None
    if item.state != LIVE or match is None or int(match[2]) + 1 != int(match[3]):
        raise session_gone()
    return Reply(200, shown_item(service, item))


def status(service: Service, session: Session) -> Reply:
    """``GET`` of an upload URL."""
    if session.done:
        raise session_gone()
    return Reply(200, _state(service, session))


ROUTES: dict[tuple[str, str], Handler] = below({("POST", "/items/{item}/createUploadSession"): create_session})
