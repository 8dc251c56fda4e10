"""The periods of leavers as people write them: one duration, or one for each step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from bridge.core.policy import DEFAULT_PERIODS
from bridge.settings.words import DURATION_SCHEMA, Duration

#: Longer ones of those who work at a school.
_STAFF = timedelta(days=60)
#: Key of the YAML -> (kind, role) of the policy, and its default for ``retire``.
_WHOM: Mapping[str, tuple[str, str, timedelta]] = {
    "pupil": ("user", "pupil", DEFAULT_PERIODS["user"][1]),
    "teacher": ("user", "teacher", _STAFF),
    "staff": ("user", "staff", _STAFF),
    "others": ("user", "*", DEFAULT_PERIODS["user"][1]),
    "group": ("group", "*", DEFAULT_PERIODS["group"][0]),
}


class Periods(BaseModel):
    """How long each step waits after the one before it was done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    disable: Duration | None = Field(default=None, description="Tolerated so long before the account is disabled.")
    retire: Duration | None = Field(default=None, description="Disabled so long before it is soft-deleted.")
    purge: Duration | None = Field(
        default=None,
        description="Soft-deleted so long before it is deleted for good, where the bridge does that (the school's "
        "directory). Microsoft's recycle bin empties itself after 30 days, whatever stands here.",
    )


def _short(said: Any) -> Any:
    """The short form: one duration is that of ``retire``."""
    return said if isinstance(said, Mapping | Periods) else {"retire": said}


_LONG = Periods.model_json_schema()
Steps = Annotated[
    Periods, BeforeValidator(_short), WithJsonSchema({"anyOf": [DURATION_SCHEMA, {**_LONG, "title": "Periods"}]})
]


def periods(*said: BaseModel) -> dict[tuple[str, str], tuple[timedelta, ...]]:
    """(kind, role) -> the policy's periods, from blocks of ``leavers``; what a later one says counts."""
    found: dict[tuple[str, str], tuple[timedelta, ...]] = {}
    for name, (kind, role, retire) in _WHOM.items():
        steps = [getattr(block, name) for block in said]
        wanted = {key: value for one in steps if one is not None for key, value in one if value is not None}
        disable = (wanted.get("disable", DEFAULT_PERIODS["user"][0]),) if kind == "user" else ()
        found[kind, role] = (*disable, wanted.get("retire", retire), wanted.get("purge", DEFAULT_PERIODS[kind][-1]))
    return found
