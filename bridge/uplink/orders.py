"""Commands of the hub: requests, checked here as if nobody had checked them before.

check    signed by this site's hub, for this site and a school of it, good now
once     its id is taken in the state before anything is done: the same order again gets the same answer
allow    ``hub.allow`` of this site, and the scopes that the order brings
act      by the same function as this site's own API, with its own gates and policy; the actor is ``hub:LABEL``
answer   what became of it is kept and journaled together, then put into the outbox

A crash between act and answer leaves an id that was begun and never ended. Doing it again could do it twice: it is
answered with that, and a person looks. Only what finds by itself what is done already (``carry``) is done again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from pydantic import ValidationError

from bridge.api.actions import SCOPES
from bridge.api.asked import Action
from bridge.api.local import LocalSource
from bridge.api.models import Scope
from bridge.api.source import Denied, Unknown, Who
from bridge.daemon.trouble import place, said
from bridge.fleet.messages import Order, Signed
from bridge.fleet.orders import Expired, Unfit, checked, journaled
from bridge.ports import BridgeError
from bridge.settings.hub import Uplink
from bridge.state import outbox, tokens
from bridge.state.aside import BARE
from bridge.state.journal import Entry
from bridge.state.outbox import News
from bridge.state.tokens import NOBODY

#: Under which name the ids of orders stand among the keys of requests; those that were unfit stand apart.
TOKEN, UNFIT = "hub", "hub unfit"
#: The action of the journal's row about an order.
ORDER = "order"
#: The status under which an answer is kept. Characters of one: that to a check of a configuration holds diffs.
_KEPT, _TEXT = 200, 200_000
_UNKNOWN = (
    "this order was begun and it is not known whether it was carried out: look at the school and its journal, then ask "
    "anew if it is still wanted"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: ``state`` is done, refused or expired."""

    state: str
    text: str
    stage: str = ""


