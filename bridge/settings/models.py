"""What may stand in ``bridge.yaml`` and in a school's file: the configuration reference is drawn from here.

Every ``description`` is the text of the reference and of the editor's tooltip. Error texts of validators are
``what is wrong|what would be right``, with a ``!`` in front where the value must not be repeated.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.core.kinds import KINDS
from bridge.settings.api import Api
from bridge.settings.cutover import CutoverFile
from bridge.settings.hub import Uplink
from bridge.settings.limits import Defaults, Guard, Leavers, Schedule, Strict
from bridge.settings.line import BandwidthRule
from bridge.settings.notify import Target
from bridge.settings.secrets import REFERENCE
from bridge.settings.share import Share, SideFile
from bridge.settings.waves import Blackout, WaveFile
from bridge.settings.words import SecretReference, StateUrl, TimeZone, matching

Language = Literal["de", "en"]
KindName = Literal["user", "group", "folder", "file"]
Owner = Literal["school", "cloud", "both", "newest"]
#: Stages in which a side is written, so that it matters whose value counts.
WritingStage = Literal["hybrid", "freezing", "soaking", "cloud"]
#: One for all stages, or one a stage.
Owners = Owner | dict[WritingStage, Owner]
#: Kinds whose columns a school may add to.
PeopleKind = Literal["user", "group"]
AttributeName = Annotated[
    str,
    *matching(r"[A-Za-z][A-Za-z0-9_]{0,63}", "no attribute of the cloud", "write its name there, like `department`"),
]
DomainName = Annotated[
    str,
    *matching(
        r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]",
        "not a domain in lower case",
        'write the verified domain: "school.example"',
    ),
]
Prefix = Annotated[
    str, *matching(r"[A-Za-z0-9_-]{0,24}", "not a prefix of names", "write up to 24 letters, digits, - and _")
]
SchoolCode = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}",
        "not a school code",
        'write 1 to 32 letters and digits (also . _ -) in quotes: "0123"',
    ),
]


class State(Strict):
    """Where the bridge remembers what it saw and agreed."""

    url: StateUrl = Field(
        default="sqlite:////var/lib/schoolbridge/state.db",
        description="`sqlite:///PATH` (relative to this file) or `postgresql://USER@HOST/NAME`, without a password.",
    )
    password: SecretReference | None = Field(default=None, description="The password of the PostgreSQL role.")
    lease_seconds: float = Field(
        default=15.0,
        ge=1,
        le=300,
        description="PostgreSQL: how long a daemon that falls silent keeps its schools until others take them over.",
    )


class Logging(Strict):
    """What is logged to standard error (the journal)."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Names of people appear at `debug` only."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`auto`: text in a terminal, JSON otherwise."
    )


class BridgeFile(Strict):
    """`bridge.yaml`: what concerns the bridge as a whole."""

    version: Literal[1] = Field(description="Version of the format.")
    state: State = Field(default_factory=State)
    schools: str = Field(default="schools", min_length=1, description="Directory of the schools' files.")
    runtime: str = Field(
        default="/run/schoolbridge", min_length=1, description="Directory of locks and of the status file."
    )
    samba: str = Field(
        default="/var/lib/schoolbridge-samba",
        min_length=1,
        description="Directory where root's part of `freeze: samba` (schoolbridge-samba.service) keeps and answers.",
    )
    logging: Logging = Field(default_factory=Logging)
    language: Language = Field(default="en", description="Language of printed letters.")
    time_zone: TimeZone = Field(
        default="Europe/Berlin", description="Time zone of the schedule, and of times in the names of conflict copies."
    )
    bandwidth: list[BandwidthRule] = Field(
        default_factory=list,
        description="How much of the line may be used at which time, by all transfers together; else all of it.",
    )
    api: Api = Field(default_factory=Api)
    hub: Uplink | None = Field(default=None, description="The hub that this site reports to; without it, to none.")
    defaults: Defaults = Field(default_factory=Defaults)
    waves: list[WaveFile] = Field(
        default_factory=list,
        description="In which order schools are cut over: a pilot, then 3, then 10, then the rest. Without it in any.",
    )
    blackouts: list[Blackout] = Field(
        default_factory=list, description="When no cutover begins at any school: holidays, exams."
    )
    notify: list[Target] = Field(
        default_factory=list, description="Who is told when something is wrong, and over what."
    )


