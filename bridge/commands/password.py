"""``password``: set somebody's password at the school and in the cloud as one operation, or a whole class's.

Never from the command line's words: it is asked for without echo, read from standard input, or made.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from bridge.commands.persons import person as one_person
from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import samba_password, wiring
from bridge.daemon.actor import actor
from bridge.daemon.password_desk import desk_at, writable
from bridge.daemon.password_people import Age, account_of, ages, members
from bridge.daemon.passwords import Desk, Outcome, set_password
from bridge.settings import School
from bridge.state.store import SchoolStore


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(password)


def password(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    person: Annotated[str | None, typer.Argument(help="Whose: login, name, anchor or link of one person.")] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make a readable one that both sides take.")] = False,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="To be changed at the next login, on each side by itself.")
    ] = False,
    group: Annotated[str | None, typer.Option("--class", help="Of a whole class or group; needs --out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The PDF of the class; must not exist yet.")] = None,
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="By default the school's.")] = None,
    status: Annotated[bool, typer.Option("--status", help="Show how old passwords are on each side.")] = False,
    from_samba: Annotated[
        bool, typer.Option("--from-samba", help="Take the change that `samba-tool user syncpasswords` pipes in.")
    ] = False,
) -> int:
    """Set a password at the school and in the cloud as one operation: asked for, from standard input, or made."""
    session = session_of(context)
    one = session.school(school)
    ways = [name for name, given in (("PERSON", person), ("--class", group), ("--from-samba", from_samba)) if given]
    if len(ways) > 1 or (not ways and not status):
        raise Mistake("say whose password: one PERSON, or a whole --class")
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        if status:
            return _status(session, one, store, person)
        if from_samba:
            return _from_samba(session, one, store)
        if group is not None:
            if not generate or out is None:
                raise Mistake("a whole class gets made passwords on paper: add --generate and --out FILE.pdf")
            return _class(session, one, store, group, out, language, must_change=must_change)
        secret = None if generate else _read()
        outcome = asyncio.run(_one(session, one, store, str(person), secret, must_change=must_change))
    return _answer(session, one, outcome, show=generate)


def _read() -> str:
    """The password: asked for twice without echo, or one line of standard input."""
    if not sys.stdin.isatty():
        secret = sys.stdin.readline().rstrip("\r\n")
    else:
        secret = getpass.getpass("New password: ", stream=sys.stderr)
        if secret != getpass.getpass("The same again: ", stream=sys.stderr):
            raise Mistake("the two are not the same; nothing was changed")
    if not secret:
        raise Mistake("no password was given; nothing was changed")
    return secret


def _desk(
    session: Session, school: School, store: SchoolStore, sides: frozenset[Side], *, reason: str
) -> AbstractAsyncContextManager[Desk]:
    return desk_at(session.settings, session.catalog, school, store, sides, actor=actor(), reason=reason)


async def _one(
    session: Session, school: School, store: SchoolStore, name: str, secret: str | None, *, must_change: bool
) -> Outcome:
    sides = writable(school, store)
    account = account_of(one_person(store, name), sides)
    async with _desk(session, school, store, frozenset(account.anchors), reason="command") as desk:
        return await set_password(desk, account, secret, must_change=must_change)


def _from_samba(session: Session, school: School, store: SchoolStore) -> int:
    """What samba-tool calls for each change: its answer has to begin with DONE-EXIT, or it comes again."""
    change = samba_password.read(sys.stdin.buffer.read(samba_password.MOST))
    sides = writable(school, store)

    async def work() -> samba_password.Dealt:
        async with _desk(session, school, store, sides, reason="samba") as desk:
            return await samba_password.take(desk, store, change)

    dealt = asyncio.run(work())
    sys.stdout.write(f"{samba_password.DONE if dealt.done else ''}{dealt.message}\n")
    sys.stdout.flush()
    return NOTHING if dealt.done else ERROR


def _answer(session: Session, school: School, outcome: Outcome, *, show: bool) -> int:
    answer: dict[str, Any] = {"school": school.code, **tree(outcome)}
    if show and outcome.secret:
        answer["password"] = outcome.secret

    def draw(screen: Console) -> None:
        screen.print(f"{plain(school.code)}: {plain(outcome.link)}: {plain(outcome.told())}")
        if show and outcome.secret:
            screen.print(plain(outcome.secret))

    session.show(answer, draw)
    return NOTHING if outcome.ok else ERROR


def tree(outcome: Outcome) -> dict[str, Any]:
    """What became of one password, for JSON; without the password."""
    return {
        "ok": outcome.ok,
        "link": outcome.link,
        "sides": {side.value: holds.value for side, holds in outcome.sides.items()},
        "differs": outcome.differs,
        "broken": [{"side": one.side.value, "rule": one.broken.value, "number": one.number} for one in outcome.faults],
        "message": outcome.told(),
    }


def _class(
    session: Session, school: School, store: SchoolStore, group: str, out: Path, language: str | None,
    *, must_change: bool,
) -> int:  # fmt: skip
    from bridge.daemon import password_list  # only here: what makes PDFs takes a while to load

    password_list.writable(out)
    sides = writable(school, store)
    people = [(person, account_of(link, sides)) for person, link in members(store, group)]
    if not people:
        raise Mistake(f"{school.code}: nobody of {plain(group)} has an account on both sides")

    async def work() -> Mapping[str, Outcome]:
        async with _desk(session, school, store, sides, reason="class list") as desk:
            with session.progress() as progress:
                return await password_list.set_and_print(
                    desk, people, out=out, school=school.name, language=language or school.language,
                    must_change=must_change, now=wiring.now(), progress=progress,
                )  # fmt: skip

    outcomes = asyncio.run(work())
    done = [link for link, outcome in outcomes.items() if outcome.ok]
    store.mark_handed_out(done)
    bad = [outcome for outcome in outcomes.values() if not outcome.ok]
    untried = len(people) - len(outcomes)
    answer = {
        "ok": not bad and not untried, "school": school.code, "printed": len(done), "untried": untried,
        "failed": [tree(outcome) for outcome in bad], "file": str(out) if done else None,
    }  # fmt: skip
    session.show(answer, lambda screen: _draw_class(screen, school, len(done), bad, untried, out))
    return NOTHING if answer["ok"] else ERROR


def _draw_class(screen: Console, school: School, printed: int, bad: Sequence[Outcome], untried: int, out: Path) -> None:
    if printed:
        screen.print(f"{plain(school.code)}: {printed} passwords in {plain(out)}; print it, then delete it")
    for outcome in bad:
        screen.print(f"  [red]✗[/] {plain(outcome.link)}: {plain(outcome.told())}")
    if untried:
        screen.print(f"  {untried} more were not tried: what went wrong would go wrong again")


def _status(session: Session, school: School, store: SchoolStore, person: str | None) -> int:
    found = ages(store, one_person(store, person) if person else None)
    shown = found if person else [one for one in found if one.older or one.differs]
    rows = [
        {
            "link": one.link,
            "login": one.login,
            "set_at": {side.value: moment.isoformat() for side, moment in one.set_at.items()},
            "older": one.older.value if one.older else None,
            "bridge": {side.value: holds.value for side, (holds, _) in one.kept.sides.items()} if one.kept else {},
            "differs": one.differs,
        }
        for one in shown
    ]
    answer = {"school": school.code, "people": len(found), "shown": rows}
    session.show(answer, lambda screen: _draw_status(screen, school, len(found), shown))
    return NOTHING


def _draw_status(screen: Console, school: School, people: int, shown: Sequence[Age]) -> None:
    screen.print(f"{plain(school.code)}: {people} people with an account on both sides, {len(shown)} shown")
    if not shown:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("link", "login", "set at the school", "set in the cloud", "older", "by the bridge"):
        table.add_column(heading, overflow="fold")
    for one in shown:
        moments = [f"{one.set_at[side]:%Y-%m-%d %H:%M}" if side in one.set_at else "unknown" for side in Side]
        known = one.kept.told() if one.kept else "–"
        table.add_row(plain(one.link), plain(one.login), *moments, str(one.older or "–"), known)
    screen.print(table)
    if any(one.differs for one in shown):
        screen.print("Where the bridge shows old or unknown, set the password again: schoolbridge password SCHOOL LINK")
