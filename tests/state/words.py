"""Short words for what the tests of the store say again and again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bridge.core.model import Action, Fields, Operation, Side
from bridge.ports import Done, Observation, Page, Pair, Removal, Written
from bridge.state import SchoolStore

SCHOOL, CLOUD = Side.SCHOOL, Side.CLOUD
NOW = datetime.fromisoformat("2026-03-02T07:30:00+00:00")


def user(anchor: str, *, version: str = "1", **fields: Any) -> Observation:
    plain = {"source_anchor": anchor.lower(), "display_name": anchor, "enabled": True, "role": "pupil", **fields}
    return Observation("user", anchor, version, plain)


def group(anchor: str, members: Iterable[str] = (), *, version: str = "1", **fields: Any) -> Observation:
    plain = {"source_anchor": anchor.lower(), "display_name": anchor, "members": frozenset(members), **fields}
    return Observation("group", anchor, version, plain)


def folder(anchor: str, name: str, parent: str | None = None) -> Observation:
    return Observation("folder", anchor, "1", {"name": name, "parent": parent})


def part(kind: str, anchor: str, *, version: str = "2", **changes: Any) -> Observation:
    added = {name: frozenset(changes.pop(name)) for name in ("added", "removed") if name in changes}
    sets = {name: {"members": value} for name, value in added.items()}
    return Observation(kind, anchor, version, changes, whole=False, **sets)


def page(*seen: Observation | Removal, **how: Any) -> Page:
    observations = tuple(one for one in seen if isinstance(one, Observation))
    return Page(observations, tuple(one for one in seen if isinstance(one, Removal)), **how)


def listing(*seen: Observation, **how: Any) -> Page:
    return page(*seen, listing=True, **{"complete": True, **how})


def enrol(store: SchoolStore, side: Side, *seen: Observation, now: datetime = NOW) -> None:
    """Fold records, give each a link ``L<anchor>`` with this end only, and quiet them."""
    store.fold(side, page(*seen), now=now)
    ends = [(one.anchor, None) if side is SCHOOL else (None, one.anchor) for one in seen]
    pairs = [Pair(f"L{one.anchor}", one.kind, *end) for one, end in zip(seen, ends, strict=True)]
    store.pair(pairs)
    store.quiet([one.link for one in pairs])


def both(store: SchoolStore, *seen: Observation, now: datetime = NOW) -> None:
    """The same record on both sides: anchors ``a`` at the school and ``A`` in the cloud, link ``La``; quiet."""
    store.fold(SCHOOL, page(*seen), now=now)
    store.fold(CLOUD, page(*(mirror(one) for one in seen)), now=now)
    store.pair([Pair(f"L{one.anchor}", one.kind, one.anchor, one.anchor.upper()) for one in seen])
    quiet(store)


def mirror(one: Observation) -> Observation:
    """What stands in the cloud for a record of the school."""
    fields = {name: value for name, value in one.fields.items() if name != "role"}
    if "members" in fields:
        fields["members"] = frozenset(anchor.upper() for anchor in fields["members"])
    return Observation(one.kind, one.anchor.upper(), one.version, fields)


def quiet(store: SchoolStore) -> None:
    store.quiet([one.id for one in store.due(NOW, None, 10_000)])


def due(store: SchoolStore, now: datetime = NOW) -> list[str]:
    return [one.id for one in store.due(now, None, 10_000)]


def operation(link: str, action: Action, *, side: Side = CLOUD, kind: str = "user", **rest: Any) -> Operation:
    return Operation(link, kind, side, action, **rest)


def done(one: Operation, anchor: str | None = None, *, agree: Fields | None = None, **rest: Any) -> Done:
    """``one`` carried out; ``anchor`` where it wrote, with a version of ``w1``."""
    more = {name: rest.pop(name) for name in ("refused", "unknown", "adopted", "version") if name in rest}
    written = None if anchor is None else Written("1", anchor, more.pop("version", "w1"), **more)
    return Done(one, one.agree if agree is None else agree, written, **rest)
