"""What the status API says, as pydantic models: times are UTC (RFC 3339), bytes are bytes, no field holds a secret.

Whatever may name a person stands in a field called ``names`` or in a model whose name begins with ``Named``: a caller
without the right to the school's names never gets one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bridge.settings.api import Scope as Scope

Colour = Literal["green", "amber", "red"]
GateResult = Literal["pass", "fail", "waived", "unknown", "stale"]
Side = Literal["school", "cloud"]
EventName = Literal[
    "observe", "rehearse", "mirror", "withdraw", "freeze", "deadline", "abort", "switch", "roll-back", "finalise",
    "retire", "pause", "resume",
]  # fmt: skip
SchoolCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", examples=["0123"])]


T = TypeVar("T")


class Model(BaseModel):
    """What all of them share: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid")


class Cause(Model):
    """One thing that is wrong, since when, and what to do."""

    colour: Colour
    text: str
    since: datetime | None = None


class Amounts(Model):
    """How far the files are, in files and bytes, and when they will be through: never one moment, always a range."""

    files: int = 0
    files_total: int = 0
    bytes: int = 0
    bytes_total: int = 0
    complete: bool = Field(default=True, description="Whether all that is to be done is known.")
    earliest_end: datetime | None = None
    latest_end: datetime | None = None
    text: str = Field(default="", description="The same in words.")


class Freshness(Model):
    """When a side was last read from beginning to end."""

    side: Side
    period_seconds: float
    complete: datetime | None = None
    colour: Colour = "green"


class SchoolRow(Model):
    """One school on the board of all: counts, never names of people."""

    code: SchoolCode
    name: str
    stage: str
    stage_since: datetime | None = None
    wave: str = Field(default="", description="Empty: in no wave.")
    wave_order: int = 0
    health: Colour
    causes: list[Cause] = []
    held: int = Field(default=0, description="Operations held or in quarantine.")
    conflicts: int = 0
    drift: int = 0
    records: dict[str, int] = Field(default={}, description="`side:kind` -> how many there are.")
    amounts: Amounts = Amounts()
    gates_failed: int = Field(default=0, description="Gates of the next cutover event that do not hold.")
    appointment: datetime | None = Field(default=None, description="When the cutover is to begin.")
    last_cycle: datetime | None = None
    site: str = Field(default="", description="At a hub: the site that looks after it.")
    heard: datetime | None = Field(default=None, description="At a hub: when its site was heard last.")
    silent: bool = Field(default=False, description="At a hub: its site was not heard for too long.")
    told: bool = Field(default=True, description="At a hub: false where its site never told of it; all else is empty.")


class ShareView(Model):
    """A share of a school."""

    name: str
    roots: int
    complete: int = Field(description="Folders in step.")
    busy: int = 0
    waiting: int = Field(default=0, description="Folders that are not there yet.")
    stopped: int = 0
    unfit: int = Field(default=0, description="Owners that can have no folder.")
    amounts: Amounts = Amounts()
    speed_up: float = Field(default=0, description="Bytes a second, of the last window.")
    speed_down: float = 0


class ErrorGroup(Model):
    """Operations held for one cause, with the remedy."""

    rule: str
    kind: str
    cause: str
    remedy: str
    count: int
    since: datetime
    links: list[str] = Field(default=[], description="The first of them.")


class SchoolView(SchoolRow):
    """All of one school that needs no names."""

    meaning: str = Field(default="", description="What its stage means.")
    doing: str = Field(default="", description="What the cycle under way does.")
    running: bool = Field(default=False, description="A run of its cutover, or back, is under way.")
    freshness: list[Freshness] = []
    shares: list[ShareView] = []
    errors: list[ErrorGroup] = []
    events: list[EventView] = Field(default=[], description="What may happen next.")


