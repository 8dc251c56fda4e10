"""What each address shows. Everybody who is not logged in sees the login, whatever was asked for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web

from bridge.api import models
from bridge.api.actions import SCOPES
from bridge.api.models import EventView, GateView
from bridge.api.source import Away, Source
from bridge.api.standings import holds
from bridge.core.cutover import Event, Stage
from bridge.daemon.changeover import NOT_REHEARSED
from bridge.dashboard.arranged import COLOURS, Arranged, Keys, Wanted, arrange, place
from bridge.dashboard.drawn import HEADERS, Drawer, Look
from bridge.dashboard.law import ruled
from bridge.dashboard.sessions import Session
from bridge.state.drift import HELD

T = TypeVar("T")

_LIMIT = 50
#: Ways to see one board that are remembered as long as it stays the same.
_KNOWN = 50
_CURSOR = re.compile(r"[\x21-\x7e]{1,400}")
_REPORT = re.compile(r"[A-Za-z0-9._-]{1,120}")
#: How the forms of a report end. Only HTML is shown; the others are to be kept.
_FORM = re.compile(r"(?:[a-z]{2}\.|manifest\.)?(html|pdf|json|gz)")
#: Red schools are on the board for all to see: with them the bridge works all the same.
_RED = re.compile(r"\d+ of \d+ schools are red")
#: The way of a school, as it is drawn above its pages.
WAY = (
    Stage.CLASSIC,
    Stage.OBSERVING,
    Stage.REHEARSING,
    Stage.HYBRID,
    Stage.FREEZING,
    Stage.SOAKING,
    Stage.CLOUD,
    Stage.RETIRED,
)
#: In which order results of gates stand: what is in the way first.
_WORST = {"fail": 0, "stale": 1, "unknown": 2, "waived": 3, "pass": 4}


class Pages:
    """The pages over one source. Each takes who asks, and has checked nothing: ``app`` did that."""

    def __init__(self, source: Source, drawer: Drawer) -> None:
        self.source, self.drawer = source, drawer
        self._seen: Sequence[models.SchoolRow] = ()
        self._known: dict[Wanted, Arranged] = {}
        self._keys = Keys()

    async def board(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """All schools that this person may see."""
        rows, who = await self.source.board(), session.held.who
        if not who.everywhere("read"):
            rows = [row for row in rows if who.may("read", row.code)]
        wanted = Wanted.of(request.query)
        ready, why = self.source.ready()
        return self.drawer.draw(
            "board.html", look, session, board=self._arranged(rows, wanted), wanted=wanted, colours=COLOURS,
            trouble="" if ready or _RED.fullmatch(why) else why,
        )  # fmt: skip

    def _arranged(self, rows: Sequence[models.SchoolRow], wanted: Wanted) -> Arranged:
        """Once for all who see the same board in the same way."""
        if not isinstance(rows, tuple):  # of one who may not see all
            return arrange(rows, wanted)
        if rows is not self._seen:
            self._seen, self._known = rows, {}
        known = self._known.get(wanted)
        if known is None:
            known = arrange(rows, wanted, keys=self._keys.of(rows))
            if len(self._known) < _KNOWN:
                self._known[wanted] = known
        return known

    async def school(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """How one school is."""
        code = request.match_info["code"]
        rows: models.Page[models.JournalRow] = models.Page(rows=[])
        view, (journal, away) = await asyncio.gather(
            self.source.school(code),
            # What the page shows of the journal needs no names: nobody's look at them is to be noted each minute.
            _told(self.source.journal(code, names=False, before=None, limit=8), rows),
        )
        fastest = max([1.0, *(one.speed_up for one in view.shares), *(one.speed_down for one in view.shares)])
        return self._of_school(
            "school.html", look, session, view, tab="school", away=away, journal=journal.rows, fastest=fastest
        )

    async def waiting(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """What waits for a person: held, conflicts, drift."""
        code, names = request.match_info["code"], self._names(session, request.match_info["code"])
        before, part = _cursor(request, "before"), request.query.get("part", "")
        none, neither = models.Page[models.OperationView](rows=[]), models.Page[models.ConflictView](rows=[])
        view, (held, away), (conflicts, gone), (drift, lost) = await asyncio.gather(
            self.source.school(code),
            _told(self.source.held(code, names=names, before=before if part == "held" else None, limit=_LIMIT), none),
            _told(
                self.source.conflicts(code, names=names, before=before if part == "conflicts" else None, limit=_LIMIT),
                neither,
            ),
            _told(self.source.drift(code, names=names), list[models.DriftView]()),
        )
        drift = sorted(
            drift, key=lambda one: one.state != HELD
        )  # what waits must not be behind what is only to be read
        return self._of_school(
            "waiting.html", look, session, view, tab="waiting", held=held, conflicts=conflicts, drift=drift[:_LIMIT],
            more_drift=max(0, len(drift) - _LIMIT), names=names, away=away or gone or lost,
        )  # fmt: skip

    async def cutover(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """The cutover: what is planned, under way, and was."""
        code = request.match_info["code"]
        view, cutover, (reports, away) = await asyncio.gather(
            self.source.school(code),
            self.source.cutover(code, names=self._names(session, code)),
            _told(self.source.reports(code), list[models.ReportView]()),
        )
        language = look.speech.language
        gates = {
            one.event: [ruled(gate, stage=cutover.stage, language=language) for gate in worst_first(one.gates)]
            for one in cutover.events
        }
        return self._of_school(
            "cutover.html", look, session, view, tab="cutover", cutover=cutover,
            reports=[(one, forms(one.formats, language)) for one in reports],
            events={one.event: one for one in cutover.events}, gates=gates, ahead=ahead(cutover.events),
            rehearsable=rehearsable(cutover.events), away=away,
        )  # fmt: skip

    async def timeline(self, request: web.Request, session: Session, look: Look) -> web.Response:
        """What happened: the journal, and the cycles."""
        code = request.match_info["code"]
        names, before = self._names(session, code), _cursor(request, "before")
        part = "cycles" if request.query.get("part") == "cycles" else "journal"
        if part == "cycles":
            some: models.Page[models.CycleView] = models.Page(rows=[])
            view, (page, away) = await asyncio.gather(
                self.source.school(code), _told(self.source.cycles(code, before=before, limit=_LIMIT), some)
            )
            return self._of_school(
                "timeline.html", look, session, view, tab="timeline", part=part, page=page, names=names, away=away
            )
        none: models.Page[models.JournalRow] = models.Page(rows=[])
        view, (rows, away) = await asyncio.gather(
            self.source.school(code), _told(self.source.journal(code, names=names, before=before, limit=_LIMIT), none)
        )
        return self._of_school(
            "timeline.html", look, session, view, tab="timeline", part=part, page=rows, names=names, away=away
        )

    async def report(self, request: web.Request, session: Session, look: Look) -> web.StreamResponse:
        """One report: shown where it is HTML, else to be kept. It is a document of its own, shut in on its own."""
        code, name, form = (request.match_info[key] for key in ("code", "report", "form"))
        fits = _FORM.fullmatch(form)
        if fits is None or not _REPORT.fullmatch(name):
            raise web.HTTPNotFound
        content, media = await self.source.report(code, name, form)
        headers = {**HEADERS, "Content-Type": media}
        if fits[1] == "html":
            headers |= {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": shut_in(content)}
        else:
            headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
        return web.Response(body=content, headers=headers)

    def _of_school(
        self, template: str, look: Look, session: Session, view: models.SchoolView, *, tab: str, **more: Any
    ) -> web.Response:
        who = session.held.who
        can = {action: who.may(scope, view.code) for action, scope in SCOPES.items()}
        return self.drawer.draw(
            template, look, session, school=view, tab=tab, can=can, way=WAY, here=place(view.stage), place=place, **more
        )

    @staticmethod
    def _names(session: Session, code: str) -> bool:
        return session.held.who.may("names", code)


Shown = Callable[[web.Request, Session, Look], Awaitable[web.StreamResponse]]


async def _told(asked: Awaitable[T], none: T) -> tuple[T, Away | None]:
    """What a site is asked for; where it is away the page says so and shows all the rest."""
    try:
        return await asked, None
    except Away as error:
        return none, error


def worst_first(gates: Sequence[GateView]) -> list[GateView]:
    """What stands in the way first."""
    return sorted(gates, key=lambda gate: _WORST[gate.result])


def ahead(events: Sequence[EventView]) -> EventView | None:
    """The event that brings a school on: the one with most gates."""
    return max((one for one in events if one.gates), key=lambda one: len(one.gates), default=None)


def rehearsable(events: Sequence[EventView]) -> bool:
    """Whether a rehearsal of the cutover would be let begin: it needs fewer gates than the cutover itself."""
    freeze = next((one for one in events if one.event == Event.FREEZE.value), None)
    return freeze is not None and all(holds(one) or one.gate in NOT_REHEARSED for one in freeze.gates)


def forms(formats: Sequence[str], language: str) -> list[str]:
    """Those of a report that the reader can use: of several languages the own one."""
    return [one for one in formats if not re.match(r"[a-z]{2}\.", one) or one.startswith(f"{language}.")]


def shut_in(content: bytes) -> str:
    """The policy of a report: its own styles by their digests, no script, no address but its own."""
    styles = re.findall(rb"<style[^>]*>(.*?)</style>", content, re.S)
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in styles)
    return (
        f"default-src 'none'; style-src {digests or chr(39) + 'none' + chr(39)}; img-src data:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'; sandbox"
    )


def _cursor(request: web.Request, name: str) -> str | None:
    found = request.query.get(name, "")
    return found if _CURSOR.fullmatch(found) else None
