"""What the API does when it is asked to: by the same functions as the commands, with ``api:LABEL`` (or
``hub:LABEL``) as the actor.

Each action is one transaction with its entry in the journal; the supervisor is woken after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from bridge.api import asked
from bridge.api.models import Scope
from bridge.api.source import Denied
from bridge.api.survey import Bridge
from bridge.core.cutover import Event, Gate, Stage
from bridge.core.gates import EARLY, Vouched, short
from bridge.core.model import Choice
from bridge.daemon import appointments, changeover, decisions, readiness, threads
from bridge.daemon.shares import Ground
from bridge.daemon.trouble import said
from bridge.ports import BridgeError
from bridge.settings import School
from bridge.state import appointments as books
from bridge.state.store import SchoolStore

T = TypeVar("T")

#: Action -> the scope that it takes. What ends or risks something takes ``approve``.
SCOPES: Mapping[str, Scope] = {
    **dict.fromkeys(
        ("sync", "pause", "resume", "release", "release-all", "retry", "resolve-conflict", "decide-drift"), "operate"
    ),
    **dict.fromkeys(("measure-gates", "attest-gate", "schedule", "unschedule", "abort", "confirm-share"), "operate"),
    **dict.fromkeys(("waive-gate", "approve", "freeze", "roll-back", "finalise", "rehearse-roll-back"), "approve"),
}
_EVENTS = {
    name: Event(name) for name in ("pause", "resume", "freeze", "abort", "roll-back", "finalise")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One action under way."""

    bridge: Bridge
    school: School
    store: SchoolStore
    asked: asked.Action
    actor: str

    @property
    def stage(self) -> str:
        """Where the school stands now."""
        return self.store.stage()

    def said(self, name: str) -> Any:
        """A field without which this action means nothing."""
        value = getattr(self.asked, name)
        if value in (None, ""):
            raise Denied(f"{self.school.code}: {self.asked.action} needs the field `{name}`; nothing was done")
        return value


def carry_out(act: Act) -> str:
    """Do it; the answer is for a person. Raises Denied. Runs in a thread."""
    name = act.asked.action
    try:
        if name in _EVENTS:
            return _event(act, _EVENTS[name])
        return _DO[name](act)
    except BridgeError as error:
        raise Denied(str(error)) from None


def _ground(act: Act) -> Ground:
    return Ground(act.bridge.settings(), act.bridge.catalog, act.school, act.bridge.database)


def _release(act: Act) -> str:
    link = act.said("link")
    decisions.release(act.bridge.database, act.school, link, actor=act.actor, reason=act.asked.reason)
    return "released; the next cycle goes on"


def _release_all(act: Act) -> str:
    links = decisions.of_a_sort(act.store, act.said("rule"))
    act.store.release(*links, actor=act.actor, reason=act.asked.reason)
    return f"{len(links)} released; the next cycle goes on"


def _retry(act: Act) -> str:
    decisions.retry(act.bridge.database, act.school, act.said("link"), actor=act.actor, reason=act.asked.reason)
    return "it is tried again with the next cycle"


def _conflict(act: Act) -> str:
    name, keep = act.said("conflict"), act.said("keep")
    decisions.decide_conflict(
        act.bridge.database, act.school, name, keep, actor=act.actor, reason=act.asked.reason
    )  # fmt: skip
    return "decided; the next cycle carries it out"


def _drift(act: Act) -> str:
    name, choice = act.said("drift"), Choice(act.said("decision"))
    decisions.decide_drift(act.store, name, choice, actor=act.actor, reason=act.asked.reason)
    return "decided; the next cycle carries it out"


def _event(act: Act, event: Event) -> str:
    """Through the one function that moves stages; only pausing needs no more than the stage table."""
    database, school, why = act.bridge.database, act.school, act.asked.reason
    if event is Event.FREEZE:
        found = appointments.hindrance(act.bridge.settings(), database, school, act.bridge.clock())
        if found is not None:
            raise Denied(
                f"{found.text}. With the reason, on the bridge's machine: schoolbridge cutover freeze --anyway"
            )
    stage = changeover.request(database, school, event, actor=act.actor, reason=why, typed=act.asked.typed or "")
    return f"the school is {stage} now"


def _approve(act: Act) -> str:
    event, now = Event(act.said("event")), act.bridge.clock()
    changeover.approve(
        act.bridge.database, act.school, event, actor=act.actor, reason=act.asked.reason,
        typed=act.asked.typed or "", now=now,
    )  # fmt: skip
    return f"approved of {event}"


