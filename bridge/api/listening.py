"""Where an application listens: an address or a socket, with TLS whose key is written to no disk."""

from __future__ import annotations

import asyncio
import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import structlog
from aiohttp import web

from bridge.api.live import Live
from bridge.api.talk import Runner
from bridge.daemon import threads
from bridge.daemon.trouble import place, said
from bridge.ports import BridgeError, ConfigurationError
from bridge.settings.api import Api, Tls
from bridge.settings.secrets import in_memory

#: Seconds until listening is tried again, and that requests under way get at the end.
AGAIN, GRACE = 15.0, 2.0


class Told(Protocol):
    """What an application tells, as far as it begins and ends with it."""

    @property
    def events(self) -> Live[Any]:
        """The stream."""

    async def close(self) -> None:
        """End what runs beside."""


class Listener(ABC):
    """Listens as the block ``api`` of a configuration says, and begins anew when that changes.

    That it can't listen ends nothing else: it is said in the log, and tried again. ``listening``: where it does.
    """

    #: In the log: that it listens, that it does not; seconds that a start waits for the first try.
    says, misses, first = "status API", "the status API can't listen; it is tried again", 0.0

    def __init__(self, *, again: float = AGAIN) -> None:
        self._again = again
        self._built: tuple[Api, str, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._running: tuple[Runner, Told] | None = None
        self._log = structlog.get_logger()
        self.listening = self.trouble = ""

    @abstractmethod
    def concerned(self) -> tuple[Api, str, str]:
        """What of the configuration it is built with (time zone, language); the rest it looks up."""

    @abstractmethod
    def secret(self, reference: str) -> bytes:
        """What a reference of the configuration names."""

    @abstractmethod
    def built(self, secret: bytes) -> tuple[web.Application, Told]:
        """The application; ``secret``: by which a proxy proves itself."""

    async def start(self) -> None:
        """Listen, now or as soon as it is possible."""
        self._built = self.concerned()
        if self._built[0].enabled:
            self._task = asyncio.create_task(self._begin(), name=self.says)
            if self.first:
                await asyncio.wait({self._task}, timeout=self.first)

    async def reload(self) -> None:
        """Another configuration: the streams are told; where the block ``api`` changed, listen as it says now."""
        api = (now := self.concerned())[0]
        if now == self._built and api.tls is None and api.proxied is None:  # their secrets are read again
            if self._running is not None:
                self._running[1].events.configuration("the configuration was loaded anew")
            return
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """End all requests and streams."""
        if self._task is not None:
            await threads.end([self._task])
            self._task = None
        if self._running is not None:
            (runner, source), self._running = self._running, None
            await runner.cleanup()
            await source.close()
        self.note()

    def note(self, *, listening: str = "", trouble: str = "") -> None:
        """How it is now."""
        self.listening, self.trouble = listening, trouble

    async def _begin(self) -> None:
        while trouble := await self._tried():
            if self.trouble != trouble:
                self._log.warning(self.misses, reason=trouble)
            self.note(trouble=trouble)
            await asyncio.sleep(self._again)

    async def _tried(self) -> str:
        try:
            await self._listen()
        except (OSError, BridgeError) as error:
            return said(error)
        except Exception as error:  # noqa: BLE001 - a bug must not leave it silent: it is told, and tried again
            return f"internal error: {type(error).__name__} at {place(error)[-1]}"
        return ""

    async def _listen(self) -> None:
        api = self.concerned()[0]
        secure = context(api.tls, self.secret) if api.tls else None
        app, source = self.built(self.secret(api.proxied.secret) if api.proxied else b"")
        runner = Runner(app, access_log=None, shutdown_timeout=GRACE)
        try:
            await runner.setup()
            await listen(runner, api, secure)
        except BaseException:
            await runner.cleanup()
            await source.close()
            raise
        self._running = runner, source
        self.note(listening=address(runner, api))
        self._log.info(self.says, listen=self.listening)


async def listen(runner: web.AppRunner, api: Api, secure: ssl.SSLContext | None) -> None:
    """Begin to listen as the configuration says. Raises OSError."""
    if api.socket:
        await web.UnixSite(runner, api.socket, ssl_context=secure).start()
        await asyncio.to_thread(Path(api.socket).chmod, 0o660)
        return
    host, port = api.address
    await web.TCPSite(runner, host, port, ssl_context=secure).start()


def address(runner: web.AppRunner, api: Api) -> str:
    """Where it really listens: port 0 is any."""
    if api.socket:
        return api.listen
    host, port = runner.addresses[0][:2]
    return f"{'https' if api.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def context(tls: Tls, secret: Callable[[str], bytes]) -> ssl.SSLContext:
    """TLS 1.2 at least, with the certificate and key of the configuration; ``secret`` reads what a reference names."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    kept = [in_memory(secret(one)) for one in (tls.certificate, tls.key)]
    try:
        certificate, key = (f"/proc/self/fd/{one}" for one in kept)
        made.load_cert_chain(certificate, key, password=lambda: b"")  # never asks at the keyboard
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"api.tls: {tls.certificate} and {tls.key} are no certificate with its key ({error.reason}). Expected: "
            f"PEM, the chain from the own certificate upward, the key without a passphrase"
        ) from None
    finally:
        for one in kept:
            with suppress(OSError):
                os.close(one)
    return made
