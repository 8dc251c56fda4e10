"""What a side shows for bytes that were agreed on, where that is something else.

A school's scan knows bytes by size and time only (``unread``), SharePoint rewrites Office files after the upload. One
alias a record, the newest: folding replaces what is seen by what it means, so that an equal file stays equal and
nothing bounces. An unknown ``unread`` digest stays as it is until the engine has the file read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import and_, bindparam, select, update

from bridge.core.kinds import Kind
from bridge.core.model import Digest, Side
from bridge.ports import UNREAD, Done, Meaning, Observation, Written, chunks
from bridge.state.canonical import decode, encode
from bridge.state.tables import content_alias, link, observation
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, SIDE, Transaction, among

_ALIASES = select(content_alias).where(
    content_alias.c.school == MINE, content_alias.c.side == SIDE, content_alias.c.anchor.in_(among("anchors"))
)
_SEEN = select(observation.c.anchor, observation.c.kind, observation.c.fields).where(
    observation.c.school == MINE, observation.c.side == SIDE, observation.c.anchor.in_(among("anchors"))
)
_MEAN = (
    update(observation)
    .where(observation.c.school == MINE, observation.c.side == SIDE, observation.c.anchor == bindparam("of"))
    .values(fields=bindparam("now"))
)
_AT = {
    side: select(link.c.id, observation.c.anchor, observation.c.kind, observation.c.fields)
    .select_from(
        link.join(
            observation,
            and_(observation.c.school == MINE, observation.c.side == side, observation.c.anchor == anchor),
        )
    )
    .where(link.c.school == MINE, link.c.id.in_(among("links")))
    for side, anchor in ANCHOR.items()
}


def written(digest: Digest) -> str:
    """A digest as one text."""
    return f"{digest.algorithm}:{digest.value}:{digest.size}"


def read(text: str) -> Digest:
    """The reverse of ``written``."""
    algorithm, _, rest = text.partition(":")
    value, _, size = rest.rpartition(":")
    return Digest(algorithm, value, int(size))


def applied(tx: Transaction, side: Side, seen: Sequence[Observation]) -> list[Observation]:
    """The observations with the digests that they mean; costs nothing where no file is among them."""
    shown = {one.anchor: content for one in seen if (content := _content(tx.kinds[one.kind], one)) is not None}
    if not shown:
        return list(seen)
    meant: dict[str, Digest] = {}
    for batch in chunks(sorted(shown), BATCH):
        for row in tx.rows(_ALIASES, of_side=side, anchors=batch):
            if row.seen == written(shown[row.anchor]):
                meant[row.anchor] = read(row.agreed)
    return [
        replace(one, fields={**one.fields, tx.kinds[one.kind].content or "": meant[one.anchor]})
        if one.anchor in meant and one.anchor in shown
        else one
        for one in seen
    ]


def _content(kind: Kind, one: Observation) -> Digest | None:
    value = one.fields.get(kind.content) if kind.content else None
    return value if isinstance(value, Digest) else None


def mean(tx: Transaction, side: Side, meanings: Iterable[Meaning]) -> None:
    """Remember what digests mean, also in what was observed already."""
    many = list(meanings)
    if not many:
        return
    tx.put(
        content_alias,
        ({"side": side, "anchor": m.anchor, "seen": written(m.seen), "agreed": written(m.agreed)} for m in many),
    )
    by_anchor = {one.anchor: one for one in many}
    changed: list[dict[str, str]] = []
    for batch in chunks(sorted(by_anchor), BATCH):
        for row in tx.rows(_SEEN, of_side=side, anchors=batch):
            name, fields, one = tx.kinds[row.kind].content, decode(row.fields), by_anchor[row.anchor]
            if name and fields.get(name) == one.seen:
                changed.append({"of": row.anchor, "now": encode({**fields, name: one.agreed})})
    tx.each(_MEAN, ({"of_side": side, **one} for one in changed))


def learn(tx: Transaction, done: Sequence[Done]) -> None:
    """After bytes were sent both ends are known: what the target shows for them, and what was read at the source."""
    for side in Side:
        sent = {
            one.operation.link: one.written
            for one in done
            if one.operation.side is side and one.written is not None and one.written.content is not None
        }
        if sent:
            mean(tx, side, _shown(sent.values()))
            mean(tx, side.other, _read_at(tx, side.other, sent))


def _shown(sent: Iterable[Written]) -> Iterable[Meaning]:
    for one in sent:
        if one.content is not None and one.shown is not None and one.shown != one.content:
            yield Meaning(one.anchor, one.shown, one.content)


def _read_at(tx: Transaction, side: Side, sent: Mapping[str, Written]) -> Iterable[Meaning]:
    """What the sources showed: nobody had read them before."""
    for batch in chunks(sorted(sent), BATCH):
        for row in tx.rows(_AT[side], links=batch):
            seen = decode(row.fields).get(tx.kinds[row.kind].content or "")
            now = sent[row.id].content
            if isinstance(seen, Digest) and seen.algorithm == UNREAD and now is not None:
                yield Meaning(row.anchor, seen, now)
