"""Fold what a side reported into what is known of it.

1. load what is known of the page's records,  2. work out what each of them is now (``draft``),  3. drop what a lagging
replica said,  4. write the difference only and touch what it concerns.  Equal records touch no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import and_, delete, exists, select, update

from bridge.core.model import Evidence, Side
from bridge.ports import Observation, Page, Removal, chunks
from bridge.state import aliases, bookmark, generations, recovered, touch
from bridge.state.apply import Change, write
from bridge.state.draft import Incoming, Known, draft, draft_removal, load
from bridge.state.tables import observation, seen
from bridge.state.transaction import BATCH, Transaction


def fold(tx: Transaction, side: Side, *, page: Page, begins: bool) -> int:
    """Fold a page; ``begins``: it is the first page of a listing, so that what an older one saw proves nothing."""
    changed = 0
    if page.listing and begins:
        forget_listing(tx, side)
    if page.meanings:
        aliases.mean(tx, side, page.meanings)
    for wave in _waves(one for one in page.observations if one.kind in tx.kinds):
        changed += _fold_observations(tx, side, wave, listing=page.listing)
    for batch in chunks(page.removals, BATCH):
        changed += _fold_removals(tx, side, batch)
    if page.listing:
        there = [*(one.anchor for one in page.observations if one.in_scope), *page.untold]
        tx.add(seen, ({"side": side, "anchor": anchor} for anchor in there))
    if page.complete:
        changed += _conclude(tx, side)
        _believe_gone(tx, side)
        recovered.mark(tx, side)
    bookmark.keep(tx, side, page)
    return changed


def forget_listing(tx: Transaction, side: Side) -> None:
    """What the listing before this one saw proves nothing in a new one."""
    tx.run(delete(seen).where(seen.c.school == tx.school, seen.c.side == side))


def _waves(observations: Iterable[Observation]) -> Iterator[list[Observation]]:
    """Cut where an anchor repeats: what a partial observation changes must be written before the next one is read."""
    wave: dict[str, Observation] = {}
    for one in observations:
        if one.anchor in wave or len(wave) == BATCH:
            yield list(wave.values())
            wave = {}
        wave[one.anchor] = one
    if wave:
        yield list(wave.values())


def _fold_observations(tx: Transaction, side: Side, wave: Sequence[Observation], *, listing: bool) -> int:
    incoming = [
        Incoming.of(one, tx.kinds[one.kind]) for one in generations.applied(tx, side, aliases.applied(tx, side, wave))
    ]
    known = load(tx, side, incoming)
    changes = [draft(tx, one, known=known.get(one.observation.anchor), listing=listing) for one in incoming]
    return _write(tx, side, known, [change for change in changes if change is not None])


def _fold_removals(tx: Transaction, side: Side, removals: Sequence[Removal]) -> int:
    last = {one.anchor: one for one in removals}
    known = load(tx, side, (), anchors=list(last))
    changes = [draft_removal(tx, one, known=known[one.anchor]) for one in last.values() if one.anchor in known]
    return _write(tx, side, known, [change for change in changes if change is not None])


def _write(tx: Transaction, side: Side, known: dict[str, Known], changes: Sequence[Change]) -> int:
    if not changes:
        return 0
    write(tx, side, changes)
    links = {anchor: one.link for anchor, one in known.items() if one.link is not None}
    real = [change for change in changes if change.real]
    touch.touch(tx, (links[change.anchor] for change in real if change.anchor in links))
    unlinked = [change for change in real if change.anchor not in links]
    touch.touch_loose(tx, side, (change.anchor for change in unlinked if change.gone is None))
    touch.forget_loose(tx, side, (change.anchor for change in unlinked if change.gone is not None))
    touch.touch_referrers(tx, side, (c.anchor for c in real if c.presence and c.anchor in links))
    people = (c for c in real if c.presence and c.kind in tx.kinds and tx.kinds[c.kind].parent is None)
    touch.touch_across(tx, side, (c.anchor for c in people if c.anchor in links))
    touch.touch_containers(tx, side, (c.anchor for c in real if c.flattened))
    doubts = {links[c.anchor]: c.doubt_until for c in changes if c.doubt_until is not None and c.anchor in links}
    touch.look_again(tx, {link: until for link, until in doubts.items() if until is not None})
    return len(real)


def _conclude(tx: Transaction, side: Side) -> int:
    """The listing was read to its end: what is known, believed to be there and was not seen is MISSING."""
    changed = 0
    after = ""
    while True:
        mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor > after)
        unseen = ~exists().where(
            seen.c.school == observation.c.school,
            seen.c.side == observation.c.side,
            seen.c.anchor == observation.c.anchor,
        )
        believed = and_(observation.c.gone.is_(None), observation.c.kind.in_(sorted(tx.kinds)))
        query = select(observation.c.anchor).where(mine, believed, unseen)
        anchors = [row.anchor for row in tx.rows(query.order_by(observation.c.anchor).limit(BATCH))]
        if not anchors:
            break
        changed += _fold_removals(tx, side, [Removal(anchor, Evidence.MISSING) for anchor in anchors])
        after = anchors[-1]
    forget_listing(tx, side)
    return changed


def _believe_gone(tx: Transaction, side: Side) -> None:
    """Who was said to be back shortly after a deletion and is not in the listing was a replica's: that doubt is over.

    Else it would ask for a listing in every cycle: who is gone is told of no more.
    """
    mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.gone.is_not(None))
    tx.run(update(observation).where(mine, observation.c.doubt_until <= tx.now).values(doubt_until=None))
