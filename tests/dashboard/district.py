"""A district of 41 schools as a ``Source``: four waves, every stage, every sort of trouble, and hostile names.

Drawn from one seed, so that pictures stay the same. What is asked of it is kept and changes what it shows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.api import asked
from bridge.api.models import (
    Amounts,
    ApprovalView,
    Cause,
    ConflictView,
    CutoverView,
    CycleView,
    DriftView,
    ErrorGroup,
    EventName,
    EventView,
    Freshness,
    GateView,
    JournalRow,
    LiveEvent,
    OperationView,
    Page,
    ReleaseView,
    ReportView,
    RunView,
    SchoolRow,
    SchoolView,
    ShareView,
)
from bridge.api.source import Denied, Unknown, Who
from bridge.core.cutover import STAGES, Event, Gate, Stage, events, gates
from bridge.daemon.readiness import APPROVED

NOW = datetime(2026, 11, 30, 9, 42, tzinfo=UTC)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
TURNED = "Lohn\u202egnp.exe\u0000 \u2067x"
LONG = "Ein sehr langer Name ohne Ende " * 10
EMOJI = "👩‍🏫 Klasse 7b 🎒 ‮"
_NAMES = (
    "Gymnasium am Markt",
    "Realschule Nord",
    "Grundschule Lindenallee",
    "Gesamtschule Süd",
    "Berufskolleg Technik",
    "Albert-Einstein-Gymnasium",
    "Grundschule am See",
    "Förderschule Regenbogen",
    "Sophie-Scholl-Schule",
    "Hauptschule West",
    "Anne-Frank-Gymnasium",
    "Grundschule Bergstraße",
    "Wirtschaftsschule",
    "Goethe-Gymnasium",
    "Pestalozzischule",
    "Käthe-Kollwitz-Schule",
    "Grundschule Alte Mühle",
    "Schiller-Gymnasium",
    "Marie-Curie-Schule",
)
_STEPS = ["freeze", "last delta", "verify", "switch", "notice"]
_REPORT = (
    "<!DOCTYPE html><html lang=de><title>Nachweis</title><style>body { color: #123456 }</style><h1>Nachweis</h1>"
    "<script>document.title='owned'</script>"
)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def soon(**span: float) -> datetime:
    return NOW + timedelta(**span)


@dataclass
class District:
    """Answers like a daemon over 41 schools."""

    now: datetime = NOW
    rows: dict[str, SchoolRow] = field(default_factory=dict)
    asked: list[tuple[str, asked.Action, Who]] = field(default_factory=list)
    approvals: list[ApprovalView] = field(default_factory=list)
    #: Schools in which a run goes on, beside those that are freezing.
    runs: set[str] = field(default_factory=set)
    #: Links that are held no more.
    decided: set[str] = field(default_factory=set)
    trouble: str = ""
    broken: Exception | None = None
    refusing: Exception | None = None
    _told: list[LiveEvent] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        dice = random.Random(41)
        for number in range(41):
            row = _row(number, dice)
            self.rows[row.code] = row

    # --- reading

    async def board(self) -> Sequence[SchoolRow]:
        if self.broken:
            raise self.broken
        return list(self.rows.values())

    def row(self, code: str) -> SchoolRow:
        if code not in self.rows:
            raise Unknown(f"no school {code}")
        return self.rows[code]

    async def school(self, code: str) -> SchoolView:
        row = self.row(code)
        observed = STAGES[Stage(row.stage)].observed
        late = row.health == "red"
        return SchoolView(
            **row.model_dump(),
            meaning=STAGES[Stage(row.stage)].meaning,
            doing="share homes: 42 of 1,290 folders" if row.stage == "hybrid" else "",
            freshness=[
                Freshness(
                    side="school",
                    period_seconds=300,
                    complete=ago(minutes=48 if late else 4),
                    colour="red" if late else "green",
                ),
                Freshness(side="cloud", period_seconds=300, complete=ago(minutes=2)),
            ]
            if observed
            else [],
            shares=_shares(row) if row.amounts.files_total else [],
            errors=_errors(row) if row.held else [],
            running=code in self.runs,
            events=self._events(row),
        )

    def _events(self, row: SchoolRow) -> list[EventView]:
        stage = Stage(row.stage)
        return [self._event(row, event, target) for event, target in events(stage).items()]

    def _event(self, row: SchoolRow, event: Event, target: Stage) -> EventView:
        needed = gates(Stage(row.stage), event)
        final, agreed = event is Event.FINALISE, len(self.approvals) >= 2
        shown = [
            _gate(gate, bad=place < row.gates_failed and not (agreed and gate in APPROVED))
            for place, gate in enumerate(reversed(needed))
        ]
        return EventView(
            event=event.value,
            target=target.value,
            gates=shown,
            ready=all(one.result in ("pass", "waived") for one in shown),
            approvals=[one for one in self.approvals if one.event == event.value],
            approvals_needed=2 if final else 0,
        )

    async def gates(self, code: str, event: EventName) -> EventView:
        found = next((one for one in self._events(self.row(code)) if one.event == event), None)
        if found is None:
            raise Unknown(event)
        return found

    async def cutover(self, code: str, *, names: bool) -> CutoverView:
        row = self.row(code)
        run = None
        if row.stage == "freezing" or code in self.runs:
            run = RunView(
                id="R7",
                started=ago(minutes=23),
                deadline=soon(minutes=37),
                actor="api:schulamt",
                step="verify",
                step_since=ago(minutes=4),
                steps=_STEPS,
                problem="share homes: 3 files are still open at the school; close them, the step goes on by itself",
            )
        past = (
            [
                RunView(
                    id="R3",
                    started=ago(days=9),
                    deadline=ago(days=9, hours=-1),
                    actor="api:schulamt",
                    step="verify",
                    step_since=ago(days=9),
                    outcome="deadline passed",
                    ended=ago(days=9, hours=-1),
                    problem="the line was down for 40 minutes",
                )
            ]
            if row.stage in ("freezing", "soaking")
            else []
        )
        return CutoverView(
            school=code,
            stage=row.stage,
            appointment=row.appointment,
            run=run,
            past=past,
            events=self._events(row),
            appointment_by="api:schulamt" if row.appointment else "",
        )

    async def cycles(self, code: str, *, before: str | None, limit: int) -> Page[CycleView]:
        self.row(code)
        start = int(before or 0)
        rows = [
            CycleView(
                id=f"C{number}",
                started=ago(minutes=5 * number),
                ended=ago(minutes=5 * number - 1),
                outcome="complete",
                counts={"created": 3, "updated": number} if number % 3 == 0 else {},
            )
            for number in range(start + 1, start + limit + 1)
        ]
        return Page(rows=rows, next=str(start + limit) if start < 100 else None)

    async def plan(self, code: str, *, names: bool, limit: int) -> Sequence[OperationView]:
        return []

    async def held(self, code: str, *, names: bool, before: str | None, limit: int) -> Page[OperationView]:
        row = self.row(code)
        texts = [(HOSTILE, TURNED), (LONG, EMOJI), ("Anna Lang", "anna.lang")]
        rows = [
            OperationView(
                link=f"L{number:05}",
                kind=("user", "file", "group")[number % 3],
                side=("cloud", "school")[number % 2],
                action=("retire", "update", "create")[number % 3],
                rule=("guard:retire", "failed:name_refused", "correlate:disputed")[number % 3],
                reason=(
                    "9 × retired of users wanted in the cloud, 5 are let through",
                    "the name holds a character that the cloud refuses",
                    "two accounts fit: nobody is linked until a person decides",
                )[number % 3],
                since=ago(hours=number + 1),
                attempts=number % 4,
                names={"name": texts[number % 3][0], "login": texts[number % 3][1]} if names else {},
            )
            for number in range(min(row.held, limit))
            if f"L{number:05}" not in self.decided
        ]
        return Page(rows=rows, next="c1" if row.held > limit else None)

    async def conflicts(self, code: str, *, names: bool, before: str | None, limit: int) -> Page[ConflictView]:
        row = self.row(code)
        rows = [
            ConflictView(
                id=f"K{number}",
                share="homes",
                at=ago(hours=3 * number + 1),
                side="school",
                names={"path": f"{HOSTILE}/{LONG}.docx", "copy": f"Plan {TURNED} (Konflikt).docx"} if names else {},
            )
            for number in range(row.conflicts)
        ]
        done = ConflictView(
            id="K99", share="homes", at=ago(days=2), side="cloud", resolved=ago(days=1), how="keep-other"
        )
        return Page(rows=[*rows, done] if row.conflicts else [])

    async def drift(self, code: str, *, names: bool) -> Sequence[DriftView]:
        row = self.row(code)
        return [
            DriftView(
                handle=f"D:{number}:display_name",
                kind="user",
                link=f"L{number:05}",
                field="display_name",
                side="cloud",
                state="held",
                at=ago(hours=number + 2),
                names={"found": EMOJI, "wanted": "Ben Kurz"} if names else {},
            )
            for number in range(row.drift)
        ]

    async def journal(self, code: str, *, names: bool, before: str | None, limit: int) -> Page[JournalRow]:
        self.row(code)
        head = int(before or 4711)
        sorts = (
            ("create", "user", "cloud", "done"),
            ("update", "file", "school", "done"),
            ("stage", "", "", ""),
            ("hold", "user", "cloud", "held"),
        )
        rows = [
            JournalRow(
                seq=head - step,
                at=ago(minutes=3 * (4711 - head + step)),
                actor="bridge" if step % 4 != 2 else "api:schulamt",
                action=sorts[step % 4][0],
                kind=sorts[step % 4][1],
                side=sorts[step % 4][2],
                outcome=sorts[step % 4][3],
                reason="begin to mirror: the rehearsal was right" if step % 4 == 2 else "",
                link=f"L{step:05}",
                hash=f"{head - step:064x}",
                names={"before": HOSTILE, "after": TURNED} if names and step % 4 == 1 else {},
            )
            for step in range(limit)
        ]
        return Page(rows=rows, next=str(head - limit) if head - limit > 4500 else None)

    async def releases(self, code: str, *, names: bool) -> Sequence[ReleaseView]:
        return []

    async def reports(self, code: str) -> Sequence[ReportView]:
        stage = self.row(code).stage
        ready = ReportView(
            id="readiness-2026-11-29", kind="readiness", made=ago(days=1), formats=["html", "pdf", "json"]
        )
        done = ReportView(
            id="completion-2026-11-12", kind="completion", made=ago(days=18), formats=["html", "pdf", "json"]
        )
        return (
            [done, ready]
            if stage in ("soaking", "cloud", "retired")
            else [ready]
            if stage in ("hybrid", "freezing")
            else []
        )

    async def report(self, code: str, report: str, form: str) -> tuple[bytes, str]:
        if report not in {one.id for one in await self.reports(code)}:
            raise Unknown(report)
        return _REPORT.encode(), "text/html"

    # --- asking

    async def act(self, code: str, action: asked.Action, who: Who) -> asked.ActionAnswer:
        row = self.row(code)
        if self.refusing:
            raise self.refusing
        self.asked.append((code, action, who))
        if action.action in {"approve", "finalise"} and action.typed != code:
            raise Denied(
                f"{code}: the code typed is not this school's; expected {code}, found {action.typed}; type it again"
            )
        if action.action == "pause":
            self.rows[code] = row.model_copy(update={"stage": f"paused-{row.stage}"})
        elif action.action == "resume":
            self.rows[code] = row.model_copy(update={"stage": row.stage.removeprefix("paused-")})
        elif action.action == "schedule":
            self.rows[code] = row.model_copy(update={"appointment": action.at})
        elif action.action == "approve":
            approval = ApprovalView(
                event="finalise", actor=f"api:{who.label}", at=self.now, expires=soon(hours=24), reason=action.reason
            )
            self.approvals = [*(one for one in self.approvals if one.actor != approval.actor), approval]
        await self.tell(code, "stage")
        return asked.ActionAnswer(done=True, text=f"{code}: {action.action} was taken", stage=self.rows[code].stage)

    async def tell(self, code: str, kind: str) -> None:
        async with self._news:
            self._told.append(LiveEvent(id=len(self._told) + 1, school=code, kind=kind, at=self.now))  # type: ignore[arg-type]
            self._news.notify_all()

    async def live(self, after: int | None) -> AsyncIterator[LiveEvent]:
        place = len(self._told) if after is None else after
        while True:
            async with self._news:
                await self._news.wait_for(lambda: len(self._told) > place)  # noqa: B023
            place += 1
            yield self._told[place - 1]

    def ready(self) -> tuple[bool, str]:
        return not self.trouble, self.trouble


def _row(number: int, dice: random.Random) -> SchoolRow:
    wave, order = (
        ("Pilot", 1)
        if number < 1
        else ("Welle 2", 2)
        if number < 4
        else ("Welle 3", 3)
        if number < 14
        else ("Welle 4", 4)
    )
    stage = {0: "cloud", 1: "soaking", 2: "soaking", 3: "freezing"}.get(number)
    stage = stage or (
        "hybrid"
        if number < 20
        else dice.choice(["rehearsing", "observing", "hybrid", "observing"])
        if number < 38
        else "classic"
    )
    if number == 9:
        stage = "paused-hybrid"
    name = (
        _NAMES[number % len(_NAMES)]
        + (" II" if number >= len(_NAMES) else "")
        + ("I" if number >= 2 * len(_NAMES) else "")
    )
    name = {5: HOSTILE, 12: LONG, 17: EMOJI, 22: TURNED}.get(number, name)
    total = dice.randrange(40_000, 900_000)
    done = (
        total if stage in ("soaking", "cloud", "freezing") or number in (4, 6) else int(total * dice.uniform(0.1, 0.98))
    )
    size = total * 740_000
    files = stage not in ("classic", "observing", "rehearsing")
    health, causes = "green", []
    held = conflicts = drift = 0
    if number in (7, 15, 30):
        health = "red"
        causes = [
            Cause(
                colour="red",
                since=ago(minutes=48),
                text="the school side went through no whole cycle within its period (5m)",
            ),
            Cause(colour="amber", since=ago(hours=3), text="9 held or in quarantine; see: schoolbridge quarantine"),
        ]
        held = 9
    elif number in (3, 8, 13, 21, 33):
        health, held, conflicts, drift = "amber", 12, 2, 1
        causes = [
            Cause(colour="amber", since=ago(hours=5), text="12 held or in quarantine; see: schoolbridge quarantine")
        ]
    moving = files and done < total
    return SchoolRow(
        code=f"{1000 + number * 17}",
        name=name,
        stage=stage,
        stage_since=ago(minutes=23) if stage == "freezing" else ago(days=dice.randrange(2, 60)),
        wave=wave,
        wave_order=order,
        health=health,
        causes=causes,
        held=held,
        conflicts=conflicts,
        drift=drift,
        records={"school:user": 1290, "cloud:user": 1288, "school:group": 96, "cloud:group": 96}
        if stage != "classic"
        else {},
        amounts=Amounts(
            files=done,
            files_total=total,
            bytes=int(size * done / total),
            bytes_total=size,
            complete=number % 5 != 0,
            earliest_end=soon(hours=5) if moving else None,
            latest_end=soon(hours=22 + number) if moving else None,
        )
        if files
        else Amounts(),
        gates_failed=(number % 4 if stage == "hybrid" else 2 if stage == "soaking" else 0),
        appointment=soon(days=1 + number % 5, hours=4) if stage == "hybrid" and number < 14 else None,
        last_cycle=None if stage == "classic" else ago(minutes=48 if health == "red" else 1 + number % 5),
    )


def _shares(row: SchoolRow) -> list[ShareView]:
    whole = row.amounts
    part = whole.model_copy(
        update={
            "files": whole.files // 3,
            "files_total": whole.files_total // 3,
            "bytes": whole.bytes // 2,
            "bytes_total": whole.bytes_total // 2,
        }
    )
    return [
        ShareView(
            name="homes",
            roots=1290,
            complete=1248,
            busy=4,
            waiting=31,
            stopped=3 if row.health == "red" else 0,
            amounts=whole,
            speed_up=4_200_000,
            speed_down=310_000,
        ),
        ShareView(name="Klassen und Kurse", roots=96, complete=96, amounts=part, speed_up=880_000, speed_down=95_000),
        ShareView(name=HOSTILE, roots=1, complete=1, unfit=2, amounts=part, speed_up=0, speed_down=0),
    ]


def _errors(row: SchoolRow) -> list[ErrorGroup]:
    return [
        ErrorGroup(
            rule="guard:retire",
            kind="user",
            count=row.held - 3,
            since=ago(hours=3),
            links=["L00001"],
            cause="so many users were to be retired at once that a person has to look",
            remedy="look at them with `schoolbridge quarantine`; if it is right, release all",
        ),
        ErrorGroup(
            rule="failed:name_refused",
            kind="file",
            count=3,
            since=ago(hours=7),
            links=["L00002"],
            cause="the name holds a character or word that the other side does not allow",
            remedy="rename the file",
        ),
    ]


def _gate(gate: Gate, *, bad: bool) -> GateView:
    human = gate in (Gate.INFORMED, Gate.DEVICES, Gate.ROLLBACK_REHEARSED)
    if not bad:
        return GateView(
            gate=gate.value,
            result="pass",
            found="as it should be",
            measured=ago(minutes=12),
            valid_until=soon(hours=11),
            human=human,
        )
    if human:
        return GateView(
            gate=gate.value,
            result="unknown",
            human=True,
            fix="tell teachers and parents, then attest it here",
            person="head teacher",
        )
    return GateView(
        gate=gate.value,
        result="fail",
        expected="at most 0 open conflicts",
        found=f"2 conflicts are open, for instance {HOSTILE}",
        fix="decide the conflicts on the page “To decide”",
        person="school IT",
        measured=ago(minutes=12),
    )
