"""What may stand in YAML of the cutover: how long it may take, how it is verified, what counts for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bridge.settings.words import Duration, Strict

CloudAuthority = Literal["leave", "switch"]
SharesAfter = Literal["writable", "read-only"]


class CutoverFile(Strict):
    """How a school is cut over."""

    deadline: Duration | None = Field(
        default=None,
        description="How long the school may be frozen. What is not switched by then is rolled back by itself; "
        "default 4 hours.",
    )
    soak: Duration | None = Field(
        default=None,
        description="How long the school can still be rolled back before it may be final; default 14 days.",
    )
    approval: Duration | None = Field(
        default=None, description="How long an approval counts, and what was attested of a gate; default 7 days."
    )
    verify: float | None = Field(
        default=None,
        gt=0,
        le=100,
        strict=False,
        description="How many percent of the files are compared by content while the school is frozen; default 100.",
    )
    shares_after: SharesAfter | None = Field(
        default=None,
        description="The school's shares after the switch: `writable` (the default; both ways as before) or "
        "`read-only` until the school is rolled back.",
    )
    cloud_authority: CloudAuthority | None = Field(
        default=None,
        description="Accounts and groups of the school that Microsoft Entra Connect made: `switch` (the default; the "
        "cloud masters them with the cutover, and the directory again with a roll back) or `leave`.",
    )
    devices: float | None = Field(
        default=None, gt=0, le=100, strict=False,
        description="How many percent of the school's computers the cloud has to know; without a number a person "
        "judges where it does not know all.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cutover:
    """What holds in the end."""

    deadline: timedelta = timedelta(hours=4)
    soak: timedelta = timedelta(days=14)
    approval: timedelta = timedelta(days=7)
    verify: float = 100.0
    shares_after: SharesAfter = "writable"
    cloud_authority: CloudAuthority = "switch"
    devices: float | None = None

    @classmethod
    def of(cls, *said: CutoverFile) -> Cutover:
        """The later ones count before the earlier ones."""
        values: dict[str, Any] = {}
        for one in said:
            values |= {name: value for name, value in one if value is not None}
        return cls(**values)
