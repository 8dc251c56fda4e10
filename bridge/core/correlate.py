"""Which record of one side belongs to which of the other.

The strongest key links by itself, if it finds exactly one record that isn't paired with a living one. Weaker keys
(the same login name) only propose: a person confirms. Several matches are disputed and nobody is linked. Kinds in a
tree have no key but their place; what is paired already does not count there.

| strongest key finds | weaker keys find | verdict |
|---|---|---|
| one, free | – | linked |
| several, or one that is paired | – | disputed |
| none | one or more | unlinked: shown to a person |
| none | none | unmatched: enrols on the other side |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.core.kinds import Kind

#: The key of kinds that stand in a tree: their parent's link and their name.
PLACE = "place"


class Match(StrEnum):
    """The verdict about one record."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    UNMATCHED = "unmatched"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Found:
    """A record of the other side with the wanted value; ``paired``: it belongs to a living record already."""

    anchor: str
    paired: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What correlate decided, by which key, and which anchors it saw."""

    match: Match
    key: str = ""
    anchors: tuple[str, ...] = ()


def keys_of(kind: Kind) -> tuple[str, ...]:
    """The correlation keys of a kind, strongest first."""
    return (PLACE,) if kind.parent else kind.keys


def correlate(kind: Kind, found: Mapping[str, Sequence[Found]]) -> Verdict:
    """Judge one record by what each of its keys found on the other side."""
    keys = keys_of(kind)
    strongest = list(found.get(keys[0], ()))
    if kind.parent:
        # A place is no identity: where it is taken by something paired (an office program saved by renaming), this is
        # a new object, and settle gives it a name of its own.
        strongest = [match for match in strongest if not match.paired]
    if strongest:
        anchors = tuple(sorted(match.anchor for match in strongest))
        if len(strongest) == 1 and not strongest[0].paired:
            return Verdict(Match.LINKED, keys[0], anchors)
        return Verdict(Match.DISPUTED, keys[0], anchors)
    for key in keys[1:]:
        free = tuple(sorted(match.anchor for match in found.get(key, ()) if not match.paired))
        if free:
            return Verdict(Match.UNLINKED, key, free)
    return Verdict(Match.UNMATCHED)