def _vouch(how: str) -> Callable[[Act], str]:
    def vouch(act: Act) -> str:
        gate = _gate(act.said("gate"))
        vouched = Vouched(
            gate=gate, how=how, actor=act.actor, reason=act.asked.reason, at=act.bridge.clock(),
            expires=_ahead(act, act.asked.expires, "expires"),
        )  # fmt: skip
        readiness.vouch(_ground(act), vouched, early=readiness.next_event(Stage(act.stage)) in EARLY)
        return f"{how}: {gate}"

    return vouch


def _gate(name: str) -> Gate:
    """By its full text, or by the short name that the commands take."""
    for gate in Gate:
        if name in (gate.value, short(gate)):
            return gate
    raise Denied(f"no gate is called that; there are: {'; '.join(Gate)}")


def _ahead(act: Act, at: datetime | None, name: str) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise Denied(f"{act.school.code}: `{name}` has no time zone; write 2027-02-12T18:00:00+01:00")
    if at <= act.bridge.clock():
        raise Denied(f"{act.school.code}: `{name}` is over already; name a time that is ahead")
    return at


def _schedule(act: Act) -> str:
    at = _ahead(act, act.said("at"), "at")
    if at is None:
        raise Denied(f"{act.school.code}: schedule needs the field `at`; nothing was done")
    _, open_ = appointments.make(
        act.bridge.settings(), act.bridge.database, act.school, at, actor=act.actor, reason=act.asked.reason,
        now=act.bridge.clock(),
    )  # fmt: skip
    return f"the cutover may begin at {at:%Y-%m-%d %H:%M %Z}" + (f". Until then: {open_}" if open_ else "")


def _unschedule(act: Act) -> str:
    books.cancel(act.bridge.database, act.school.code, act.school.kinds(), actor=act.actor, reason=act.asked.reason)
    return "the appointment is cancelled"


def _confirm(act: Act) -> str:
    share = act.said("share")
    changeover.confirm(act.bridge.database, act.school, share, actor=act.actor, reason=act.asked.reason)
    return f"noted that {share} is read-only; the run goes on"


def _rehearse(act: Act) -> str:
    stage = changeover.request(
        act.bridge.database, act.school, Event.FREEZE, actor=act.actor, reason=act.asked.reason,
        typed=act.asked.typed or "", rehearsal=True,
    )  # fmt: skip
    return f"the rehearsal has begun: the school is {stage} until it is verified, then it comes back by itself"


_DO: Mapping[str, Callable[[Act], str]] = {
    "sync": lambda act: "woken: both sides are looked at now",
    "release": _release,
    "release-all": _release_all,
    "retry": _retry,
    "resolve-conflict": _conflict,
    "decide-drift": _drift,
    "approve": _approve,
    "attest-gate": _vouch("attested"),
    "waive-gate": _vouch("waived"),
    "schedule": _schedule,
    "unschedule": _unschedule,
    "rehearse-roll-back": _rehearse,
    "confirm-share": _confirm,
}


class Measuring:
    """Gates that are being measured in the background: one school once at a time."""

    def __init__(self) -> None:
        #: Code -> the task, and what it measures; None: all gates.
        self._under_way: dict[str, tuple[asyncio.Task[None], Gate | None]] = {}

    def begin(self, act: Act) -> str:
        """Begin, unless the same is under way already. Raises Denied where only something else is."""
        code, gate = act.school.code, None if act.asked.gate is None else _gate(act.asked.gate)
        task, measured = self._under_way.get(code, (None, None))
        if task is None or task.done():
            task = asyncio.create_task(_measure(act, None if gate is None else [gate]))
            self._under_way[code] = task, gate
        elif measured not in (None, gate):
            raise Denied(f"{code}: the gate `{short(measured)}` is being measured; ask again when it is through")
        return "being measured; the gates show it one after another"

    async def stop(self) -> None:
        """End what is under way."""
        await threads.end(task for task, _ in self._under_way.values())


async def _measure(act: Act, gates: list[Gate] | None) -> None:
    log = structlog.get_logger().bind(school=act.school.code)
    try:
        with threads.of(act.school.code):  # what hangs in it takes none of the daemon's
            await readiness.measure(_ground(act), gates=gates)
    except Exception as error:  # noqa: BLE001 - what was measured up to here stands; the gates show the rest
        log.warning("measuring the gates broke off", reason=said(error) if isinstance(error, BridgeError) else "")
