"""``schoolbridge restore``: what lies in the trash of a mirrored folder, and a way back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.roots import Root, roots_of
from bridge.daemon.shares import Ground
from bridge.daemon.trash import Back, bring_back, kept, meant, opened
from bridge.ports import Kept
from bridge.settings.render import guess
from bridge.state.owners import Owner, owners


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(restore)


def restore(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="The school's code.")],
    what: Annotated[list[str] | None, typer.Argument(help="Ids or paths to bring back; without any: list.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose folder: link, login or name.")] = None,
    share: Annotated[str | None, typer.Option(help="Which share; not needed where the owner has one folder.")] = None,
    side: Annotated[Literal["school", "cloud"], typer.Option(help="Whose trash.")] = "school",
    find: Annotated[str, typer.Option(help="List only paths with this in it.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="List at most so many, the latest first.")] = 100,
    reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")] = "",
) -> int:
    """List deleted and overwritten versions of a folder, or bring some back; the next cycle mirrors them."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        ground = Ground(session.settings, session.catalog, one, database)
        root = _root(ground, owner, share)
        if not what:
            there = asyncio.run(_listed(ground, root, Side(side)))
            found = [entry for entry in there if find.casefold() in entry.path.casefold()]
            return _show(session, found, root, side=side, limit=limit)
        done = asyncio.run(_brought(ground, root, Side(side), what, reason))
    answer = {
        "restored": [{**_tree(back.kept), "now": back.path} for back in done if not back.why],
        "failed": [{**_tree(back.kept), "why": back.why} for back in done if back.why],
    }
    session.show(answer, lambda out: _draw_done(out, done))
    return ERROR if answer["failed"] else NOTHING


def _root(ground: Ground, owner: str | None, share: str | None) -> Root:
    """The one root that is meant; raises Mistake."""
    known = [one.name for one in ground.school.shares]
    if share is not None and share not in known:
        raise Mistake(f'no share is called "{plain(share)}"; {guess(share, known) if known else "there are none"}')
    everybody: dict[str, Owner] = {
        one.link: one
        for kind in {one.owner for one in ground.school.shares}
        for one in owners(ground.database, ground.school.code, kind)
    }
    roots = [one for one in roots_of(ground.school, ground.database).roots.values() if share in (None, one.share)]
    if owner is not None:
        names = {name for root in roots for name in _names(everybody[root.owner])}
        roots = [
            root for root in roots if owner.casefold() in {one.casefold() for one in _names(everybody[root.owner])}
        ]
        if not roots:
            raise Mistake(f'no folder belongs to "{plain(owner)}"; {guess(owner, names)}')
    if len(roots) == 1:
        return roots[0]
    if len({root.owner for root in roots}) > 1:
        raise Mistake(f"whose folder? say --owner LOGIN; {len(roots)} folders are mirrored")
    if roots:
        raise Mistake(f"which share? say --share {' or '.join(sorted(root.share for root in roots))}")
    raise Mistake(f"{ground.school.code} has no mirrored folder")


def _names(owner: Owner) -> list[str]:
    return [name for name in (owner.link, owner.login, owner.name) if name]


async def _listed(ground: Ground, root: Root, side: Side) -> Sequence[Kept]:
    async with opened(ground, root, side) as connector:
        return await kept(ground, root, side, connector)


async def _brought(ground: Ground, root: Root, side: Side, what: Sequence[str], reason: str) -> Sequence[Back]:
    async with opened(ground, root, side) as connector:
        there = await kept(ground, root, side, connector)
        wanted: dict[str, Kept] = {}
        for word in what:  # all of them are known before the first one is touched
            found = meant(there, word)
            if not found:
                near = guess(word, (one.path for one in there[:1000])) if there else "nothing lies there"
                raise Mistake(f'nothing in the trash of the {side} is "{plain(word)}"; {near}')
            wanted |= {one.id: one for one in found}
        return await bring_back(
            ground, root, side, connector, wanted=list(wanted.values()), actor=actor(), reason=reason
        )


def _tree(one: Kept) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "path": one.path,
        "at": one.moment,
        "what": "deleted" if one.deleted else "overwritten",
        "size": one.size,
    }


def _show(session: Session, found: Sequence[Kept], root: Root, *, side: str, limit: int) -> int:
    answer = {
        "root": root.code,
        "side": side,
        "count": len(found),
        "trash": [_tree(one) for one in found[:limit]],
    }

    def draw(out: Console) -> None:
        out.print(f"[bold]{plain(root.code)}[/], trash of the {side}: {len(found)}")
        for one in found[:limit]:
            what = "deleted" if one.deleted else "overwritten"
            size = f", {one.size} bytes" if one.kind == "file" else ""
            out.print(f"  {plain(one.moment[:16])} {what} {one.kind} {plain(one.path)}{size}")
            out.print(f"    {plain(one.id)}")
        if len(found) > limit:
            out.print(f"  and {len(found) - limit} more: --limit, or --find PART of a path")

    session.show(answer, draw)
    return NOTHING


def _draw_done(out: Console, done: Sequence[Back]) -> None:
    for back in done:
        if back.why:
            out.print(f"[red]not restored[/] {plain(back.kept.path)}: {plain(back.why)}")
        elif back.path != back.kept.path:
            out.print(f"restored {plain(back.kept.path)} as {plain(back.path)} (the old name is taken)")
        else:
            out.print(f"restored {plain(back.path)}")
    if any(not back.why for back in done):
        out.print("the next cycle mirrors it to the other side")
