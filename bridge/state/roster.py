"""Rosters in the state: whom one ever brought, and the last one that was carried out at the school.

begin    1. links for what has to be made,  2. the steps, before anything is sent,  3. whom the roster brought
adopted  what was made before a crash, and got a link of its own since, goes on under that one
end      what was written may pass the guard in the cloud once: a person has seen it
Each is one transaction; beginning again what was begun goes on with its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, delete, select, update

from bridge.core.model import Action, Side
from bridge.core.year_steps import Step
from bridge.ports import ConfigurationError, chunks
from bridge.ports.years import RosterApply
from bridge.state import guardbook, journal, space
from bridge.state.canonical import decode, dump, encode, folded
from bridge.state.pairs import drop
from bridge.state.tables import key, link, observation, release, roster, roster_apply, roster_step, trouble
from bridge.state.transaction import BATCH, Transaction
from bridge.state.year import LASTS

BEGUN, DONE, UNDONE = "begun", "done", "undone"
_MAKES = frozenset({Action.CREATE, Action.RESTORE, Action.DELETE})


def brought(tx: Transaction) -> frozenset[str]:
    """Source anchors of everybody whom a roster ever brought."""
    return frozenset(row.anchor for row in tx.rows(select(roster.c.anchor).where(roster.c.school == tx.school)))


def current(tx: Transaction) -> RosterApply | None:
    """The last apply; None where there was none."""
    found = tx.rows(select(roster_apply).where(roster_apply.c.school == tx.school))
    if not found:
        return None
    query = select(roster_step).where(roster_step.c.school == tx.school).order_by(roster_step.c.number)
    steps = [
        Step(one.link, one.kind, one.source_anchor, Action(one.action), decode(one.before), decode(one.after))
        for one in tx.rows(query)
    ]
    one = found[0]
    approved = {tuple(cell): number for cell, number in json.loads(one.approved)}
    return RosterApply(one.id, one.phase, one.at, steps, approved)


def ends(tx: Transaction) -> tuple[dict[str, str], dict[str, str]]:
    """Source anchor of a person -> link, the living one where there are several; anchor of a group -> link."""
    mine = and_(observation.c.school == tx.school, observation.c.side == Side.SCHOOL)
    columns = (observation.c.kind, observation.c.anchor, observation.c.fields, observation.c.gone)
    people: dict[str, str] = {}
    groups: set[str] = set()
    for row in sorted(tx.rows(select(*columns).where(mine)), key=lambda one: one.gone is None):
        if row.kind == "user":
            people[str(decode(row.fields).get("source_anchor") or row.anchor)] = row.anchor
        elif row.kind == "group" and row.gone is None:
            groups.add(row.anchor)
    known = space.linked_anchors(tx, Side.SCHOOL, {*people.values(), *groups})
    of_people = {source: known[anchor] for source, anchor in people.items() if anchor in known}
    return of_people, {anchor: known[anchor] for anchor in groups if anchor in known}


def begin(
    tx: Transaction,
    id: str,  # noqa: A002
    steps: Sequence[Step],
    *,
    told: Iterable[str],
    approved: Mapping[tuple[str, str, str, str], int],
    actor: str,
    reason: str,
) -> None:
    """Remember what is about to be written, and whom the roster brought."""
    found = current(tx)
    goes_on = found is not None and found.id == id
    if not goes_on:
        tx.run(delete(roster_step).where(roster_step.c.school == tx.school))
    numbers = {one.link: number for number, one in enumerate(found.steps if found and goes_on else ())}
    order = {one.link: numbers.get(one.link, len(numbers) + place) for place, one in enumerate(steps)}
    new = [{"id": one.link, "kind": one.kind, "rank": tx.kinds[one.kind].rank} for one in steps]
    # Those that are there stay as they are; what is not touched is not looked at before it is written.
    tx.add(link, (row | {"school_anchor": None, "cloud_anchor": None} for row in new))
    tx.put(roster_step, (_row(one, order[one.link]) for one in steps))
    cells = [[list(cell), number] for cell, number in sorted(approved.items())]
    at = found.at if found and goes_on else tx.now
    tx.put(roster_apply, [{"id": id, "phase": BEGUN, "at": at, "approved": dump(cells)}])
    remember(tx, told, at)
    after = {"phase": BEGUN, "steps": len(steps)}
    journal.append(tx, [journal.Entry("roster", actor=actor, cycle=id, reason=reason, after=after)])


def _row(one: Step, number: int) -> dict[str, Any]:
    texts = {"kind": one.kind, "source_anchor": one.key, "action": one.action.value}
    return {"link": one.link, "number": number, **texts, "before": encode(one.before), "after": encode(one.after)}


def remember(tx: Transaction, told: Iterable[str], at: Any) -> None:
    """Who is at the school and in a roster; who is in it only is nobody's business."""
    wanted = set(told)
    people, _ = ends(tx)
    made = select(roster_step.c.source_anchor, roster_step.c.link).where(
        roster_step.c.school == tx.school, roster_step.c.kind == "user", roster_step.c.source_anchor != ""
    )
    known = {row.source_anchor: row.link for row in tx.rows(made)} | people
    first = {row.anchor: row.first for row in tx.rows(select(roster.c.anchor, roster.c.first).where(
        roster.c.school == tx.school))}  # fmt: skip
    tx.put(roster, (
        {"anchor": one, "link": known[one], "first": first.get(one, at), "last": tx.now}
        for one in sorted(wanted & known.keys())
    ))  # fmt: skip


