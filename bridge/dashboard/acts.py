"""From a form to an action: what the fields of a form mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from pydantic import ValidationError

from bridge.api.asked import Action
from bridge.api.models import ErrorGroup

#: Fields of a form that belong to the page, not to the action.
_OURS = {"token", "to", "seen"}
_TIMES = {"at", "expires"}
#: What takes the school's code, typed again.
_TYPED = {"approve", "finalise"}


class Amiss(Exception):
    """A field can't be taken. ``word`` names the sentence that says so."""

    def __init__(self, word: str, **values: object) -> None:
        self.word, self.values = word, values
        super().__init__(word)


def action_of(form: Mapping[str, str], code: str, zone: tzinfo) -> Action:
    """The action for the school ``code``; raises Amiss. Times of a form are local ones of the bridge's zone."""
    values: dict[str, object] = {key: text.strip() for key, text in form.items() if key not in _OURS and text.strip()}
    for key in _TIMES & values.keys():
        values[key] = moment_of(str(values[key]), zone)
    if "full" in values:
        values["full"] = values["full"] == "yes"
    if len(str(values.get("reason", ""))) < 3:
        raise Amiss("reason_short")
    if form.get("action") in _TYPED and values.get("typed") != code:
        raise Amiss("code_wrong", code=code)
    try:
        return Action.model_validate(values)
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in one["loc"]) for one in error.errors())
        raise Amiss("field_wrong", fields=fields) from None


def none_more(action: Action, seen: str, groups: Sequence[ErrorGroup]) -> None:
    """Who releases all releases those that the page showed: raises Amiss where more are held by now."""
    now = sum(one.count for one in groups if f"{one.kind}:{one.rule.removeprefix('guard:')}" == action.rule)
    shown = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    if now > shown:
        raise Amiss("more_held", now=now, seen=shown)


def moment_of(text: str, zone: tzinfo) -> datetime:
    """A local time as browsers send it; one that does not exist or exists twice is refused, never guessed."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Amiss("time_wrong") from None
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    if len(text) == len("2026-11-30"):
        local += timedelta(days=1)  # a day lasts until its end
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise Amiss("time_none")
    if local.replace(tzinfo=zone, fold=1).astimezone(UTC) != moment:
        raise Amiss("time_twice")
    return moment
