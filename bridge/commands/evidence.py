"""``report completion``, ``readiness``, ``list``, ``verify`` and ``key``: evidence, signed, and its check by anybody.

``verify`` needs no configuration, no state and no network: the authority runs it on a plain machine. Where the
bridge's own state is at hand, it also looks whether the journals still hold what the report says of them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core import merkle
from bridge.core.cutover import Event, Illegal, Stage, gates
from bridge.daemon import manifest, wiring
from bridge.daemon.readiness import gates_of, next_event
from bridge.daemon.shares import Ground
from bridge.daemon.signing import FILE, Signer, checked
from bridge.ports import BridgeError
from bridge.settings import Settings, SettingsError
from bridge.state import proof
from bridge.state.journal import Checkpoint

Language = Annotated[Literal["de", "en"] | None, typer.Option(help="Of the copies; by default the school's.")]
Out = Annotated[Path | None, typer.Option("--out", help="Also put copies into this directory.")]
Code = Annotated[str, typer.Argument(help="Code of the school.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    for command in (completion, readiness, verify, key):
        group.command()(command)
    group.command("list")(listed)


def completion(context: typer.Context, school: Code, out: Out = None, language: Language = None) -> int:
    """Sign what proves a cutover: counts, manifest, gates, what was skipped and who said so, journal."""
    return _written(context, school, None, out, language)


def readiness(
    context: typer.Context,
    school: Code,
    event: Annotated[Event | None, typer.Option(help="On the way to what; by default the next step.")] = None,
    out: Out = None,
    language: Language = None,
) -> int:
    """Write for the head teacher what is still to do before the next step, by whom and until when. Signed, too."""
    return _written(context, school, event or "next", out, language)


def _written(
    context: typer.Context, code: str, event: Event | str | None, out: Path | None, language: str | None
) -> int:
    from bridge.daemon import reports  # only here: what makes PDFs takes a while to load

    session = session_of(context)
    one = session.school(code)
    if out is not None and not out.is_dir():
        raise Mistake(f"{plain(out)} is no directory; make it first, readable by you only: mkdir -m 700")
    with wiring.database(session.settings, create=False) as database:
        if one.code not in database.schools():
            raise Mistake(f"the school {one.code} was never mirrored: there is nothing to prove. Run sync once")
        ground = Ground(session.settings, session.catalog, one, database)
        if event is None:
            kept = reports.keep_completion(ground, now=wiring.now())
        else:
            stage = Stage(ground.store(one.code).stage())
            aim = _aim(stage, event)
            found = gates_of(database, one, stage, aim, wiring.now())
            kept = reports.keep_readiness(ground, found, event=aim, now=wiring.now())
    files = [reports.path_of(session.settings, one.code, kept.id, form) for form in kept.formats]
    copies = _copied(files, out, language or one.language) if out is not None else []
    said, by = checked(files[0])
    answer = {"report": said, "signed_by": by, "id": kept.id, "files": [str(path) for path in (*files, *copies)]}
    session.show(answer, lambda screen: _draw_written(screen, answer))
    return NOTHING


def _aim(stage: Stage, event: Event | str) -> Event:
    resumed = Stage(stage.value.removeprefix("paused-"))
    aim = event if isinstance(event, Event) else next_event(resumed)
    if aim is None:
        raise Mistake(f"nothing comes after the stage {stage}")
    try:
        gates(stage if isinstance(event, Event) else resumed, aim)
    except Illegal as error:
        raise Mistake(str(error)) from None
    return aim


def _copied(files: Sequence[Path], out: Path, language: str) -> list[Path]:
    from bridge.state.private import save

    mine = [path for path in files if path.suffixes[0] not in {".de", ".en"} or path.suffixes[0] == f".{language}"]
    for path in mine:
        save(out / path.name, path.read_bytes())
    return [out / path.name for path in mine]


def _draw_written(screen: Console, answer: Mapping[str, Any]) -> None:
    screen.print(f"[bold]{plain(answer['id'])}[/], signed with the key {answer['signed_by']}")
    for gate in answer["report"].get("gates", ()) if answer["id"].startswith("readiness") else ():
        mark = "[green]✓[/]" if gate["holds"] else "[red]✗[/]"
        todo = "" if gate["holds"] else f" – {gate['fix']}"
        screen.print(f"  {mark} {plain(gate['gate'])}: {plain(gate['found'])}{plain(todo)}")
    if "manifest" in answer["report"]:
        tree = answer["report"]["manifest"]
        screen.print(f"  manifest: {tree['leaves']} lines, root {tree['root']}")
    for path in answer["files"]:
        screen.print(f"  {plain(path)}")


def listed(context: typer.Context, school: Code) -> int:
    """List the signed reports of a school, the newest first."""
    from bridge.daemon import reports

    session = session_of(context)
    one = session.school(school)
    found = [
        {
            "id": kept.id,
            "kind": kept.kind,
            "made": kept.made.isoformat(),
            "files": [str(reports.path_of(session.settings, one.code, kept.id, form)) for form in kept.formats],
        }
        for kept in reports.list_reports(session.settings, one.code, names=True)
    ]

    def draw(screen: Console) -> None:
        for row in found:
            screen.print(f"{row['made'][:19]} {row['files'][0]}")
        if not found:
            screen.print(f"{plain(one.code)}: no reports yet; write one with: schoolbridge report readiness {one.code}")

    session.show({"school": one.code, "reports": found}, draw)
    return NOTHING


def key(context: typer.Context) -> int:
    """Print the public key that this bridge signs with. Keep it elsewhere: a forged report is told by it."""
    session = session_of(context)
    signer = Signer.of(session.settings.kept / FILE)
    answer = {"fingerprint": signer.fingerprint, "public_key": base64.b64encode(signer.public).decode()}
    session.show(answer, lambda out: out.print(f"{answer['fingerprint']}  Ed25519 {answer['public_key']}"))
    return NOTHING


def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The signed report (.json).")],
    key: Annotated[
        str | None, typer.Option(help="Fingerprint of who has to have signed it, as report key said.")
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="Hash this manifest again and compare its root.")] = None,
    path: Annotated[str | None, typer.Option(help="Find this path in the manifest: Deutsch/Aufsatz.odt")] = None,
) -> int:
    """Check a signed report, offline. Exit code 1: it was changed, another key signed it, the journal is another."""
    session = session_of(context)
    said, by = checked(file)
    if key is not None and _bare(key) != _bare(by):
        raise Mistake(f"{plain(file)} was signed by another key: expected {plain(key)}, found {by}. Don't believe it")
    answer: dict[str, Any] = {
        "ok": True, "file": str(file), "signed_by": by, "key_given": key is not None,
        **{name: said.get(name) for name in ("format", "id", "school")},
        "made": said.get("made") or said.get("ended") or said.get("printed"),
    }  # fmt: skip
    if path is not None and manifest is None:
        raise Mistake("--path looks into a manifest: name it with --manifest")
    if manifest is not None:
        found = _compared(said, manifest)
        answer["manifest"] = {"root": found.root, "leaves": found.leaves}
        if path is not None:
            answer["found"] = _lines(manifest, path, salt=found.salt)
    answer["journal"] = _journal(session, said, by, trusted=key is not None)
    answer["ok"] = not answer["journal"].get("problems")
    session.show(answer, lambda out: _draw_verdict(out, answer))
    return NOTHING if answer["ok"] else ERROR


def _bare(text: str) -> str:
    return text.replace(":", "").strip().casefold()


def _compared(said: Mapping[str, Any], path: Path) -> manifest.Read:
    wanted = said.get("manifest")
    if not isinstance(wanted, Mapping):
        raise Mistake("this report has no manifest: only a completion has one")
    found = manifest.read(path)
    if (found.school, found.root, found.leaves) != (said.get("school"), wanted.get("root"), wanted.get("leaves")):
        raise Mistake(
            f"{plain(path)} is not the manifest of this report: expected {wanted.get('leaves')} lines of the school "
            f"{plain(said.get('school'))} with the root {wanted.get('root')}, found {found.leaves} with {found.root}"
        )
    return found


def _lines(path: Path, wanted: str, *, salt: str) -> list[dict[str, Any]]:
    """The lines of a path, and what proves that they are in the tree."""
    mark = f'"path":"{manifest.keyed(salt, wanted.strip("/"))}"'.encode()
    return [
        {
            "line": line.decode(),
            "index": index,
            "proof": [step.hex() for step in merkle.proof(manifest.lines(path), index)],
        }
        for index, line in enumerate(manifest.lines(path))
        if mark in line
    ]


def _journal(session: Session, said: Mapping[str, Any], by: str, *, trusted: bool) -> dict[str, Any]:
    """Whether this bridge's journals still hold the report's heads; ``checked`` 0 where its state is not at hand.

    ``gone``: journals that were erased together with a person, as the school's own journal says.
    """
    settings = _at_hand(session, str(said.get("school")))
    heads = _heads(said)
    if settings is None or not heads:
        return {"checked": 0, "problems": []}
    problems = []
    mine = settings.kept / FILE
    if mine.exists() and not trusted and (own := Signer.of(mine).fingerprint) != by:
        problems.append(f"it was signed by another key ({by}) than this bridge's ({own})")
    with wiring.database(settings, create=False) as database, database.read() as connection:
        erased = proof.erased_roots(connection, str(said.get("school")))
        here = [head for head in heads if head.school not in erased]
        problems += [why for head in here if (why := proof.still_holds(connection, head))]
    return {"checked": len(here), "gone": len(heads) - len(here), "problems": problems}


def _at_hand(session: Session, code: str) -> Settings | None:
    """The configuration of the bridge that has this school's state; None on any other machine."""
    try:
        settings = session.settings if session.config.exists() else None
        return settings if settings and settings.school(code) and wiring.has_state(settings) else None
    except (SettingsError, BridgeError, OSError):
        return None


