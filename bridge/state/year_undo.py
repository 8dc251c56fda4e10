"""Take back what applying a school year did: all of it, or nothing and why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update

from bridge.core.freeze import RULE, Phase
from bridge.core.model import Side
from bridge.ports import ConfigurationError
from bridge.state import generations, guardbook, journal, touch
from bridge.state.pairs import drop, set_ends
from bridge.state.tables import agreed_reference, agreement, link, year
from bridge.state.transaction import Transaction
from bridge.state.year import forget_releases, holders, row

_TOLD = 5


def undo(tx: Transaction, *, actor: str, reason: str) -> str:
    """Give back the ends, the archived links and the source anchors; the year is open or closed as it was before."""
    found = row(tx)
    if found is None or found.phase != Phase.APPLIED:
        raise ConfigurationError(f"{tx.school}: no school year is applied; there is nothing to undo")
    done = json.loads(found.done)
    if against := _against(tx, done):
        more = f" … and {len(against) - _TOLD} more" if len(against) > _TOLD else ""
        raise ConfigurationError(
            f"{tx.school}: the school year {found.id} can't be undone any more; nothing was changed. "
            f"{' '.join(against[:_TOLD])}{more}"
        )
    relinked: Mapping[str, list[str | None]] = done["relinked"]
    set_ends(tx, Side.SCHOOL, dict.fromkeys(relinked))
    _make_room(tx, done)
    set_ends(tx, Side.SCHOOL, {of: was for of, (was, _) in relinked.items()})
    _bring_back(tx, done["archived"])
    generations.take_back(tx, done["anchors"], had=done["had"])
    forget_releases(tx, found.id)
    _look(tx, done)
    guardbook.unhold(tx, RULE)
    _back_to(tx, done["before"])
    before, after = {"phase": Phase.APPLIED.value}, {"phase": done["before"]}
    entry = journal.Entry("year", actor=actor, cycle=found.id, reason=f"undo: {reason}", before=before, after=after)
    journal.append(tx, [entry, *_entries(done, found.id, actor)])
    return str(found.id)


def _against(tx: Transaction, done: Mapping[str, Any]) -> list[str]:
    """What happened since that would be lost or contradicted."""
    found: list[str] = []
    archived = {one["link"]["id"]: one["link"] for one in done["archived"]}
    now = {one.id: one for one in tx.rows(select(link).where(link.c.school == tx.school))}
    for of, (_, then) in done["relinked"].items():
        if of not in now or now[of].school_anchor != then or now[of].cloud_anchor is None:
            found.append(f"Group {of} is linked otherwise since.")
    ours = {*done["relinked"], *archived}
    old = [was for was, _ in done["relinked"].values() if was] + [
        one["school_anchor"] for one in archived.values() if one["school_anchor"]
    ]
    found += [
        f"Group {one.school_anchor} of the school has got a group of its own in the cloud (link {one.id})."
        for one in holders(tx, old)
        if one.id not in ours and one.cloud_anchor is not None
    ]
    clouds = {one["cloud_anchor"] for one in archived.values()}
    for id_, one in now.items():
        if one.cloud_anchor in clouds and one.school_anchor is not None:
            found.append(
                f"The archived group {one.cloud_anchor} of the cloud belongs to another one since (link {id_})."
            )
    return found


def _make_room(tx: Transaction, done: Mapping[str, Any]) -> None:
    """Links of one end that were made since, for ends that are given back."""
    ends = {was for was, _ in done["relinked"].values()} | {one["link"]["school_anchor"] for one in done["archived"]}
    for one in holders(tx, [end for end in ends if end]):
        if one.id not in done["relinked"]:
            drop(tx, one.id)
    clouds = [one["link"]["cloud_anchor"] for one in done["archived"]]
    for one in tx.rows(select(link.c.id).where(link.c.school == tx.school, link.c.cloud_anchor.in_(clouds))):
        drop(tx, one.id)


def _bring_back(tx: Transaction, archived: list[dict[str, Any]]) -> None:
    tx.add(link, (one["link"] for one in archived))
    agreed = [(one["link"]["id"], *row) for one in archived for row in one["agreed"]]
    tx.add(agreement, ({"link": of, "fields": fields, "refs": refs} for of, fields, refs in agreed))
    tx.add(agreed_reference, (
        {"link": one["link"]["id"], "field": field, "target": target}
        for one in archived for field, target in one["references"]
    ))  # fmt: skip


def _look(tx: Transaction, done: Mapping[str, Any]) -> None:
    """Everything that moved is looked at again; groups that are nobody's for now are correlated."""
    touch.touch(tx, [*done["relinked"], *(one["link"]["id"] for one in done["archived"])])
    ends = {was for was, _ in done["relinked"].values()} | {one["link"]["school_anchor"] for one in done["archived"]}
    free = {now for _, now in done["relinked"].values()} - ends
    touch.forget_loose(tx, Side.SCHOOL, [end for end in ends if end])
    touch.touch_loose(tx, Side.SCHOOL, free)


def _back_to(tx: Transaction, before: str) -> None:
    mine = year.c.school == tx.school
    if before == Phase.CLOSED:
        tx.run(delete(year).where(mine))
    else:
        tx.run(update(year).where(mine).values(phase=before, done="{}"))


def _entries(done: Mapping[str, Any], id: str, actor: str) -> list[journal.Entry]:  # noqa: A002
    return [
        journal.Entry(
            "relink", actor=actor, cycle=id, kind="group", link=of, reason="undo",
            before={"school_anchor": now}, after={"school_anchor": was},
        )
        for of, (was, now) in done["relinked"].items()
    ]  # fmt: skip
