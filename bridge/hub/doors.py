"""Where sites report, wait and enrol: HTTPS with their own certificates; nobody else gets further than ``ENROL``.

who       the certificate that the connection came under; revoked ones are refused, with what to do
what      a report (into the inbox), a wait (for orders), an answer (to a question), a new certificate
limits    bytes, messages, wrong tickets of an address, connections, seconds for a handshake and for a body
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from bridge.api.answers import Fault
from bridge.api.encoded import HEADERS
from bridge.api.limits import Wrong
from bridge.api.problems import Proceed, Refused, problems
from bridge.fleet.certificates import Issued
from bridge.fleet.certificates import Refused as BadRequest
from bridge.fleet.messages import LARGEST, Allowance, Answer, Enrolled, Enrolment, Receipt, Report
from bridge.fleet.paths import ANSWERS, ENROL, PATIENCE, RENEW, REPORT, SCHOOL, WAIT
from bridge.hub import hints
from bridge.hub.authority import Keys
from bridge.hub.bodies import SMALL, body, parsed, report_of
from bridge.hub.inbox import A_DAY, Full, Inbox, Spent, Unfit
from bridge.hub.peers import Peer, peer_of
from bridge.hub.waiting import Waiting
from bridge.state import hub_certificates, hub_orders
from bridge.state.database import Database
from bridge.state.hub_certificates import TooMany, Unknown
from bridge.state.hub_inbox import Posted
from bridge.state.hub_orders import Orders

#: The longest that somebody may wait for orders, seconds.
LONGEST_WAIT = 300.0
#: Requests of one site at a time: a daemon has up to eight, and another one may just take over from it.
AT_ONCE = 24
#: An answer is at most so long: the seal's base64 is the most of it.
_ANSWER = LARGEST + (64 << 10)
_AGAIN = {"Retry-After": "15"}
M = TypeVar("M", bound=BaseModel)

#: What a site may use of the budgets of its tenants: asked for each receipt, so it must not block.
Given = Callable[[str], Sequence[Allowance]]


@dataclass(slots=True)
class Doors:
    """One a process. ``days``: how long a certificate lasts."""

    database: Database
    keys: Keys
    inbox: Inbox
    waiting: Waiting
    wrong: Wrong
    days: Callable[[], int]
    given: Given
    _busy: Counter[str] = field(default_factory=Counter)

    def app(self) -> web.Application:
        """The application, to be served with ``ServerCertificate.context``."""
        around: list[Any] = [problems, self._around]
        app = web.Application(middlewares=around)
        app.router.add_post(ENROL, self.enrol)
        app.router.add_post(REPORT, self.report)
        app.router.add_get(WAIT, self.wait)
        app.router.add_post(ANSWERS, self.answer)
        app.router.add_post(RENEW, self.renew)
        app.on_response_prepare.append(_plain)
        return app

    @web.middleware
    async def _around(self, request: web.Request, **given: Proceed) -> web.StreamResponse:
        try:
            return await given["handler"](request)
        except web.HTTPNotFound:
            raise Refused(404, "nothing is here: this is the door for sites. People look at the hub's `api`") from None
        except TooMany:
            text = "this site got more certificates within the hour than it can need; try again in an hour"
            raise Refused(429, text, headers={"Retry-After": "3600"}) from None
        except (Full, SQLAlchemyError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            structlog.get_logger().warning("a site is told to come again", error=type(error).__name__)
            raise Refused(503, "the hub can't take this now; send the same again later", headers=_AGAIN) from None

    # -- what sites say

    async def report(self, request: web.Request) -> web.Response:
        """Apply a report; the receipt is sent when it is in the database for good."""
        peer = self._peer(request)
        with self._turn(peer.site):
            return await self._report(request, peer)

    async def _report(self, request: web.Request, peer: Peer) -> web.Response:
        raw = await body(request, LARGEST)
        report: Report = report_of(raw) if len(raw) < SMALL else await asyncio.to_thread(report_of, raw)
        posted = Posted(peer.site, peer.serial, report, self.database.clock())
        try:
            outcome = await self.inbox.put(posted, size=len(raw))
        except Unfit as error:
            raise Refused(422, str(error)) from None
        except Spent:
            text = (
                f"this site told more than {A_DAY} events today; the rest waits there. See what it tells all the time"
            )
            raise Refused(429, text, headers={"Retry-After": "3600"}) from None
        if outcome.refused:
            faults = tuple(
                Fault(where=f"{SCHOOL}{code}", what="another site's, or nobody's") for code in sorted(outcome.foreign)
            )
            raise Refused(403, outcome.refused, faults=faults)
        orders = await self.waiting.now(peer.site)
        mark = outcome.taken.mark
        return self._receipt(
            peer, outcome.taken.verdict.value, orders, epoch=mark.epoch, seq=mark.seq, missing=outcome.missing
        )  # fmt: skip

    async def wait(self, request: web.Request) -> web.Response:
        """Answer as soon as there is an order."""
        peer = self._peer(request)
        try:
            seconds = float(request.query.get("seconds", PATIENCE))
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST_WAIT:
            raise Refused(400, f"`seconds` is no number from 0 to {LONGEST_WAIT:g}")
        orders = await self.waiting.orders(peer.site, seconds)
        if orders is None:
            raise Refused(403, hub_certificates.refusal(peer.site, known=True))
        return self._receipt(peer, "none", orders)

    def _receipt(
        self, peer: Peer, verdict: Any, orders: Orders, *, epoch: int = 0, seq: int = 0, missing: int = 0
    ) -> web.Response:
        now = self.database.clock()
        receipt = Receipt(
            verdict=verdict, epoch=epoch, seq=seq, now=now, commands=orders.commands, questions=orders.questions,
            allowances=list(self.given(peer.site)), renew=peer.renew(now), missing=missing,
        )  # fmt: skip
        return _json(receipt)

    async def answer(self, request: web.Request) -> web.Response:
        """Keep the sealed answer to a question for who asked it."""
        peer = self._peer(request)
        with self._turn(peer.site):
            answer = parsed(Answer, await body(request, _ANSWER))
        done = await asyncio.to_thread(
            lambda: hub_orders.answered(
                self.database, answer.id, site=peer.site, answer=answer.model_dump_json()
            )
        )  # fmt: skip
        if not done:
            raise Refused(404, "nobody waits for the answer to this question, or not any more")
        hints.tell(self.database, hints.ANSWERS) if self.database.path else await asyncio.to_thread(
            hints.tell, self.database, hints.ANSWERS
        )
        return web.Response(status=204)

    # -- certificates

    async def enrol(self, request: web.Request) -> web.Response:
        """A certificate for a ticket. Whoever tries tickets is told no more than that."""
        address = request.remote or ""
        if wait := self.wrong.wait(address):
            text = "too many wrong tickets from this address"
            raise Refused(429, text, headers={"Retry-After": str(math.ceil(wait))})
        asked = parsed(Enrolment, await body(request, SMALL))
        parts = asked.ticket.strip().rsplit(".", 2)
        secret = parts[1] if len(parts) == 3 else asked.ticket.strip()
        try:
            issued, schools = await asyncio.to_thread(
                lambda: hub_certificates.enrolled(
                    self.database, asked.site, secret=secret, request=asked.request, issue=self._issue(asked)
                )
            )
        except Unknown:
            self.wrong.note(address)
            raise Refused(
                403, "this ticket is not good: it is another site's, was used, or is over. At the hub, make a new one: "
                "schoolbridge hub enrol SITE"
            ) from None  # fmt: skip
        self.waiting.forgive(asked.site)
        structlog.get_logger().info("a site enrolled", site=asked.site, certificate=issued.serial)
        return self._enrolled(issued, schools)

    async def renew(self, request: web.Request) -> web.Response:
        """Another certificate before the old one ends."""
        peer = self._peer(request)
        asked = parsed(Enrolment, await body(request, SMALL))
        if asked.site != peer.site:
            raise Refused(403, f"this connection is of the site {peer.site}; only its own certificate can be renewed")
        try:
            issued, schools = await asyncio.to_thread(
                lambda: hub_certificates.renewed(self.database, peer.site, issue=self._issue(asked))
            )
        except Unknown:
            raise Refused(403, hub_certificates.refusal(peer.site, known=True)) from None
        structlog.get_logger().info("a site renewed its certificate", site=peer.site, certificate=issued.serial)
        return self._enrolled(issued, schools)

    def _issue(self, asked: Enrolment) -> Callable[[], Issued]:
        def issue() -> Issued:
            try:
                return self.keys.authority.site(
                    asked.site, asked.request, now=self.database.clock(), days=self.days()
                )  # fmt: skip
            except BadRequest as error:
                raise Refused(422, str(error)) from None

        return issue

    def _enrolled(self, issued: Issued, schools: Sequence[str]) -> web.Response:
        authority, key = self.keys.authority.pem, self.keys.public
        return _json(Enrolled(certificate=issued.pem, authority=authority, key=key, schools=list(schools)))

    @contextmanager
    def _turn(self, site: str) -> Iterator[None]:
        """One more request of a site at the same time: its certificate may be in wrong hands."""
        if self._busy[site] >= AT_ONCE:
            text = f"this site has {AT_ONCE} requests under way already; two machines that speak for it?"
            raise Refused(429, text, headers=_AGAIN)
        self._busy[site] += 1
        try:
            yield
        finally:
            self._busy[site] -= 1
            if not self._busy[site]:
                del self._busy[site]

    def _peer(self, request: web.Request) -> Peer:
        """Whose certificate it is. TLS has checked it when the connection began; it may have ended since."""
        found = peer_of(request.get_extra_info("peercert"))
        if found is None:
            raise Refused(401, "no certificate of a site was shown; enrol this site first: schoolbridge uplink enrol")
        if found.ends <= self.database.clock():
            raise Refused(
                401, f"the certificate ended {found.ends:%Y-%m-%d %H:%M} UTC; enrol this site anew: at the hub "
                f"`schoolbridge hub enrol {found.site}`, then here `schoolbridge uplink enrol`"
            )  # fmt: skip
        if self.waiting.refused(found.site, found.serial):
            raise Refused(403, hub_certificates.refusal(found.site, known=True))
        return found


def _cancelled() -> bool:
    """Whether this request itself is cancelled, and not only what it waited for."""
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())


def _json(model: BaseModel) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), content_type="application/json")


async def _plain(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = HEADERS["Server"]
    response.headers.setdefault("Cache-Control", "no-store")
