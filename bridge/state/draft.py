"""What a record is after an observation: pure but for ``load``, which reads what the decision needs and no more.

A lagging replica is recognised by what it says: exactly a state that was there before a write of ours in the last 15
minutes, or an element that we just added or removed. It is ignored and remembered as a doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import and_, bindparam, select

from bridge.core.kinds import Kind
from bridge.core.model import Evidence, Side, Value
from bridge.ports import Observation, Removal, chunks
from bridge.state.apply import Change, Element
from bridge.state.canonical import as_set, decode, digest, encode, keys_of, refs_of, shift, split
from bridge.state.tables import echo, link, observation, reference
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, LAG, MINE, SIDE, Transaction, among

_KNOWN = {
    side: select(observation, link.c.id)
    .join_from(observation, link, and_(link.c.school == MINE, anchor == observation.c.anchor), isouter=True)
    .where(observation.c.school == MINE, observation.c.side == side, observation.c.anchor.in_(among("anchors")))
    for side, anchor in ANCHOR.items()
}
_REFERENCES = select(reference.c.anchor, reference.c.field, reference.c.target, reference.c.written_until).where(
    reference.c.school == MINE, reference.c.side == SIDE, reference.c.anchor.in_(among("anchors"))
)
_REFERENCES_TO = _REFERENCES.where(reference.c.target.in_(among("targets")))
_ECHOES = select(echo.c.anchor, echo.c.field, echo.c.value).where(
    and_(echo.c.school == MINE, echo.c.side == SIDE, echo.c.anchor.in_(among("anchors"))),
    echo.c.until > bindparam("now"),
)


@dataclass(slots=True)
class Known:
    """What is stored of a record. ``references`` holds all of them or only those that were asked for."""

    kind: str
    version: str
    fields: str
    refs: int
    role: str
    gone: str | None
    written_until: datetime | None
    doubt_until: datetime | None
    changed_at: datetime | None
    link: str | None
    references: set[Element] = field(default_factory=set)
    ours: set[Element] = field(default_factory=set)
    echoes: set[Element] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An observation, split and hashed once."""

    observation: Observation
    kind: Kind
    plain: dict[str, Value]
    references: dict[str, frozenset[str]]
    refs: int

    @classmethod
    def of(cls, one: Observation, kind: Kind) -> Incoming:
        if one.whole and one.added:
            merged = {name: as_set(one.fields.get(name)) | targets for name, targets in one.added.items()}
            one = replace(one, fields={**one.fields, **merged}, added={}, removed={})
        plain, references = split(kind, one.fields)
        return cls(one, kind, plain, references, refs_of(references))

    def wants_all(self, known: Known) -> bool:
        """Whether the stored references must be read to find the difference."""
        if self.kind.parent is not None or known.kind != self.observation.kind:
            return True
        return self.refs != known.refs if self.observation.whole else bool(self.references)

    def elements(self) -> set[str]:
        """Targets of single elements that come or go."""
        changes = [*self.observation.added.values(), *self.observation.removed.values()]
        return {target for targets in changes for target in targets}


def load(tx: Transaction, side: Side, incoming: Sequence[Incoming], *, anchors: Sequence[str] = ()) -> dict[str, Known]:
    """What is known of the observed records (and of ``anchors``), with the references that matter."""
    known: dict[str, Known] = {}
    for batch in chunks([*(one.observation.anchor for one in incoming), *anchors], BATCH):
        for row in tx.rows(_KNOWN[side], anchors=batch):
            known[row.anchor] = Known(
                kind=row.kind,
                version=row.version,
                fields=row.fields,
                refs=int(row.refs, 16),
                role=row.role,
                gone=row.gone,
                written_until=row.written_until,
                doubt_until=row.doubt_until,
                changed_at=row.changed_at,
                link=row.id,
            )
    both = [(one, known[one.observation.anchor]) for one in incoming if one.observation.anchor in known]
    entire = {one.observation.anchor for one, stored in both if one.wants_all(stored)}
    _load_references(tx, side, known, anchors=entire)
    for one, _ in both:
        if one.observation.anchor not in entire and (targets := one.elements()):
            _load_references(tx, side, known, anchors={one.observation.anchor}, targets=targets)
    _load_echoes(tx, side, known)
    return known


