"""Questions of the hub: answered by the same source as this site's own API, sealed for the process that asks.

Names go only where three agree: the question asks for them, who asks may see them, and this site lets its hub
(``hub.names``). Each such look is journaled here before it is answered.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from bridge.api.local import LocalSource
from bridge.api.source import Denied, Unknown
from bridge.daemon.trouble import place, said
from bridge.fleet.messages import LARGEST, Answer, Look, Order, Signed
from bridge.fleet.orders import Unfit, checked
from bridge.fleet.sealed import seal
from bridge.ports import BridgeError
from bridge.state import journal
from bridge.state.journal import Entry
from bridge.state.tables import school
from bridge.state.transaction import writing
from bridge.uplink.line import Away, Line
from bridge.uplink.orders import Ground, label_of

#: The action of the journal's row.
LOOK = "look"
#: Questions remembered: the same one comes with a report and with a wait.
_REMEMBERED = 1000
_MAY_NAME = frozenset({"plan", "operations", "conflicts", "drift", "journal", "releases"})


async def _asked(source: LocalSource, code: str, look: Look, *, names: bool) -> dict[str, Any]:
    """What the source answers, in the shape of ``bridge.fleet.messages.Answer``. Raises Unknown."""
    pages: Mapping[str, Callable[[], Awaitable[BaseModel]]] = {
        "cycles": lambda: source.cycles(code, before=look.before, limit=look.limit),
        "operations": lambda: source.held(code, names=names, before=look.before, limit=look.limit),
        "conflicts": lambda: source.conflicts(code, names=names, before=look.before, limit=look.limit),
        "journal": lambda: source.journal(code, names=names, before=look.before, limit=look.limit),
    }
    if look.what in pages:
        return {"page": (await pages[look.what]()).model_dump(mode="json")}
    if look.what == "report":
        content, media = await source.report(code, look.report, look.form)
        return {"bytes": base64.b64encode(content).decode(), "media": media}
    lists: Mapping[str, Callable[[], Awaitable[Sequence[BaseModel]]]] = {
        "plan": lambda: source.plan(code, names=names, limit=look.limit),
        "drift": lambda: source.drift(code, names=names),
        "releases": lambda: source.releases(code, names=names),
        "reports": lambda: source.reports(code),
    }
    return {"rows": [one.model_dump(mode="json") for one in await lists[look.what]()]}


class Questions:
    """Answers questions, each once."""

    def __init__(self, ground: Ground, line: Line) -> None:
        self._ground, self._line = ground, line
        self._log = structlog.get_logger()
        self._known: OrderedDict[str, None] = OrderedDict()

    async def answer(self, signed: Signed) -> None:
        """Look, seal, and send it. What goes wrong on the way is asked again by who waits."""
        try:
            found = await self._found(signed)
            if found is not None:
                await self._line.answer(found)
        except Away as error:
            self._log.debug("an answer did not reach the hub", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a bug with one question stops nothing else
            self._log.error("a question broke off", error=type(error).__name__, place=place(error))
            with suppress(Away):
                await self._line.answer(Answer(id=_id(signed), problem="an internal error; the site's log has more"))

    async def _found(self, signed: Signed) -> Answer | None:
        ground = self._ground
        try:
            order = checked(signed, ground.key, site=ground.site, now=ground.source.bridge.clock())
        except Unfit as error:
            return _unfit(signed, str(error))
        if order.id in self._known:
            return None
        self._known[order.id] = None
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        try:
            content = await self._look(order)
        except (Denied, Unknown, BridgeError) as error:
            return Answer(id=order.id, problem=said(error)[:500])
        except ValueError:
            return Answer(id=order.id, problem="the question can't be understood; is this site older than the hub?")
        return content

    async def _look(self, order: Order) -> Answer:
        look, source = order.look, self._ground.source
        if look is None:
            raise Denied("the question asks for nothing")
        if "read" not in order.scopes:
            raise Denied(f"{order.school}: who asked may not read it")
        if source.bridge.settings().school(order.school) is None:
            raise Unknown(f"this site looks after no school {order.school or 'without a code'}")
        names = look.names and "names" in order.scopes and self._ground.hub().names
        if names and look.what in _MAY_NAME:
            await source.run(self._journal, order, look)
        tree = await _asked(source, order.school, look, names=names)
        content = json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
        sealed = await asyncio.to_thread(seal, content, look.key, purpose=order.id)
        if len(sealed) > LARGEST:
            raise Denied(f"{len(content) >> 10} KiB are more than can be sent; look at the site itself")
        return Answer(id=order.id, sealed=sealed)

    def _journal(self, order: Order, look: Look) -> None:
        entry = Entry(LOOK, actor=f"hub:{label_of(order)}", after={"what": look.what, "id": order.id}, outcome="names")
        with writing(self._ground.source.bridge.database, order.school) as tx:
            if tx.rows(select(school.c.code).where(school.c.code == order.school)):
                journal.append(tx, [entry])  # a school that was never met has nobody to be named


def _unfit(signed: Signed, why: str) -> Answer | None:
    try:
        return Answer(id=_id(signed), problem=why[:500])
    except ValidationError:
        return None


def _id(signed: Signed) -> str:
    return Order.model_validate_json(signed.text).id
