"""Fold what each side says has changed into the state, page by page, each with the token it brought."""

from __future__ import annotations

from bridge.core.model import Side
from bridge.engine.bridged import Bridged, Report
from bridge.ports import TokenLost


async def observe(bridged: Bridged, side: Side, report: Report) -> None:
    """Read one side; raises Unreachable or Refused, after which the pages that came stay folded.

    A lost token leads to a full listing: what is not in it and has no deletion record is MISSING, never deleted.
    """
    connector = bridged.connectors[side]
    if side not in bridged.identified:
        bridged.store.bind(side, await connector.identify())
        bridged.identified.add(side)
    token = await bridged.remember(bridged.store.token, side)
    earlier = len(report.warnings)
    try:
        await _fold_all(bridged, side, token, report)
    except TokenLost as lost:
        report.warnings.append(f"{bridged.code}: the {side} is compared in full: {lost}")
        await bridged.remember(bridged.store.drop_token, side)
        await _fold_all(bridged, side, None, report)
    report.warned[side.value] = list(dict.fromkeys(report.warnings[earlier:]))


async def _fold_all(bridged: Bridged, side: Side, token: str | None, report: Report) -> None:
    changed = seen = 0
    # A listing begins anew, but what is configured may be known by its id only, which the last token tells.
    recall = await bridged.remember(bridged.store.recall, side) if token is None else None
    async for page in bridged.connectors[side].observe(token, recall=recall):
        now = bridged.clock()
        folded = await bridged.remember(bridged.store.fold, side, page, now=now)
        if folded and (page.complete or page.removals or not all(one.in_scope for one in page.observations)):
            bridged.vanished[side] = now
        changed += folded
        seen += len(page.observations) + len(page.removals)
        report.warnings += page.warnings
        if page.complete:
            report.listed.add(side.value)
        bridged.progress(f"observe {side}", seen, None)
        await bridged.give_way()
    report.observed[side.value] = report.observed.get(side.value, 0) + changed
