"""Delta of a drive, as OneDrive for Business answers it (Graph: driveItem: delta).

Items come as they are now, each after the folders above it, root first; a changed item brings its parents along unless
the request has the header ``deltaExcludeParent``. There is no path and no cTag; a deleted item is its id and
``deleted``, with one entry for everything that was below it. A token carries a place in the drive's log; ``latest``
and a time are tokens too. Tokens expire after 30 days: 410 with ``Location``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from connectors.sandbox.drive_errors import invalid, resync
from connectors.sandbox.drive_find import find_drive, find_item
from connectors.sandbox.drive_items import below
from connectors.sandbox.drive_model import LIVE, Drive, Item
from connectors.sandbox.drive_shapes import selection, shown_item
from connectors.sandbox.wire import Call, Handler, Reply

TOKEN_LIFE = 30 * 86400.0
_APPLY = "resyncChangesApplyDifferences"
_RESYNCS = (_APPLY, "resyncChangesUploadDifferences")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a token carries. ``first``: ``at`` counts items of the first round, else it is a number of the log."""

    drive: str
    made: float
    first: bool
    at: int
    start: int
    names: tuple[str, ...] | None = None


def _sign(secret: str, place: _Place) -> str:
    text = base64.urlsafe_b64encode(json.dumps(asdict(place), separators=(",", ":")).encode()).rstrip(b"=")
    mark = hmac.new(secret.encode(), b"drive" + text, hashlib.sha256).digest()[:12]
    return (text + b"." + base64.urlsafe_b64encode(mark)).decode()


def _unpack(secret: str, token: str) -> _Place:
    text, _, mark = token.encode().partition(b".")
    wanted = base64.urlsafe_b64encode(hmac.new(secret.encode(), b"drive" + text, hashlib.sha256).digest()[:12])
    if not hmac.compare_digest(mark, wanted):
        raise invalid("The delta token is not valid.", "invalidQueryOption")
    held = json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    return _Place(**{**held, "names": None if held["names"] is None else tuple(held["names"])})


def delta(call: Call) -> Reply:
    """``GET .../root/delta``: a page of changes with nextLink, or with deltaLink at the end of the round."""
    drive = find_drive(call)
    if find_item(call) is not drive.root:
        raise invalid("Delta is supported on the root of a drive only.", "invalidPath")
    place = _place(call, drive)
    if place is None:
        horizon = drive.horizon(call.tenant.clock() - call.tenant.delta_delay)
        return _answer(call, drive, [], _Place(drive.id, 0, False, horizon, horizon, _names(call)), done=True)
    rounds = _first_page if place.first else _changes_page
    items, following = rounds(call, drive, place)
    return _answer(call, drive, items, following or place, done=following is None)


def _names(call: Call) -> tuple[str, ...] | None:
    names = selection(call)
    return tuple(sorted(names)) if names else None


def _place(call: Call, drive: Drive) -> _Place | None:
    """Where the request continues; None for ``token=latest``."""
    token = call.params.get("token") or call.query.get("token") or ""
    token = token or call.query.get("skiptoken") or call.query.get("deltatoken") or ""
    now = call.tenant.clock()
    if token.lower() == "latest":
        return None
    if not token:
        start = drive.horizon(now - call.tenant.delta_delay)
        return _Place(drive.id, now, True, 0, start, _names(call))
    if len(token) > 9 and token[4] == "-" and token[:4].isdigit():
        try:
            since = datetime.fromisoformat(token.replace("Z", "+00:00").replace(" ", "+")).timestamp()
        except ValueError:
            raise invalid(f"The time '{token}' is not valid.", "invalidQueryOption") from None
        place = _Place(drive.id, now, False, drive.horizon(since), 0, _names(call))
    else:
        place = _unpack(call.tenant.secret, token)
    if place.drive != drive.id:
        raise invalid("The delta token is of another drive.", "invalidQueryOption")
    faults = call.service.faults
    rule = faults.fires(("expire-delta",), call.method, call.path, part=False) if faults.rules else None
    if rule or place.made + TOKEN_LIFE < now:
        how = rule.code if rule and rule.code in _RESYNCS else _APPLY
        raise resync(f"{call.base_url}/v1.0{_bare(call)}?token=", how)
    if not place.first and place.start == 0:
        # The first page of a later round: it ends where the log stands now.
        place = replace(place, at=faults.replayed(call, place.at))
        place = replace(place, start=drive.horizon(now - call.tenant.delta_delay))
    return place


