"""Delta queries of users and groups (and of education's, which are views of them).

A token is signed JSON: when it was made, which properties it tracks, and a place. A first round walks the entries in
the order of creation; every later round walks the change log from the number at which the round before began. Tokens
outlive a restart and expire after seven days (Graph: delta query overview), then 410 with ``Location``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from connectors.sandbox.entries import DELETED, LIVE, PURGED, Entry
from connectors.sandbox.errors import bad_request, resync_required, unsupported_query
from connectors.sandbox.odata import check_names
from connectors.sandbox.properties import default_properties
from connectors.sandbox.wire import Call, Handler, Reply

TOKEN_LIFE = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Place:
    """What a token carries. ``first``: still in the first round, ``at`` counts entries; else it is a change number.

    ``slice`` is the number up to which the links of the entry at this place have been shown; ``start`` is where the
    next round begins; ``since`` is where this one did.
    """

    view: str
    names: tuple[str, ...] | None
    made: float
    first: bool
    at: int = 0
    since: int = 0
    start: int = 0
    slice: int = 0
    ids: tuple[str, ...] = ()
    minimal: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One delta collection: of which kind, over which links, how an entry is shown and which belong."""

    name: str
    kind: str
    links: tuple[str, ...]
    default: tuple[str, ...]
    check: Callable[[tuple[str, ...]], object]
    render: Callable[[Entry, tuple[str, ...]], dict[str, Any]]
    belongs: Callable[[Entry], bool] = lambda entry: True


def _render(entry: Entry, names: tuple[str, ...]) -> dict[str, Any]:
    """What was ever set; never-set properties are absent."""
    return {"id": entry.id} | {name: entry.properties[name] for name in names if name in entry.properties}


USERS = View(
    name="users",
    kind="user",
    links=("manager",),
    default=default_properties("user"),
    check=lambda names: check_names(names, "user"),
    render=_render,
)
GROUPS = View(
    name="groups",
    kind="group",
    links=("members", "owners"),
    default=(*default_properties("group"), "members"),
    check=lambda names: check_names(names, "group"),
    render=_render,
)


def sign(secret: str, place: Place) -> str:
    """Pack a place into a token."""
    text = base64.urlsafe_b64encode(json.dumps(asdict(place), separators=(",", ":")).encode()).rstrip(b"=")
    mark = hmac.new(secret.encode(), text, hashlib.sha256).digest()[:12]
    return (text + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


def unpack(secret: str, token: str) -> Place:
    """Unpack a token.

    Raises:
        GraphError: 400 when it is not one of ours.
    """
    text, _, mark = token.encode().partition(b".")
    wanted = base64.urlsafe_b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()[:12]).rstrip(b"=")
    if not hmac.compare_digest(mark, wanted):
        raise bad_request("Badly formed token.")
    held = json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    held["names"] = None if held["names"] is None else tuple(held["names"])
    return Place(**{**held, "ids": tuple(held["ids"])})


