"""Correlate what has no other end yet: join it to one, give it a link of its own, or hold it for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.core.correlate import PLACE, Found, Match, Verdict, correlate, keys_of
from bridge.core.kinds import Authority
from bridge.core.model import Action, Side
from bridge.engine.bridged import Bridged, Report
from bridge.ports import Candidate, Loose, Pair, Trouble

#: Records paired at a time: each batch marks the groups of its people once, so few large ones are cheaper.
BATCH = 4000


async def pair(bridged: Bridged, report: Report) -> None:
    """Pair all touched loose records; again, one level of a tree deeper, while pairing made room for more."""
    while await _pass(bridged, report):
        pass


async def _pass(bridged: Bridged, report: Report) -> bool:
    """Pair what can be paired now; whether more may be: places below folders that have found each other."""
    after: str | None = None
    deeper = False
    while batch := await bridged.remember(bridged.store.loose, after, BATCH):
        after = batch[-1].anchor
        joined: set[tuple[Side, str]] = set()
        # One kind and side at a time: both ends of a pair may be in this batch, and each must see the other's link.
        for side, kind in sorted({(loose.side, loose.kind) for loose in batch}, key=lambda key: (key[1], key[0])):
            rows = [loose for loose in batch if loose.side is side and loose.kind == kind]
            # After a crash the school's end has a link and the cloud's none: once the cloud's found it, the school's is
            # not loose any more, and must not be held as if somebody else had its partner.
            rows = [loose for loose in rows if (side, loose.anchor) not in joined]
            for one in await _pair_rows(bridged, side, kind, rows, report):
                if one.school is not None and one.cloud is not None:
                    joined |= {(Side.SCHOOL, one.school), (Side.CLOUD, one.cloud)}
                    deeper = deeper or bridged.kinds[kind].parent is not None
        if len(batch) < BATCH:
            break
    return deeper


async def _pair_rows(bridged: Bridged, side: Side, kind: str, rows: Sequence[Loose], report: Report) -> list[Pair]:
    found: dict[str, Mapping[str, Sequence[Candidate]]] = {}
    for key in keys_of(bridged.kinds[kind]):
        wanted = sorted({loose.keys[key] for loose in rows if key in loose.keys})
        if wanted:
            seen = await bridged.remember(bridged.store.candidates, side.other, kind, key, wanted)
            found[key] = {value: _eligible(bridged, side, kind, several) for value, several in seen.items()}
    strongest = keys_of(bridged.kinds[kind])[0]
    pairs: list[Pair] = []
    troubles: list[Trouble] = []
    taken: set[str] = set()
    claims = await _claims(rows, bridged, side, kind)
    released = await bridged.remember(bridged.store.released)
    for loose in rows:
        matches = {
            key: [candidate for candidate in found.get(key, {}).get(value, ()) if candidate.anchor not in taken]
            for key, value in loose.keys.items()
        }
        judged = correlate(
            bridged.kinds[kind],
            {key: [Found(one.anchor, one.paired) for one in several] for key, several in matches.items()},
        )
        rivals = claims.get(loose.keys.get(strongest, ""), ())
        if len(rivals) > 1:
            # Whoever of them is right, another one must not get the account: neither is linked, neither is created.
            judged = Verdict(Match.DISPUTED, strongest, tuple(one.anchor for one in rivals))
        link = loose.link or bridged.new_id()
        if judged.match is Match.LINKED:
            other = next(one for one in matches[judged.key] if one.anchor == judged.anchors[0])
            taken.add(other.anchor)
            pairs.append(_joined(loose, other, link))
            continue
        if loose.link is None:
            ends = (loose.anchor, None) if side is Side.SCHOOL else (None, loose.anchor)
            pairs.append(Pair(link, kind, *ends))
        decides = bridged.policy.existence(bridged.kinds[kind]).value in {side.value, Authority.BOTH.value}
        if judged.match is Match.UNLINKED and link in released:
            continue  # a person said that it is somebody else
        if judged.match in {Match.DISPUTED, Match.UNLINKED} and decides:
            troubles.append(_undecided(bridged, loose, link, judged, rivals=rivals if len(rivals) > 1 else ()))
    await bridged.remember(bridged.store.pair, pairs)
    if troubles:
        await bridged.remember(bridged.store.trouble, troubles)
        for trouble in troubles:
            report.held[trouble.rule] += 1
            report.messages.append(trouble.message)
    return pairs


async def _claims(rows: Sequence[Loose], bridged: Bridged, side: Side, kind: str) -> Mapping[str, Sequence[Candidate]]:
    """Strongest key -> all living records of this very side that carry it, paired or not, by anchor.

    A place in a tree is no identity and can't be claimed twice.
    """
    strongest = keys_of(bridged.kinds[kind])[0]
    wanted = sorted({loose.keys[strongest] for loose in rows if strongest in loose.keys})
    if strongest == PLACE or not wanted:
        return {}
    found = await bridged.remember(bridged.store.candidates, side, kind, strongest, wanted)
    return {
        value: sorted((one for one in several if not one.gone), key=lambda one: one.anchor)
        for value, several in found.items()
    }


def _eligible(bridged: Bridged, side: Side, kind: str, several: Sequence[Candidate]) -> Sequence[Candidate]:
    """The living ones; where there are none, what waits in the recycle bin for somebody whom this side brings back."""
    living = [one for one in several if not one.gone]
    decides = bridged.policy.existence(bridged.kinds[kind]).value == side.value
    return living if living or not decides else several


def _joined(loose: Loose, other: Candidate, link: str) -> Pair:
    """Keep the link of the other end where it has one: its agreement and its history go on."""
    kept = other.link or link
    absorbed = link if other.link is not None and loose.link is not None else None
    ends = (loose.anchor, other.anchor) if loose.side is Side.SCHOOL else (other.anchor, loose.anchor)
    return Pair(kept, loose.kind, *ends, absorbs=absorbed)


def _undecided(bridged: Bridged, loose: Loose, link: str, judged: Verdict, *, rivals: Sequence[Candidate]) -> Trouble:
    seen = ", ".join(judged.anchors)
    keeps = ", ".join(one.anchor for one in rivals if one.paired)
    if keeps:
        text = (
            f"{bridged.code}: {loose.kind} {loose.anchor} of the {loose.side} has the same {judged.key} as {keeps}, "
            f"which has its account and keeps it. Expected a {judged.key} of its own. No second account was made. "
            f"Correct the {judged.key} of {loose.anchor}, or, if it is the same person, delete the one that is not "
            f"used any more."
        )
    elif rivals:
        text = (
            f"{bridged.code}: the {loose.side}'s {loose.kind} records {seen} all have the same {judged.key}. Expected "
            f"one. None of them was linked or created, so that nobody gets another one's account. Correct the "
            f"{judged.key} of all but one."
        )
    elif judged.match is Match.DISPUTED:
        text = (
            f"{bridged.code}: {loose.kind} {loose.anchor} could be any of the {loose.side.other}'s {seen} (same "
            f"{judged.key}). Expected exactly one free match. Nothing was linked or created. Correct the "
            f"{judged.key}, or decide with: schoolbridge link {bridged.code} {link} ANCHOR --reason '...'"
        )
    else:
        text = (
            f"{bridged.code}: {loose.kind} {loose.anchor} has no partner, but {seen} in the {loose.side.other} has the "
            f"same {judged.key}. If it is the same: schoolbridge link {bridged.code} {link} ANCHOR --reason '...'; "
            f"if it is somebody else: schoolbridge release {bridged.code} {link} --reason '...'"
        )
    return Trouble(
        link=link,
        kind=loose.kind,
        side=loose.side.other,
        action=Action.CREATE,
        role="",
        rule=f"correlate:{judged.match}",
        message=text,
        since=bridged.clock(),
    )
