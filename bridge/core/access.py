"""Who may get at a shared root in the cloud: what the school grants, carried over to it and no further.

The school owns what the bridge gives. What somebody gave by hand in the cloud is never changed and never taken away.

| the school grants | the bridge gave | stands in the cloud | decision |
|---|---|---|---|
| role | – | – | give |
| role | – | the same or more | leave it: somebody gave it by hand |
| role | – | less | say so: what was given by hand is not changed |
| role | the same | the bridge's | nothing |
| role | another | the bridge's | change |
| role | any | – | give again |
| – | any | the bridge's | take back |
| – | any | – | forget |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a role lets somebody do, the weaker first."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Standing:
    """A permission as the cloud shows it: its ``id`` there, whose it is, and the role in the cloud's own word."""

    id: str
    principal: str
    role: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the bridge gave a principal. ``id`` is empty between the intention and the cloud's answer."""

    role: Role
    id: str = ""


class Step(StrEnum):
    """What is done for one principal."""

    GIVE = "give"
    CHANGE = "change"
    TAKE_BACK = "take back"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Change:
    """One step. ``id`` is the permission's where there is one; ``role`` None where it goes."""

    step: Step
    principal: str
    role: Role | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and principals whose role by hand is less than the school's."""

    changes: tuple[Change, ...] = ()
    less: tuple[str, ...] = ()


def decide(wanted: Mapping[str, Role], given: Mapping[str, Given], standing: Iterable[Standing]) -> Decision:
    """Principal -> role that the school grants, what the bridge gave, and what stands there now; see the table."""
    there: dict[str, list[Standing]] = {}
    for one in standing:
        there.setdefault(one.principal, []).append(one)
    changes: list[Change] = []
    less: list[str] = []
    for principal in sorted({*wanted, *given}):
        role, mine = wanted.get(principal), given.get(principal)
        ours = next((one for one in there.get(principal, ()) if mine and one.id == mine.id), None)
        if mine and not mine.id:
            # We died between asking and hearing: nobody else gave what we were about to give.
            ours = next((one for one in there.get(principal, ()) if one.role == mine.role), None)
        if role is None:
            step = Change(Step.TAKE_BACK, principal, id=ours.id) if ours else Change(Step.FORGET, principal)
            changes.append(step)
        elif ours is not None:
            if ours.role != role:
                if mine and not mine.id:
                    # First that it is ours: with its answer lost, too, the change would look like another's gift.
                    changes.append(Change(Step.GIVE, principal, mine.role, ours.id))
                changes.append(Change(Step.CHANGE, principal, role, ours.id))
            elif mine != Given(role, ours.id):
                changes.append(Change(Step.GIVE, principal, role, ours.id))
        elif others := there.get(principal):
            if all(one.role == Role.READ for one in others) and role is Role.WRITE:
                less.append(principal)
            if mine is not None:
                changes.append(Change(Step.FORGET, principal))
        else:
            changes.append(Change(Step.GIVE, principal, role))
    return Decision(tuple(changes), tuple(less))
