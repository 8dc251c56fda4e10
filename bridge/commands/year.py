"""``year``: the school year, planned, applied as one operation, taken back, and what waits meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table as Drawn

from bridge.commands.session import NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.commands.year_roster import apply_roster, read, takes_back_roster, undo_roster
from bridge.core.freeze import Phase
from bridge.core.year import GroupChange, PersonChange
from bridge.daemon import school_year, wiring
from bridge.daemon.actor import actor
from bridge.daemon.ids import TimeOrdered
from bridge.engine.wanted import Carried, carry_out
from bridge.ports.years import Settlement
from bridge.settings import School
from bridge.state.store import SchoolStore

if TYPE_CHECKING:
    from bridge.core.year_wanted import Wanted

app = typer.Typer(
    name="year", help="The school year: which class is which, what waits meanwhile.", no_args_is_help=True
)
SchoolArgument = Annotated[str, typer.Argument(help="Code of the school.")]
ReasonOption = Annotated[str, typer.Option(help="Why; goes into the journal.")]
ChooseOption = Annotated[
    list[str] | None,
    typer.Option("--choose", help="What a person decided: 6a=5b (this year's class = last year's) or 6a=new."),
]
RosterOption = Annotated[Path | None, typer.Option(help="This year's export of the school's program (CSV).")]
BeforeOption = Annotated[
    Path | None, typer.Option(help="Last year's export: whom one brought may leave by one. Once is enough.")
]


def register(main: typer.Typer) -> None:
    """Add the commands."""
    for command in (open_, plan, apply, undo, close):
        app.command(command.__name__.rstrip("_"))(command)
    main.add_typer(app)


def open_(context: typer.Context, school: SchoolArgument, reason: ReasonOption = "") -> int:
    """Before the directory is rebuilt: remember who is in which class, and let classes and deletes wait."""
    session = session_of(context)
    one = session.school(school)
    _said(reason)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        store.open_year(_id(), actor=actor(), reason=reason)
        found = store.year()
    groups = len(found.last.groups) if found else 0
    answer = {"ok": True, "school": one.code, "phase": Phase.OPEN.value, "groups": groups}
    text = f"{plain(one.code)}: the school year is open; {groups} classes and courses are remembered. Rebuild the "
    session.show(answer, lambda out: out.print(f"{text}directory now, then: schoolbridge year plan {plain(one.code)}"))
    return NOTHING


def plan(
    context: typer.Context,
    school: SchoolArgument,
    roster: RosterOption = None,
    before: BeforeOption = None,
    choose: ChooseOption = None,
    out: Annotated[Path | None, typer.Option(help="Also as a PDF; the file must not exist yet.")] = None,
    language: Annotated[
        Literal["de", "en"] | None, typer.Option(help="Language; by default that of the school.")
    ] = None,
) -> int:
    """Show what becomes of every class and person. Writes nothing. Exit code 2: there is something to do."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        planned, wanted = _planned(session, one, store, roster, before, choose)
    spoken = language or one.language
    if out is not None:
        _print(out, planned, one, spoken)
    answer = {
        **_tree(planned),
        "school": one.code,
        "wanted": [_wanted(row) for row in wanted],
        "file": out and str(out),
    }
    session.show(answer, lambda screen: _draw(screen, planned, one, spoken, len(wanted)))
    return SOMETHING if planned.plan.something else NOTHING


def apply(
    context: typer.Context,
    school: SchoolArgument,
    choose: ChooseOption = None,
    reason: ReasonOption = "",
    roster: RosterOption = None,
    before: BeforeOption = None,
    expect: Annotated[
        int | None, typer.Option(help="With --roster: how many changes you saw; passes the school's thresholds.")
    ] = None,
) -> int:
    """Carry the plan out: classes keep their groups in the cloud, what ended is archived. One operation, with undo.

    With --roster the school's directory is written, as year plan --roster showed it; stop the daemon for that.
    """
    session = session_of(context)
    one = session.school(school)
    _said(reason)
    if roster is not None:
        chosen = dict(_pair(text) for text in choose or ())
        return apply_roster(session, one, roster, before, chosen=chosen, expect=expect, reason=reason)
    if before is not None or expect is not None:
        raise Mistake("--before and --expect go with --roster")
    id_ = _id()
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        settlement = Settlement()
        # Applied already, and archived groups without their names: it broke off in between, and only goes on.
        if store.year_phase() is not Phase.APPLIED or not school_year.unnamed(store):
            planned, _ = _planned(session, one, store, None, None, choose)
            settlement = school_year.settlement(planned)
            store.apply_year(id_, settlement, actor=actor(), reason=reason)
        found = store.year()
        operation = found.id if found else id_
        renamed = school_year.unnamed(store)
        carried = asyncio.run(_carry(session, one, store, renamed, operation)) if renamed else Carried()
    answer = {
        "ok": not carried.failed, "school": one.code, "operation": operation,
        "relinked": len(settlement.relinked), "archived": len(settlement.archived), "failed": carried.failed,
    }  # fmt: skip
    session.show(answer, lambda out: _draw_applied(out, one, answer, carried))
    return NOTHING


def undo(context: typer.Context, school: SchoolArgument, reason: ReasonOption = "") -> int:
    """Take back what apply did; refused, with the reasons, where later changes stand against it."""
    session = session_of(context)
    one = session.school(school)
    _said(reason)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        if takes_back_roster(store):
            return undo_roster(session, one, store, reason)
        names = school_year.renamed(store)
        id_ = store.undo_year(actor=actor(), reason=reason)
        phase = store.year_phase()
        # While a year is open the mirror leaves classes alone: their names are given back here.
        carried = asyncio.run(_carry(session, one, store, names, id_)) if names else Carried()
    answer = {
        "ok": not carried.failed, "school": one.code, "operation": id_, "phase": phase.value, "failed": carried.failed,
    }  # fmt: skip
    session.show(answer, lambda out: _draw_undone(out, one, id_, phase, carried))
    return NOTHING


