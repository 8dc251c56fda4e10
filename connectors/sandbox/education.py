"""Education: users and classes are views of users and Microsoft 365 groups, schools are entries of their own.

A class holds its teachers as owners of its group and everybody as members of it (Graph: educationClass; creating a
class makes a Unified group). Adding a teacher makes both links and removing one takes both away; the second half is a
guess that no page states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from connectors.sandbox.delta import View, delta
from connectors.sandbox.entries import Entry
from connectors.sandbox.errors import already_referenced, bad_request, not_found
from connectors.sandbox.filters import parse_filter
from connectors.sandbox.groups import change_group, new_group
from connectors.sandbox.members import is_unified, referred
from connectors.sandbox.odata import page_size, page_token, render, skipped
from connectors.sandbox.properties import Property
from connectors.sandbox.shapes import CLASSES, SCHOOLS, USERS, Shape
from connectors.sandbox.users import change_user, find_user, new_user
from connectors.sandbox.wire import Call, Handler, Reply

_SHAPES = {shape.name: shape for shape in (USERS, CLASSES, SCHOOLS)}
_OPERATORS = frozenset(("eq", "ne", "in", "startsWith", "ge", "le"))


def _shape(call: Call) -> Shape:
    return _SHAPES[call.template.split("/")[2]]


def _find(call: Call, shape: Shape, key: str) -> Entry:
    if shape.kind == "user":
        return find_user(call, key)
    entry = call.tenant.get(key, shape.kind)
    if entry is None or not shape.belongs(entry):
        raise not_found(key)
    return entry


def _entry(call: Call) -> Entry:
    return _find(call, _shape(call), call.params["id"])


def _names(call: Call, shape: Shape) -> tuple[str, ...] | None:
    if not (text := call.query.get("select", "").strip()):
        return None
    names = tuple(part.strip() for part in text.split(","))
    shape.check(names)
    return tuple(name for name in names if name != "id")


def _page(call: Call, shape: Shape, entries: Iterable[Entry], following: Callable[[int, Entry], int]) -> Reply:
    """A page of ``entries``; ``following`` gives the token's number after a page of a length that ends at an entry."""
    names, size = _names(call, shape), page_size(call)
    if text := call.query.get("filter"):
        table = {name: Property(name, "string", True, True, None, _OPERATORS) for name in shape.names}
        found = parse_filter(text, table, ())
        entries = (entry for entry in entries if found.matches(shape.render(entry)))
    chosen = list(islice((entry for entry in entries if shape.belongs(entry)), size + 1))
    body: dict[str, Any] = {"@odata.context": call.context(f"education/{shape.name}")}
    if len(chosen) > size:
        chosen.pop()
        body["@odata.nextLink"] = call.link(skiptoken=page_token(following(size, chosen[-1])))
    body["value"] = [shape.render(entry, names) for entry in chosen]
    return Reply(200, body)


def list_all(call: Call) -> Reply:
    """``GET /education/users|classes|schools``."""
    shape = _shape(call)
    return _page(call, shape, call.tenant.scan(shape.kind, skipped(call)), lambda _, last: last.order + 1)


def _related(call: Call, shape: Shape, ids: Iterable[str]) -> Reply:
    at = skipped(call)
    entries = islice(call.tenant.resolve(ids, (shape.kind,)), at, None)
    return _page(call, shape, entries, lambda size, _: at + size)


def _one(call: Call, shape: Shape, entry: Entry, status: int = 200) -> Reply:
    context = call.context(f"education/{shape.name}/$entity")
    return Reply(status, {"@odata.context": context, **shape.render(entry, _names(call, shape))})


def read(call: Call) -> Reply:
    """``GET /education/{resource}/{id}``."""
    return _one(call, _shape(call), _entry(call))


def create(call: Call) -> Reply:
    """``POST /education/{resource}``: 201."""
    shape, body = _shape(call), call.json_object()
    for name in shape.required:
        if not body.get(name):
            raise bad_request(f"A value is required for property '{name}' of resource 'education{shape.kind.title()}'.")
    base, facet = shape.split(body)
    facet = {name: value for name, value in facet.items() if value is not None}
    maker = {"application": {"id": call.app.client_id, "displayName": call.app.name}}
    if shape is USERS:
        entry = new_user(call, base)
        facet = {"primaryRole": "none", **facet}
    elif shape is CLASSES:
        unified = {"groupTypes": ["Unified"], "mailEnabled": True, "securityEnabled": True}
        entry = new_group(call, {**base, **unified, "visibility": "HiddenMembership"})
        call.tenant.update(entry, {"resourceProvisioningOptions": []})
    else:
        entry = call.tenant.create("school", {**base, "createdBy": maker})
        return _one(call, shape, entry, 201)
    entry.education = {**facet, "createdBy": maker}
    return _one(call, shape, entry, 201)


