"""The status API inside the daemon: it listens as ``api`` in ``bridge.yaml`` says, and begins anew when that changes.

That it can't listen (the port is taken) stops no mirroring: it is said in the log and by ``status``, and tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from bridge.api.app import build
from bridge.api.keyring import Keyring
from bridge.api.listening import Listener
from bridge.api.local import LocalSource
from bridge.api.survey import Bridge
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.service import Service
from bridge.settings.api import Api


class Served(Listener):
    """Implements ``bridge.daemon.service.Front``."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def concerned(self) -> tuple[Api, str, str]:
        """What of the configuration it is built with."""
        bridge = self._service.settings.bridge
        return bridge.api, bridge.time_zone, bridge.language

    def secret(self, reference: str) -> bytes:
        """What a reference of the configuration names."""
        return wiring.secret(self._service.settings, reference)

    def note(self, *, listening: str = "", trouble: str = "") -> None:
        """On the board, too, for ``status``."""
        super().note(listening=listening, trouble=trouble)
        self._service.board.api, self._service.board.api_error = listening, trouble

    def built(self, secret: bytes) -> tuple[web.Application, LocalSource]:
        """The API and the dashboard over the daemon's own state."""
        service, (api, zone, language) = self._service, self.concerned()
        source = LocalSource(bridge_of(service))
        keyring = Keyring(service.database, clock=wiring.now, api=api, secret=secret, run=source.run)
        app = build(source, keyring, api=api, run=source.run)
        # By name: the dashboard stands above the API.
        import_module("bridge.dashboard.app").add_to(
            app, source, keyring, zone=ZoneInfo(zone), language=language,
            secure=bool(api.tls or api.proxied), proxied=api.proxied is not None,
        )  # fmt: skip
        return app, source


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