def _load_references(
    tx: Transaction, side: Side, known: dict[str, Known], *, anchors: set[str], targets: set[str] | None = None
) -> None:
    for batch in chunks(sorted(anchors), BATCH):
        rows = list(tx.rows(_REFERENCES, of_side=side, anchors=batch) if targets is None else ())
        for part in chunks(sorted(targets or ()), BATCH):
            rows += tx.rows(_REFERENCES_TO, of_side=side, anchors=batch, targets=part)
        for row in rows:
            known[row.anchor].references.add((row.field, row.target))
            if row.written_until is not None and row.written_until > tx.now:
                known[row.anchor].ours.add((row.field, row.target))


def _load_echoes(tx: Transaction, side: Side, known: dict[str, Known]) -> None:
    recent = sorted(a for a, one in known.items() if one.written_until is not None and one.written_until > tx.now)
    for batch in chunks(recent, BATCH):
        for row in tx.rows(_ECHOES, of_side=side, anchors=batch, now=tx.now):
            known[row.anchor].echoes.add((row.field, row.value))


def draft(tx: Transaction, one: Incoming, *, known: Known | None, listing: bool = False) -> Change | None:
    """What the record is now; None where nothing at all differs from what is stored."""
    seen = one.observation
    if not seen.in_scope:
        return None if known is None else vanish(tx, seen.anchor, known=known, evidence=Evidence.LEFT)
    if known is None:
        return _first(one)
    added, removed, contradicted = _elements(one, known)
    plain = _plain(one, known)
    fields = encode(plain)
    refs = shift(known.refs, added=added, removed=removed)
    state = digest(kind=seen.kind, fields=fields, refs=refs, gone=None)
    same = (seen.kind, fields, refs, None) == (known.kind, known.fields, known.refs, known.gone)
    if not same and ("", state) in known.echoes:
        return doubtful(tx, seen.anchor, known=known)
    doubt = tx.now + LAG if contradicted else _still(one, known, listing=listing)
    if same and seen.version == known.version and doubt == known.doubt_until:
        return None
    flattened = {column.name for column in one.kind.references if column.flatten}
    parent = _parent(one.kind, known.references)
    after = _parent(one.kind, (known.references - removed) | added)
    return Change(
        anchor=seen.anchor,
        kind=seen.kind,
        version=seen.version,
        fields=fields,
        refs=refs,
        role=_role(one.kind, plain),
        gone=None,
        written_until=known.written_until,
        doubt_until=doubt,
        # Files have times of their own.
        changed_at=tx.now if not same and one.kind.parent is None else known.changed_at,
        added=frozenset(added),
        removed=frozenset(removed),
        keys=keys_of(one.kind, plain, parent=after),
        old_keys=keys_of(tx.kinds[known.kind], decode(known.fields), parent=parent) if known.kind in tx.kinds else {},
        real=not same,
        presence=known.gone is not None,
        flattened=known.gone is not None or any(name in flattened for name, _ in added | removed),
    )


def _still(one: Incoming, known: Known, *, listing: bool) -> datetime | None:
    """The doubt that is left: that one member came says nothing of another one, who was doubted."""
    sets = any(column.name != one.kind.parent for column in one.kind.references)
    return known.doubt_until if sets and not one.observation.whole and not listing else None


def _first(one: Incoming) -> Change:
    """A record never seen before."""
    seen = one.observation
    plain = _merged(one.plain, seen, one.kind)
    references = dict(one.references)
    if seen.added:
        named = {column.name for column in one.kind.references}
        more = {name: references.get(name, frozenset()) | new for name, new in seen.added.items() if name in named}
        references |= more
    elements = frozenset((name, target) for name, targets in references.items() for target in targets)
    return Change(
        anchor=seen.anchor,
        kind=seen.kind,
        version=seen.version,
        fields=encode(plain),
        refs=refs_of(references) if seen.added else one.refs,
        role=_role(one.kind, plain),
        gone=None,
        added=elements,
        keys=keys_of(one.kind, plain, parent=_parent(one.kind, elements)),
        presence=True,
        flattened=any(column.flatten for column in one.kind.references),
    )