def update(call: Call) -> Reply:
    """``PATCH /education/{resource}/{id}``: 200 with the resource."""
    shape, entry = _shape(call), _entry(call)
    base, facet = shape.split(call.json_object())
    if shape is USERS and base:
        change_user(call, entry, base)
    elif shape is CLASSES and base:
        change_group(call, entry, base)
    elif shape is SCHOOLS:
        call.tenant.update(entry, base)
    if facet:
        call.tenant.update_facet(entry, facet)
    return _one(call, shape, entry)


def delete(call: Call) -> Reply:
    """``DELETE /education/{resource}/{id}``: 204; a class goes with its group, a school for good."""
    shape, entry = _shape(call), _entry(call)
    if shape is SCHOOLS:
        call.tenant.purge(entry)
        return Reply(204)
    call.tenant.delete(entry)
    if shape is USERS:
        call.service.counters.count("users deleted")
    return Reply(204)


#: Collections of a resource to the links they show, seen from either end, and their shape.
_FORWARD = {
    ("classes", "members"): ("members", USERS),
    ("classes", "teachers"): ("owners", USERS),
    ("schools", "users"): ("school users", USERS),
    ("schools", "classes"): ("school classes", CLASSES),
}
_BACKWARD = {
    ("users", "classes"): ("members", CLASSES),
    ("users", "schools"): ("school users", SCHOOLS),
    ("classes", "schools"): ("school classes", SCHOOLS),
}


def list_related(call: Call) -> Reply:
    """``GET /education/classes/{id}/members`` and its kin."""
    _, _, resource, _, collection = call.template.split("/")
    entry = _entry(call)
    if (resource, collection) in _FORWARD:
        relation, shape = _FORWARD[resource, collection]
        return _related(call, shape, entry.linked(relation))
    relation, shape = _BACKWARD[resource, collection]
    return _related(call, shape, entry.referrers(relation))


def add_related(call: Call) -> Reply:
    """``POST /education/.../$ref``: 204; takes ``.../education/users/{id}`` as documented."""
    resource, collection = call.template.split("/")[2], call.template.split("/")[4]
    relation, shape = _FORWARD[resource, collection]
    entry, url = _entry(call), call.json_object().get("@odata.id")
    other = referred(call, url)
    if other.kind != shape.kind or not shape.belongs(other):
        raise bad_request("Invalid URL format specified in payload.")
    if other.id in entry.linked(relation):
        raise already_referenced(collection)
    call.tenant.link(entry, relation, other)
    if relation == "owners" and other.id not in entry.linked("members"):
        call.tenant.link(entry, "members", other)
    return Reply(204)


def remove_related(call: Call) -> Reply:
    """``DELETE /education/.../{id}/$ref``: 204."""
    resource, collection = call.template.split("/")[2], call.template.split("/")[4]
    relation, _ = _FORWARD[resource, collection]
    entry, other = _entry(call), call.tenant.entries.get(call.params["other"])
    if other is None or other.id not in entry.linked(relation):
        raise not_found(call.params["other"])
    if relation == "owners" and is_unified(entry.properties) and len(entry.linked("owners")) == 1:
        raise bad_request("The group must have at least one owner, hence this owner cannot be removed.")
    call.tenant.unlink(entry, relation, other)
    if relation == "owners" and other.id in entry.linked("members"):
        call.tenant.unlink(entry, "members", other)
    return Reply(204)


def read_base(call: Call) -> Reply:
    """``GET /education/classes/{id}/group`` and ``/education/users/{id}/user``."""
    entry = _entry(call)
    return Reply(200, {"@odata.context": call.context(f"{entry.kind}s/$entity"), **render(entry, None)})


def _delta(shape: Shape) -> Handler:
    view = View(
        name=f"education/{shape.name}",
        kind=shape.kind,
        links=(),
        default=shape.names,
        check=shape.check,
        render=shape.render_set,
        belongs=shape.belongs,
    )
    return lambda call: delta(call, view)


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/education/classes/{id}/group"): read_base,
    ("GET", "/education/users/{id}/user"): read_base,
}
for _resource in _SHAPES.values():
    _path = f"/education/{_resource.name}"
    ROUTES |= {
        ("GET", _path): list_all,
        ("POST", _path): create,
        ("GET", f"{_path}/delta"): _delta(_resource),
        ("GET", f"{_path}/{{id}}"): read,
        ("PATCH", f"{_path}/{{id}}"): update,
        ("DELETE", f"{_path}/{{id}}"): delete,
    }
for _name, _collection in (*_FORWARD, *_BACKWARD):
    ROUTES["GET", f"/education/{_name}/{{id}}/{_collection}"] = list_related
for _name, _collection in _FORWARD:
    ROUTES["POST", f"/education/{_name}/{{id}}/{_collection}/$ref"] = add_related
    ROUTES["DELETE", f"/education/{_name}/{{id}}/{_collection}/{{other}}/$ref"] = remove_related
