"""What the status API is asked to do, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from bridge.api.models import EventName, Model, Side

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    Field(description="Why; goes into the journal. Blanks alone are none."),
]


class Action(Model):
    """What is asked of a school. Which fields matter depends on ``action``."""

    action: Literal[
        "sync", "pause", "resume", "release", "release-all", "retry", "resolve-conflict", "decide-drift",
        "measure-gates", "attest-gate", "waive-gate", "approve", "schedule", "unschedule", "freeze", "abort",
        "roll-back", "finalise", "rehearse-roll-back", "confirm-share",
    ]  # fmt: skip
    reason: Reason
    link: str | None = Field(default=None, max_length=200)
    side: Side | None = None
    rule: str | None = Field(default=None, max_length=100, description="For release-all: `kind:tally`.")
    conflict: str | None = Field(default=None, max_length=200)
    keep: Literal["both", "school", "cloud"] | None = None
    drift: str | None = Field(default=None, max_length=300)
    decision: Literal["take", "revert", "hand-over"] | None = None
    share: str | None = Field(default=None, max_length=100, description="Frozen by hand on its server.")
    gate: str | None = Field(default=None, max_length=100)
    event: EventName | None = None
    at: datetime | None = Field(default=None, description="With a zone.")
    expires: datetime | None = None
    typed: str | None = Field(default=None, max_length=32, description="The school's code, typed again.")
    full: bool = False


class ActionAnswer(Model):
    """What became of it."""

    done: bool
    text: str
    pending: bool = Field(default=False, description="At a hub: it was asked of the site, which has not answered yet.")
    stage: str = ""


class Password(Model):
    """Whose password is set, and to what."""

    person: str = Field(min_length=1, max_length=200, description="The login, in full, or the link of one person.")
    password: SecretStr | None = Field(
        default=None, min_length=1, max_length=256, description="Without it the bridge makes a readable one."
    )
    must_change: bool = Field(default=False, description="To be changed at the next login, on each side by itself.")
    reason: Reason


class PasswordAnswer(Model):
    """What holds on each side now."""

    done: bool = Field(description="Whether the new one holds wherever there is an account.")
    text: str
    link: str
    sides: dict[Side, Literal["new", "old", "unknown", "absent"]]
    differs: bool = Field(description="Whether the two sides have, or may have, different passwords now.")
    password: str = Field(default="", repr=False, description="One that the bridge made; it is told this once.")