def _bare(call: Call) -> str:
    return call.path.partition("(")[0]


def _first_page(call: Call, drive: Drive, place: _Place) -> tuple[list[Item], _Place | None]:
    """Living items in the order of creation, each after its parents."""
    page: dict[str, Item] = {}
    position = place.at
    while position < len(drive.order):
        if len(page) >= call.service.knobs.delta_page:
            return list(page.values()), replace(place, at=position)
        item = drive.order[position]
        position += 1
        # What changed after the round began comes in the next round, at its number.
        if item.state == LIVE and item.sequence <= place.start:
            _with_parents(page, item, shown=place)
    return list(page.values()), None


def _changes_page(call: Call, drive: Drive, place: _Place) -> tuple[list[Item], _Place | None]:
    """Items whose last change is after the token, each after its parents."""
    page: dict[str, Item] = {}
    at, alone = place.at, "deltaexcludeparent" in call.headers
    for number, item in drive.after(place.at):
        if number > place.start:
            break
        if len(page) >= call.service.knobs.delta_page:
            return list(page.values()), replace(place, at=at)
        at = number
        # Shown once, at its last change: an item that changes again meanwhile comes in the next round.
        if item.sequence == number:
            if item.state != LIVE:
                page.pop(item.id, None)
                page[item.id] = item
            elif alone:
                page.setdefault(drive.root_id, drive.root)
                page.setdefault(item.id, item)
            else:
                _with_parents(page, item)
    return list(page.values()), None


def _with_parents(page: dict[str, Item], item: Item, *, shown: _Place | None = None) -> None:
    """Add an item after the folders above it, without those that an earlier page of the first round has shown."""
    if item.id in page:
        return
    for folder in item.ancestors():
        if shown is None or folder.position >= shown.at or folder.sequence > shown.start:
            page.setdefault(folder.id, folder)
    page[item.id] = item


def _shown(call: Call, item: Item, names: frozenset[str] | None) -> dict[str, Any]:
    if item.state != LIVE:
        return {"id": item.id, "deleted": {"state": "deleted"}}
    return {"@odata.type": "#microsoft.graph.driveItem", **shown_item(call.service, item, names=names, delta=True)}


def _answer(call: Call, drive: Drive, items: list[Item], place: _Place, *, done: bool) -> Reply:
    names = frozenset((*place.names, "id", "parentreference", "deleted")) if place.names else None
    values, held_back = call.service.faults.disturb_delta(call, [_shown(call, item, names) for item in items])
    body: dict[str, Any] = {"@odata.context": call.context("Collection(driveItem)")}
    base, now = f"{call.base_url}/v1.0{_bare(call)}", call.tenant.clock()
    if held_back:
        again = "&".join(f"{name}={value}" for name, value in call.query.items())
        body["@odata.nextLink"] = f"{call.base_url}/v1.0{call.path}?{again}"
    elif done:
        at = place.start if place.first else max(place.start, place.at)
        following = replace(place, made=now, first=False, at=at, start=0)
        body["@odata.deltaLink"] = f"{base}?token={_sign(call.tenant.secret, following)}"
    else:
        body["@odata.nextLink"] = f"{base}?token={_sign(call.tenant.secret, replace(place, made=now))}"
    body["value"] = values
    return Reply(200, body)


ROUTES: dict[tuple[str, str], Handler] = below(
    {("GET", "/items/{item}/delta"): delta, ("GET", "/items/{item}/delta(token)/{token}"): delta}
)
