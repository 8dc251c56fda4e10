"""The service: one request in, one reply out, in this order:

faults -> budgets -> route -> permission -> route's function -> error body -> counters, observers
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox import budgets, drive_budgets, drive_content, drive_errors, permissions
from connectors.sandbox.drives import Drives
from connectors.sandbox.errors import GraphError
from connectors.sandbox.faults import Faults, throttled
from connectors.sandbox.tenant import Tenant
from connectors.sandbox.wire import Call, Reply, Router, parse_query

#: Called with method, path with query, and reply, for every reply including each part of a batch.
Observer = Callable[[str, str, Reply], None]


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application. ``permissions`` may be ``{"*"}``; ``certificates`` are PEM texts."""

    client_id: str
    secrets: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    permissions: frozenset[str] = frozenset({"*"})
    roles: frozenset[str] = frozenset()
    name: str = "schoolbridge"


@dataclass(slots=True)
class Knobs:
    """What may be turned while the sandbox runs. Times in seconds.

    ``drives``: who gets one on first access: ``licence`` (users with SharePoint in a licence), ``all``, ``none``;
    ``drive_delay`` is how long provisioning takes. ``office_rewriting`` lets SharePoint change Office files and PDFs in
    libraries after their upload, ``office_delay`` later; ``late_etag`` bumps the eTag that long after an upload.
    ``session_recheck`` judges an upload session's If-Match at its end again; ``copy_polls`` is how often a copy is
    still in progress when asked.
    """

    delta_page: int = 200
    delta_links: int = 1000
    check_permissions: bool = True
    shuffle_batch: bool = True
    token_life: int = 3599
    drives: str = "licence"
    drive_delay: float = 0.0
    download_life: int = 3600
    session_life: int = 86_400
    session_recheck: bool = True
    strict_fragments: bool = True
    refuse_bearer: bool = True
    office_rewriting: bool = False
    office_delay: float = 0.0
    late_etag: float = 0.0
    copy_polls: int = 1


@dataclass(slots=True)
class Counters:
    """What has been asked and answered since the last reset."""

    counts: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, by: int = 1) -> None:
        """Count an event."""
        self.counts[name] += by

    def reset(self) -> None:
        """Start again at zero."""
        self.counts.clear()


@dataclass(slots=True)
class Service:
    """Everything behind the HTTP door, free of sockets; the parts are public, tests and the admin route use them."""

    tenant: Tenant
    router: Router
    drives: Drives
    content_url: str = ""
    applications: dict[str, Application] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    budgets: budgets.Budgets = field(default_factory=budgets.Budgets)
    drive_budgets: drive_budgets.DriveBudgets = field(default_factory=drive_budgets.DriveBudgets)
    knobs: Knobs = field(default_factory=Knobs)
    counters: Counters = field(default_factory=Counters)
    observers: list[Observer] = field(default_factory=list)
    tokens: dict[str, tuple[Application, float]] = field(default_factory=dict)
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - request ids and batch order

    def stamp(self, at: float | None = None) -> str:
        """A time as Graph writes it, now by default."""
        moment = datetime.fromtimestamp(self.tenant.clock() if at is None else at, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def answer(
        self,
        app: Application,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Any,
        base_url: str,
        *,
        part: bool = False,
    ) -> Reply:
        """Answer one request below ``/v1.0``; ``target`` is the raw path with query, header names are in lower case."""
        self.tenant.settle()
        drive_content.settle(self)
        raw_path, _, raw_query = target.partition("?")
        path = "/" + "/".join(piece for piece in raw_path.split("/") if piece)
        extra: dict[str, str] = {}
        try:
            self.faults.refuse(method, target, part=part)
            template, handler, params = self.router.find(method, path)
            query = parse_query(raw_query)
            extra = self._charge(app, method, template, query)
            if self.knobs.check_permissions:
                permissions.check(app.permissions, app.roles, method, template, body)
            call = Call(
                service=self, app=app, method=method, path=path, template=template, params=params, query=query,
                headers=headers, body=body, base_url=base_url,
            )  # fmt: skip
            reply = handler(call)
        except GraphError as error:
            reply = self.refusal(error, headers)
        reply.headers = {**extra, **reply.headers}
        self._count(method, path, reply, part=part)
        for observe in self.observers:
            observe(method, target, reply)
        return reply

    def _charge(self, app: Application, method: str, template: str, query: Mapping[str, str]) -> dict[str, str]:
        if template == "/$batch":
            return {}  # the envelope is free, its parts pay
        if drive_budgets.applies(template):
            return self._charge_files(app, method, template, query)
        units, write = budgets.cost(method, template, query), budgets.is_write(method, template)
        users = self.tenant.live.get("user", 0)
        verdict = self.budgets.charge(self.tenant.clock(), app.client_id, self.tenant.id, units, users, write=write)
        if not verdict.allowed:
            raise throttled(verdict.headers)
        self.counters.count("resource units", units)
        if write:
            self.counters.count("writes")
        return verdict.headers

    def _charge_files(self, app: Application, method: str, template: str, query: Mapping[str, str]) -> dict[str, str]:
        now, licences = self.tenant.clock(), sum(len(sku.holders) for sku in self.tenant.skus.values())
        units = drive_budgets.cost(method, template, query)
        sharing = drive_budgets.is_sharing(template)
        self.drive_budgets.enabled, self.drive_budgets.scale = self.budgets.enabled, self.budgets.scale
        self.counters.count("file resource units", units)
        if sharing:
            self.counters.count("sharing calls")
        allowed, headers = self.drive_budgets.charge(now, app.client_id, units, licences, sharing=sharing)
        if not allowed:
            raise drive_errors.throttled(headers)
        return headers

    def refusal(self, error: GraphError, headers: Mapping[str, str]) -> Reply:
        """The reply of an error."""
        request_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        body = error.body(
            date=self.stamp().rstrip("Z"),
            request_id=request_id,
            client_request_id=headers.get("client-request-id", request_id),
        )
        return Reply(error.status, body, {"request-id": request_id, **error.headers})

    def _count(self, method: str, path: str, reply: Reply, *, part: bool) -> None:
        count = self.counters.count
        count("parts" if part else "requests")
        if path != "/$batch":
            count(method)
        if reply.status == 429:
            count("throttled")
        if reply.status >= 400:
            count(f"status {reply.status}")
