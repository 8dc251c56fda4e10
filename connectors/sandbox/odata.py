"""Query options of collections: $select, $top, $filter, $count, $orderby, $search, $expand, and pages with tokens.

Pages of a scan continue at a position in the order of creation, pages of a filtered or sorted result at an offset. The
rules for advanced queries follow learn.microsoft.com/graph/aad-advanced-queries: ``ConsistencyLevel: eventual``
together with ``$count=true``, else 400.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import GraphError, bad_request, unsupported_query
from connectors.sandbox.filters import Filter, parse_filter
from connectors.sandbox.properties import default_properties, properties
from connectors.sandbox.tenant import INDEXED
from connectors.sandbox.wire import Call, Reply

PAGE, LARGEST_PAGE = 100, 999
_EMPTY: dict[str, Callable[[], Any]] = {"strings": list, "objects": list}
#: Relations of an entity that $select and $expand may name.
RELATIONS: dict[str, tuple[str, ...]] = {
    "device": ("memberOf",),
    "user": ("manager", "memberOf", "transitiveMemberOf", "ownedObjects", "directReports"),
    "group": ("members", "owners", "memberOf", "transitiveMembers", "transitiveMemberOf"),
}


def selected(call: Call, kind: str) -> tuple[str, ...] | None:
    """The properties that $select names, None for the default set.

    Raises:
        GraphError: 400 for a property that the kind does not have.
    """
    text = call.query.get("select", "").strip()
    if not text:
        return None
    return check_names(tuple(part.strip() for part in text.split(",") if part.strip()), kind)


def check_names(names: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """``names`` unchanged, or 400 for one that the kind does not have."""
    known = properties(kind)
    for name in names:
        if name not in known and name not in ("id", "deletedDateTime") and name not in RELATIONS[kind]:
            message = (
                f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
                f"'microsoft.graph.{kind}'."
            )
            raise GraphError(400, "BadRequest", message)
    return names


def render(entry: Entry, names: Iterable[str] | None) -> dict[str, Any]:
    """An entry as JSON: ``id`` and the named (else the default) properties, null or an empty list where unset."""
    known, held = properties(entry.kind), entry.properties
    result: dict[str, Any] = {"id": entry.id}
    for name in default_properties(entry.kind) if names is None else names:
        value = held.get(name)
        if value is None:
            if name == "deletedDateTime":
                continue
            if (table := known.get(name)) is None:
                continue
            value = _EMPTY[table.type]() if table.type in _EMPTY else None
        result[name] = value
    return result


def typed(entry: Entry, names: Sequence[str] | None = None) -> dict[str, Any]:
    """An entry inside a collection of directoryObject: with ``@odata.type``, and only names its kind has."""
    if names is not None:
        names = [name for name in names if name in properties(entry.kind)]
    return {"@odata.type": f"#microsoft.graph.{entry.kind}", **render(entry, names)}


def page_size(call: Call, default: int = PAGE) -> int:
    """$top.

    Raises:
        GraphError: 400 when it is not within 1 to 999.
    """
    text = call.query.get("top")
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= LARGEST_PAGE:
        raise unsupported_query(f"Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive.")
    return int(text)


def skipped(call: Call) -> int:
    """The number in $skiptoken, 0 on the first page; raises 400 for a foreign one."""
    token = call.query.get("skiptoken")
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("sandbox:"))
    except ValueError:
        raise bad_request("Skip token is null or not valid.") from None


def page_token(offset: int) -> str:
    """A $skiptoken that continues at a number."""
    return base64.urlsafe_b64encode(f"sandbox:{offset:012d}".encode()).decode()


def _check_options(call: Call, found: Filter | None) -> None:
    if "skip" in call.query:
        raise unsupported_query("'$skip' is not supported by the service.")
    counting = call.query.get("count", "").lower() == "true"
    needs = counting or "search" in call.query
    if found and (found.advanced or "orderby" in call.query):
        needs = True
        if not counting and not call.query.get("skiptoken"):
            raise unsupported_query(
                "Unsupported Query: this $filter needs $count=true and 'ConsistencyLevel: eventual'."
            )
    if needs and not call.eventual:
        raise unsupported_query("Request with $search, $count or an advanced $filter needs the header "
                                "'ConsistencyLevel: eventual'.")  # fmt: skip


def listing(call: Call, kind: str, name: str, *, within: Callable[[Entry], bool] | None = None) -> Reply:
    """Answer ``GET`` on a whole collection of a kind, ``within`` a part of it if given."""
    text = call.query.get("filter")
    found = parse_filter(text, properties(kind), INDEXED) if text else None
    _check_options(call, found)
    select, size, offset = selected(call, kind), page_size(call), skipped(call)
    entries = _candidates(call, kind, found, 0)
    if within is None and (found is None or found.keys is None) and not {"search", "orderby"} & call.query.keys():
        # A plain scan continues by position, so that no page walks what earlier pages have shown.
        chosen = list(islice(_matching(_candidates(call, kind, found, offset), found), size))
        more = chosen[-1].order + 1 if len(chosen) == size else None
    else:
        matching = [entry for entry in _matching(entries, found) if within is None or within(entry)]
        matching = _sorted(call, kind, _searched(call, matching))
        chosen = matching[offset : offset + size]
        more = offset + size if len(matching) > offset + size else None
    if more is not None and more >= len(call.tenant.ordered.get(kind, ())):
        more = None
    body: dict[str, Any] = {"@odata.context": call.context(name)}
    if call.query.get("count", "").lower() == "true" and not call.query.get("skiptoken"):
        counted = _searched(
            call, [e for e in _matching(_candidates(call, kind, found, 0), found) if not within or within(e)]
        )
        body["@odata.count"] = len(counted)
    if more is not None:
        body["@odata.nextLink"] = call.link(skiptoken=page_token(more))
    body["value"] = [expanded(call, entry, render(entry, select)) for entry in chosen]
    return Reply(200, body)


def _candidates(call: Call, kind: str, found: Filter | None, after: int) -> Iterator[Entry]:
    if found is None or found.keys is None:
        yield from call.tenant.scan(kind, after)
        return
    now = call.tenant.clock()
    ids = {entry.id: entry for name, value in found.keys for entry in call.tenant.taken(kind, name, value)}
    yield from sorted((e for e in ids.values() if e.visible_at <= now), key=lambda entry: entry.order)


def _matching(entries: Iterable[Entry], found: Filter | None) -> Iterator[Entry]:
    if found is None:
        yield from entries
        return
    for entry in entries:
        facts = {"id": entry.id, **entry.properties} if "id" in found.names else entry.properties
        if found.matches(facts):
            yield entry


def _searched(call: Call, entries: list[Entry]) -> list[Entry]:
    text = call.query.get("search")
    if not text:
        return entries
    name, _, wanted = text.strip('"').partition(":")
    if not wanted:
        raise bad_request("Syntax error: expected a clause of the form \"property:value\" in '$search'.")
    return [
        entry for entry in entries
        if any(word.startswith(wanted.lower()) for word in str(entry.properties.get(name) or "").lower().split())
    ]  # fmt: skip


def _sorted(call: Call, kind: str, entries: list[Entry]) -> list[Entry]:
    text = call.query.get("orderby")
    if not text:
        return entries
    name, _, direction = text.partition(" ")
    if name not in ("displayName", "userPrincipalName", "createdDateTime"):
        raise unsupported_query(f"Unsupported sort property '{name}' for '{kind.capitalize()}'.")
    return sorted(
        entries, key=lambda entry: str(entry.properties.get(name) or "").lower(), reverse=direction.strip() == "desc"
    )


def objects(call: Call, entries: Iterable[Entry], name: str, *, kind: str | None = None) -> Reply:
    """Answer a collection of related objects (members, owners, memberOf): mixed types, paged by offset."""
    _check_options(call, None)
    size, offset = page_size(call), skipped(call)
    names = None
    if text := call.query.get("select", "").strip():
        names = tuple(part.strip() for part in text.split(","))
        if kind:
            check_names(names, kind)
    found = parse_filter(call.query["filter"], properties(kind or "user"), ()) if "filter" in call.query else None
    visible = list(_matching(entries, found))
    chosen = visible[offset : offset + size]
    body: dict[str, Any] = {"@odata.context": call.context(name)}
    if call.query.get("count", "").lower() == "true" and not call.query.get("skiptoken"):
        body["@odata.count"] = len(visible)
    if len(visible) > offset + size:
        body["@odata.nextLink"] = call.link(skiptoken=page_token(offset + size))
    body["value"] = [typed(entry, names) for entry in chosen]
    return Reply(200, body)


def expanded(call: Call, entry: Entry, body: dict[str, Any]) -> dict[str, Any]:
    """Add what $expand asks for: one relation, at most 20 objects of it."""
    text = call.query.get("expand")
    if not text:
        return body
    relation = text.split("(")[0].strip()
    if relation not in RELATIONS[entry.kind]:
        raise bad_request(f"Parsing OData Select and Expand failed: Could not find a property named '{relation}'.")
    tenant = call.tenant
    if relation in ("members", "owners"):
        found = list(tenant.resolve(entry.linked(relation)))
    elif relation == "memberOf":
        found = list(tenant.resolve(entry.referrers("members")))
    elif relation == "manager":
        managers = list(tenant.resolve(entry.linked("manager")))
        if managers:
            body["manager"] = typed(managers[0])
        return body
    else:
        found = list(tenant.resolve(entry.referrers("manager" if relation == "directReports" else "owners")))
    body[relation] = [typed(other) for other in found[:20]]
    return body
