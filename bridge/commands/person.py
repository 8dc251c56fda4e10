"""``person export`` and ``person erase``: everything that is held about one person, told or erased (Art. 15 and 17)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bridge.commands.persons import person as living
from bridge.commands.session import NOTHING, Mistake, Session, must_be_new, plain, session_of
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.shares import Ground
from bridge.daemon.signing import FILE, Signer
from bridge.settings import School
from bridge.state import erase as erasing
from bridge.state.database import Database
from bridge.state.persons import Whom, found_by, rows, whom
from bridge.state.store import SchoolStore
from bridge.state.transaction import writing


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="What is held about one person: told (Art. 15) or erased (Art. 17).", no_args_is_help=True)
    group.command()(export)
    group.command()(erase)
    app.add_typer(group, name="person")


def export(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    name: Annotated[str, typer.Argument(help="Whom: link, anchor, login or name of one person.")],
    out: Annotated[Path, typer.Option("--out", help="The new JSON file; a PDF to read is written beside it.")],
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="Of the PDF; by default the school's.")] = None,
) -> int:
    """Write down everything that every store of the bridge holds about one person."""
    from bridge.daemon import dossier, person_homes  # only here: what makes PDFs takes a while to load
    from bridge.state.private import save

    session = session_of(context)
    one = session.school(school)
    paper = _free(out)
    with wiring.database(session.settings, create=False) as database:
        person = _whom(database, one, name)
        folders = asyncio.run(person_homes.look(_ground(session, one, database), person.roots))
        with database.read() as connection:
            said = dossier.tree(one, person, rows(connection, person), folders, wiring.now())
    save(out, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode())
    save(paper, dossier.pages(said, school=one, language=language or one.language))
    counts = {table: len(found) for table, found in said["stores"].items()}
    answer = {"ok": True, "school": one.code, "link": person.link, "file": str(out), "pdf": str(paper), "rows": counts}
    session.show(
        answer,
        lambda screen: screen.print(
            f"{plain(one.code)}: {sum(counts.values())} rows of {len(counts)} tables about {plain(person.link)} in "
            f"{plain(out)}, to read in {plain(paper)}; hand them over, then delete them"
        ),
    )
    return NOTHING


def erase(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    name: Annotated[str, typer.Argument(help="Whom: link, anchor, login or name of one person.")],
    reason: Annotated[str, typer.Option(help="Why, without a name; goes into the journal.")],
    out: Annotated[Path, typer.Option("--out", help="The new PDF of the receipt; the signed file is written beside.")],
    force: Annotated[
        str, typer.Option(help="Also somebody who is still there: type the code of the school again.")
    ] = "",
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="Of the PDF; by default the school's.")] = None,
) -> int:
    """Erase one person from every store of the bridge; a login stays reserved without naming anybody."""
    from bridge.daemon import person_homes, receipts

    session = session_of(context)
    one = session.school(school)
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    _free(out)
    signer = Signer.of(session.settings.kept / FILE)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        person = _whom(database, one, name)
        _may(store, person, force)
        # The trash first: without the state nobody would know any more where it lies.
        folders = asyncio.run(person_homes.look(_ground(session, one, database), person.roots, empty=True))
        with writing(database, one.code, one.kinds()) as tx:
            done = erasing.erase(tx, person, actor=actor(), reason=reason)
        person_homes.forget_indexes(folders)
        compact = erasing.compact(database)
        found = [row for row in receipts.receipts(store, after=done.seq - 1) if row["seq"] == done.seq]
        printed = wiring.now().isoformat(timespec="seconds")
        trash = [{"root": home.code, "versions": home.emptied, "not_reached": home.why} for home in folders]
        more = {"rows": dict(done.rows), "journal_rows": done.journal_rows, "folders": trash, "compacted": compact}
        signed = signer.sign(receipts.tree(one, store, found, since=None, printed=printed, erased=more))
        beside = receipts.print_out(out, signed, signer=signer, school=one, language=language or one.language)
    left = _left(one.code, person, compact, trash)
    answer = {
        "ok": True, "school": one.code, "link": person.link, **more, "left": left,
        "file": str(out), "signed": str(beside), "signed_by": signer.fingerprint,
    }  # fmt: skip
    session.show(answer, lambda screen: screen.print("\n".join(plain(line) for line in _told(one.code, answer))))
    return NOTHING


def _told(code: str, answer: dict[str, Any]) -> list[str]:
    rows = sum(answer["rows"].values())
    first = f"{code}: {answer['link']} erased: {rows} rows, {answer['journal_rows']} of the journal; receipt in "
    return [
        first + f"{answer['file']}, signed in {answer['signed']}",
        *(f"  still to do: {one}" for one in answer["left"]),
    ]


def _left(code: str, person: Whom, compact: bool, trash: list[dict[str, Any]]) -> list[str]:
    """What the bridge can't erase, and what to do about it."""
    left = [
        f"{home['root']}: its trash was not reached ({home['not_reached']})" for home in trash if home["not_reached"]
    ]
    if not compact:
        left.append(
            "the database was in use: stop the daemon and run the same command again to take old bytes out of it"
        )
    if person.living:
        left.append(f"the person is still there in {erasing.sides(person)}: the next full compare reads it again")
    left.append(
        f"outside of the bridge: backups of the state, the home folder at the school, the cloud's recycle bin, printed "
        f"letters and exports of {code}"
    )
    return left


def _ground(session: Session, school: School, database: Database) -> Ground:
    return Ground(session.settings, session.catalog, school, database)


def _free(out: Path) -> Path:
    """The name of the file beside; Mistake when either is taken."""
    beside = out.with_suffix(".pdf" if out.suffix == ".json" else ".json")
    for path in (out, beside):
        must_be_new(path)
    if not out.parent.is_dir():
        raise Mistake(f"the directory {plain(out.parent)} does not exist")
    return beside


def _whom(database: Database, school: School, name: str) -> Whom:
    """Somebody who is known now, or who was and left traces."""
    store = database.school(school.code, school.kinds())
    with database.read() as connection:
        left = found_by(connection, school.code, name)
        known = whom(connection, school.code, school.kinds(), name)
    if known is None and len(left) > 1:
        raise Mistake(f'{school.code}: "{plain(name)}" fits {len(left)} people who left; use a link: {", ".join(left)}')
    link = name if known is not None else left[0] if left and not store.find(name) else living(store, name).id
    with database.read() as connection:
        found = whom(connection, school.code, school.kinds(), link)
    if found is None:
        raise Mistake(f'{school.code}: nothing is known by "{plain(name)}"')
    return found


def _may(store: SchoolStore, person: Whom, force: str) -> None:
    """Only who is gone on both sides and on whom no hold stands; the former may be forced."""
    standing = [one for one in store.standing_holds() if one.link == person.link]
    if standing:
        raise Mistake(
            f"{store.code}: {person.link} is held ({standing[0].reason}) until {standing[0].until:%Y-%m-%d}. "
            f"Nothing was erased. If the hold is over: schoolbridge unhold {store.code} {person.link} --note '...'"
        )
    if person.living and force != store.code:
        raise Mistake(
            f"{store.code}: {person.link} is still there in {erasing.sides(person)}. Expected: gone on both sides. "
            f"Nothing was erased. Delete the person there first, or type --force {store.code} to erase all the same"
        )