def adopted(tx: Transaction) -> None:
    """What was made before a crash was seen since and linked anew: it goes on under that link, and so does its name."""
    steps = (current(tx) or RosterApply("", "", tx.now)).steps
    heirs: dict[str, str] = {}
    for one in steps:
        if one.action is not Action.CREATE:
            continue
        mine = and_(link.c.school == tx.school, link.c.id == one.link)
        if any(row.school_anchor for row in tx.rows(select(link.c.school_anchor).where(mine))):
            continue
        heir = _seen(tx, one)
        if heir is None:
            continue
        heirs[one.link] = heir
        drop(tx, one.link, heir=heir)
        tx.run(update(roster_step).where(roster_step.c.school == tx.school, roster_step.c.link == one.link).values(
            link=heir))  # fmt: skip
        tx.run(update(roster).where(roster.c.school == tx.school, roster.c.link == one.link).values(link=heir))
    if heirs:
        tx.put(roster_step, (_row(_inherited(one, heirs), number) for number, one in enumerate(steps)))


def _inherited(one: Step, heirs: Mapping[str, str]) -> Step:
    """A step whose members go by the links that they have now."""
    before, after = (
        {name: frozenset(heirs.get(of, of) for of in value) if isinstance(value, frozenset) else value
         for name, value in fields.items()}
        for fields in (one.before, one.after)
    )  # fmt: skip
    return replace(one, link=heirs.get(one.link, one.link), before=before, after=after)


def _seen(tx: Transaction, one: Step) -> str | None:
    there = and_(link.c.school == tx.school, link.c.school_anchor == key.c.anchor)
    mine = and_(key.c.school == tx.school, key.c.side == Side.SCHOOL, key.c.kind == one.kind)
    named = and_(key.c.name == "source_anchor", key.c.value == folded(one.key))
    found = tx.rows(select(link.c.id).select_from(key.join(link, there)).where(mine, named))
    return str(found[0].id) if len(found) == 1 else None


def end(tx: Transaction, phase: str, *, failed: int, actor: str, reason: str) -> None:
    """Note how far it came. What was changed passes the guard in the cloud once; what is retired is judged as ever."""
    found = current(tx)
    if found is None:
        raise ConfigurationError(f"{tx.school}: no roster was carried out; there is nothing to end")
    tx.run(update(roster_apply).where(roster_apply.c.school == tx.school).values(phase=phase))
    undone = phase == UNDONE
    passing = [one.link for one in found.steps if one.action not in _MAKES]
    because = {"actor": actor, "reason": f"roster {found.id}", "at": tx.now, "expires": tx.now + LASTS, "used": None}
    mirrored = _in_cloud(tx, passing)
    tx.put(release, ({"link": of, **because} for of in mirrored))
    held = and_(trouble.c.school == tx.school, trouble.c.rule.startswith("guard:"))
    for row in tx.rows(select(trouble.c.rule, trouble.c.link).where(held)):
        if row.link in mirrored:
            guardbook.let_go(tx, row.link, actor=actor, reason=f"roster {found.id}", expires=tx.now + LASTS)
    if undone:
        # Whom only this roster brought it did not bring after all.
        tx.run(delete(roster).where(roster.c.school == tx.school, roster.c.first == found.at))
    if phase in {DONE, UNDONE}:
        _tidy(tx, found)
    after = {"phase": phase, "failed": failed}
    entry = journal.Entry(
        "roster", actor=actor, cycle=found.id, reason=reason, before={"phase": found.phase}, after=after
    )
    journal.append(tx, [entry])


def _in_cloud(tx: Transaction, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for batch in chunks(sorted(set(ids)), BATCH):
        mine = and_(link.c.school == tx.school, link.c.id.in_(batch), link.c.cloud_anchor.is_not(None))
        found |= {row.id for row in tx.rows(select(link.c.id).where(mine))}
    return found


def _tidy(tx: Transaction, found: RosterApply) -> None:
    """Links that were put aside and never needed: what they were for is there under another one."""
    for batch in chunks([one.link for one in found.steps if one.action is Action.CREATE], BATCH):
        bare = and_(link.c.school_anchor.is_(None), link.c.cloud_anchor.is_(None))
        for row in tx.rows(select(link.c.id).where(link.c.school == tx.school, link.c.id.in_(batch), bare)):
            drop(tx, row.id)


def close(tx: Transaction, *, actor: str, reason: str) -> bool:
    """Nothing can be taken back any more, and what was needed for that goes; False where there was nothing."""
    found = current(tx)
    if found is None:
        return False
    for table in (roster_step, roster_apply):
        tx.run(delete(table).where(table.c.school == tx.school))
    entry = journal.Entry("roster", actor=actor, cycle=found.id, reason=reason, before={"phase": found.phase}, after={
        "phase": "closed"})  # fmt: skip
    journal.append(tx, [entry])
    return True
