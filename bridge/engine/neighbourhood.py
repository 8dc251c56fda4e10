"""What a batch of a tree has to be judged with: bounded by the batch and the depth of the tree, not by the share.

ancestors   in both observed trees and the agreed one: cycles show, and what lives revives the folders above it
rivals      whatever stands, on either side, at a place where a link of the batch stands or is going to stand

What lies below a dying folder is not looked for. It need not be: whoever lives there revives the folder from its own
batch, because the folder is among its ancestors; and until then no folder is deleted in which something still stands
(``not_empty``). So a folder of 100,000 files that dies is not read to find the one that lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.kinds import Kind
from bridge.core.model import Action, Fields, Link, Operation, Side
from bridge.engine.bridged import Bridged

#: (link of the parent, empty for the root; name)
Place = tuple[str, str]


@dataclass(slots=True)
class Around:
    """The links of a batch and those next to them. ``rivals`` are judged together with the batch, the others not."""

    links: dict[str, Link]
    rivals: set[str] = field(default_factory=set)
    asked: set[Place] = field(default_factory=set)
    _unknown: set[str] = field(default_factory=set)

    async def widen(self, bridged: Bridged, places: Iterable[Place]) -> None:
        """Add who stands at these places, and the ancestors of all."""
        fresh = set(places) - self.asked
        self.asked |= fresh
        self.rivals |= await bridged.remember(bridged.store.rivals, fresh) if fresh else frozenset()
        wanted = set(self.rivals)
        while True:
            wanted |= {above for link in self.links.values() for above in parents(link, bridged.kinds)}
            wanted -= self.links.keys() | self._unknown
            if not wanted:
                return
            self.links.update((link.id, link) for link in await bridged.remember(bridged.store.links, wanted))
            self._unknown |= wanted - self.links.keys()  # agreed on once, forgotten since


def parents(link: Link, kinds: Mapping[str, Kind]) -> set[str]:
    """The links of a link's parents in both observed trees and the agreed one."""
    return {parent for parent, _ in _places(link, kinds[link.kind])} - {""}


def standing(links: Sequence[Link], kinds: Mapping[str, Kind]) -> set[Place]:
    """Where the links stand, on either side or by agreement: every name in every folder that they have."""
    found: set[Place] = set()
    for link in links:
        at = _places(link, kinds[link.kind])
        found |= {(parent, name) for parent, _ in at for _, name in at}
    return found


def _places(link: Link, kind: Kind) -> set[Place]:
    if kind.parent is None:
        return set()
    seen = [end.record.fields for end in (link.school, link.cloud) if end.record is not None]
    return {_place(kind, fields) for fields in (*seen, link.agreed) if fields}


def _place(kind: Kind, fields: Fields) -> Place:
    return str(fields.get(kind.parent or "") or ""), str(fields.get(kind.label) or "")


def going_to(operations: Iterable[Operation], links: Mapping[str, Link], kinds: Mapping[str, Kind]) -> set[Place]:
    """Where the operations put what they write."""
    found: set[Place] = set()
    for one in operations:
        kind = kinds[one.kind]
        if kind.parent and (kind.label in one.after or kind.parent in one.after):
            record = links[one.link].end(one.side).record
            found.add(_place(kind, {**(record.fields if record else {}), **one.after}))
    return found


async def not_empty(bridged: Bridged, side: Side, operations: Iterable[Operation]) -> frozenset[str]:
    """The links of those folders among deletions in which something still stands: they wait until it is gone."""
    folders = [
        one.link
        for one in operations
        if one.action is Action.DELETE and bridged.kinds[one.kind].parent and not bridged.kinds[one.kind].content
    ]
    return await bridged.remember(bridged.store.occupied, folders, side) if folders else frozenset()
