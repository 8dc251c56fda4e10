"""The door for people: the status API and the dashboard of a bridge, over the whole fleet.

Several processes of one hub may stand behind a load balancer: tokens, cursors and keys of actions are good at each of
them; who uses the dashboard has to come back to the same one, because sessions lie in its memory.
"""

from __future__ import annotations

import hashlib
import secrets

import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api.app import Kin, build
from bridge.api.keyring import Keyring
from bridge.api.listening import address, context, listen
from bridge.api.talk import Runner
from bridge.dashboard.app import add_to
from bridge.hub.figures import Figures
from bridge.hub.settings import HubSettings
from bridge.hub.source import HubSource
from bridge.settings.hub import HubFile
from bridge.state import grants
from bridge.state.database import Database

#: Seconds that requests under way get when the hub stops.
GRACE = 2.0
MAKING = "schoolbridge hub token make"


class People:
    """Listens as ``api`` in ``hub.yaml`` says. ``listening`` says where, empty while it does not."""

    def __init__(self, database: Database, key: Ed25519PrivateKey) -> None:
        self._database, self._key = database, key
        self._settings: HubSettings | None = None
        self._running: tuple[Runner, HubSource] | None = None
        self.listening = ""

    async def start(self, settings: HubSettings) -> None:
        """Listen. Raises OSError, ConfigurationError; nothing runs then."""
        self._settings = settings
        if not settings.hub.api.enabled:
            return
        source = HubSource(self._database, self._hub, self._key, process=secrets.token_hex(8))
        try:
            runner = Runner(self.application(settings, source), access_log=None, shutdown_timeout=GRACE)
            api = settings.hub.api
            secure = context(api.tls, settings.secret) if api.tls else None
            try:
                await runner.setup()
                await listen(runner, api, secure)
            except BaseException:
                await runner.cleanup()
                raise
        except BaseException:
            await source.close()
            raise
        self._running, self.listening = (runner, source), address(runner, api)
        structlog.get_logger().info("status API and dashboard of the hub", listen=self.listening)

    async def reload(self, settings: HubSettings) -> None:
        """Another configuration: limits and waves count at once; where ``api`` changed, listen as it says now."""
        before, self._settings = self._settings, settings
        api = settings.hub.api
        kept = before is not None and _concerned(before.hub) == _concerned(settings.hub)
        if kept and api.tls is None and api.proxied is None:  # their secrets are read again
            if self._running is not None:
                self._running[1].events.configuration("the configuration was loaded anew")
            return
        await self.stop()
        await self.start(settings)

    async def stop(self) -> None:
        """End all requests and streams."""
        if self._running is not None:
            (runner, source), self._running, self.listening = self._running, None, ""
            await runner.cleanup()
            await source.close()

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
        )  # fmt: skip
        return app

    def _hub(self) -> HubFile:
        assert self._settings is not None  # noqa: S101
        return self._settings.hub


def _concerned(hub: HubFile) -> tuple[object, ...]:
    """What of a configuration the application was built with; the rest it looks up."""
    return hub.api, hub.time_zone, hub.language


def _cursors(key: Ed25519PrivateKey) -> bytes:
    """What cursors are signed with: the same for every process of the hub, and of no use for anything else."""
    return hashlib.blake2b(key.private_bytes_raw(), person=b"sb hub cursors", digest_size=32).digest()