class Attribute(Strict):
    """One attribute that may leave the school."""

    source: str = Field(alias="from", min_length=1, max_length=1000, description="Expression over the AD attributes.")
    purpose: str = Field(
        min_length=3, max_length=500, description="Why it has to leave the school; shown in the record of processing."
    )
    authority: Owner = Field(default="school", description="Whose value counts.")
    shape: Literal["text", "flag", "number", "time", "texts"] = Field(
        default="text", description="What its value looks like."
    )


class Naming(Strict):
    """How names in the cloud are made. A name is given once and never to somebody else."""

    domain: DomainName = Field(description="Verified domain of the accounts, lower case.")
    longest: int = Field(default=64, ge=8, le=64, description="Longest part before the @ and longest mail nickname.")
    group_prefix: Prefix = Field(
        default="", description="Put before the mail nickname of groups, to tell schools of one tenant apart."
    )


class SchoolFile(Strict):
    """`schools/*.yaml`: one school."""

    version: Literal[1] = Field(description="Version of the format.")
    school: SchoolCode = Field(description='Code of the school, in quotes: "0123".')
    name: str = Field(min_length=1, max_length=200, description="Name of the school, for people.")
    initial_stage: Literal["classic", "observing", "rehearsing", "hybrid"] = Field(
        default="observing", description="Stage when the bridge first meets the school; ignored ever after."
    )
    language: Language | None = Field(default=None, description="Language of printed letters.")
    school_side: SideFile = Field(description="The directory of the school.")
    cloud_side: SideFile = Field(description="The cloud.")
    attributes: dict[PeopleKind, dict[AttributeName, Attribute]] = Field(
        default_factory=dict, description="Allow-list of what leaves the school beside the basic fields."
    )
    authority: dict[KindName, dict[str, Owners]] = Field(
        default_factory=dict,
        description="Exceptions: whose value of a field counts, in all stages or by stage; `*`: existence. "
        "`newest`: of two changes the one that was seen later.",
    )
    drift: dict[PeopleKind, dict[str, Literal["revert", "hold"]]] = Field(
        default_factory=dict,
        description="What becomes of a field that is changed on the side that does not own it: `revert` (the default) "
        "puts it right and lists it, `hold` leaves it until a person decides; `*`: all fields.",
    )
    naming: Naming
    shares: list[Share] = Field(default_factory=list, description="File shares that are mirrored.")
    guard: Guard = Field(default_factory=Guard)
    leavers: Leavers = Field(default_factory=Leavers)
    cutover: CutoverFile = Field(default_factory=CutoverFile, description="How the school is cut over.")
    schedule: Schedule = Field(default_factory=Schedule)
    blackouts: list[Blackout] = Field(
        default_factory=list, description="When no cutover begins at this school, beside those of the bridge."
    )

    @model_validator(mode="after")
    def _known_fields(self) -> SchoolFile:
        for kind, fields in self.authority.items():
            known = {"*", *(column.name for column in KINDS[kind].fields), *self.attributes_of(kind)}
            for name, owner in fields.items():
                if name not in known:
                    raise ValueError(
                        f"authority.{kind} names no field of the kind: {name}|use a field that is mirrored"
                    )
                if name == "*" and "newest" in (owner.values() if isinstance(owner, dict) else [owner]):
                    raise ValueError(
                        f"authority.{kind}: existence can't be the newest|write school, cloud or both for `*`"
                    )
        for people, held in self.drift.items():
            for name in held.keys() - {"*", *(one.name for one in KINDS[people].fields), *self.attributes_of(people)}:
                raise ValueError(f"drift.{people} names no field of the kind: {name}|use a field that is mirrored")
        return self

    def attributes_of(self, kind: str) -> dict[str, Attribute]:
        """The attributes added to ``kind``."""
        return {str(name): one for key, named in self.attributes.items() if key == kind for name, one in named.items()}


def is_reference(value: object) -> bool:
    """Whether a value refers to a secret."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None
