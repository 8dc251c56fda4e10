"""The table of all addresses: it makes the routing, who may come in, the OpenAPI document and the tests.

``scopes``: any of them opens the address, for the school in it where there is one; none: everybody may ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from bridge.api import asked, models
from bridge.api.answers import ProgressView, TokenView
from bridge.api.keyring import Visitor
from bridge.api.reports import FORMS
from bridge.api.source import Source

V1 = "/api/v1"
SCHOOL = f"{V1}/schools/{{code}}"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: what its address and its query say."""

    source: Source
    visitor: Visitor
    place: Mapping[str, str]
    limit: int = 100
    before: str | None = None

    @property
    def code(self) -> str:
        """The school in the address."""
        return self.place["code"]

    @property
    def names(self) -> bool:
        """Whether names may be shown."""
        return self.visitor.who.may("names", self.code)


Answering = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address. ``answer``: the type of what it says; None: it is answered in a way of its own, as ``media``."""

    name: str
    path: str
    does: str
    answer: Any = None
    get: Answering | None = None
    method: str = "GET"
    scopes: tuple[models.Scope, ...] = ("read",)
    limited: bool = False
    paged: bool = False
    media: str = JSON
    ask: type[models.Model] | None = None

    @property
    def school(self) -> bool:
        """Whether it is about one school."""
        return "{code}" in self.path


#: What may stand in an address.
PLACES: Mapping[str, Mapping[str, Any]] = {
    "code": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", "example": "0123"},
    "event": {"type": "string", "enum": list(get_args(models.EventName))},
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
    "form": {"type": "string", "enum": list(FORMS)},
}


async def _board(call: Call) -> Sequence[models.SchoolRow]:
    rows = await call.source.board()
    who = call.visitor.who
    return rows if who.everywhere("read") else [one for one in rows if who.may("read", one.code)]


async def _plan(call: Call) -> Sequence[models.OperationView]:
    return await call.source.plan(call.code, names=call.names, limit=call.limit)


async def _held(call: Call) -> models.Page[models.OperationView]:
    return await call.source.held(call.code, names=call.names, before=call.before, limit=call.limit)


async def _conflicts(call: Call) -> models.Page[models.ConflictView]:
    return await call.source.conflicts(call.code, names=call.names, before=call.before, limit=call.limit)


async def _journal(call: Call) -> models.Page[models.JournalRow]:
    return await call.source.journal(call.code, names=call.names, before=call.before, limit=call.limit)


async def _tokens(call: Call) -> Sequence[TokenView]:
    who, token = call.visitor.who, call.visitor.token
    schools = sorted(who.schools or ())
    times = {"made": token.made, "expires": token.expires, "used": token.used} if token else {}
    return [TokenView(id=call.visitor.id, label=who.label, scopes=sorted(who.scopes), schools=schools, **times)]


ROUTES: tuple[Route, ...] = (
    Route("schools", f"{V1}/schools", "All schools that the token may see.", list[models.SchoolRow], _board),
    Route("school", SCHOOL, "One school.", models.SchoolView, lambda call: call.source.school(call.code)),
    Route(
        "progress", f"{SCHOOL}/progress", "How far its files are.", ProgressView,
        lambda call: call.source.progress(call.code),
    ),
    Route(
        "gates", f"{SCHOOL}/gates/{{event}}", "What stands before an event of the cutover.", models.EventView,
        lambda call: call.source.gates(call.code, call.place["event"]),  # type: ignore[arg-type]
    ),
    Route(
        "cutover", f"{SCHOOL}/cutover", "Its cutover: what is planned, under way, and what was.", models.CutoverView,
        lambda call: call.source.cutover(call.code, names=call.names),
    ),
    Route(
        "cycles", f"{SCHOOL}/cycles", "Its cycles, the newest first.", models.Page[models.CycleView],
        lambda call: call.source.cycles(call.code, before=call.before, limit=call.limit), limited=True, paged=True,
    ),
    Route(
        "plan", f"{SCHOOL}/plan", "What the next cycle would do to people and groups, by the state alone.",
        list[models.OperationView], _plan, limited=True,
    ),
    Route(
        "operations", f"{SCHOOL}/operations", "What is held or in quarantine, the oldest first.",
        models.Page[models.OperationView], _held, limited=True, paged=True,
    ),
    Route(
        "conflicts", f"{SCHOOL}/conflicts", "Files of which both versions were kept, open ones first.",
        models.Page[models.ConflictView], _conflicts, limited=True, paged=True,
    ),
    Route(
        "drift", f"{SCHOOL}/drift", "What was changed on the side that does not own it.", list[models.DriftView],
        lambda call: call.source.drift(call.code, names=call.names),
    ),
    Route(
        "journal", f"{SCHOOL}/journal", "Its journal, the newest first.", models.Page[models.JournalRow], _journal,
        limited=True, paged=True,
    ),
    Route(
        "releases", f"{SCHOOL}/releases", "What somebody let pass.", list[models.ReleaseView],
        lambda call: call.source.releases(call.code, names=call.names),
    ),
    Route(
        "reports", f"{SCHOOL}/reports", "Signed reports that lie ready.", list[models.ReportView],
        lambda call: call.source.reports(call.code),
    ),
    Route("report", f"{SCHOOL}/reports/{{id}}.{{form}}", "One report as JSON, HTML or PDF.", media="*/*"),
    Route(
        "actions", f"{SCHOOL}/actions", "Have something done.", asked.ActionAnswer, method="POST",
        scopes=("operate", "approve"), ask=asked.Action,
    ),
    Route(
        "passwords", f"{SCHOOL}/passwords", "Set one person's password at the school and in the cloud.",
        asked.PasswordAnswer, method="POST", scopes=("passwords",), ask=asked.Password,
    ),
    Route("tokens", f"{V1}/tokens", "The token that asks.", list[TokenView], _tokens, scopes=get_args(models.Scope)),
    Route("events", f"{V1}/events", "What happens, as server-sent events.", media="text/event-stream"),
    Route("document", f"{V1}/openapi.json", "This document.", scopes=()),
    Route("healthz", "/healthz", "Whether the process lives.", scopes=(), media="text/plain"),
    Route("readyz", "/readyz", "Whether the bridge can do its work.", scopes=(), media="text/plain"),
    Route("metrics", "/metrics", "Metrics for Prometheus; for a token of all schools.", media="text/plain"),
)  # fmt: skip
