"""The steps of a roster's apply, taken up where it broke off, and taken back; pure.

| step | taken up | taken back | where somebody changed it since |
|---|---|---|---|
| another name, another switch | the new value for the old one | the old value for the new one | left, and told |
| members added and removed | who is missing comes, who has to go goes | the other way round | left |
| made, brought back | made, unless it is there | retired (a soft delete) | left, and told |

The plan is not made anew in the middle: with half of the classes renamed nobody could tell who repeats a year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.core.model import Action, Evidence, Fields, Link, Operation, Side, Value
from bridge.core.year_steps import REASON, Step, as_set, members_of, names_freed, operation_at

_MAKES = frozenset({Action.CREATE, Action.RESTORE})
#: What of a new object nobody is asked about when it is taken back: it is decided elsewhere, or never changes.
_GIVEN = frozenset({"source_anchor", "role", "login", "members"})


def forth(steps: Sequence[Step], links: Mapping[str, Link]) -> tuple[list[Operation], list[str]]:
    """What is left of the steps, in their order; and what somebody changed since, which is left to the next plan."""
    wanted: list[Operation] = []
    against: list[str] = []
    for step in steps:
        link = links.get(step.link)
        if step.action in _MAKES:
            wanted += _made(step, link)
        elif link is None or link.school.record is None:
            against.append(f"{step.kind} {step.link} is not at the school any more.")
        else:
            before, after, changes = _values(step.before, step.after, link)
            against += changes
            if after:
                wanted.append(operation_at(link, _action(step), before, after, f"{REASON}goes on"))
    return names_freed(wanted), against


def _action(step: Step) -> Action:
    return Action.DISABLE if step.action is Action.DISABLE else Action.UPDATE


def _made(step: Step, link: Link | None) -> list[Operation]:
    reason, role = f"{REASON}goes on", str(step.after.get("role") or "")
    if link is None:
        return [Operation(step.link, step.kind, Side.SCHOOL, Action.CREATE, after=step.after, reason=reason, role=role)]
    if link.school.record is None:
        restores = link.school.gone is Evidence.DELETED
        after = {name: value for name, value in step.after.items() if not restores or name != "login"}
        action = Action.RESTORE if restores else Action.CREATE
        return [operation_at(link, action, {}, after, reason)]
    # It is there, but may be unfinished: not switched on yet, or without some of its members.
    fields, before, after = link.school.record.fields, dict[str, Value](), dict[str, Value]()
    if step.after.get("enabled") is True and fields.get("enabled") is False:
        before["enabled"], after["enabled"] = False, True
    there, ours = members_of(link.school.record), as_set(step.after.get("members"))
    if ours - there:
        before["members"], after["members"] = there, there | ours
    return [operation_at(link, Action.UPDATE, before, after, reason)] if after else []


def back(steps: Sequence[Step], links: Mapping[str, Link]) -> tuple[list[Operation], list[str]]:
    """What takes the steps back, the last one first and what was made last of all; and what stands against it.

    What is as it was before (never written, or taken back already) needs nothing.
    """
    changed: list[Operation] = []
    retired: list[Operation] = []
    against: list[str] = []
    for step in reversed(steps):
        link = links.get(step.link)
        if link is None or link.school.record is None:
            if step.action not in _MAKES:
                against.append(f"{step.kind} {step.link} is not at the school any more.")
            continue
        if step.action in _MAKES:
            if (why := _touched(step, link)) is not None:
                against.append(why)
            else:
                retired.append(operation_at(link, Action.DELETE, {}, {}, f"{REASON}undo"))
            continue
        before, after, changes = _values(step.after, step.before, link)
        against += changes
        if after:
            changed.append(operation_at(link, Action.UPDATE, before, after, f"{REASON}undo"))
    return _groups_first(changed) + _groups_first(retired), against


def _groups_first(some: Sequence[Operation]) -> list[Operation]:
    return sorted(some, key=lambda one: one.kind != "group")


def _touched(step: Step, link: Link) -> str | None:
    """Why something that was made is not retired: it is not as it was made."""
    record = link.school.record
    fields = record.fields if record else {}
    other = sorted(name for name in step.after if name not in _GIVEN and fields.get(name) != step.after[name])
    if other:
        return f"{step.kind} {step.link} was made by it, and {', '.join(other)} changed since."
    more = members_of(record) - as_set(step.after.get("members"))
    return f"{step.kind} {step.link} was made by it, and {len(more)} members came since." if more else None


def _values(was: Fields, then: Fields, link: Link) -> tuple[dict[str, Value], dict[str, Value], list[str]]:
    """Before and after of what leads from one state to another; what is in neither was changed since."""
    fields = link.school.record.fields if link.school.record else {}
    before: dict[str, Value] = {}
    after: dict[str, Value] = {}
    against: list[str] = []
    for name in sorted({*was, *then}):
        now = fields.get(name)
        if name == "members":
            there, out, come = members_of(link.school.record), as_set(was.get(name)), as_set(then.get(name))
            if (wanted := (there | (come - out)) - (out - come)) != there:
                before[name], after[name] = there, wanted
        elif now == was.get(name) and now != then.get(name):
            before[name], after[name] = now, then.get(name)
        elif now != then.get(name):
            against.append(f"{link.kind} {link.id}: {name} changed since.")
    return before, after, against
