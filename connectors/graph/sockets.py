"""The sockets of new connections: their congestion control decides what a line that loses packets is good for."""

from __future__ import annotations

import socket
from contextlib import suppress

from aiohttp import AddrInfoType


def opened(address: AddrInfoType, control: str) -> socket.socket:
    """A socket with this congestion control, where the kernel has it and lets us; else with the machine's own.

    CUBIC (RFC 9438) and Reno take every lost packet for a full line: of 2 Mbit/s with 5 % loss and 80 ms each way one
    connection gets a sixth, and the fragments of an upload have to follow each other. BBR takes nearly all of it. Any
    user may choose it once ``tcp_bbr`` is loaded (tcp(7), TCP_CONGESTION).
    """
    family, kind, protocol, _, _ = address
    one = socket.socket(family, kind, protocol)
    if control and hasattr(socket, "TCP_CONGESTION"):
        with suppress(OSError):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
    return one
