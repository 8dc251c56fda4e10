"""What people ask of schools: a command to the site, whose own gates and policy decide; and what became of it.

The same key is the same command: however often it is sent, and to whichever process of the hub, it is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api import asked
from bridge.api.actions import SCOPES
from bridge.api.app import Run
from bridge.api.models import Scope
from bridge.api.source import Denied, Who
from bridge.hub import orders_out
from bridge.hub.answers import Awaited
from bridge.hub.honest import Site
from bridge.state.database import Database
from bridge.state.hub_orders import OPEN, Command

#: Seconds that somebody waits for the site's answer before it is said that it waits.
PATIENCE = 10.0
#: So long a command is good, by the scope that it takes: what ends or risks something must not happen hours after
#: somebody wanted it.
GOOD: Mapping[Scope, timedelta] = {"operate": timedelta(hours=8), "approve": timedelta(minutes=15)}
_SCOPES: tuple[Scope, ...] = ("read", "operate", "approve", "names")


class Acts:
    """Asks sites to act. ``patience`` in seconds."""

    def __init__(
        self, database: Database, key: Ed25519PrivateKey, *, run: Run, awaited: Awaited, patience: float = PATIENCE
    ) -> None:
        self._database, self._key, self._run, self._awaited = database, key, run, awaited
        self._patience = patience

    async def act(self, site: Site, code: str, action: asked.Action, who: Who, *, key: str) -> asked.ActionAnswer:
        """Ask, and wait a little. Raises Denied where the site refused, or was revoked."""
        if site.revoked is not None:
            raise Denied(f"{code}: the site {site.name} was revoked; nothing was asked. Enrol it again first")
        command = await self._run(self._ask, site, code, action, who, key)
        if command.state in OPEN:
            command = await self._awaited.outcome(command.id, self._patience) or command
        return _answer(command)

    def _ask(self, site: Site, code: str, action: asked.Action, who: Who, key: str) -> Command:
        scopes = [one for one in _SCOPES if who.may(one, code)]
        return orders_out.ask(
            self._database, self._key, site=site.name, school=code,
            action=action.model_dump(mode="json", exclude_defaults=True), actor=who.label, scopes=scopes,
            reason=action.reason, expires=self._database.clock() + GOOD[SCOPES[action.action]],
            id=f"key-{key[:48]}" if key else None,
        )  # fmt: skip


def _answer(command: Command) -> asked.ActionAnswer:
    """As the person who asked hears it."""
    if command.state in OPEN:
        until = f"{command.expires:%Y-%m-%d %H:%M} UTC"
        text = f"asked of the site {command.site}; it waits until {until}. The school's causes say when it is answered"
        return asked.ActionAnswer(done=False, pending=True, text=text)
    if command.state != "done":
        said = command.answer or _WHY.get(command.state, command.state)
        if command.state == "expired":
            raise Denied(f"{command.school}: the site {command.site} did not answer: {said}")
        raise Denied(f"{command.school}: the site {command.site} did not do it ({command.state}): {said}")
    return asked.ActionAnswer(done=True, text=command.answer)


_WHY = {"withdrawn": "somebody withdrew it meanwhile"}
