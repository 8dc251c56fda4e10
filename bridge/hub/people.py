"""The door for people: the status API and the dashboard of a bridge, over the whole fleet.

Several processes of one hub may stand behind a load balancer: tokens, cursors and keys of actions are good at each of
them; who uses the dashboard has to come back to the same one, because sessions lie in its memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api.app import Kin, build
from bridge.api.keyring import Keyring
from bridge.api.listening import AGAIN, Listener
from bridge.dashboard.app import add_to
from bridge.hub.figures import Figures
from bridge.hub.settings import HubSettings
from bridge.hub.source import HubSource
from bridge.hub.wave_page import WavePage
from bridge.settings.api import Api
from bridge.state import grants
from bridge.state.database import Database

if TYPE_CHECKING:
    from bridge.hub.run import Hub

#: What makes a token here.
MAKING = "schoolbridge hub token make"


class People(Listener):
    """A part of ``bridge.hub.run``: limits and waves count at once, without listening anew."""

    says, misses, first = "status API and dashboard", "people can't see the board; it is tried again", 5.0

    def __init__(
        self, database: Database, key: Ed25519PrivateKey, settings: Callable[[], HubSettings], *, again: float = AGAIN
    ) -> None:
        super().__init__(again=again)
        self._database, self._key, self._settings = database, key, settings

    def concerned(self) -> tuple[Api, str, str]:
        """What of the configuration it is built with."""
        hub = self._settings().hub
        return hub.api, hub.time_zone, hub.language

    def secret(self, reference: str) -> bytes:
        """What a reference of the configuration names."""
        return self._settings().secret(reference)

    def built(self, secret: bytes) -> tuple[web.Application, HubSource]:
        """The API and the dashboard over the whole fleet."""
        database, (api, zone, language) = self._database, self.concerned()
        source = HubSource(database, lambda: self._settings().hub, self._key)
        keyring = Keyring(
            database, clock=database.clock, api=api, secret=secret, run=source.run, granted=grants.in_force
        )  # fmt: skip
        kin = Kin(MAKING, lambda: Figures(lambda: source.last), _cursors(self._key))
        app = build(source, keyring, api=api, run=source.run, kin=kin)
        add_to(
            app, source, keyring, zone=ZoneInfo(zone), language=language, clock=database.clock,
            secure=bool(api.tls or api.proxied), proxied=api.proxied is not None,
            more=WavePage(lambda: self._settings().hub, database, self._key, source.run).routes,
        )  # fmt: skip
        return app, source


def _cursors(key: Ed25519PrivateKey) -> bytes:
    """What cursors are signed with: the same for every process of the hub, and of no use for anything else."""
    return hashlib.blake2b(key.private_bytes_raw(), person=b"sb hub cursors", digest_size=32).digest()


def part(hub: Hub) -> People:
    """What ``bridge.hub.run`` starts beside the sites' door."""
    return People(hub.database, hub.keys.orders, lambda: hub.settings)
