"""The bytes of files on their way: what has to be read to compare, whose bytes a write sends, what was agreed then.

1. before links are compared, an ``unread`` digest that could be equal is read to its end (another size is enough to
   differ); a file that is touched and equal therefore transfers nothing, and equal bytes never conflict
2. a write of content gets the other side's ``Source``, of the version known now
3. the digest of what was sent takes the place of the ``unread`` one, in the agreement and in what was observed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from bridge.core.kinds import Kind
from bridge.core.model import Action, Digest, Link, Operation, Side, Value
from bridge.core.urgency import LARGE, bytes_of
from bridge.engine.bridged import Bridged
from bridge.ports import UNREAD, Meaning, Source, Trouble, Written

#: Failures that wait for something to end: shown with their reason, no error, tried again soon.
DEFERRED = frozenset({"busy", "changed", "locked", "unfinished"})
#: A large file of which a part is there: it made room for others, and goes on in the next cycle.
UNFINISHED = "unfinished"
_RETRY = timedelta(seconds=30)


async def read(bridged: Bridged, links: Sequence[Link]) -> tuple[list[Link], frozenset[str]]:
    """The links with what has to be compared read, and those that could not be read now: they must not be judged."""
    wanted = {link.id: sides for link in links if (sides := _unread(link, bridged.kinds[link.kind]))}
    if not wanted:
        return list(links), frozenset()
    for side in Side:
        await _read(bridged, side, [link for link in links if side in wanted.get(link.id, ())])
    known = {link.id: link for link in await bridged.remember(bridged.store.links, wanted)}
    now = [known.get(link.id, link) for link in links]
    return now, frozenset(link.id for link in now if _unread(link, bridged.kinds[link.kind]))


def _unread(link: Link, kind: Kind) -> tuple[Side, ...]:
    """The ends of a link that have to be read: unread, and of the size of something that they are compared with."""
    if kind.content is None:
        return ()
    ends = {side: link.end(side).record for side in Side}
    seen = {side: _digest(record.fields.get(kind.content)) if record else None for side, record in ends.items()}
    agreed = _digest((link.agreed or {}).get(kind.content))
    return tuple(
        side
        for side in Side
        if (mine := seen[side]) is not None
        and mine.algorithm == UNREAD
        and any(other is not None and other.size == mine.size for other in (seen[side.other], agreed))
    )


def _digest(value: Value) -> Digest | None:
    return value if isinstance(value, Digest) else None


async def _read(bridged: Bridged, side: Side, links: Sequence[Link]) -> None:
    contents = bridged.connectors[side].capabilities.contents if side in bridged.connectors else None
    if contents is None or not links:
        return
    seen: dict[str, Digest] = {}
    versions: list[tuple[str, str]] = []
    for link in links:
        record = link.end(side).record
        digest = _digest(record.fields.get(bridged.kinds[link.kind].content or "")) if record else None
        if record is not None and digest is not None:
            seen[record.anchor] = digest
            versions.append((record.anchor, record.version))
    meanings = [Meaning(anchor, seen[anchor], digest) async for anchor, digest in contents.digests(versions)]
    await bridged.remember(bridged.store.mean, side, meanings)


def waiting(bridged: Bridged, links: Iterable[Link]) -> list[Trouble]:
    """How the state remembers files that could not be read: somebody is writing them."""
    now = bridged.clock()
    found = []
    for link in links:
        side = next(iter(_unread(link, bridged.kinds[link.kind])), Side.SCHOOL)
        text = (
            f"{bridged.code}: {link.kind} {link.id} can't be read in the {side} just now: it is being written or open "
            f"in a program. Nothing is wrong: it is looked at again by itself."
        )
        retry = now + _RETRY
        found.append(
            Trouble(
                link.id, link.kind, side.other, Action.UPDATE, "", "waits:busy", text, now, link.attempts + 1, retry
            )
        )
    return found


async def sources(bridged: Bridged, side: Side, operations: Iterable[Operation]) -> Mapping[str, Source]:
    """Link -> the bytes that a write to ``side`` sends, from the other side as it is known now."""
    contents = bridged.connectors[side.other].capabilities.contents
    wanted = [one.link for one in operations if sends(one, bridged.kinds[one.kind])]
    if contents is None or not wanted:
        return {}
    known = await bridged.remember(bridged.store.originals, wanted, side.other)
    return {link: contents.source(anchor, version) for link, (anchor, version) in known.items()}


def sends(operation: Operation, kind: Kind) -> bool:
    """Whether an operation writes bytes."""
    return bytes_of(operation, kind) is not None


def large(operation: Operation, kind: Kind) -> bool:
    """Whether an operation writes so many bytes that small ones should not wait for it."""
    return (bytes_of(operation, kind) or 0) >= LARGE


def sent(operation: Operation, written: Written, kind: Kind, known: dict[str, tuple[Value, Digest]]) -> Operation:
    """The operation with the digest of what was really sent; ``known`` keeps it for the link's later steps."""
    name = kind.content
    if name is None:
        return operation
    if written.content is not None and name in operation.after:
        known[operation.link] = (operation.after[name], written.content)
    planned, digest = known.get(operation.link, (None, None))
    if digest is None:
        return operation
    after, agree = dict(operation.after), dict(operation.agree)
    for fields in (after, agree):
        if fields.get(name) == planned:
            fields[name] = digest
    return replace(operation, after=after, agree=agree)