def _draw_undone(out: Console, one: School, id_: str, phase: Phase, carried: Carried) -> None:
    now = "open again" if phase is Phase.OPEN else "closed"
    out.print(f"{plain(one.code)}: {id_} is undone; the school year is {now}")
    for message in carried.failed:
        out.print(f"  [yellow]![/] {plain(message)}")
    if carried.failed:
        out.print("  Groups that were archived keep that name until the year is closed, or give it back by hand")


def close(context: typer.Context, school: SchoolArgument, reason: ReasonOption = "") -> int:
    """The year is done: leavers are judged by the guard as ever. Nothing can be undone any more."""
    session = session_of(context)
    one = session.school(school)
    _said(reason)
    with wiring.database(session.settings, create=False) as database:
        database.school(one.code, one.kinds()).close_year(actor=actor(), reason=reason)
    answer = {"ok": True, "school": one.code, "phase": Phase.CLOSED.value}
    session.show(answer, lambda out: out.print(f"{plain(one.code)}: the school year is closed; the next cycle goes on"))
    return NOTHING


def _said(reason: str) -> None:
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")


def _id() -> str:
    return TimeOrdered(wiring.now, secrets.randbits)()


def _planned(
    session: Session, one: School, store: SchoolStore, roster: Path | None, before: Path | None,
    choose: Sequence[str] | None,
) -> tuple[school_year.Planned, list[Wanted]]:  # fmt: skip
    chosen = dict(_pair(text) for text in choose or ())
    if before is not None and roster is None:
        raise Mistake("--before goes with --roster: last year's export beside this year's")
    told, brought = (read(session, one, file) for file in (roster, before))
    years = {"told": told.year if told else None, "before": brought.year if brought else None}
    planned = school_year.plan(store, **years, chosen=chosen)
    wanted = school_year.wanted(store, planned, told.fields) if told else school_year.archives(store, planned)
    return planned, wanted


def _pair(text: str) -> tuple[str, str]:
    after, between, before = text.partition("=")
    if not (after and between and before):
        raise Mistake(f'--choose wants THIS=LAST like 6a=5b, or 6a=new, not "{plain(text)}"')
    return after.strip(), before.strip()


async def _carry(session: Session, one: School, store: SchoolStore, wanted: Sequence[Wanted], id_: str) -> Carried:
    async with wiring.bridged(session.settings, session.catalog, one, store) as bridged:
        return await carry_out(bridged, wanted, cycle=id_)


def _print(out: Path, planned: school_year.Planned, one: School, language: str) -> None:
    from bridge.letters.year_document import year_document
    from bridge.state.private import save

    try:
        save(out, year_document(planned.plan, school=one.name, language=language, printed=wiring.now().date()))
    except FileExistsError:
        raise Mistake(f"{out} exists already; name another file, or remove it") from None


def _tree(planned: school_year.Planned) -> dict[str, Any]:
    return {
        "phase": planned.opened.phase.value if planned.opened else Phase.CLOSED.value,
        "groups": [_group(one) for one in planned.plan.groups],
        "people": [_person(one) for one in planned.plan.people],
        "undecided": len(planned.plan.undecided),
        "questions": len(planned.plan.questions),
    }


def _group(one: GroupChange) -> dict[str, Any]:
    tree: dict[str, Any] = {name: getattr(one, name).value for name in ("turn", "certainty", "why")}
    for side, group in (("before", one.before), ("after", one.after)):
        tree[side] = {"id": group.id, "name": group.name, "anchor": group.anchor} if group else None
    return {**tree, "overlap": one.overlap, "of": one.of, "parts": [part.name for part in one.parts]}


def _person(one: PersonChange) -> dict[str, Any]:
    tree: dict[str, Any] = {name: getattr(one, name).value for name in ("turn", "certainty", "why")}
    return {"key": one.person.key, **tree, "before": one.before, "after": one.after, "schools": list(one.schools)}


def _wanted(one: Wanted) -> dict[str, Any]:
    return {
        "side": one.side.value, "kind": one.kind, "action": one.action.value, "anchor": one.anchor, "key": one.key,
        "before": dict(one.before), "after": dict(one.after), "added": sorted(one.added),
        "removed": sorted(one.removed), "reason": one.reason,
    }  # fmt: skip


def _draw(screen: Console, planned: school_year.Planned, one: School, language: str, wanted: int) -> None:
    from bridge.letters.year_rows import tables

    for table in tables(planned.plan, language):
        drawn = Drawn(*table.head, title=f"{plain(one.code)}: {table.title}", box=box.SIMPLE, title_justify="left")
        for row in table.rows:
            drawn.add_row(*(plain(cell) for cell in row))
        screen.print(drawn if table.rows else f"{plain(one.code)}: {table.title}: {table.empty}")
    if planned.roster:
        screen.print(f"{wanted} changes would have to be made at the school; --json lists them. Nothing was written")
        screen.print(f"To make them: schoolbridge year apply {plain(one.code)} --roster ... --reason '...'")
    elif planned.opened is None:
        screen.print("no school year is open: compared with what both sides last agreed on")


def _draw_applied(out: Console, one: School, answer: dict[str, Any], carried: Carried) -> None:
    out.print(
        f"{plain(one.code)}: applied as {answer['operation']}: {answer['relinked']} classes found their groups again, "
        f"{answer['archived']} groups are archived. The next cycle renames; then: schoolbridge year close {one.code}"
    )
    for message in carried.failed:
        out.print(f"  [yellow]![/] {plain(message)}")
