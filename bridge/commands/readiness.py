"""``readiness``: the gates of a school's next event, measured, with what is to be done and by whom; ``gate``: a word.

Nothing is written to either side, and the daemon goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.core.cutover import TRANSITIONS, Event, Gate, Stage, events
from bridge.core.gates import ATTESTED, GERMAN, LAW, WAIVED, Person, Standing, Vouched, named, short, shorts, until
from bridge.daemon import readiness as gates
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.shares import Ground
from bridge.settings import School
from bridge.settings.models import Language
from bridge.settings.render import guess
from bridge.state import gates as memory
from bridge.state.database import Database

_HOW = {"attest": ATTESTED, "waive": WAIVED}
_MARKS = {"pass": "[green]✓[/]", "waived": "[yellow]≈[/]", "fail": "[red]✗[/]"}
_WORDS = {
    "ready": ("ready for {0}", "bereit für {0}"),
    "open": ("not ready for {0}: {1} of {2} gates do not hold", "nicht bereit für {0}: {1} von {2} Toren sind zu"),
    "later": ("{0} comes from the stage {1}; the school is {2}", "{0} geht von der Stufe {1} aus; die Schule ist {2}"),
    "holds": ("holds:", "ist erfüllt:"),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(readiness)
    app.command()(gate)


def readiness(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    event: Annotated[str | None, typer.Option(help="For this event; else the next one towards the cloud.")] = None,
    measure: Annotated[bool, typer.Option(help="Measure now; else tell what was measured last.")] = True,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the files by content, too: takes long.")] = False,
    sample: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="With --verify: so many percent of the files, else all.")
    ] = None,
) -> int:
    """Tell whether a school is ready for the next event: each gate, what to do, and who. Exit code 2: not yet."""
    session = session_of(context)
    one = session.school(school)
    if verify and not measure:
        raise Mistake("--verify measures: leave out --no-measure, or --verify")
    if sample is not None and not verify:
        raise Mistake("--sample says how much to compare: give --verify too")
    with wiring.database(session.settings, create=False) as database:
        stage = _stage(database, one)
        source, wanted = _wanted(stage, event)
        if measure:
            wiring.limit_line(session.settings, session.catalog)
            ground = Ground(session.settings, session.catalog, one, database)
            with session.progress() as progress:
                needed = TRANSITIONS[source, wanted][1]
                percent = (sample or 100) if verify else None
                asyncio.run(gates.measure(ground, gates=needed, verify=percent, progress=progress))
        found = gates.standings(database, one, source, wanted, now=wiring.now())
    ready = source is stage and all(gate.holds for gate in found)
    answer = {
        "school": one.code,
        "stage": stage.value,
        "event": wanted.value,
        "target": TRANSITIONS[source, wanted][0].value,
        "ready": ready,
        "gates": [tree(gate) for gate in found],
    }
    session.show(answer, lambda out: _draw(out, one, stage, source, wanted, found))
    return NOTHING if ready else SOMETHING


def tree(one: Standing) -> dict[str, Any]:
    """A gate as JSON."""
    word = one.vouched
    return {
        "gate": short(one.gate),
        "title": one.gate.value,
        "result": one.result,
        "holds": one.holds,
        "expected": one.expected,
        "found": one.found,
        "fix": one.fix,
        "person": one.person,
        "human": one.human,
        "missing": list(one.names),
        "measured": one.measured.isoformat() if one.measured else None,
        "valid_until": one.valid_until.isoformat() if one.valid_until else None,
        "vouched": {"how": word.how, "by": word.actor, "reason": word.reason, "at": word.at.isoformat(),
                    "until": until(word).isoformat()} if word else None,
    }  # fmt: skip


def _stage(database: Database, one: School) -> Stage:
    store = database.school(one.code, one.kinds())
    if wiring.first_met(store):
        wiring.meet(store, one)
    return Stage(store.stage())


def _wanted(stage: Stage, text: str | None) -> tuple[Stage, Event]:
    """The event, and the stage that it comes from: that of the school where it is possible there."""
    if text is None:
        found = gates.next_event(stage)
        if found is None:
            possible = ", ".join(events(stage)) or "nothing"
            raise Mistake(
                f"in the stage {stage} no event has gates; possible here: {possible}. Or name one with --event"
            )
        return stage, found
    try:
        event = Event(text)
    except ValueError:
        raise Mistake(f'no event is called "{plain(text)}"; {guess(text, [one.value for one in Event])}') from None
    sources = [source for source, possible in TRANSITIONS if possible is event]
    return (stage if stage in sources else sources[0]), event


def _draw(out: Console, school: School, stage: Stage, source: Stage, event: Event, found: Sequence[Standing]) -> None:
    german = school.language == "de"
    closed = [one for one in found if not one.holds]
    text = _WORDS["open" if closed else "ready"][german].format(event, len(closed), len(found))
    out.print(f"[{'red' if closed else 'green'}]●[/] [bold]{plain(school.code)}[/] {stage}: {text}")
    if source is not stage:
        out.print(f"  [yellow]{_WORDS['later'][german].format(event, source, stage)}[/]")
    for one in closed:
        _draw_closed(out, one, school.language)
    if len(closed) < len(found):
        out.print(f"[bold]{_WORDS['holds'][german]}[/]")
    for one in found:
        if one.holds:
            text = f"{_said(one.vouched)} ({one.found})" if one.vouched else one.found
            out.print(f"  {_MARKS[one.result]} {short(one.gate)}: {plain(text)}")


def _draw_closed(out: Console, one: Standing, language: Language) -> None:
    german = language == "de"
    person = GERMAN[Person(one.person)] if german else one.person
    meaning = LAW[one.gate].meaning[german]
    out.print(f"  {_MARKS.get(one.result, '[yellow]?[/]')} [bold]{short(one.gate)}[/] {one.result}: {plain(meaning)}")
    out.print(f"      expected: {plain(one.expected)}")
    out.print(f"      found: {plain(one.found)}")
    out.print(f"      → {plain(person)}: {plain(one.fix)}")
    for name in one.names:
        out.print(f"        - {plain(name)}")


def _said(word: Vouched) -> str:
    return f"{word.how} by {word.actor} until {until(word):%Y-%m-%d %H:%M} UTC: {word.reason}"


def gate(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    word: Annotated[
        Literal["attest", "waive", "revoke"],
        typer.Argument(help="It is so; it may be left out; take back what was said."),
    ],
    name: Annotated[str, typer.Argument(help="The gate: open-files, devices, informed ...")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")],
    until: Annotated[str | None, typer.Option(help="The last day on which it counts: 2027-01-31.")] = None,
) -> int:
    """Attest a gate that no machine can measure, waive one, or take that back. Some gates can't be waived."""
    session = session_of(context)
    one = session.school(school)
    which = _gate(name)
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        _stage(database, one)
        if word == "revoke":
            memory.revoke(database, one.code, one.kinds(), which, actor(), reason)
            ends = None
        else:
            now = wiring.now()
            expires = _end(until, one.zone) if until else None
            said = Vouched(which, _HOW[word], actor(), reason, now, expires)
            gates.vouch(Ground(session.settings, session.catalog, one, database), said)
            ends = _ends(said)
    _tell(session, one, which, word, ends)
    return NOTHING


def _end(day: str, zone: tzinfo) -> datetime:
    """The end of a day as it is written, in the school's time zone."""
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(0), zone)
    except (ValueError, OverflowError):
        raise Mistake(f"{plain(day)} is no date; write the last day on which it counts, like 2027-01-31") from None


def _ends(said: Vouched) -> datetime | None:
    return None if said.gate is Gate.CONFIGURATION else until(said)


def _tell(session: Session, one: School, which: Gate, word: str, ends: datetime | None) -> None:
    answer = {
        "ok": True,
        "school": one.code,
        "gate": short(which),
        "word": word,
        "until": ends.isoformat() if ends else None,
    }
    text = {"attest": "attested", "waive": "waived", "revoke": "taken back"}[word]
    last = f" until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    session.show(answer, lambda out: out.print(f"{plain(one.code)}: {short(which)} ({which}): {text}{last}"))


def _gate(text: str) -> Gate:
    try:
        return named(text)
    except KeyError:
        raise Mistake(f'no gate is called "{plain(text)}"; {guess(text, shorts())}') from None
