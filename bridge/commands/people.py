"""What a person decides about single people and groups: ``release``, ``link``, ``letters``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.decisions import of_a_sort
from bridge.ports import Pair
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state.roots import BETWEEN
from bridge.state.store import SchoolStore

if TYPE_CHECKING:
    from bridge.daemon.handout import HandOut, Person


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(release)
    app.command()(link)
    app.command()(letters)


def release(
    context: typer.Context,
    school: Annotated[
        str, typer.Argument(help="Code of the school, or of one of its folders as `quarantine` shows it.")
    ],
    name: Annotated[str | None, typer.Argument(help="Whom: link, anchor, login or name of one object.")] = None,
    every: Annotated[str | None, typer.Option("--all", help="All that the guard holds of a sort: user:delete.")] = None,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """Let something pass that is held: one object by name, or all of a sort. Good for one write each."""
    session = session_of(context)
    one = session.school(school.partition(BETWEEN)[0])
    if (name is None) == (every is None):
        raise Mistake("say whom to release: either a name, or --all KIND:TALLY as the message of the guard said")
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        if school != one.code and school not in (known := database.schools()):
            raise Mistake(f'{one.code} mirrors no folder with the code "{plain(school)}"; {guess(school, known)}')
        store = database.school(school, one.kinds())
        links = of_a_sort(store, every) if every is not None else [_named(store, str(name))]
        store.release(*links, actor=actor(), reason=reason)
    answer = {"ok": True, "school": school, "released": links}
    session.show(answer, lambda out: out.print(f"{plain(school)}: {len(links)} released; the next cycle goes on"))
    return NOTHING


def link(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    name: Annotated[str, typer.Argument(help="Who has no partner: link, anchor, login or name of one object.")],
    anchor: Annotated[str, typer.Argument(help="Anchor of the partner on the other side, as the message shows it.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """Say that two records are the same person or group, where the bridge only supposed so or found several."""
    session = session_of(context)
    one = session.school(school)
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        pair = _partners(store, _named(store, name), anchor)
        store.pair([pair])
        store.release(pair.link, actor=actor(), reason=f"linked by hand: {reason}")
    answer = {
        "ok": True,
        "school": one.code,
        "link": pair.link,
        "school_anchor": pair.school,
        "cloud_anchor": pair.cloud,
    }
    session.show(answer, lambda out: out.print(f"{plain(one.code)}: {plain(pair.link)} linked; the next cycle goes on"))
    return NOTHING


def _partners(store: SchoolStore, link_id: str, anchor: str) -> Pair:
    mine = store.links([link_id])[0]
    missing = [side for side in Side if mine.end(side).record is None]
    if len(missing) != 1:
        raise Mistake(f"{link_id} has both ends already; nothing to link")
    found = [one for one in store.find(anchor) if one.anchor == anchor]
    if not found or found[0].side is not missing[0] or found[0].kind != mine.kind or found[0].gone is not None:
        raise Mistake(f"{plain(anchor)} is no living {mine.kind} of the {missing[0]}; see: schoolbridge quarantine")
    other = found[0].link
    if other is not None and all(store.links([other])[0].end(side).record is not None for side in Side):
        raise Mistake(
            f"{plain(anchor)} belongs to somebody else; see: schoolbridge explain {mine.kind} {plain(anchor)}"
        )
    own = mine.end(missing[0].other).anchor
    school, cloud = (own, anchor) if missing[0] is Side.CLOUD else (anchor, own)
    return Pair(link_id, mine.kind, school, cloud, absorbs=other)


def _named(store: SchoolStore, name: str) -> str:
    if store.links([name]):
        return name
    held = {one.link for one in store.troubles()}
    if name in held:
        return name
    links = list(dict.fromkeys(one.link for one in store.find(name) if one.link))
    links = [link for link in links if link in held] or links
    if not links:
        raise Mistake(f'nothing is known by "{plain(name)}"; part of a name, login or anchor is enough')
    if len(links) > 1:
        raise Mistake(f'"{plain(name)}" fits {len(links)} objects; use one of the links: {", ".join(links[:10])}')
    return links[0]


def letters(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    out: Annotated[Path, typer.Option("--out", help="The PDF to write; must not exist yet.")],
    group: Annotated[str | None, typer.Option(help="Only this class or group.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also who got a letter before, or had an account before.")
    ] = False,
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="By default the school's.")] = None,
) -> int:
    """Set new first passwords and print them as a class list to cut up. They are stored nowhere else."""
    from bridge.daemon import handout  # only here: what makes PDFs takes a while to load

    session = session_of(context)
    one = session.school(school)
    _writable(out)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        stage = Stage(store.stage())
        if Side.CLOUD not in one.policy(stage).writable:
            raise Mistake(f"{one.code}: in stage {stage} nothing is written to the cloud, not even passwords")
        people = handout.choose(store, group=group, again=again)
        if not people:
            hint = "" if again else "; --again prints new ones for those who got a letter or had an account before"
            raise Mistake(f"{one.code}: nobody is to get a letter{hint}")
        result = asyncio.run(_hand_out(session, one, store, people, out, language))
    ok = not result.failed and not result.error
    answer = {
        "ok": ok,
        "school": one.code,
        "letters": len(result.printed),
        "failed": [{"link": link, "message": message} for link, message in result.failed.items()],
        "error": result.error,
        "file": str(out) if result.printed else None,
    }
    session.show(answer, lambda screen: _draw_letters(screen, one, result, out))
    if result.error:
        session.fail(result.error)
    return NOTHING if ok else ERROR


async def _hand_out(
    session: Session,
    school: School,
    store: SchoolStore,
    people: Sequence[Person],
    out: Path,
    language: str | None,
) -> HandOut:
    from bridge.daemon import handout

    async with wiring.connected(session.settings, session.catalog, school, Side.CLOUD) as connector:
        resetter: Any = connector
        if not hasattr(connector, "reset_passwords"):
            raise Mistake(f"the connector {school.sides[Side.CLOUD].connector} can't set passwords")
        with session.progress() as progress:
            return await handout.hand_out(
                store,
                resetter,
                people,
                out=out,
                school=school.name,
                language=language or school.language,
                now=wiring.now(),
                progress=progress,
            )


def _writable(out: Path) -> None:
    """Find out before any password is changed."""
    if out.exists() or out.is_symlink():
        raise Mistake(f"{out} exists already; name another file, or remove it")
    if not out.parent.is_dir():
        raise Mistake(f"the directory {out.parent} does not exist")
    probe = out.with_name(f".{out.name}.probe")
    probe.touch(mode=0o600)
    probe.unlink()


def _draw_letters(screen: Console, school: School, result: HandOut, out: Path) -> None:
    if result.printed:
        screen.print(f"{plain(school.code)}: {len(result.printed)} letters in {plain(out)}; print it, then delete it")
    for link, message in result.failed.items():
        screen.print(f"  [red]✗[/] {plain(link)}: {plain(message)}")