@dataclass(slots=True)
class _Round:
    """One page in the making: what is tracked, and how many entries and links it may still take."""

    call: Call
    view: View
    place: Place
    names: tuple[str, ...]
    links: tuple[str, ...]
    size: int
    room: int
    values: list[dict[str, Any]] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether the page takes no more."""
        return len(self.values) >= self.size or self.room <= 0


def delta(call: Call, view: View) -> Reply:
    """Answer a delta request of a view in any of its rounds."""
    tenant, faults = call.tenant, call.service.faults
    for option in ("top", "expand", "orderby", "search", "count"):
        if option in call.query:
            raise unsupported_query(f"'${option}' is not supported by delta queries on this resource.")
    token = call.query.get("deltatoken") or call.query.get("skiptoken") or call.query.get("token")
    if not token or token == "latest":  # noqa: S105 - a documented value, not a secret
        place = _first_place(call, view)
        if token:
            return _answer(call, [], place, done=True)
    else:
        place = unpack(tenant.secret, token)
        if place.view != view.name:
            raise bad_request("Badly formed token.")
        # A number that was never given out here: the tenant was restored to an older state, or begun anew.
        ahead = place.since > tenant.log.sequence
        if ahead or tenant.clock() - place.made > TOKEN_LIFE or faults.expires(call):
            raise resync_required(f"{call.base_url}/v1.0{call.path}?$deltatoken=")
        if "skiptoken" not in call.query:
            since = faults.replayed(call, place.since)
            minimal = "return=minimal" in call.headers.get("prefer", "")
            place = replace(place, at=since, since=since, start=tenant.log.sequence, minimal=minimal)
    tracked = view.default if place.names is None else place.names
    page = _Round(
        call=call,
        view=view,
        place=place,
        names=tuple(name for name in tracked if name not in view.links),
        links=tuple(name for name in view.links if name in tracked),
        size=call.service.knobs.delta_page,
        room=call.service.knobs.delta_links,
    )
    following = _first_page(page) if place.first else _changes_page(page)
    return _answer(call, page.values, following or place, done=following is None)


def _first_place(call: Call, view: View) -> Place:
    names: tuple[str, ...] | None = None
    if text := call.query.get("select", "").strip():
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        view.check(names)
    ids: tuple[str, ...] = ()
    if condition := call.query.get("filter"):
        parts = [part.strip() for part in condition.split(" or ")]
        if not all(part.startswith("id eq '") and part.endswith("'") for part in parts) or len(parts) > 50:
            raise unsupported_query("Delta queries filter by id only, by at most 50 of them.")
        ids = tuple(part[len("id eq '") : -1] for part in parts)
    now, sequence = call.tenant.clock(), call.tenant.log.sequence
    return Place(view=view.name, names=names, made=now, first=True, since=sequence, start=sequence, ids=ids)


def _answer(call: Call, values: list[dict[str, Any]], place: Place, *, done: bool) -> Reply:
    values, held_back = call.service.faults.disturb_delta(call, values)
    place = replace(place, made=call.tenant.clock())
    body: dict[str, Any] = {"@odata.context": call.context(f"{place.view}/$delta")}
    base = f"{call.base_url}/v1.0{call.path}"
    if held_back:
        # The same place again: an empty page carried nothing, so nothing is lost.
        body["@odata.nextLink"] = call.link()
    elif done:
        following = replace(place, first=False, at=0, since=place.start, start=0, slice=0)
        body["@odata.deltaLink"] = f"{base}?$deltatoken={sign(call.tenant.secret, following)}"
    else:
        body["@odata.nextLink"] = f"{base}?$skiptoken={sign(call.tenant.secret, place)}"
    body["value"] = values
    return Reply(200, body)


def _reference(call: Call, other_id: str, *, removed: bool) -> dict[str, Any]:
    other = call.tenant.entries[other_id]
    shown: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{other.kind}", "id": other_id}
    if removed:
        shown["@removed"] = {"reason": "deleted"}
    return shown


def _shown(page: _Round, entry: Entry) -> bool:
    if page.place.ids and entry.id not in page.place.ids:
        return False
    return entry.state == PURGED or page.view.belongs(entry)


def _first_page(page: _Round) -> Place | None:
    """Fill a page of the first round; gives the place of the next page, None at the end."""
    tenant, place, now = page.call.tenant, page.place, page.call.tenant.clock()
    order = tenant.ordered.get(page.view.kind, [])
    position, after = place.at, place.slice
    while position < len(order):
        if page.full:
            return replace(place, at=position, slice=after)
        entry = tenant.entries[order[position]]
        if not _shown(page, entry) or entry.state == PURGED or entry.visible_at > now:
            pass
        elif entry.state == DELETED:
            page.values.append({"id": entry.id, "@removed": {"reason": "changed"}})
        elif left_at := _add_whole(page, entry, after):
            return replace(place, at=position, slice=left_at)
        position, after = position + 1, 0
    return None


def _add_whole(page: _Round, entry: Entry, after: int) -> int:
    """Add one entry of the first round; not 0: only its links up to this number found room."""
    value = page.view.render(entry, page.names)
    held = sorted(
        (number, relation, other)
        for relation in page.links
        for other, number in entry.linked(relation).items()
        if number > after
    )
    for _, relation, other in held[: page.room]:
        value.setdefault(f"{relation}@delta", []).append(_reference(page.call, other, removed=False))
    page.values.append(value)
    left_at = held[page.room - 1][0] if len(held) > page.room else 0
    page.room -= len(held)
    return left_at


def _changes_page(page: _Round) -> Place | None:
    """Fill a page of a later round; gives the place of the next page, None at the end."""
    tenant, place = page.call.tenant, page.place
    at, after = place.at, place.slice
    for number, entry_id in tenant.log.after(page.view.kind, place.at):
        if page.full:
            return replace(place, at=at, slice=0)
        entry = tenant.entries[entry_id]
        # Shown once, at its last change: an entry that changes again meanwhile comes later in the walk.
        if entry.last_sequence == number and _shown(page, entry) and (left_at := _add_changed(page, entry, after)):
            return replace(place, at=at, slice=left_at)
        at, after = number, 0
    return None


def _add_changed(page: _Round, entry: Entry, after: int) -> int:
    """Add one entry of a later round if anything tracked changed; not 0: only links up to this number found room."""
    if entry.state != LIVE:
        reason = "changed" if entry.state == DELETED else "deleted"
        page.values.append({"id": entry.id, "@removed": {"reason": reason}})
        return 0
    changes = entry.changes_after(page.place.since)
    whole = any(change.what in ("create", "state") for change in changes)
    altered = {name for change in changes if change.what == "properties" for name in change.detail}
    moved = {
        change.detail: change.sequence
        for change in changes
        if change.what in ("link", "unlink") and change.detail[0] in page.links
    }
    if not whole and not moved and not altered & set(page.names):
        return 0
    minimal = page.place.minimal and not whole
    value = page.view.render(entry, tuple(name for name in page.names if name in altered) if minimal else page.names)
    pending = sorted((number, detail) for detail, number in moved.items() if number > after)
    for _, (relation, other) in pending[: page.room]:
        present = other in entry.linked(relation)
        value.setdefault(f"{relation}@delta", []).append(_reference(page.call, other, removed=not present))
    page.values.append(value)
    left_at = pending[page.room - 1][0] if len(pending) > page.room else 0
    page.room -= len(pending)
    return left_at


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/users/delta"): lambda call: delta(call, USERS),
    ("GET", "/groups/delta"): lambda call: delta(call, GROUPS),
}
