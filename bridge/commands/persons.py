"""Whom somebody means: one person of a school, by link, anchor, login or name."""

from __future__ import annotations

from bridge.commands.session import Mistake, plain
from bridge.core.model import Link
from bridge.state.store import SchoolStore


def person(store: SchoolStore, name: str) -> Link:
    """The link of the one person that fits; Mistake when none does, or several do."""
    known = store.links([name]) or store.links(_links(store, name))
    people = [one for one in known if one.kind == "user"]
    if not people:
        raise Mistake(f'{store.code}: nobody is known by "{plain(name)}"; part of a name, login or anchor is enough')
    if len(people) > 1:
        few = ", ".join(one.id for one in people[:10])
        raise Mistake(f'{store.code}: "{plain(name)}" fits {len(people)} people; use one of the links: {few}')
    return people[0]


def _links(store: SchoolStore, name: str) -> list[str]:
    """Exact matches alone where there are any: a login that is part of another one means its own."""
    found = [one for one in store.find(name, limit=500) if one.link and one.kind == "user"]
    wanted = name.casefold()
    exact = [
        one for one in found if wanted in {one.anchor.casefold(), *(text.casefold() for text in one.shown.values())}
    ]
    return sorted({str(one.link) for one in exact or found})
