"""``leavers``: who is on the way out, how far, what comes next and when; and the signed receipts of what was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from bridge.commands.hold import CLOUD_BIN
from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core.cutover import Stage
from bridge.core.kinds import Kind
from bridge.core.model import Action, Link, Side
from bridge.core.plan import role_of
from bridge.core.policy import Policy
from bridge.core.retire import next_step
from bridge.daemon import wiring
from bridge.daemon.signing import FILE, Signer, checked
from bridge.ports import Trouble
from bridge.settings import School
from bridge.state.holds import Hold
from bridge.state.store import SchoolStore

_STATES = {
    None: "tolerated",
    Action.RETIRE: "tolerated",
    Action.DISABLE: "disabled",
    Action.DELETE: "retired",
    Action.PURGE: "purged",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(leavers)


def leavers(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    receipts: Annotated[bool, typer.Option("--receipts", help="Instead: what was done to whom, when and why.")] = False,
    since: Annotated[str | None, typer.Option(help="Receipts from this day on: 2026-08-01.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Receipts as a new PDF, with a signed file beside.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check signed receipts against their key and the journal.")] = None,
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="Of the PDF; by default the school's.")] = None,
) -> int:
    """List everybody who is leaving: state, since when, the next step and its date, holds."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        if check is not None:
            return _check(session, store, check)
        if receipts or out is not None:
            return _receipts(session, one, store, since, out, language or one.language)
        policy, now = one.policy(Stage(store.stage())), wiring.now()
        held = {trouble.link: trouble for trouble in store.troubles()}
        links = store.links(store.leaving())
        holds = store.person_holds([link.id for link in links])
        rows = [way(link, store.kinds[link.kind], policy, holds.get(link.id, ()), now) for link in links]
    for row in rows:
        row |= {"held_by_rule": _rule(held.get(row["link"]))}
    rows.sort(key=lambda row: (row["next_at"] or "9999", row["link"]))
    session.show({"school": one.code, "leavers": rows}, lambda screen: _draw(screen, one, rows))
    return NOTHING


def way(link: Link, kind: Kind, policy: Policy, holds: Sequence[Hold], now: datetime) -> dict[str, Any]:
    """Where somebody is on the way out. Times are ISO 8601; ``next_at`` None: nothing is planned."""
    begun = link.retired_at is not None or link.taken is not None
    step = next_step(link, kind, policy, now) if begun else None
    by_itself = (
        step is not None and step[0] is Action.PURGE and link.taken is not None and link.taken.side is Side.CLOUD
    )
    if by_itself and link.taken is not None:
        step = (Action.PURGE, link.taken.at + CLOUD_BIN)
    standing = [one for one in holds if one.lasts(now)]
    since = link.taken.at if link.taken else link.retired_at
    return {
        "link": link.id,
        "kind": link.kind,
        "role": role_of(link, kind),
        "name": _name(link, kind),
        "state": _STATES[link.taken.step if link.taken else None] if begun else "active",
        "since": since.isoformat() if since else None,
        "next": step[0].value if step else None,
        "next_at": step[1].isoformat() if step else None,
        "by": "the cloud's recycle bin" if by_itself else "schoolbridge",
        "holds": [
            {"reason": one.reason, "until": one.end.isoformat(), "since": one.since.isoformat()} for one in standing
        ],
    }


def _name(link: Link, kind: Kind) -> str:
    for fields in (link.school.record and link.school.record.fields, link.cloud.record and link.cloud.record.fields):
        if fields and fields.get(kind.label):
            return str(fields[kind.label])
    return str((link.agreed or {}).get(kind.label) or "")


def _rule(trouble: Trouble | None) -> str | None:
    return None if trouble is None else trouble.rule


def _draw(out: Console, school: School, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        out.print(f"{plain(school.code)}: nobody is leaving")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("link", "name", "role", "state", "since", "next step", "on", "held"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        held = [f"{one['reason']} until {_day(one['until'], school)}" for one in row["holds"]]
        held += [row["held_by_rule"]] if row["held_by_rule"] else []
        table.add_row(
            *(plain(text) for text in (row["link"], row["name"], row["role"] or row["kind"], row["state"])),
            _day(row["since"], school), plain(row["next"] or "–"), _day(row["next_at"], school), plain(", ".join(held)),
        )  # fmt: skip
    out.print(table)


def _day(moment: str | None, school: School) -> str:
    return "–" if moment is None else f"{datetime.fromisoformat(moment).astimezone(school.zone):%Y-%m-%d}"


def _receipts(
    session: Session, school: School, store: SchoolStore, since: str | None, out: Path | None, language: str
) -> int:
    from bridge.daemon import receipts  # only here: what makes PDFs takes a while to load

    start = None
    if since is not None:
        try:
            start = datetime.combine(date.fromisoformat(since), time(0), school.zone)
        except ValueError:
            raise Mistake(f"{plain(since)} is no date; write the first day like 2026-08-01") from None
    found = receipts.receipts(store, since=start)
    answer: dict[str, Any] = {"school": school.code, "receipts": found}
    if out is not None:
        for path in (out, out.with_suffix(".json")):
            if path.exists() or out.suffix == ".json":
                raise Mistake(f"{plain(path)} exists already, or is no name for a PDF; name a new file like run.pdf")
        signer = Signer.of(session.settings.kept / FILE)
        printed = wiring.now().isoformat(timespec="seconds")
        signed = signer.sign(receipts.tree(school, store, found, since=since, printed=printed))
        beside = receipts.print_out(out, signed, signer=signer, school=school, language=language)
        answer |= {"file": str(out), "signed": str(beside), "signed_by": signer.fingerprint}
    session.show(answer, lambda screen: _draw_receipts(screen, answer))
    return NOTHING


def _draw_receipts(out: Console, answer: dict[str, Any]) -> None:
    for one in answer["receipts"]:
        why = one["rule"] or one["reason"]
        what = f"{one['step']} {one['kind']} {one['link']} {one['side']} {one['anchor']}"
        out.print(f"{one['seq']:>7} {one['at'][:19]} {plain(what)}: {plain(why)}")
    if not answer["receipts"]:
        out.print(f"{plain(answer['school'])}: no receipts")
    if "file" in answer:
        out.print(f"written to {plain(answer['file'])}; {plain(answer['signed'])} is signed by {answer['signed_by']}")


def _check(session: Session, store: SchoolStore, path: Path) -> int:
    from bridge.daemon import receipts

    said, by = checked(path)
    signer = Signer.of(session.settings.kept / FILE)
    if by != signer.fingerprint:
        raise Mistake(f"{plain(path)} is signed by another key ({by}); this bridge's is {signer.fingerprint}")
    if said.get("format") != receipts.FORMAT or said.get("school") != store.code:
        raise Mistake(f"{plain(path)} holds no receipts of the school {store.code}")
    lost, whole = receipts.missing(store, said), store.verify()
    ok = not lost and whole.ok
    answer = {"ok": ok, "signed_by": by, "receipts": len(said["receipts"]), "not_in_journal": lost}
    right = f"{len(said['receipts'])} receipts, signed by this bridge ({by}), all in the journal, which is whole"
    wrong = f"not in the journal: {lost}" if lost else whole.message
    session.show(answer, lambda out: out.print(f"{plain(path)}: {right if ok else plain(wrong)}"))
    return NOTHING if ok else ERROR
