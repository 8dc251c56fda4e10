"""The sandbox as a running server: in a test's event loop, in the lab, or in a process of its own."""

from __future__ import annotations

import random
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from connectors.sandbox import admin, drive_admin
from connectors.sandbox.app import Door, router
from connectors.sandbox.budgets import Budgets
from connectors.sandbox.clock import MovableClock
from connectors.sandbox.content_door import ContentDoor
from connectors.sandbox.drive_blobs import Blobs
from connectors.sandbox.drive_model import Drive
from connectors.sandbox.drive_store import DriveStore
from connectors.sandbox.drives import Drives
from connectors.sandbox.faults import Faults
from connectors.sandbox.service import Application, Knobs, Service
from connectors.sandbox.store import Store
from connectors.sandbox.tenant import Tenant
from connectors.sandbox.tls import Authority, server_context
from connectors.sandbox.tokens import access_token

TENANT_ID = "6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10"
DOMAINS = ("schule.example", "schule.onmicrosoft.example")


class Sandbox:
    """A Graph-compatible cloud on a loopback socket; use it as an async context manager.

    Args:
        tenant_id: GUID of the tenant.
        name: its display name.
        domains: its verified domains, the default one first.
        applications: who may ask for tokens.
        host: address to listen on.
        port: port to listen on, 0 for any free one.
        tls: serve https with a certificate of an own authority (``ca_file``), or with an own ``ssl.SSLContext``.
        content_host: name of the other host, on which content is served (default: ``localhost`` when Graph is on
            ``127.0.0.1``, else the same address).
        content_port: its port, 0 for any free one; give one to keep upload URLs valid over a restart.
        content_url: what to call it to clients, when they reach it by another way (a proxy).
        state: SQLite file that keeps the tenant over restarts, with a directory for content beside it; None keeps the
            tenant in memory and content in a temporary directory.
        clock: seconds since the epoch; by default one that ``clock.advance`` moves.
        seed: makes ids, batch order and fault probabilities repeatable.
        budgets: enforce the real throttling budgets.
        budget_scale: how much faster than real the budgets' clock runs.
        visibility_delay: seconds until readers see a new object.
        delta_delay: seconds until a change shows in delta.
        admin_key: key of the ``/_sandbox/`` routes, random by default.
        knobs: page sizes and switches.
    """

    def __init__(
        self,
        *,
        tenant_id: str = TENANT_ID,
        name: str = "Sandbox",
        domains: Iterable[str] = DOMAINS,
        applications: Iterable[Application] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        content_host: str = "",
        content_port: int = 0,
        content_url: str = "",
        tls: bool | ssl.SSLContext = False,
        state: Path | None = None,
        clock: Callable[[], float] | None = None,
        seed: int | None = None,
        budgets: bool = False,
        budget_scale: float = 1.0,
        visibility_delay: float = 0.0,
        delta_delay: float = 0.0,
        admin_key: str = "",
        knobs: Knobs | None = None,
    ) -> None:
        self.clock = clock or MovableClock()
        rng = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - repeatable ids for tests
        tenant = Tenant(
            id=tenant_id, name=name, domains=[domain.lower() for domain in domains], clock=self.clock, rng=rng,
            visibility_delay=visibility_delay, delta_delay=delta_delay,
        )  # fmt: skip
        self.admin_key = admin_key or secrets.token_urlsafe(24)
        self.blobs = Blobs(state.with_suffix(".content") if state else None)
        drives = Drives(clock=self.clock, rng=rng, blobs=self.blobs)
        self.service = Service(
            tenant=tenant,
            router=router(),
            drives=drives,
            content_url=content_url,
            applications={app.client_id.lower(): app for app in applications},
            faults=Faults(),
            budgets=Budgets(enabled=budgets, scale=budget_scale),
            knobs=knobs or Knobs(),
        )
        self.service.faults.reseed(seed or 0)
        self.store = Store(state, tenant) if state else None
        self.drive_store = DriveStore(self.store.connection, drives) if self.store else None
        self.ca_file: Path | None = None
        self._host, self._port, self._tls = host, port, tls
        self._content_host, self._content_port = content_host, content_port
        self._runners: list[web.ServerRunner] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.base_url = ""

    # -- life

    async def start(self) -> Sandbox:
        """Listen; afterwards ``base_url`` (and with TLS ``ca_file``) are set."""
        context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._own_context() if self._tls else None
        content = web.Server(ContentDoor(self.service, self.commit), access_log=None)
        content_port = await self._listen(content, self._content_port, context)
        port = await self._listen(
            web.Server(Door(self.service, self.admin_key, self.commit), access_log=None), self._port, context
        )
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host  # noqa: S104 - compared, not bound
        scheme = "https" if context else "http"
        self.base_url = f"{scheme}://{host}:{port}"
        other = self._content_host or ("localhost" if host == "127.0.0.1" else host)
        self.service.content_url = self.service.content_url or f"{scheme}://{other}:{content_port}"
        return self

    async def _listen(self, server: web.Server, port: int, context: ssl.SSLContext | None) -> int:
        runner = web.ServerRunner(server, shutdown_timeout=1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._host, port, ssl_context=context).start()
        return int(runner.addresses[0][1])

    def commit(self) -> None:
        """Write what changed to the state file, if there is one."""
        if self.store and self.drive_store:
            self.store.commit()
            self.drive_store.commit()
        else:
            self.tenant.forget()
            self.service.drives.forget()

    async def stop(self) -> None:
        """Stop listening and close the state file."""
        for runner in reversed(self._runners):
            await runner.cleanup()
        if self.store:
            self.commit()
            self.store.close()
        self.blobs.close()
        if self._folder:
            self._folder.cleanup()

    async def __aenter__(self) -> Sandbox:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _own_context(self) -> ssl.SSLContext:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-tls-")
        folder, authority = Path(self._folder.name), Authority()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_text(authority.certificate)
        return server_context(*authority.server().write(folder, "server"))

    # -- what tests and the lab ask of it

    @property
    def graph_url(self) -> str:
        """Base URL of Graph: ``.../v1.0``."""
        return f"{self.base_url}/v1.0"

    @property
    def tenant(self) -> Tenant:
        """The tenant's state, for read-back in tests."""
        return self.service.tenant

    @property
    def faults(self) -> Faults:
        """The fault rules; ``sandbox.faults.add("throttle", path="/users", count=2, retry_after=1)``."""
        return self.service.faults

    def register(self, app: Application) -> Application:
        """Register an application."""
        self.service.applications[app.client_id.lower()] = app
        self.service.tokens.clear()
        return app

    def token(self, app: Application | None = None, life: int = 3599) -> str:
        """A bearer token without the token endpoint, for the given or the first application."""
        return access_token(self.service, app or next(iter(self.service.applications.values())), life)

    def counters(self) -> dict[str, Any]:
        """What was asked and answered since the last reset."""
        return admin.counters(self.service, {})

    def dump(self) -> dict[str, Any]:
        """The whole tenant for read-back."""
        return admin.dump(self.service)

    @property
    def drives(self) -> Drives:
        """All drives; see :mod:`connectors.sandbox.drive_admin` for what tests do with them."""
        return self.service.drives

    def drive(self, key: str) -> Drive:
        """A drive by its id or its owner's, made when there is none yet."""
        return drive_admin.find_drive(self.service, key)

    def tree(self, key: str) -> dict[str, Any]:
        """All items of a drive by path, for read-back."""
        return drive_admin.tree(self.drive(key))

    def put_file(self, key: str, path: str, content: bytes, *, modified: int | None = None) -> str:
        """Put a file in a drive as somebody else would; gives its id."""
        item = drive_admin.put_file(self.service, self.drive(key), path, content, modified=modified)
        self.commit()
        return item.id

    def load(self, seeds: dict[str, Any]) -> None:
        """Fill the tenant past Graph's rules, as ``POST /_sandbox/load``."""
        admin.load(self.service, seeds)
        self.commit()
