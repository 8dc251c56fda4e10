"""``explain``: why somebody or some group is in the cloud as it is, or isn't. Reads the state, writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from bridge.commands.leavers import way
from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.core.cutover import Stage
from bridge.core.model import Endpoint, Link, Side
from bridge.daemon import wiring
from bridge.daemon.password_people import apart
from bridge.engine.bridged import Bridged
from bridge.engine.explain import Story
from bridge.engine.explain import explain as tell
from bridge.ports import Trouble
from bridge.settings import School
from bridge.state import passwords as books
from bridge.state.books import Sighting
from bridge.state.passwords import Kept
from bridge.state.store import SchoolStore

#: Links told at most; a name that fits more is too short.
SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    context: typer.Context,
    kind: Annotated[Literal["user", "group"], typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="Name, login, address, anchor or link, whole or in part.")],
    school: Annotated[str | None, typer.Option(help="Code of the school.")] = None,
) -> int:
    """Show where an object was found, what belongs to it, and for every field value, owner and what follows."""
    session = session_of(context)
    stories, loose = [], []
    passwords: dict[str, Kept] = {}
    with wiring.database(session.settings, create=False) as database:
        known = database.schools()
        for one in session.schools(school):
            if one.code not in known:
                continue
            store = database.school(one.code, one.kinds())
            found = [sighting for sighting in store.find(name) if sighting.kind == kind]
            links = list(dict.fromkeys(sighting.link for sighting in found if sighting.link))
            loose += [(one, sighting) for sighting in found if not sighting.link]
            troubles = {trouble.link: trouble for trouble in store.troubles()}
            told = asyncio.run(_tell(wiring.offline(one, store), links[:SHOWN]))
            stories += [(one, story, troubles.get(story.link.id), _leaving(one, store, story.link)) for story in told]
            passwords |= {kept.link: kept for kept in books.kept(database, one.code, links[:SHOWN])}
    if not stories and not loose:
        raise Mistake(f'no {kind} is known by "{plain(name)}"; part of a name, login or anchor is enough')
    answer = {
        "found": [{**_tree(*told), **_password(passwords, told[1])} for told in stories],
        "unlinked": [_sighting(one, sighting) for one, sighting in loose],
    }
    session.show(answer, lambda out: _draw(out, stories, loose, passwords))
    return NOTHING


async def _tell(school: Bridged, links: Sequence[str]) -> list[Story]:
    return [await tell(school, link) for link in links]


def _tree(school: School, story: Story, trouble: Trouble | None, leaving: dict[str, Any] | None) -> dict[str, Any]:
    link = story.link
    return {
        "school": school.code,
        "link": link.id,
        "kind": link.kind,
        "ends": {side.value: _end(link.end(side)) for side in Side},
        "agreed": link.agreed is not None,
        "fate": {
            "row": story.fate.row.value,
            "verdict": story.fate.verdict.value,
            "rule": story.fate.rule,
            "reason": story.fate.reason,
        },
        "fields": [
            {
                "name": one.name,
                "school": _json(one.school),
                "cloud": _json(one.cloud),
                "agreed": _json(one.agreed),
                "owner": one.owner,
                "outcome": one.outcome,
            }
            for one in story.fields
        ],
        "operations": [{"side": one.side.value, "action": one.action.value} for one in story.operations],
        "holds": [{"rule": one.rule, "message": one.message} for one in story.holds],
        "trouble": None
        if trouble is None
        else {"rule": trouble.rule, "message": trouble.message, "since": trouble.since.isoformat()},
        "again": story.again,
        "leaving": leaving,
    }


def _leaving(school: School, store: SchoolStore, link: Link) -> dict[str, Any] | None:
    """Where somebody is on the way out; None for who stays and is not held."""
    holds = store.person_holds([link.id]).get(link.id, ())
    now = wiring.now()
    if link.retired_at is None and link.taken is None and not any(one.lasts(now) for one in holds):
        return None
    return way(link, store.kinds[link.kind], school.policy(Stage(store.stage())), holds, now)


def _way(leaving: Mapping[str, Any]) -> str:
    since = f" since {leaving['since'][:10]}" if leaving["since"] else ""
    following = f"; next: {leaving['next']} on {leaving['next_at'][:10]} by {leaving['by']}" if leaving["next"] else ""
    held = "".join(f"; held ({one['reason']}) until {one['until'][:10]}" for one in leaving["holds"])
    return f"leaving: {leaving['state']}{since}{following}{held}"


def _end(end: Endpoint) -> Mapping[str, Any]:
    return {"anchor": end.anchor, "there": end.record is not None, "gone": end.gone.value if end.gone else None}


def _sighting(school: School, one: Sighting) -> dict[str, Any]:
    gone = one.gone.value if one.gone else None
    return {"school": school.code, "side": one.side.value, "anchor": one.anchor, "gone": gone, "shown": one.shown}


def _json(value: object) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _password(passwords: Mapping[str, Kept], story: Story) -> Mapping[str, Any]:
    """What the bridge knows of the password that it set; nothing where it never set one."""
    if (one := passwords.get(story.link.id)) is None:
        return {}
    return {"passwords": {"differs": one.differs, "sides": {side: holds for side, (holds, _) in one.sides.items()}}}


def _draw(
    out: Console,
    stories: Sequence[tuple[School, Story, Trouble | None, dict[str, Any] | None]],
    loose: Sequence[tuple[School, Sighting]],
    passwords: Mapping[str, Kept],
) -> None:
    for school, story, trouble, leaving in stories:
        link = story.link
        out.print(f"[bold]{plain(link.kind)} {plain(link.id)}[/] of {plain(school.code)}: {_fate(story)}")
        for side in Side:
            out.print(f"  {side}: {_place(link.end(side))}")
        agreed = "agreed before" if link.agreed is not None else "nothing agreed yet"
        out.print(f"  {agreed}")
        if leaving is not None:
            out.print(f"  {plain(_way(leaving))}")
        table = Table(box=None, padding=(0, 2, 0, 2))
        for heading in ("field", "school", "cloud", "owner", "outcome"):
            table.add_column(heading, overflow="fold")
        for one in story.fields:
            table.add_row(plain(one.name), _shown(one.school), _shown(one.cloud), one.owner, plain(one.outcome))
        out.print(table)
        if (kept := passwords.get(link.id)) and kept.differs:
            out.print(f"  [yellow]passwords[/]: {plain(apart(kept))}")
        for operation in story.operations:
            if operation.action.writes:
                out.print(f"  next: {operation.action} in the {operation.side} ({plain(operation.reason)})")
        for hold in story.holds:
            out.print(f"  [yellow]held[/] by {plain(hold.rule)}: {plain(hold.message)}")
        if trouble is not None:
            out.print(f"  [yellow]held[/] by {plain(trouble.rule)} since {trouble.since:%Y-%m-%d %H:%M} UTC")
            out.print(f"    {plain(trouble.message)}")
    for school, sighting in loose:
        names = ", ".join(plain(value) for value in sighting.shown.values())
        out.print(
            f"{plain(school.code)}: {names} is in the {sighting.side} ({plain(sighting.anchor)}), linked to nothing"
        )


def _fate(story: Story) -> str:
    reason = f" ({story.fate.reason})" if story.fate.reason else ""
    return plain(f"{story.fate.row}: {story.fate.verdict}{reason}")


def _place(end: Endpoint) -> str:
    if end.record is not None:
        return f"there, anchor {plain(end.anchor)}"
    if end.anchor is None:
        return "nothing"
    return f"gone ({end.gone or 'unknown'}), anchor {plain(end.anchor)}"


def _shown(value: object) -> str:
    if value is None or value in ("", frozenset()):
        return "–"
    if isinstance(value, frozenset):
        return f"{len(value)} entries" if len(value) > 3 else plain(", ".join(sorted(value)))
    return plain(value)
