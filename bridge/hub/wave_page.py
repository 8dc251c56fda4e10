"""The page of waves: the plan with dates, owners and needs, where each school stands, what is ahead; begin and stop.

Who may see a school sees its row. Who may approve for all schools may begin, stop and resume: by the same steps as the
command, with its gates, journaled with the label of the token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api.source import Who
from bridge.dashboard.acts import Amiss, moment_of
from bridge.dashboard.app import Dashboard
from bridge.dashboard.drawn import Look
from bridge.dashboard.requests import elsewhere, ours, posted
from bridge.dashboard.sessions import Said, Session
from bridge.hub.foreseen import Foreseen, foresee
from bridge.hub.known import known
from bridge.hub.wave_shown import shown_plan
from bridge.hub.wave_steps import Start, Waves
from bridge.ports import BridgeError
from bridge.settings.hub import HubFile
from bridge.state.database import Database

#: Schools of a wave that are drawn; those that need somebody come first.
_DRAWN = 100
#: A plan this old is good enough to be shown, seconds; of a large fleet, so many times as long as it took to make.
_FRESH, _TIMES = 3.0, 10
_FIRST = {"failed": 0, "unknown": 1, "kept back": 2, "under way": 3}
#: State of a wave -> what may be done with it.
_MAY = {"": "start", "cancelled": "start", "running": "stop", "stopped": "resume"}
_LONGEST_GAP = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class _Plan:
    until: float
    waves: Sequence[Mapping[str, Any]]
    ahead: Foreseen


def _for(who: Who, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What keeps a wave from beginning names schools that this person may not see."""
    return row if row["stand"] != "not begun" or who.everywhere("read") else {**row, "why": ""}


def _typed(need: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**need, "reason": ""}


class WavePage:
    """One a process. ``run`` does work in a thread for people."""

    def __init__(self, hub: Callable[[], HubFile], database: Database, key: Ed25519PrivateKey, run: Any) -> None:
        self._hub, self._database, self._run = hub, database, run
        self._waves = Waves(hub, database, key)
        self._known: _Plan | None = None
        self._looking = asyncio.Lock()
        self._dashboard: Dashboard | None = None

    def routes(self, dashboard: Dashboard) -> list[web.RouteDef]:
        """Its addresses, in the dashboard."""
        self._dashboard = dashboard
        dashboard.drawer.beside(("/waves", "waves"))
        return [
            web.get("/waves", dashboard.shown(self.page)),
            web.post("/waves/act", dashboard.caught(self.act)),
        ]

    async def page(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """All waves, as far as this person may see their schools."""
        who, plan = session.held.who, await self._plan()
        ahead = {one.name: one for one in plan.ahead.waves} if who.everywhere("read") else {}
        waves = []
        for wave in plan.waves:
            rows = [_for(who, row) for row in wave["schools"] if who.may("read", row["school"])]
            if not rows and wave["schools"]:
                continue
            rows.sort(key=lambda row: (_FIRST.get(row["stand"], 9), row["school"]))
            more = {
                "rows": rows[:_DRAWN],
                "more": len(rows) - _DRAWN,
                "through": sum(row["stand"] == "through" for row in rows),
                "all": len(rows),
                "ahead": ahead.get(wave["name"]),
                # What people typed, and codes of schools that this person may not see.
                **({} if who.everywhere("read") else {"why": "", "reason": "", "needs": [*map(_typed, wave["needs"])]}),
                "may": _MAY.get(wave["state"], "") if who.everywhere("approve") else "",
            }
            waves.append({**wave, **more})
        return self._board.drawer.draw("waves.html", look, session, waves=waves)

    async def act(self, request: web.Request) -> web.StreamResponse:
        """The form of a wave was sent."""
        board = self._board
        look, session = board.look(request), await board.doors.session(request, touch=True)
        if session is None:
            return board.doors.form(request, "login_over", status=401, to="/waves")
        form = await posted(request)
        if form is None or not ours(session, form):
            return board.wrong(look, session, HTTPStatus.FORBIDDEN, "error_foreign")
        if form.get("action") not in _MAY.values() or not session.held.who.everywhere("approve"):
            return board.wrong(look, session, HTTPStatus.FORBIDDEN, "error_scope")
        if not session.twice(form, board.clock()):
            said = await self._done(form, session, look)
            session.said.append(said)
            if not said.good:
                session.forget(form)
        self._known = None
        return elsewhere("/waves")

    async def _done(self, form: Mapping[str, str], session: Session, look: Look) -> Said:
        speech, action, name = look.speech, form["action"], form.get("wave", "")
        try:
            reason = form.get("reason", "").strip()
            if len(reason) < 3:
                raise Amiss("reason_short")
            who = {"actor": session.held.who.actor, "reason": reason[:500]}
            if action == "stop":
                found = await self._run(self._waves.stop, name, **who)
            else:
                step = self._waves.start if action == "start" else self._waves.resume
                found = await self._run(step, name, self._start(form), **who)
        except Amiss as error:
            return Said(False, speech.fill(error.word, **error.values))
        except BridgeError as error:
            return Said(False, speech.words["not_done"], str(error))
        return Said(True, f"{name}: {speech.of('wave_state', found.wave.state)}")

    def _start(self, form: Mapping[str, str]) -> Start:
        at, every = form.get("at", "").strip(), form.get("every", "").strip() or "0"
        if not (every.isascii() and every.isdigit() and int(every) <= _LONGEST_GAP):
            raise Amiss("field_wrong", fields="every")
        begins: datetime | None = moment_of(at, self._board.zone) if at else None
        if begins is None and int(every):  # all at once is not what was meant
            raise Amiss("wave_every_alone")
        return Start(begins, timedelta(minutes=int(every)))

    async def _plan(self) -> _Plan:
        async with self._looking:
            if self._known is None or time.monotonic() > self._known.until:
                self._known = await self._run(self._look)
            return self._known

    def _look(self) -> _Plan:
        hub, began = self._hub(), time.monotonic()
        with self._database.read() as connection:
            schools = known(connection)
        waves, ahead = shown_plan(hub, self._database, schools)["waves"], foresee(hub, self._database, schools)
        ended = time.monotonic()
        return _Plan(ended + max(_FRESH, (ended - began) * _TIMES), waves, ahead)

    @property
    def _board(self) -> Dashboard:
        assert self._dashboard is not None  # noqa: S101
        return self._dashboard
