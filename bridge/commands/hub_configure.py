"""``hub configure``: a school's file from the hub to its site: the site checks it, a person applies it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.hub_session import hub_of
from bridge.commands.session import ERROR, NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.daemon.actor import actor
from bridge.fleet.configure import Checked
from bridge.hub import authority, settings
from bridge.hub.configurations import Configurations
from bridge.state import hub_configurations as kept
from bridge.state.hub_configurations import Wanted

#: Seconds between two looks for the site's answer.
_LOOK = 0.2


def register(app: typer.Typer) -> None:
    """Add the command to ``schoolbridge hub``."""
    app.command()(configure)


def configure(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    file: Annotated[Path | None, typer.Argument(help="Its new file: judged, kept, checked at the site.")] = None,
    apply: Annotated[int | None, typer.Option(min=1, help="Apply this version, as it was checked.")] = None,
    check: Annotated[int | None, typer.Option(min=1, help="Have the site check this version anew.")] = None,
    back: Annotated[int | None, typer.Option(min=1, help="Take this old version as a new one; it is checked.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the school from its site; --typed CODE.")] = False,
    show: Annotated[bool, typer.Option("--show", help="The versions, and what the site said to the newest.")] = False,
    typed: Annotated[str, typer.Option(help="With --remove: the code of the school, typed again.")] = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the journals of both ends.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the site's answer.")] = 60,
) -> int:
    """Configure a school from the hub: check a file at its site, see diff and plan, then apply that version.

    Exit codes: 0 in force or nothing to wait for, 2 checked and not applied yet, or no answer yet, 1 refused.
    """
    session = session_of(context)
    wanted = [file is not None, apply is not None, check is not None, back is not None, remove, show]
    if sum(wanted) > 1:
        raise Mistake("one at a time: a FILE, --apply, --check, --back, --remove or --show")
    if any(wanted) and check is None and not show and len(reason.strip()) < 3:
        raise Mistake("say why: --reason '...' (three letters at least); it goes into the journals of both ends")
    hub = hub_of(session)
    with settings.database(hub) as database:
        mine = Configurations(database, authority.read(hub.kept).orders, actor=actor())
        if file is not None:
            text = _text(file)
            one = mine.propose(school, text, file=str(file), reason=reason, catalog=session.catalog)
        elif apply is not None:
            one = mine.apply(school, apply, reason=reason)
        elif check is not None:
            one = mine.check(school, check)
        elif back is not None:
            one = mine.back(school, back, reason=reason)
        elif remove:
            one = mine.remove(school, typed=typed, reason=reason)
        else:
            return _show(session, school, mine.versions(school))
        one = _answered(mine, one, wait)
    return _told(session, one)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise Mistake(f"{file} can't be read ({error.strerror}); nothing was asked") from None
    except UnicodeDecodeError:
        raise Mistake(f"{file} is not UTF-8 text; save it as UTF-8. Nothing was asked") from None


def _answered(mine: Configurations, one: Wanted, wait: float) -> Wanted:
    """The version as the site's answer leaves it, or as it is when the time is over."""
    end = time.monotonic() + wait
    while one.state in (kept.DRAFT, kept.ASKED) and time.monotonic() < end:
        time.sleep(_LOOK)
        one = mine.version(one.school, one.version)
    return one


def _tree(one: Wanted) -> dict[str, Any]:
    checked = Checked.model_validate_json(one.checked).model_dump(mode="json") if one.checked else None
    names = ("school", "version", "state", "digest", "actor", "reason", "answer")
    return {name: getattr(one, name) for name in names} | {"at": one.at.isoformat(), "checked": checked}


def _told(session: Session, one: Wanted) -> int:
    if one.state == kept.REFUSED:
        session.fail(f"{one.school}: version {one.version} was refused: {one.answer}", version=_tree(one))
        return ERROR
    session.show({"ok": True, **_tree(one)}, lambda out: _draw(out, one))
    return NOTHING if one.state == kept.IN_FORCE else SOMETHING


def _show(session: Session, school: str, versions: Sequence[Wanted]) -> int:
    def draw(out: Console) -> None:
        if not versions:
            out.print(f"{plain(school)}: nothing was configured from here yet")
            return
        for one in versions:
            out.print(
                f"{one.version:>4} {one.at:%Y-%m-%d %H:%M} {one.state:<9} {plain(one.actor)}: {plain(one.reason)}"
            )
        _draw(out, versions[0])

    session.show({"ok": True, "school": school, "versions": [_tree(one) for one in versions]}, draw)
    return NOTHING


def _draw(out: Console, one: Wanted) -> None:
    out.print(f"[bold]{plain(one.school)}[/] version {one.version}: {one.state}")
    if one.answer:
        out.print(f"  {plain(one.answer)}")
    if one.state in (kept.DRAFT, kept.ASKED):
        out.print(f"  no answer of the site yet; see: schoolbridge hub configure {plain(one.school)} --show")
    if one.checked and one.state == kept.CHECKED:
        _draw_checked(out, Checked.model_validate_json(one.checked))
        again = f"schoolbridge hub configure {plain(one.school)} --apply {one.version} --reason '...'"
        out.print(f"Nothing of it is in force. If it is right: {again}")


def _draw_checked(out: Console, checked: Checked) -> None:
    for title, text in (("the file", checked.diff), ("what would hold", checked.effective)):
        out.print(f"[bold]{title}[/]" + ("" if text else ": no difference"))
        for line in text.splitlines():
            paint = {"+": "green", "-": "red"}.get(line[:1], "")
            out.print(f"  [{paint}]{plain(line)}[/]" if paint else f"  {plain(line)}")
    plan = checked.plan
    out.print(
        "[bold]what would happen[/], by the site's state alone" + ("" if plan.writes else f" ({_quiet(plan.stage)})")
    )
    for one in plan.operations:
        held = f" [yellow]held[/]: {plain(one.rule)}" if one.rule else ""
        out.print(f"  {one.count:>6} × {plain(one.action)} {plain(one.kind)} in the {plain(one.side)}{held}")
    for text in plan.too_much:
        out.print(f"  [yellow]too much[/]: {plain(text)}")
    for root in plan.roots:
        out.print(f"  folders of {plain(root.share)}: {root.begin} begin, {root.end} end, {root.change} change")
    for name in plan.attributes:
        out.print(f"  {plain(name[1:])} {'leaves' if name[0] == '+' else 'no longer leaves'} the school")
    for side in plan.sides:
        out.print(f"  the {plain(side)} side connects with other options")
    if not (plan.operations or plan.roots or plan.attributes or plan.sides):
        out.print("  nothing")


def _quiet(stage: str) -> str:
    return f"the stage {plain(stage)} writes nothing of it" if stage else "the school would be gone from the site"