def _plain(one: Incoming, known: Known) -> dict[str, Value]:
    if one.observation.whole:
        return _merged(one.plain, one.observation, one.kind)
    return _merged({**decode(known.fields), **one.plain}, one.observation, one.kind)


def _merged(plain: dict[str, Value], seen: Observation, kind: Kind) -> dict[str, Value]:
    """Plain fields with the elements of plain sets (licences) that came and went."""
    names = {column.name for column in kind.references}
    merged = dict(plain)
    for name, targets in seen.added.items():
        if name not in names:
            merged[name] = as_set(merged.get(name)) | targets
    for name, targets in seen.removed.items():
        if name not in names:
            merged[name] = as_set(merged.get(name)) - targets
    return merged


def _elements(one: Incoming, known: Known) -> tuple[set[Element], set[Element], bool]:
    """References that really come, that really go, and whether some were ignored because we just wrote otherwise."""
    names = {column.name for column in one.kind.references}
    stored = known.references
    added: set[Element] = set()
    removed: set[Element] = set()
    replaced = names if one.observation.whole else set(one.references)
    if not one.observation.whole or one.wants_all(known):
        wanted = {(name, target) for name, targets in one.references.items() for target in targets}
        added = wanted - stored
        removed = {element for element in stored if element[0] in replaced} - wanted
    came = {(name, t) for name, targets in one.observation.added.items() if name in names for t in targets} - stored
    went = {(name, t) for name, targets in one.observation.removed.items() if name in names for t in targets} & stored
    late = (came & known.echoes) | (went & known.ours)
    return added | (came - late), (removed | (went - late)) - came, bool(late)


def _parent(kind: Kind, references: Iterable[Element]) -> str | None:
    return min((target for name, target in references if name == kind.parent), default=None)


def _role(kind: Kind, plain: dict[str, Value]) -> str:
    return str(plain.get(kind.role) or "") if kind.role else ""


def draft_removal(tx: Transaction, one: Removal, *, known: Known) -> Change | None:
    """What a known record is after it was reported gone."""
    return vanish(tx, one.anchor, known=known, evidence=one.evidence)


def vanish(tx: Transaction, anchor: str, *, known: Known, evidence: Evidence) -> Change | None:
    """The record is gone; its fields stay. MISSING says nothing that stronger evidence or a fresh write did not."""
    recent = known.written_until is not None and known.written_until > tx.now
    if known.gone == evidence or (evidence is Evidence.MISSING and known.gone is not None):
        return None
    state = digest(kind=known.kind, fields=known.fields, refs=known.refs, gone=evidence)
    if recent and (evidence is Evidence.MISSING or ("", state) in known.echoes):
        return doubtful(tx, anchor, known=known)
    return unchanged(anchor, known, gone=evidence, real=True, presence=known.gone is None)


def doubtful(tx: Transaction, anchor: str, *, known: Known) -> Change:
    """Nothing changes but that somebody should look when replicas can no longer lag."""
    return unchanged(anchor, known, gone=known.gone, doubt_until=known.written_until or tx.now + LAG)


def unchanged(
    anchor: str,
    known: Known,
    *,
    gone: str | None,
    real: bool = False,
    presence: bool = False,
    doubt_until: datetime | None = None,
) -> Change:
    """The stored record with another presence or doubt."""
    return Change(
        anchor=anchor,
        kind=known.kind,
        version=known.version,
        fields=known.fields,
        refs=known.refs,
        role=known.role,
        gone=gone,
        written_until=known.written_until,
        doubt_until=doubt_until,
        changed_at=known.changed_at,
        real=real,
        presence=presence,
        flattened=presence,
    )
