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
from dataclasses import asdict, dataclass, replace
from typing import Any

from connectors.sandbox.entries import DELETED, LIVE, PURGED, Change, Entry
from connectors.sandbox.errors import bad_request, resync_required, unsupported_query
from connectors.sandbox.odata import check_names
from connectors.sandbox.properties import default_properties
from connectors.sandbox.wire import Call, Reply

TOKEN_LIFE = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Place:
    """What a token carries. ``first``: still in the first round, ``at`` counts entries; else ``at`` is a change number.

    ``slice`` is the number up to which the links of the entry at this place have been shown; ``start`` is where the next
    round begins; ``since`` is where this one did.
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

    kind: str
    links: tuple[str, ...]
    render: Callable[[Entry, tuple[str, ...]], dict[str, Any]]
    belongs: Callable[[Entry], bool]
    default: tuple[str, ...]
    check: Callable[[tuple[str, ...]], tuple[str, ...]]


def _render(entry: Entry, names: tuple[str, ...]) -> dict[str, Any]:
    """What was ever set; never-set properties are absent."""
    return {"id": entry.id} | {name: entry.properties[name] for name in names if name in entry.properties}


VIEWS: dict[str, View] = {
    "users": View("user", ("manager",), _render, lambda entry: True, default_properties("user"),
                  lambda names: check_names(names, "user")),
    "groups": View("group", ("members", "owners"), _render, lambda entry: True, (*default_properties("group"), "members"),
                   lambda names: check_names(names, "group")),
}  # fmt: skip


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


def delta(call: Call, name: str) -> Reply:
    """Answer ``GET /{name}/delta`` in any of its rounds."""
    view, tenant = VIEWS[name], call.tenant
    for option in ("top", "expand", "orderby", "search", "count"):
        if option in call.query:
            raise unsupported_query(f"'${option}' is not supported by delta queries on this resource.")
    token = call.query.get("deltatoken") or call.query.get("skiptoken") or call.query.get("token")
    if token and token != "latest":  # noqa: S105 - a documented value, not a secret
        place = unpack(tenant.secret, token)
        if place.view != name:
            raise bad_request("Badly formed token.")
        if tenant.clock() - place.made > TOKEN_LIFE or call.service.faults.expires(call):
            raise resync_required(f"{call.base_url}/v1.0{call.path}?$deltatoken=")
        if "skiptoken" not in call.query:
            place = replace(place, at=call.service.faults.replayed(call, place.since), start=tenant.log.sequence)
    else:
        place = _first_place(call, view, name)
        if token:
            return _answer(call, [], replace(place, since=tenant.log.sequence), done=True)
    size = call.service.knobs.delta_page
    values, following = (_first_page if place.first else _changes_page)(call, view, place, size)
    return _answer(call, values, following or place, done=following is None)


def _first_place(call: Call, view: View, name: str) -> Place:
    names: tuple[str, ...] | None = None
    if text := call.query.get("select", "").strip():
        names = view.check(tuple(part.strip() for part in text.split(",") if part.strip()))
    ids: tuple[str, ...] = ()
    if condition := call.query.get("filter"):
        parts = [part.strip() for part in condition.split(" or ")]
        if not all(part.startswith("id eq '") and part.endswith("'") for part in parts) or len(parts) > 50:
            raise unsupported_query("Delta queries filter by id only, by at most 50 of them.")
        ids = tuple(part[len("id eq '") : -1] for part in parts)
    now, sequence = call.tenant.clock(), call.tenant.log.sequence
    return Place(view=name, names=names, made=now, first=True, since=sequence, start=sequence, ids=ids)


def _answer(call: Call, values: list[dict[str, Any]], place: Place, *, done: bool) -> Reply:
    values, held_back = call.service.faults.disturb_delta(call, values)
    place = replace(place, made=call.tenant.clock())
    context = "users" if place.view == "users" else place.view
    body: dict[str, Any] = {"@odata.context": call.context(f"{context}/$delta")}
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


def _tracked(view: View, place: Place) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = view.default if place.names is None else place.names
    return tuple(name for name in names if name not in view.links), tuple(name for name in view.links if name in names)


def _reference(call: Call, other_id: str, *, removed: bool) -> dict[str, Any]:
    other = call.tenant.entries[other_id]
    shown: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{other.kind}", "id": other_id}
    if removed:
        shown["@removed"] = {"reason": "deleted"}
    return shown


def _first_page(call: Call, view: View, place: Place, size: int) -> tuple[list[dict[str, Any]], Place | None]:
    tenant, room, now = call.tenant, call.service.knobs.delta_links, call.tenant.clock()
    names, links = _tracked(view, place)
    order = tenant.ordered.get(view.kind, [])
    values: list[dict[str, Any]] = []
    position, after = place.at, place.slice
    while position < len(order):
        if len(values) >= size or room <= 0:
            return values, replace(place, at=position, slice=after)
        entry = tenant.entries[order[position]]
        if not _shown(view, place, entry) or entry.state == PURGED or (entry.visible_at > now):
            position += 1
            continue
        if entry.state == DELETED:
            values.append({"id": entry.id, "@removed": {"reason": "changed"}})
            position += 1
            continue
        value = view.render(entry, names)
        held = sorted(
            (number, relation, other)
            for relation in links for other, number in entry.linked(relation).items() if number > after
        )  # fmt: skip
        for _, relation, other in held[:room]:
            value.setdefault(f"{relation}@delta", []).append(_reference(call, other, removed=False))
        values.append(value)
        if len(held) > room:
            return values, replace(place, at=position, slice=held[room - 1][0])
        room -= len(held)
        position, after = position + 1, 0
    return values, None


def _shown(view: View, place: Place, entry: Entry) -> bool:
    return (not place.ids or entry.id in place.ids) and (entry.state == PURGED or view.belongs(entry))


def _changes_page(call: Call, view: View, place: Place, size: int) -> tuple[list[dict[str, Any]], Place | None]:
    tenant, room = call.tenant, call.service.knobs.delta_links
    tracked = _tracked(view, place)
    minimal = "return=minimal" in call.headers.get("prefer", "") or place.minimal
    values: list[dict[str, Any]] = []
    at = place.at
    for number, entry_id in tenant.log.after(view.kind, place.at):
        if len(values) >= size or room <= 0:
            return values, replace(place, at=at, minimal=minimal)
        entry = tenant.entries[entry_id]
        # Shown once, at its last change: an entry that changes again meanwhile comes later in the walk.
        if entry.last_sequence == number and _shown(view, place, entry):
            changes = entry.changes_after(place.since)
            value, used, left_at = _changed(call, view, entry, changes, tracked, minimal, room, place.slice)
            if value is not None:
                values.append(value)
            if left_at:
                return values, replace(place, at=at, slice=left_at, minimal=minimal)
            room -= used
            place = replace(place, slice=0)
        at = number
    return values, None


def _changed(
    call: Call,
    view: View,
    entry: Entry,
    changes: list[Change],
    tracked: tuple[tuple[str, ...], tuple[str, ...]],
    minimal: bool,
    room: int,
    after: int,
) -> tuple[dict[str, Any] | None, int, int]:
    """One entry of a later round: its JSON (None: nothing tracked changed), links shown, and where to go on (0: done)."""
    if entry.state != LIVE:
        return {"id": entry.id, "@removed": {"reason": "changed" if entry.state == DELETED else "deleted"}}, 0, 0
    names, links = tracked
    whole = any(change.what in ("create", "state") for change in changes)
    altered = {name for change in changes if change.what == "properties" for name in change.detail}
    moved = {
        change.detail: change.sequence for change in changes
        if change.what in ("link", "unlink") and change.detail[0] in links
    }  # fmt: skip
    if not whole and not moved and not altered & set(names):
        return None, 0, 0
    shown = names if whole or not minimal else tuple(name for name in names if name in altered)
    value = view.render(entry, shown)
    pending = sorted((number, detail) for detail, number in moved.items() if number > after)
    for _, (relation, other) in pending[:room]:
        present = other in entry.linked(relation)
        value.setdefault(f"{relation}@delta", []).append(_reference(call, other, removed=not present))
    return value, len(pending), pending[room - 1][0] if len(pending) > room else 0


ROUTES = {
    ("GET", "/users/delta"): lambda call: delta(call, "users"),
    ("GET", "/groups/delta"): lambda call: delta(call, "groups"),
}
