"""What may stand in YAML of limits and times: the guard, leavers, the schedule; for all schools or for one.

See ``models`` for how descriptions and errors are worded.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.core.policy import Tally
from bridge.settings.cutover import CutoverFile
from bridge.settings.leaving import Steps
from bridge.settings.words import Duration, Pause, TimeOfDay, matching
from bridge.settings.words import Strict as Strict

RoleName = Annotated[str, *matching(r"\*|[a-z][a-z0-9_-]{0,31}", "no role", 'write one like "pupil", or "*" for all')]


class Threshold(Strict):
    """One limit of the guard: more than this within the window is held until a person releases it."""

    tally: Tally = Field(strict=False, description="What is counted.")
    side: Literal["school", "cloud", "*"] = Field(default="*", description="The side that would be written.")
    kind: Literal["user", "group", "folder", "file", "*"] = Field(default="*", description="Kind of object.")
    role: RoleName = Field(default="*", description="Role of the people (`pupil`) or groups (`class`), `*` for all.")
    count: int | None = Field(default=None, ge=0, description="So many objects pass whatever the share.")
    percent: float | None = Field(
        default=None, ge=0, le=100, strict=False, description="Beyond the count, so much of the population passes."
    )
    unlimited: bool = Field(default=False, description="Nothing is held. Instead of count and percent.")

    @model_validator(mode="after")
    def _says_something(self) -> Threshold:
        limited = self.count is not None or self.percent is not None
        if limited == self.unlimited:
            raise ValueError("no limit, or two opposite ones|write `count`, `percent` or both, or `unlimited: true`")
        if self.kind == "*" and (self.side != "*" or self.role != "*"):
            raise ValueError("side or role without a kind|say which kind it is for")
        return self


class Guard(Strict):
    """What is too much. Where nothing is said the defaults of the documentation hold."""

    window: Duration | None = Field(default=None, description="How far back is counted; by default 24 hours.")
    pause: Duration | None = Field(
        default=None,
        description="How long nothing more may vanish from a side before what vanished is retired on the other, so "
        "that a wave is judged as a whole; by default 60 seconds. Only the daemon waits; `sync` sees all at once.",
    )
    thresholds: list[Threshold] = Field(default_factory=list, description="The most specific one counts.")


class Leavers(Strict):
    """How somebody leaves: tolerated, disabled, retired (soft-deleted), purged; on whichever side is left.

    A duration alone, `pupil: 30d`, is the same as `pupil: {retire: 30d}`.
    """

    pupil: Steps | None = Field(default=None, description="Pupils; by default 0, 30 and 30 days.")
    teacher: Steps | None = Field(default=None, description="Teachers; by default 0, 60 and 30 days.")
    staff: Steps | None = Field(default=None, description="Staff; by default 0, 60 and 30 days.")
    others: Steps | None = Field(default=None, description="People of any other role; by default 0, 30 and 30 days.")
    group: Steps | None = Field(
        default=None, description="Groups (which can't be disabled); by default 30 and 30 days."
    )

    @model_validator(mode="after")
    def _groups_have_no_switch(self) -> Leavers:
        if self.group is not None and self.group.disable is not None:
            raise ValueError("leavers.group.disable is said, but a group can't be disabled|leave it out, use `retire`")
        return self


class Schedule(Strict):
    """When the sides are asked, beside the hints they give by themselves."""

    school_poll: Pause | None = Field(default=None, description="How often the school is asked; default 1 minute.")
    cloud_poll: Pause | None = Field(default=None, description="How often the cloud is asked; default 5 minutes.")
    full_compare: TimeOfDay | None = Field(
        default=None, description='Time of day of the nightly full compare, local time; default "02:30".'
    )
    jitter: Duration | None = Field(
        default=None, description="Spread of all the times, so that not all schools ask at once; default 10 minutes."
    )


class Defaults(Strict):
    """What holds for every school whose file does not say otherwise."""

    cutover: CutoverFile = Field(default_factory=CutoverFile)
    guard: Guard = Field(default_factory=Guard)
    leavers: Leavers = Field(default_factory=Leavers)
    schedule: Schedule = Field(default_factory=Schedule)