#: Carries out an order that is fit. Raises Denied, Unknown or BridgeError where nothing was done.
Carry = Callable[[Order], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What orders are carried out on. ``hub`` gives the block of the configuration as it is now.

    ``configured``: what a site tells of a school's configuration. ``carry``: action -> what carries it out, other than
    those of the status API; it looks itself what ``hub.allow`` holds, may be about a school that is not there yet, and
    can be asked the same again.
    """

    source: LocalSource
    site: str
    key: bytes
    hub: Callable[[], Uplink]
    configured: Callable[[str], dict[str, Any]]
    carry: Mapping[str, Carry] = field(default_factory=dict)


async def _act(ground: Ground, order: Order) -> Outcome:
    """An action of the status API."""
    try:
        action = Action.model_validate(order.action)
    except ValidationError as error:
        where = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})) or "the action"
        raise Denied(
            f"the order can't be understood ({where}); nothing was done. Is this site older than the hub?"
        ) from None
    allowed = frozenset[Scope](order.scopes) & {"read", *ground.hub().allow}
    who = Who(label_of(order), allowed, frozenset({order.school}), via="hub")
    if not who.may(SCOPES[action.action], order.school):
        scope = SCOPES[action.action]
        own = scope in order.scopes
        raise Denied(
            f"{order.school}: {action.action} takes `{scope}`, which "
            + ("this site does not allow its hub (hub.allow in bridge.yaml)" if own else "who asked does not have")
            + "; nothing was done"
        )
    answer = await ground.source.act(order.school, action, who)
    return Outcome("done" if answer.done else "refused", answer.text, answer.stage)


def label_of(order: Order) -> str:
    """Whose order it is, safe for a journal."""
    return "".join(letter for letter in order.actor if letter.isprintable())[:64] or "unknown"


class Orders:
    """Carries out commands, each school's one after the other. ``heard`` is called once there is an answer."""

    def __init__(self, ground: Ground, heard: Callable[[], None]) -> None:
        self._ground, self._heard = ground, heard
        self._database = ground.source.bridge.database
        self._run, self._clock = ground.source.run, ground.source.bridge.clock
        self._busy: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._log = structlog.get_logger()

    async def carry_out(self, signed: Signed) -> None:
        """Do what is asked, once, and put the answer into the outbox."""
        mark = hashlib.sha256(signed.text.encode()).hexdigest()
        if mark in self._busy:  # it came with a report and with a wait
            return
        self._busy.add(mark)
        try:
            ground = self._ground
            try:
                order, late = checked(signed, ground.key, site=ground.site, now=self._clock()), ""
            except Expired as error:
                order, late = error.order, str(error)
            except Unfit as error:
                await self._unfit(signed, mark, str(error))
                return
            async with self._turns.setdefault(order.school, asyncio.Lock()):
                await self._once(order, mark, late)
        except Exception as error:  # noqa: BLE001 - a bug with one order stops neither the others nor the reports
            self._log.error("an order broke off", error=type(error).__name__, place=place(error))
        finally:
            self._busy.discard(mark)

    async def _once(self, order: Order, mark: str, late: str) -> None:
        known = await self._run(
            tokens.begin, self._database, order.school, token=TOKEN, key=order.id, request=mark
        )  # fmt: skip
        if known is not None and (late or not self._repeats(order, known, mark)):
            outcome = _again(known, mark)
        else:
            outcome = Outcome("expired", late) if late else await self._do(order)
            await self._end(order, outcome, mark=mark, token=TOKEN, key=order.id)
        await self._answer(order, outcome)

    def _repeats(self, order: Order, known: tokens.Answer, mark: str) -> bool:
        """Whether a crash cut it off, and whoever carries it out finds by itself what is done already."""
        return not known.status and known.request == mark and _action(order) in self._ground.carry

    async def _do(self, order: Order) -> Outcome:
        """Raises what is a bug: then nobody knows what was done."""
        carry = self._ground.carry.get(_action(order))
        if carry is None and self._ground.source.bridge.settings().school(order.school) is None:
            return Outcome("refused", f"this site looks after no school {order.school or 'without a code'}")
        if order.action is None:
            return Outcome("refused", f"the order {order.id} asks for nothing")
        try:
            return await (carry(order) if carry is not None else _act(self._ground, order))
        except (Denied, Unknown, BridgeError) as error:
            return Outcome("refused", said(error))

    async def _end(self, order: Order, outcome: Outcome, *, mark: str, token: str, key: str) -> None:
        body = json.dumps({"state": outcome.state, "text": outcome.text[:_TEXT], "stage": outcome.stage})
        after = {"id": order.id, "action": _action(order)}
        entry = Entry(
            ORDER, actor=f"hub:{label_of(order)}", reason=journaled(outcome.text), after=after, outcome=outcome.state
        )
        answer = tokens.Answer(mark, _KEPT, body)
        await self._run(
            tokens.end, self._database, order.school, token=token, key=key, answer=answer, entry=entry
        )  # fmt: skip
        self._log.info("order", school=order.school, id=order.id, action=after["action"], outcome=outcome.state)

    async def _answer(self, order: Order, outcome: Outcome) -> None:
        body = {"command": order.id, "state": outcome.state, "text": outcome.text[:_TEXT], "stage": outcome.stage}
        # Of a school that is not ours nothing may be told: the answer is known by the order that it is about.
        mine = self._ground.source.bridge.settings().school(order.school) is not None
        school = order.school if mine else NOBODY
        await self._run(self._keep, News("answer", body, school, f"answer:{order.id}", once=True))
        self._heard()

    def _keep(self, news: News) -> None:
        try:
            with outbox.opened(self._database) as tx:
                outbox.tell(tx, [news])
        except outbox.TooLarge:  # it would be asked again and again
            with outbox.opened(self._database) as tx:
                outbox.tell(tx, [replace(news, body={**news.body, "text": BARE})])

    async def _unfit(self, signed: Signed, mark: str, why: str) -> None:
        """Answered where it says what it is; journaled once, by the school if that is ours."""
        try:
            order = Order.model_validate_json(signed.text)
        except ValidationError:
            self._log.warning("an order of the hub can't be read; nothing was done", reason=why)
            return
        outcome = Outcome("refused", why)
        if self._ground.source.bridge.settings().school(order.school) is not None:
            known = await self._run(
                tokens.begin, self._database, order.school, token=UNFIT, key=mark, request=mark
            )  # fmt: skip
            if known is None:
                await self._end(order, outcome, mark=mark, token=UNFIT, key=mark)
        await self._answer(order, outcome)


def _action(order: Order) -> str:
    return str((order.action or {}).get("action", ""))


def _again(known: tokens.Answer, mark: str) -> Outcome:
    if known.request != mark:
        return Outcome("refused", "another order had the same id; nothing was done")
    if not known.status:
        return Outcome("refused", _UNKNOWN)
    tree: Mapping[str, str] = json.loads(known.body)
    return Outcome(tree["state"], tree["text"], tree["stage"])
