"""The status API inside the daemon: it listens as ``api`` in ``bridge.yaml`` says, and begins anew when that changes.

That it can't listen (the port is taken) stops no mirroring: it is said in the log and by ``status``, and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from bridge.api.app import build
from bridge.api.keyring import Keyring
from bridge.api.listening import address, context, listen
from bridge.api.local import LocalSource
from bridge.api.survey import Bridge
from bridge.api.talk import Runner
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.service import Service
from bridge.daemon.trouble import place, said
from bridge.ports import BridgeError
from bridge.settings import Settings
from bridge.settings.api import Api

#: Seconds until listening is tried again, and that requests under way get when the daemon stops.
AGAIN, GRACE = 15.0, 2.0


class Served:
    """Implements ``bridge.daemon.service.Front``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._log = structlog.get_logger()
        self._task: asyncio.Task[None] | None = None
        self._running: tuple[Runner, LocalSource] | None = None
        self._settings: Settings | None = None

    async def start(self) -> None:
        """Listen, now or as soon as it is possible."""
        self._settings = self._service.settings
        if self._settings.bridge.api.enabled:
            self._task = asyncio.create_task(self._begin(), name="status API")

    async def reload(self) -> None:
        """Another configuration: the streams are told; where the block ``api`` changed, listen as it says now."""
        before, self._settings = self._settings, self._service.settings
        api = self._settings.bridge.api
        kept = before is not None and _concerned(before) == _concerned(self._settings)
        if kept and api.tls is None and api.proxied is None:  # their secrets are read again
            if self._running is not None:
                self._running[1].events.configuration("the configuration was loaded anew")
            return
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """End all requests and streams."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._running is not None:
            runner, source = self._running
            self._running = None
            await runner.cleanup()
            await source.close()
        self._service.board.api = self._service.board.api_error = ""

    async def _begin(self) -> None:
        while True:
            try:
                await self._listen()
            except (OSError, BridgeError) as error:
                self._note(said(error))
            except Exception as error:  # noqa: BLE001 - a bug must not leave it silent: it is told, and tried again
                self._note(f"internal error: {type(error).__name__} at {place(error)[-1]}")
            else:
                return
            await asyncio.sleep(AGAIN)

    def _note(self, trouble: str) -> None:
        board = self._service.board
        if board.api_error != trouble:
            self._log.warning("the status API can't listen; it is tried again", reason=trouble)
        board.api, board.api_error = "", trouble

    async def _listen(self) -> None:
        service, settings = self._service, self._service.settings
        api = settings.bridge.api
        secure = context(api.tls, lambda name: wiring.secret(settings, name)) if api.tls else None
        secret = wiring.secret(settings, api.proxied.secret) if api.proxied else b""
        source = LocalSource(bridge_of(service))
        keyring = Keyring(service.database, clock=wiring.now, api=api, secret=secret, run=source.run)
        app = build(source, keyring, api=api, run=source.run)
        # By name: the dashboard stands above the API.
        import_module("bridge.dashboard.app").add_to(
            app, source, keyring, zone=ZoneInfo(settings.bridge.time_zone), language=settings.bridge.language,
            secure=bool(api.tls or api.proxied), proxied=api.proxied is not None,
        )  # fmt: skip
        runner = Runner(app, access_log=None, shutdown_timeout=GRACE)
        try:
            await runner.setup()
            await listen(runner, api, secure)
        except BaseException:
            await runner.cleanup()
            await source.close()
            raise
        self._running = runner, source
        service.board.api, service.board.api_error = address(runner, api), ""
        self._log.info("status API", listen=service.board.api)


def _concerned(settings: Settings) -> tuple[Api, str, str]:
    """What of a configuration the API and the dashboard were built with; the rest they look up."""
    return settings.bridge.api, settings.bridge.time_zone, settings.bridge.language


def bridge_of(service: Service) -> Bridge:
    """What the API stands on, of a daemon."""

    def told() -> Mapping[str, Any] | None:
        return service.board.told or None

    def wake(code: str, full: bool) -> bool:
        one = service.supervisors.get(code)
        if one is not None:
            one.wake(Side, full=full)
            return one.tenure.holder is None
        return one is not None

    return Bridge(
        settings=lambda: service.settings,
        catalog=service.catalog,
        database=service.database,
        told=told,
        wake=wake,
        clock=wiring.now,
    )
