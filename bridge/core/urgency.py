"""Which files of a plan go first: those that cost nothing, then small ones, then large ones; in each the newest first.

Folders come before all files, parents before children, so no file waits for what comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.core.kinds import Kind, Shape
from bridge.core.model import Action, Digest, Operation

#: Bytes from which a file is large: small ones don't wait for it.
LARGE = 4 * 1024 * 1024

_SENDS = frozenset({Action.CREATE, Action.UPDATE, Action.RESTORE})
_AGREED, _FREE, SMALL, _LARGE = range(4)

#: How heavy, and where to: what goes to one side stays together, because it is sent together.
Weight = tuple[int, str]
_NOTHING: Weight = (_AGREED, "")


def bytes_of(operation: Operation, kind: Kind) -> int | None:
    """How many bytes an operation sends; None when it sends none."""
    digest = operation.after.get(kind.content or "")
    return digest.size if operation.action in _SENDS and isinstance(digest, Digest) else None


def by_urgency(operations: Sequence[Operation], kinds: Mapping[str, Kind]) -> tuple[list[Operation], dict[str, Weight]]:
    """The operations with the newest first, and the weight of each link that has files' content.

    Steps of one link keep their order and have one weight: that of the heaviest. Without a time the later link counts
    as the newer one.
    """
    weights: dict[str, Weight] = {}
    times: dict[str, str] = {}
    for one in operations:
        kind = kinds[one.kind]
        if kind.content is None:
            continue
        weights[one.link] = max(weights.get(one.link, _NOTHING), _weight(one, kind), key=lambda weight: weight[0])
        for column in kind.shaped(Shape.TIME):
            times[one.link] = max(times.get(one.link, ""), str(one.after.get(column.name) or ""))
    return sorted(operations, key=lambda one: (times.get(one.link, ""), one.link), reverse=True), weights


def _weight(operation: Operation, kind: Kind) -> Weight:
    size = bytes_of(operation, kind)
    if size is None:
        return (_FREE if operation.action.writes else _AGREED), operation.side.value
    return (_LARGE if size >= LARGE else SMALL), operation.side.value
