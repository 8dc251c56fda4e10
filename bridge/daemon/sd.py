"""Tells systemd how the service is: ``READY``, ``RELOADING``, ``STOPPING``, ``WATCHDOG`` (sd_notify(3)).

One datagram to the socket that ``NOTIFY_SOCKET`` names; nothing happens where there is none.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def notify(**state: str | int) -> None:
    """Send states, for example ``notify(READY=1, STATUS="3 schools")``. Never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    address = "\0" + address[1:] if address.startswith("@") else address
    text = "\n".join(f"{name}={str(value).splitlines()[0] if str(value) else ''}" for name, value in state.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(text.encode(), address)


def reloading() -> None:
    """A reload has begun; the time is what lets systemd tell it from an older one."""
    notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
