"""From due links to a plan for them: read what must be read, look around in the tree, reconcile.

People and groups take the short way: one question for the anchors that they refer to, then reconcile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bridge.core.model import Link, Side
from bridge.core.plan import references_of
from bridge.core.reconcile import Reconciled, reconcile
from bridge.engine.addressed import Anchors
from bridge.engine.bridged import Bridged
from bridge.engine.contents import read, waiting
from bridge.engine.neighbourhood import Around, going_to, standing

#: Rounds of looking for who stands where a plan wants to put something; each round finds one more rival in a row.
_ROUNDS = 50


async def derive(bridged: Bridged, links: Sequence[Link], *, now: datetime, released: frozenset[str]) -> Reconciled:
    """Reconcile due links; files that can't be read now are left out and looked at again soon."""
    mine = frozenset(link.id for link in links)
    if not any(bridged.kinds[link.kind].parent for link in links):
        return await _reconciled(bridged, links, mine, now=now, released=released)
    around = Around({link.id: link for link in links})
    places = standing(links, bridged.kinds)
    for _ in range(_ROUNDS):
        await around.widen(bridged, places)
        known, unread = await read(bridged, list(around.links.values()))
        around.links.update((link.id, link) for link in known)
        only = (mine | around.rivals) - unread
        reconciled = await _reconciled(bridged, known, only, now=now, released=released)
        places = going_to(reconciled.operations, around.links, bridged.kinds) - around.asked
        if not places:
            break
    if unread:
        await bridged.remember(bridged.store.trouble, waiting(bridged, [around.links[one] for one in sorted(unread)]))
        reconciled.operations = [one for one in reconciled.operations if one.link not in unread]
    reconciled.alone = around.rivals <= mine
    # What happened to be near is not done with: it may be held, or due later.
    reconciled.quiet = [one for one in reconciled.quiet if one in mine]
    reconciled.again = {one: when for one, when in reconciled.again.items() if one in mine}
    return reconciled


async def _reconciled(
    bridged: Bridged, links: Sequence[Link], only: frozenset[str], *, now: datetime, released: frozenset[str]
) -> Reconciled:
    referred = {one for link in links for one in _references(bridged, link)}
    if len(only) != len(links):
        referred |= {link.id for link in links if link.id not in only}
    anchors = await bridged.remember(bridged.store.anchors, referred)

    def anchored(link: str, side: Side, known: Anchors = anchors) -> bool:
        return known.get(link, (None, None))[0 if side is Side.SCHOOL else 1] is not None

    return reconcile(
        links, kinds=bridged.kinds, policy=bridged.policy, now=now, anchored=anchored, only=only, released=released
    )


def _references(bridged: Bridged, link: Link) -> Iterable[str]:
    kind = bridged.kinds[link.kind]
    ends = [end.record.fields for end in (link.school, link.cloud) if end.record]
    return frozenset[str]().union(*(references_of(kind, fields) for fields in ends))