class GateView(Model):
    """A condition of a stage's transition."""

    gate: str
    result: GateResult
    expected: str = ""
    found: str = ""
    fix: str = ""
    person: str = Field(default="", description="Who takes care of it: a role, such as `school IT`.")
    measured: datetime | None = None
    valid_until: datetime | None = None
    vouched_by: str = Field(default="", description="Who waived or attested it.")
    vouched_reason: str = Field(default="", description="Typed by that person; with the scope `names` at the cutover.")
    human: bool = Field(default=False, description="No machine can measure it: a person attests it.")


class EventView(Model):
    """What may happen to a school, where it leads, and the gates in between."""

    event: EventName
    target: str
    gates: list[GateView] = []
    ready: bool = False
    approvals: list[ApprovalView] = []
    approvals_needed: int = 0


class ApprovalView(Model):
    """Somebody approved of an event."""

    event: EventName
    actor: str
    at: datetime
    expires: datetime | None = None
    reason: str = Field(default="", description="Typed by that person; with the scope `names` at the cutover.")


class CutoverView(Model):
    """The cutover of a school: what is planned, under way, and what was."""

    school: SchoolCode
    stage: str
    appointment: datetime | None = None
    appointment_by: str = ""
    run: RunView | None = None
    past: list[RunView] = []
    events: list[EventView] = []


class RunView(Model):
    """One run from freezing on."""

    id: str
    started: datetime
    deadline: datetime
    actor: str
    step: str
    step_since: datetime
    steps: list[str] = Field(default=[], description="All steps in their order.")
    problem: str = ""
    by_hand: list[str] = Field(default=[], description="Shares to be made read-only by hand, and confirmed, now.")
    outcome: str = Field(default="", description="Empty while it goes on.")
    ended: datetime | None = None


class CycleView(Model):
    """One cycle."""

    id: str
    started: datetime
    ended: datetime | None = None
    outcome: str
    counts: dict[str, int] = {}


class OperationView(Model):
    """An operation of the plan, or one that is held."""

    link: str
    root: str = Field(default="", description="Of a file: the code of the folder in which it lies.")
    kind: str
    side: Side
    action: str
    role: str = ""
    rule: str = Field(default="", description="By which rule it is held; empty: it is not.")
    reason: str = ""
    since: datetime | None = None
    attempts: int = 0
    names: dict[str, str] = Field(default={}, description="Only with the scope `names`.")


class ConflictView(Model):
    """Both sides changed a file: both versions are kept."""

    id: str
    share: str
    at: datetime
    side: Side
    resolved: datetime | None = None
    how: str = ""
    names: dict[str, str] = Field(default={}, description="`path` and `copy`, only with the scope `names`.")


class DriftView(Model):
    """A field that was changed on the side that does not own it."""

    handle: str
    kind: str
    link: str
    field: str
    side: Side
    state: str
    at: datetime
    names: dict[str, str] = Field(default={}, description="`found` and `wanted`, only with the scope `names`.")


class JournalRow(Model):
    """A row of the journal; ``before`` and ``after`` only with the scope ``names``."""

    seq: int
    at: datetime
    actor: str
    action: str
    side: str = ""
    kind: str = ""
    link: str = ""
    outcome: str = ""
    reason: str = ""
    hash: str
    names: dict[str, str] = {}


class ReleaseView(Model):
    """Somebody let pass what was held."""

    link: str
    actor: str
    reason: str = Field(default="", description="Only with the scope `names`.")
    at: datetime
    used: datetime | None = None


class ReportView(Model):
    """A signed report that lies ready."""

    id: str
    kind: str = Field(description="`readiness`, `completion`, `verify` …")
    made: datetime
    formats: list[str] = []


class LiveEvent(Model):
    """One event of the live stream."""

    id: int
    school: str = ""
    kind: Literal["school", "stage", "cycle", "run", "gate", "journal", "configuration"]
    at: datetime
    text: str = ""


class Page(Model, Generic[T]):
    """Some rows, and how to ask for those after them."""

    rows: list[T]
    next: str | None = Field(default=None, description="Cursor of the next page; absent at the end.")


SchoolView.model_rebuild()
EventView.model_rebuild()
CutoverView.model_rebuild()