def _heads(said: Mapping[str, Any]) -> list[Checkpoint]:
    journal = said.get("journal") or {"school": said.get("checkpoint")}
    found = []
    for text in (journal.get("school"), *journal.get("roots", ())):
        with suppress(ValueError):  # of a journal without a row there is nothing to hold
            found.append(Checkpoint.parse(str(text)))
    return found


def _draw_verdict(out: Console, answer: Mapping[str, Any]) -> None:
    journal, by = answer["journal"], answer["signed_by"]
    mark = "[green]✓[/]" if answer["ok"] else "[red]✗[/]"
    out.print(f"{mark} {plain(answer['file'])}: unchanged since it was signed with the key {by}")
    out.print(f"  {plain(answer['format'])}, school {plain(answer['school'])}, made {plain(answer['made'])}")
    if not answer["key_given"]:
        out.print(f"  whose key that is, only you can know: compare it, or say --key {by}")
    if "manifest" in answer:
        out.print(f"  manifest: {answer['manifest']['leaves']} lines, the root is the one that was signed")
    for one in answer.get("found", ()):
        out.print(f"  line {one['index']}: {plain(one['line'])}")
    if "found" in answer and not answer["found"]:
        out.print("  [yellow]no line of the manifest has this path[/]")
    for why in journal["problems"]:
        out.print(f"  [red]journal: {plain(why)}[/]")
    if journal["checked"] and not journal["problems"]:
        gone = f"; {journal['gone']} were erased with a person since" if journal["gone"] else ""
        out.print(f"  journal: {journal['checked']} chains hold what was signed of them{gone}")
    elif not journal["checked"]:
        out.print("  journal: not compared, this bridge's state is not at hand")
