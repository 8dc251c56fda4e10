"""The door for people: the status API and the dashboard of a bridge, over the whole fleet.

Several processes of one hub may stand behind a load balancer: tokens, cursors and keys of actions are good at each of
them; who uses the dashboard has to come back to the same one, because sessions lie in its memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api.app import Kin, build
from bridge.api.keyring import Keyring
from bridge.api.listening import address, context, listen
from bridge.api.talk import Runner
from bridge.daemon.trouble import place, said
from bridge.dashboard.app import add_to
from bridge.hub.figures import Figures
from bridge.hub.settings import HubSettings
from bridge.hub.source import HubSource
from bridge.hub.wave_page import WavePage
from bridge.ports import BridgeError
from bridge.settings.hub import HubFile
from bridge.state import grants
from bridge.state.database import Database

if TYPE_CHECKING:
    from bridge.hub.run import Hub

#: Seconds that requests under way get when the hub stops.
GRACE = 2.0
#: Seconds until listening is tried again, and that a start waits for the first try.
AGAIN, _FIRST = 15.0, 5.0
#: What makes a token here.
MAKING = "schoolbridge hub token make"


class People:
    """A part of ``bridge.hub.run``: listens as ``api`` in ``hub.yaml`` says, and begins anew when that changes.

    That it can't listen ends nothing else: it is said in the log, and tried again. ``listening``: where it does.
    """

    def __init__(
        self, database: Database, key: Ed25519PrivateKey, settings: Callable[[], HubSettings], *, again: float = AGAIN
    ) -> None:
        self._database, self._key, self._settings, self._again = database, key, settings, again
        self._built: HubFile | None = None
        self._task: asyncio.Task[None] | None = None
        self._running: tuple[Runner, HubSource] | None = None
        self._log = structlog.get_logger()
        self.listening = self.trouble = ""

    async def start(self) -> None:
        """Listen, now or as soon as it is possible."""
        self._built = self._settings().hub
        if self._built.api.enabled:
            self._task = asyncio.create_task(self._begin(), name="people's door")
            await asyncio.wait({self._task}, timeout=_FIRST)

    async def reload(self) -> None:
        """Another configuration: limits and waves count at once; where ``api`` changed, listen as it says now."""
        before, now = self._built, self._settings().hub
        same = before is not None and _concerned(before) == _concerned(now)
        if same and now.api.tls is None and now.api.proxied is None:  # their secrets are read again
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
            (runner, source), self._running = self._running, None
            await runner.cleanup()
            await source.close()
        self.listening = self.trouble = ""

    async def _begin(self) -> None:
        while True:
            try:
                await self._listen(self._settings())
            except (OSError, BridgeError) as error:
                self._note(said(error))
            except Exception as error:  # noqa: BLE001 - a bug must not leave it silent: it is told, and tried again
                self._note(f"internal error: {type(error).__name__} at {place(error)[-1]}")
            else:
                return
            await asyncio.sleep(self._again)

    def _note(self, trouble: str) -> None:
        if self.trouble != trouble:
            self._log.error("people can't see the board; it is tried again", reason=trouble)
        self.trouble = trouble

    async def _listen(self, settings: HubSettings) -> None:
        api = settings.hub.api
        secure = context(api.tls, settings.secret) if api.tls else None
        hub = self._settings
        source = HubSource(self._database, lambda: hub().hub, self._key)
        runner = Runner(self.application(settings, source), access_log=None, shutdown_timeout=GRACE)
        try:
            await runner.setup()
            await listen(runner, api, secure)
        except BaseException:
            await runner.cleanup()
            await source.close()
            raise
        self._running, self.trouble, self.listening = (runner, source), "", address(runner, api)
        self._log.info("status API and dashboard", listen=self.listening)

    def application(self, settings: HubSettings, source: HubSource) -> web.Application:
        """The API and the dashboard over a source."""
        hub, database = settings.hub, self._database
        secret = settings.secret(hub.api.proxied.secret) if hub.api.proxied else b""
        keyring = Keyring(
            database, clock=database.clock, api=hub.api, secret=secret, run=source.run, granted=grants.in_force
        )  # fmt: skip
        kin = Kin(MAKING, lambda: Figures(lambda: source.last), _cursors(self._key))
        app = build(source, keyring, api=hub.api, run=source.run, kin=kin)
        add_to(
            app, source, keyring, zone=settings.zone, language=hub.language, clock=database.clock,
            secure=bool(hub.api.tls or hub.api.proxied), proxied=hub.api.proxied is not None,
            more=WavePage(lambda: self._settings().hub, database, self._key, source.run).routes,
        )  # fmt: skip
        return app


def _concerned(hub: HubFile) -> tuple[object, ...]:
    """What of a configuration the application was built with; the rest it looks up."""
    return hub.api, hub.time_zone, hub.language


def _cursors(key: Ed25519PrivateKey) -> bytes:
    """What cursors are signed with: the same for every process of the hub, and of no use for anything else."""
    return hashlib.blake2b(key.private_bytes_raw(), person=b"sb hub cursors", digest_size=32).digest()


def part(hub: Hub) -> People:
    """What ``bridge.hub.run`` starts beside the sites' door."""
    return People(hub.database, hub.keys.orders, lambda: hub.settings)
