"""The law of the gates: when what was measured counts, when what a person said counts, and who takes care of it.

| measured | what a person said | standing |
|---|---|---|
| pass, not too old | – | pass |
| nothing, unknown or too old | attested, where a person may | pass |
| failed | attested | fail: a machine that saw it knows better |
| nothing, unknown, too old or failed | waived, where that is allowed | waived |
| anything else | none, expired, or of a sort that the law does not allow | unknown, stale or fail: it does not hold |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.cutover import Event, Gate

PASS, FAIL, UNKNOWN, STALE, WAIVED = "pass", "fail", "unknown", "stale", "waived"
ATTESTED = "attested"
#: Events of a school that is not cut over yet: nothing is switched, and all of it can be taken back.
EARLY = frozenset({Event.OBSERVE, Event.REHEARSE, Event.MIRROR})


class Person(StrEnum):
    """Who takes care of a gate, as a role."""

    SCHOOL_IT = "school IT"
    AUTHORITY = "school authority"
    HEAD = "head teacher"


GERMAN: Mapping[Person, str] = {
    Person.SCHOOL_IT: "IT der Schule",
    Person.AUTHORITY: "Schulträger",
    Person.HEAD: "Schulleitung",
}


@dataclass(frozen=True, slots=True)
class GateRow:
    """A row of the law. ``longest``: how old a measurement may be; ``vouch``: how long a person's word counts at most.

    ``human``: no machine can measure it. ``attest``: a person may attest it where it was not measured. ``waive``: it
    may be waived; ``early``: before the freezing at least. ``meaning``: what has to be so, in English and German.
    """

    person: Person
    longest: timedelta
    meaning: tuple[str, str]
    vouch: timedelta = timedelta(0)
    human: bool = False
    attest: bool = False
    waive: bool = False
    early: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: ``result`` is pass, fail or unknown. Only ``names`` names what is missing: for no report."""

    gate: Gate
    result: str
    expected: str
    found: str
    fix: str
    at: datetime
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a person said of a gate: ``how`` is waived or attested. ``expires`` None: as long as the law lets it."""

    gate: Gate
    how: str
    actor: str
    reason: str
    at: datetime
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A gate as it stands now. ``vouched`` is there only while it counts."""

    gate: Gate
    result: str
    expected: str
    found: str
    fix: str
    person: str
    human: bool
    measured: datetime | None
    valid_until: datetime | None
    vouched: Vouched | None
    names: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the transition may pass it."""
        return self.result in (PASS, WAIVED)


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_IT, _AUTHORITY, _HEAD = Person.SCHOOL_IT, Person.AUTHORITY, Person.HEAD

LAW: Mapping[Gate, GateRow] = {
    Gate.CONFIGURATION: GateRow(
        _IT, _HOUR,
        ("what is configured is what was rehearsed, or was accepted since",
         "konfiguriert ist, was geprobt oder seither angenommen wurde"),
    ),
    Gate.CREDENTIALS: GateRow(
        _IT, 4 * _HOUR,
        ("both sides and the shares let the bridge in with all rights it needs, and its certificates last",
         "beide Seiten und die Freigaben lassen die Bridge mit allen nötigen Rechten ein, Zertifikate reichen noch"),
        vouch=7 * _DAY, early=True,
    ),
    Gate.CLOCK: GateRow(
        _IT, 4 * _HOUR,
        ("the clocks of both sides and of this machine agree",
         "die Uhren beider Seiten und dieses Rechners stimmen überein"),
    ),
    Gate.CAPACITY: GateRow(
        _IT, 4 * _HOUR,
        ("there is room at the school and in the drives for what is to come, and a licence for everybody",
         "in Schule und Laufwerken ist Platz für das, was noch kommt, und für alle gibt es eine Lizenz"),
        vouch=7 * _DAY, waive=True,
    ),
    Gate.COMPLETE_SCAN: GateRow(
        _IT, 4 * _HOUR,
        ("people, groups and every folder were read to their end on both sides, without an error",
         "Personen, Gruppen und jeder Ordner wurden auf beiden Seiten fehlerfrei bis zum Ende gelesen"),
        vouch=7 * _DAY, early=True,
    ),
    Gate.BACKLOG: GateRow(
        _IT, timedelta(minutes=15),
        ("what is left to be done fits into the time of the freezing; while frozen nothing is left",
         "was noch zu tun ist, passt in die Zeit des Einfrierens; eingefroren ist nichts mehr übrig"),
    ),
    Gate.DECIDED: GateRow(
        _IT, timedelta(minutes=15),
        ("no conflict, hold, quarantine or drift waits for a person, and no school year is open",
         "kein Konflikt, nichts Angehaltenes, keine Quarantäne oder Abweichung wartet, kein Schuljahr ist offen"),
        vouch=14 * _DAY, waive=True,
    ),
    Gate.COUNTS: GateRow(
        _IT, _HOUR,
        ("everybody, every group and every membership of the school is in the cloud, and nothing else of it",
         "alle Personen, Gruppen und Mitgliedschaften der Schule sind in der Cloud, und nichts darüber hinaus"),
        vouch=7 * _DAY, waive=True,
    ),
    Gate.VERIFIED: GateRow(
        _IT, _DAY,
        ("the bytes of the files were compared on both sides, and are equal",
         "die Bytes der Dateien wurden auf beiden Seiten verglichen und sind gleich"),
    ),
    Gate.PERMISSIONS: GateRow(
        _IT, _DAY,
        ("every right at the school's folders is carried over to the cloud, or is known to be left behind",
         "jedes Recht an den Ordnern der Schule ist in die Cloud übertragen oder bewusst zurückgelassen"),
        vouch=30 * _DAY, waive=True,
    ),
    Gate.OPEN_FILES: GateRow(
        _HEAD, timedelta(minutes=15),
        ("nobody has a file of the shares open for writing",
         "niemand hat eine Datei der Freigaben zum Schreiben offen"),
        vouch=8 * _HOUR, attest=True, waive=True,
    ),
    Gate.DEVICES: GateRow(
        _AUTHORITY, _DAY,
        ("the devices of the school are managed from the cloud, or go on without the old server",
         "die Geräte der Schule werden aus der Cloud verwaltet oder kommen ohne den alten Server aus"),
        vouch=60 * _DAY, attest=True, waive=True,
    ),
    Gate.INFORMED: GateRow(
        _HEAD, _DAY,
        ("teachers, pupils and parents know the day and what changes",
         "Lehrkräfte, Lernende und Eltern kennen den Tag und wissen, was sich ändert"),
        vouch=60 * _DAY, human=True, attest=True,
    ),
    Gate.ROLLBACK_REHEARSED: GateRow(
        _AUTHORITY, 90 * _DAY,
        ("rolling back was tried, and the way back is known", "der Rückweg wurde geprobt und ist bekannt"),
        vouch=90 * _DAY, human=True, attest=True, waive=True,
    ),
    Gate.SOAKED: GateRow(
        _AUTHORITY, _HOUR,
        ("the school has worked with the cloud in charge for long enough",
         "die Schule hat lange genug mit der Cloud als führender Seite gearbeitet"),
    ),
    Gate.TWO_APPROVERS: GateRow(
        _AUTHORITY, _HOUR, ("two different people approved", "zwei verschiedene Personen haben zugestimmt")
    ),
    Gate.CODE_TYPED: GateRow(
        _AUTHORITY, _HOUR,
        ("the code of the school was typed again", "der Schlüssel der Schule wurde noch einmal getippt"),
    ),
}  # fmt: skip

_APPROVED = frozenset({Gate.TWO_APPROVERS, Gate.CODE_TYPED})
_BY_SHORT: Mapping[str, Gate] = {gate.name.lower().replace("_", "-"): gate for gate in Gate}


def short(gate: Gate) -> str:
    """The name of a gate on the command line and in URLs: ``open-files``."""
    return gate.name.lower().replace("_", "-")


def named(text: str) -> Gate:
    """The gate of a short name or of its full text; KeyError."""
    return _BY_SHORT.get(text) or {gate.value: gate for gate in Gate}[text]


def shorts() -> tuple[str, ...]:
    """All short names."""
    return tuple(_BY_SHORT)


def allowed(gate: Gate, how: str, *, early: bool = False) -> bool:
    """Whether the law lets a person say that of a gate; ``early``: for an event of ``EARLY``."""
    row = LAW[gate]
    if how not in (WAIVED, ATTESTED):
        return False
    return (early and row.early) or (row.waive if how == WAIVED else row.attest)


def until(vouched: Vouched) -> datetime:
    """When a person's word ends."""
    last = vouched.at + LAW[vouched.gate].vouch
    return last if vouched.expires is None else min(vouched.expires, last)


