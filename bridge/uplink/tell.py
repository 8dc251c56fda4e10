"""What changed becomes messages in the outbox.

states   of each school, where they differ from what was told last; once after each start, and once a day
events   what happened since (``happened``), in the same transaction as how far it was told
urgent   a cheap look between the reports: what people wait for goes at once, a new count with the next report
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bridge.api.local import LocalSource
from bridge.api.models import CutoverView
from bridge.api.survey import Shot, Survey
from bridge.api.views import progress_view
from bridge.daemon.concerns import Watch
from bridge.fleet.messages import BODY
from bridge.state import outbox
from bridge.state.outbox import News
from bridge.uplink import happened
from bridge.uplink.nameless import cutover_state, school_state

#: All states are told anew after this: whatever a hub may have lost heals by itself.
ANEW = timedelta(days=1)
#: What is wrong is looked at no more often than this.
_CONCERNS = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: states to be told, by (school, slot), and the cutover of each school."""

    now: datetime
    states: Mapping[tuple[str, str], Mapping[str, Any]]
    cutovers: Mapping[str, CutoverView]


class Telling:
    """Puts into the outbox what changed. ``source`` is the uplink's own; ``configured`` gives what is in force."""

    def __init__(self, source: LocalSource, configured: Callable[[str], dict[str, Any]]) -> None:
        self._source, self._bridge, self._configured = source, source.bridge, configured
        self._log = structlog.get_logger()
        self._digests: dict[tuple[str, str], bytes] = {}
        self._since = self._bridge.clock()
        self._marks: dict[str, object] = {}
        self._cutovers: dict[str, tuple[Shot, CutoverView]] = {}
        self._watch, self._watched = Watch(), self._since - _CONCERNS
        self._large: set[tuple[str, str]] = set()

    def anew(self) -> None:
        """Tell all states again with the next look."""
        self._digests.clear()
        self._since = self._bridge.clock()

    async def urgent(self) -> bool:
        """Whether something changed since the last look that people wait for."""
        return _marks(await self._source.survey()) != self._marks

    async def look(self) -> None:
        """Once: put all that changed into the outbox."""
        now = self._bridge.clock()
        if now - self._since > ANEW:
            self.anew()
        survey = await self._source.survey()
        cutovers = {code: await self._cutover(code, shot) for code, shot in survey.shots.items()}
        states = {
            **{(code, "school"): school_state(one.view, progress_view(one.seen)) for code, one in survey.shots.items()},
            **{(code, "cutover"): cutover_state(view) for code, view in cutovers.items()},
        }
        self._marks = _marks(survey)
        await self._source.run(self._keep, Look(now, states, cutovers))

    async def _cutover(self, code: str, shot: Shot) -> CutoverView:
        """Asked for again where the school changed; while a run goes on always: what holds it up shows nowhere else."""
        shot_then, known = self._cutovers.get(code, (None, None))
        same = shot_then is not None and shot_then.view is shot.view and shot_then.seen.glance == shot.seen.glance
        if known is None or not same or known.run is not None:
            known = await self._source.cutover(code, names=False)
            self._cutovers[code] = (shot, known)
        return known

    # -- in a thread

    def _keep(self, look: Look) -> None:
        database, now = self._bridge.database, look.now
        heads = happened.heads(database, list(look.cutovers))
        states = dict(look.states)
        states |= {(code, "configuration"): self._configured(code) for code in look.cutovers}
        states |= {(code, "head"): {"seq": seq, "hash": text} for code, (seq, text) in heads.items()}
        fresh = dict(self._changed(states))
        with database.read() as connection:
            known = outbox.told(connection)
        news, memory = self._happened(look, known, heads)
        moved = {code: what for code, what in memory.items() if known.get(code, {}) != what}
        news += [News(slot, states[code, slot], code, slot, at=now) for code, slot in fresh]
        if news or moved:
            with outbox.opened(database) as tx:
                outbox.tell(tx, news)
                for code, what in moved.items():
                    outbox.remember(tx, code, what)
        self._digests |= fresh

    def _happened(
        self, look: Look, known: Mapping[str, dict[str, Any]], heads: Mapping[str, tuple[int, str]]
    ) -> tuple[list[News], dict[str, dict[str, Any]]]:
        news: list[News] = []
        memory: dict[str, dict[str, Any]] = {}
        for code, view in look.cutovers.items():
            before = known.get(code, {})
            if code in heads:
                moves, so_far = happened.stages(self._bridge.database, code, before, heads[code][0])
                news, memory[code] = news + moves, so_far
            steps, so_far = happened.runs(view, before)
            news, memory[code] = news + steps, {**memory.get(code, {}), **so_far}
        if look.now - self._watched >= _CONCERNS:
            settings, told = self._bridge.settings(), self._bridge.told()
            wrong = self._watch.concerns(settings, self._bridge.database, told, look.now)
            said, memory[""] = happened.notices(wrong, known.get("", {}), look.now, settings.bridge.language)
            news += said
            self._watched = look.now
        return news, memory

    def _changed(self, states: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], bytes]]:
        """(school, slot) and digest of what differs from what was told; what no hub would take is left out and said."""
        for place, body in states.items():
            text = outbox.written(body)
            digest = hashlib.sha256(text.encode()).digest()
            if self._digests.get(place) == digest:
                continue
            if len(text) > BODY:
                if place not in self._large:
                    self._log.error("too large for the hub", school=place[0], kind=place[1], kib=len(text) >> 10)
                self._large.add(place)
                continue
            self._large.discard(place)
            yield place, digest


def _marks(survey: Survey) -> dict[str, object]:
    """School -> what people wait for: where it stands, what is wrong, what was decided. Two are equal or not."""
    return {code: _mark(shot) for code, shot in survey.shots.items()}


def _mark(shot: Shot) -> Sequence[object]:
    view, glance = shot.view, shot.seen.glance
    causes = [(one.colour, one.text) for one in view.causes]
    return (
        view.stage, view.health, causes, view.gates_failed, view.appointment, glance.run, glance.step, glance.vouched,
        glance.approved,
    )  # fmt: skip
