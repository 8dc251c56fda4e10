"""Every path to a directory object is built here, above all the one that takes a member out of a group.

``DELETE /groups/{id}/members/{id}/$ref`` removes a membership; without the last segment the same request deletes
the *user* (learn.microsoft.com/graph/api/group-delete-members). So no other module may write such a path (a test
reads the sources), and ``reference`` can build no other one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

Collection = Literal["users", "groups"]
Relation = Literal["members", "owners"]

REF = "$ref"
RELATIONS: tuple[Relation, ...] = ("owners", "members")
#: Header of an advanced query.
EVENTUAL = {"ConsistencyLevel": "eventual"}


def segment(value: str) -> str:
    """One path segment, whatever is in it. ValueError when it is empty or would step out of its place."""
    if not value or value in {".", ".."}:
        raise ValueError("a path segment must name an object")
    return quote(value, safe="")


def entity(collection: Collection, key: str) -> str:
    """``/users/{id or login}`` or ``/groups/{id}``."""
    return f"/{collection}/{segment(key)}"


def action(collection: Collection, key: str, name: str) -> str:
    """A bound action of an object: ``/users/{id}/assignLicense``."""
    return f"{entity(collection, key)}/{segment(name)}"


def sync_behavior(collection: Collection, key: str) -> str:
    """Who masters an object: the school's directory or the cloud."""
    return f"{entity(collection, key)}/onPremisesSyncBehavior"


def reference(group: str, relation: Relation, member: str) -> str:
    """The one path that takes ``member`` out of ``group``: it names the reference, never the member itself."""
    return f"/groups/{segment(group)}/{relation}/{segment(member)}/{REF}"


def relation(group: str, name: Relation, select: Iterable[str] = ("id",)) -> str:
    """The list of a group's members or owners, to be read only."""
    return f"/groups/{segment(group)}/{name}?$select={','.join(select)}&$top=999"


def groups_of(user: str) -> str:
    """What a user is a direct member of, groups with their alternate key; to be read only."""
    return f"{entity('users', user)}/memberOf?$select=id,uniqueName&$top=999"


def unique_group(name: str) -> str:
    """A group by its alternate key (learn.microsoft.com/graph/api/group-upsert)."""
    return f"/groups(uniqueName='{quote(name.replace(chr(39), chr(39) * 2), safe='')}')"


def deleted(key: str) -> str:
    """An object in the recycle bin."""
    return f"/directory/deletedItems/{segment(key)}"


def deleted_users(select: Iterable[str]) -> str:
    """The users in the recycle bin."""
    return f"/directory/deletedItems/microsoft.graph.user?$select={','.join(select)}&$top=999"


def restore(key: str) -> str:
    """The action that takes an object out of the recycle bin."""
    return f"{deleted(key)}/restore"


def filtered(collection: Collection, condition: str, select: Iterable[str]) -> str:
    """Objects by an advanced query; needs the header `EVENTUAL`."""
    return f"/{collection}?$count=true&$select={','.join(select)}&$filter={quote(condition, safe='')}"


def literal(value: str) -> str:
    """A string literal of OData."""
    return "'" + value.replace("'", "''") + "'"


def bind(root: str, key: str) -> str:
    """What ``members@odata.bind`` takes: the full URL of any directory object."""
    return f"{root}/directoryObjects/{segment(key)}"
