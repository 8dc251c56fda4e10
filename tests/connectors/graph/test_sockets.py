"""Congestion control of new connections, on the kernel that the tests run on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from connectors.graph.sockets import opened

_ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))
_ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")

pytestmark = pytest.mark.skipif(not _ALLOWED.exists(), reason="no Linux")


def _control(asked: str) -> str:
    with opened(_ADDRESS, asked) as one:
        return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()


def test_each_that_the_kernel_allows_is_taken() -> None:
    allowed = _ALLOWED.read_text().split()
    assert [_control(one) for one in allowed] == allowed


@pytest.mark.parametrize("asked", ["", "no_such_thing"])
def test_else_the_machines_own_stays(asked: str) -> None:
    with socket.socket() as plain:
        own = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
    assert _control(asked) == own
