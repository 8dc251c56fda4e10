"""Rows and names out of a site, asked of it while somebody waits.

order    signed, with this process's public key: the answer is sealed for it alone
journal  who asks for names is in the hub's journal before the question leaves
wait     for the answer, woken by a hint, else looking once a second; then the row is gone
open     and check it as strictly as what people send; without names where none were asked for

Who asks a site that was silent for long is told so at once: nobody sits before a page for an answer that won't come.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, TypeAdapter, ValidationError

from bridge.api import models
from bridge.api.app import Run
from bridge.api.source import ASKING, Away, Unknown, Who
from bridge.fleet.messages import Answer, Look
from bridge.fleet.sealed import Opener, Unsealable
from bridge.hub import orders_out
from bridge.hub.answers import Awaited
from bridge.hub.honest import Site
from bridge.state.database import Database
from bridge.state.hub_journal import note
from bridge.state.journal import Entry

#: Seconds that somebody waits for an answer.
PATIENCE = 20.0
#: The same for a site that did not answer the last time: nobody waits long twice.
SHORT = 3.0
#: How long a question is good at the site: clocks differ.
_GOOD = timedelta(minutes=3)
#: Questions at once to one site, and to all.
MOST_OF_ONE, MOST = 20, 500
#: What a report may say that it is; whatever else is only to be kept.
_MEDIA = frozenset({"text/html", "application/pdf", "application/json", "application/gzip"})

_ROWS: dict[str, TypeAdapter[Any]] = {
    "cycles": TypeAdapter(models.Page[models.CycleView]),
    "operations": TypeAdapter(models.Page[models.OperationView]),
    "conflicts": TypeAdapter(models.Page[models.ConflictView]),
    "journal": TypeAdapter(models.Page[models.JournalRow]),
    "plan": TypeAdapter(list[models.OperationView]),
    "drift": TypeAdapter(list[models.DriftView]),
    "releases": TypeAdapter(list[models.ReleaseView]),
    "reports": TypeAdapter(list[models.ReportView]),
}


class Desk:
    """Asks sites. ``patience`` in seconds."""

    def __init__(
        self,
        database: Database,
        key: Ed25519PrivateKey,
        *,
        run: Run,
        awaited: Awaited,
        patience: float = PATIENCE,
    ) -> None:
        self._database, self._key, self._run, self._awaited = database, key, run, awaited
        self._opener, self._patience = Opener(), patience
        self._open, self._late = Counter[str](), set[str]()

    async def rows(self, site: Site, code: str, what: str, *, names: bool = False, **more: Any) -> Any:
        """A page or a list of rows, checked. Raises Away, Unknown."""
        found = await self._asked(site, code, names=names, what=what, **more)
        rows = found.get("page", found.get("rows")) if isinstance(found, dict) else None
        try:
            checked = _ROWS[what].validate_python(rows)
        except ValidationError:
            raise _unreadable(site) from None
        return checked if names else _nameless(checked)

    async def report(self, site: Site, code: str, report: str, form: str) -> tuple[bytes, str]:
        """The bytes of a report and its media type. Raises Away, Unknown."""
        found = await self._asked(site, code, names=False, what="report", report=report, form=form)
        try:
            body, media = base64.b64decode(found["bytes"], validate=True), str(found["media"])
        except (TypeError, KeyError, ValueError, binascii.Error):
            raise _unreadable(site) from None
        plain = media.partition(";")[0].strip().lower()
        return body, media if plain in _MEDIA else "application/octet-stream"

    async def _asked(self, site: Site, code: str, *, names: bool, **look: Any) -> Any:
        if self._open[site.name] >= MOST_OF_ONE or self._open.total() >= MOST:
            raise Away(site.name, site.heard, f"too many questions wait for the site {site.name}; try again")
        self._open[site.name] += 1
        try:
            return await self._wait(site, code, names=names, **look)
        finally:
            self._open[site.name] -= 1
            if not self._open[site.name]:
                del self._open[site.name]

    async def _wait(self, site: Site, code: str, *, names: bool, **look: Any) -> Any:
        wanted = Look.model_validate({"names": names, "key": self._opener.public, **look})
        who = ASKING.get()
        name = await self._run(self._put, site, code, wanted, who)
        patience = self._patience if site.name not in self._late else min(self._patience, SHORT)
        answer = await self._awaited.answer(name, patience)
        if answer is None:
            self._late.add(site.name)
            raise away(site, f"it did not answer within {patience:g} seconds")
        self._late.discard(site.name)
        try:
            told = Answer.model_validate_json(answer)
            if told.problem and (wanted.what == "report" or wanted.before is not None):
                raise Unknown(told.problem)  # no such report, or no such place in the list
            if told.problem:
                raise away(site, told.problem)
            return json.loads(self._opener.open(told.sealed, purpose=name))
        except (ValidationError, Unsealable, ValueError):
            raise _unreadable(site) from None

    def _put(self, site: Site, code: str, look: Look, who: Who) -> str:
        """Journaled first: a look at names that nobody noted must not be possible, a noted one in vain may be."""
        now = self._database.clock()
        if look.names:
            said = {"what": look.what, "site": site.name}
            entry = Entry("look at names", actor=f"api:{who.label}", anchor=site.name, after=said)
            with self._database.write() as connection:
                note(connection, now, {code: [entry]})
        return orders_out.question(
            self._database, self._key, site=site.name, school=code, look=look, actor=who.label,
            scopes=["read", "names"] if look.names else ["read"], expires=now + _GOOD,
        )  # fmt: skip


def away(site: Site, why: str) -> Away:
    """The site does not answer; since when, and what to do."""
    heard = f"heard last {site.heard:%Y-%m-%d %H:%M} UTC" if site.heard else "never heard"
    text = (
        f"the site {site.name} can't be asked now: {why}; {heard}. Rows and names are with the site alone. "
        f"Try again, or look on its machine"
    )
    return Away(site.name, site.heard, text)


def _unreadable(site: Site) -> Away:
    return away(site, "its answer can't be read here; are both of the same version?")


def _nameless(rows: Any) -> Any:
    """Whatever the site says: who may not see names sees none."""
    some = rows.rows if isinstance(rows, models.Page) else rows
    for one in some:
        for field, empty in (("names", {}), ("reason", "")):
            if field in type(one).model_fields and (field == "names" or isinstance(one, _REASONED)):
                setattr(one, field, empty)
        if isinstance(one, models.JournalRow):
            one.outcome = one.outcome.partition(":")[0]
    return rows


#: Whose ``reason`` a person wrote.
_REASONED: tuple[type[BaseModel], ...] = (models.JournalRow, models.ReleaseView)