def counts(vouched: Vouched | None, gate: Gate, now: datetime, *, early: bool = False) -> bool:
    """Whether a person's word on this gate counts now."""
    if vouched is None or vouched.gate is not gate or not vouched.actor.strip() or not vouched.reason.strip():
        return False
    return allowed(gate, vouched.how, early=early) and vouched.at <= now < until(vouched)


def standing(
    gate: Gate,
    measured: Measured | None,
    vouched: Vouched | None,
    now: datetime,
    *,
    early: bool = False,
    since: datetime | None = None,
) -> Standing:
    """How a gate stands. ``since``: what was measured before then does not count (the school was not frozen yet)."""
    row = LAW[gate]
    if measured is not None and measured.gate is not gate:
        measured = None
    result = _result(row, measured, now, since)
    ends = measured.at + row.longest if measured is not None else None
    word = vouched if counts(vouched, gate, now, early=early) else None
    if result == PASS:
        word = None
    elif word is not None and word.how == WAIVED:
        result, ends = WAIVED, until(word)
    elif word is not None and (measured is None or measured.result != FAIL):
        result, ends = PASS, until(word)
    else:
        word = None
    return Standing(
        gate=gate, result=result,
        expected=measured.expected if measured else row.meaning[0],
        found=measured.found if measured else "not measured yet",
        fix=_fix(gate, measured, result), person=row.person.value, human=row.human,
        measured=measured.at if measured else None, valid_until=ends, vouched=word,
        names=measured.names if measured else (),
    )  # fmt: skip


def _result(row: GateRow, measured: Measured | None, now: datetime, since: datetime | None) -> str:
    if measured is None or measured.result not in (PASS, FAIL):
        return UNKNOWN
    # What was measured in the future was measured by another clock: nobody knows how old it is.
    if not now - row.longest < measured.at <= now or (since is not None and measured.at < since):
        return STALE
    return measured.result


def _fix(gate: Gate, measured: Measured | None, result: str) -> str:
    if result in (PASS, WAIVED):
        return ""
    if result == STALE:
        return "measure it again"
    if measured is not None and measured.fix:
        return measured.fix
    if gate in _APPROVED:
        return "let two people approve, each typing the code of the school"
    return f"attest it: schoolbridge gate SCHOOL attest {short(gate)}" if LAW[gate].human else "measure it"
