"""Where an application listens: an address or a socket, with TLS whose key is written to no disk."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from bridge.ports import ConfigurationError
from bridge.settings.api import Api, Tls


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
    kept = [_memory(secret(one)) for one in (tls.certificate, tls.key)]
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


def _memory(content: bytes) -> int:
    """A file that is on no disk: OpenSSL reads keys from files only."""
    made = os.memfd_create("tls", os.MFD_CLOEXEC)
    os.write(made, content + b"\n")
    os.lseek(made, 0, os.SEEK_SET)
    return made
