"""What a roster wants written at the school as operations of the engine, and as steps that are remembered; pure.

Nothing is agreed on by them: the mirror sees at the school what it has to take to the cloud.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.core.kinds import KINDS
from bridge.core.model import Action, Evidence, Fields, Link, Operation, Record, Side, Value
from bridge.core.plan import role_of
from bridge.core.year_wanted import Wanted

REASON = "school year: "


@dataclass(frozen=True, slots=True)
class Ends:
    """Who is there: ``people`` by source anchor, ``groups`` by anchor at the school. ``made``: (kind, key) -> the link
    that was put aside for what has to be made."""

    people: Mapping[str, Link]
    groups: Mapping[str, Link]
    made: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def link(self, one: Wanted) -> Link | None:
        """The link of what is wanted, None where there is none yet."""
        return self.people.get(one.key) if one.kind == "user" else self.groups.get(one.anchor or "")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of an apply as it is remembered: ``before`` and ``after`` hold what differs."""

    link: str
    kind: str
    key: str
    action: Action
    before: Fields
    after: Fields


def group_key(link: str) -> str:
    """The source anchor of a class that is made for a link, a UUID (version 8, RFC 9562): by the roster's own name for
    it, next year's 5a would be taken for this year's."""
    digits = hashlib.sha256(f"class {link}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def anew(wanted: Iterable[Wanted], ends: Ends) -> list[tuple[str, str]]:
    """(kind, key) of what needs a link of its own."""
    return [(one.kind, one.key) for one in wanted if one.action is Action.CREATE and ends.link(one) is None]


def operations(wanted: Sequence[Wanted], ends: Ends) -> list[Operation]:
    """The operations, in the order of ``wanted``; a group that needs another's name waits for it (``requires``).

    KeyError, with the anchor, for what has no link yet: it was never seen by a cycle.
    """
    return names_freed([_operation(one, ends) for one in wanted])


def names_freed(steps: Sequence[Operation]) -> list[Operation]:
    """The same; a group that needs another's name is not written together with it."""
    bearer = {str(one.before["display_name"]): one.link for one in steps if "display_name" in one.before}
    return [replace(one, requires=_freed(one, bearer)) for one in steps]


def _freed(one: Operation, bearer: Mapping[str, str]) -> frozenset[str]:
    name = str(one.after.get("display_name"))
    return frozenset({bearer[name]}) - {one.link} if one.kind == "group" and name in bearer else frozenset()


def _operation(one: Wanted, ends: Ends) -> Operation:
    link, reason = ends.link(one), f"{REASON}{one.reason}"
    added = frozenset(of for key in one.added if (of := _of(key, ends)) is not None)
    if link is None:
        if one.action is not Action.CREATE:
            raise KeyError(one.anchor or one.key)
        of = ends.made[one.kind, one.key]
        after = dict(one.after)
        if one.kind == "group":
            after |= {"source_anchor": group_key(of), "members": added}
        return Operation(
            of, one.kind, Side.SCHOOL, one.action, after=after, reason=reason, role=str(after.get("role") or "")
        )
    if one.action is Action.CREATE:
        return _again(one, link, reason)
    before, after = dict(one.before), dict(one.after)
    now = members_of(link.school.record)
    removed = frozenset(of for key in one.removed if (of := _of(key, ends)) is not None)
    if (then := (now | added) - removed) != now:
        before["members"], after["members"] = now, then
    return operation_at(link, one.action, before, after, reason=reason)


def _again(one: Wanted, link: Link, reason: str) -> Operation:
    """Somebody who was here before gets the account back that he had; where nothing is left of it, a new one."""
    if link.school.gone is Evidence.DELETED and link.school.anchor:
        return operation_at(
            link, Action.RESTORE, {}, {name: one.after[name] for name in one.after if name != "login"}, reason
        )
    return replace(operation_at(link, Action.CREATE, {}, one.after, reason), anchor=None)


def operation_at(link: Link, action: Action, before: Fields, after: Fields, reason: str) -> Operation:
    """One step at the school, expecting what was read."""
    record = link.school.record
    return Operation(
        link=link.id,
        kind=link.kind,
        side=Side.SCHOOL,
        action=action,
        anchor=link.school.anchor,
        before=before,
        after=after,
        agree=link.agreed or {},
        expected=record.version if record else "",
        reason=reason,
        role=role_of(link, KINDS[link.kind]) or str(after.get("role") or ""),
    )


def _of(key: str, ends: Ends) -> str | None:
    there = ends.people.get(key)
    return there.id if there is not None else ends.made.get(("user", key))


def members_of(record: Record | None) -> frozenset[str]:
    """The members that a record shows."""
    return as_set(record.fields.get("members") if record else None)


def as_set(value: Value) -> frozenset[str]:
    """The elements of a set field; none where there is no value."""
    return value if isinstance(value, frozenset) else frozenset()


def remembered(done: Sequence[Operation], earlier: Mapping[str, Step]) -> list[Step]:
    """Operations as steps, together with what the same apply did to the same links before: only what differs."""
    return [_merged(_step(one), earlier.get(one.link)) for one in done]


def _step(one: Operation) -> Step:
    before, after = dict(one.before), dict(one.after)
    old, new = as_set(before.pop("members", None)), as_set(after.pop("members", None))
    if old != new:
        before["members"], after["members"] = old - new, new - old
    return Step(one.link, one.kind, str(after.get("source_anchor") or ""), one.action, before, after)


def _merged(step: Step, earlier: Step | None) -> Step:
    if earlier is None:
        return step
    before, after = {**step.before, **earlier.before}, {**earlier.after, **step.after}
    out, came = as_set(earlier.before.get("members")), as_set(earlier.after.get("members"))
    go, come = as_set(step.before.get("members")), as_set(step.after.get("members"))
    before["members"], after["members"] = (out - come) | (go - came), (came - go) | (come - out)
    return replace(earlier, before=before, after=after)
