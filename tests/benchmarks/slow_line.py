"""A slow, lossy line between two network namespaces, packet by packet, where the kernel has no ``netem``.

``python -m tests.benchmarks.slow_line DESCRIPTOR BITS LOSS DELAY`` is the line. It makes the school's namespace (its
own), with a TUN device whose other end is the one that it was given, and carries packets between the two. The school
reaches ``127.0.0.1`` of the other namespace over the line, so that addresses and certificates stay as they are. What
was lost has used the line, as with noise on copper.

Linux, ``iproute2`` and the right to make network namespaces (``unshare -rn`` gives it) are needed.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

_OUTSIDE, _SCHOOL = "10.77.0.1", "10.77.0.2"
#: ioctl(2) of if_tun.h: TUNSETIFF; a TUN device (packets of IP) without the four bytes of packet information.
_TUNSETIFF, _TUN_NO_PI = 0x400454CA, 0x1001
_NEW_NETWORK = 0x40000000
#: Bytes that wait before the line at most; what comes then is dropped, as a router does it. Half a second.
_QUEUE = 128 * 1024


def tun(name: str) -> int:
    """A new TUN device of this namespace; its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN_NO_PI))
    return device


def configure(name: str, address: str, peer: str) -> None:
    """Switch it on, also for 127.0.0.0/8, which no other device may carry (kernel: ip-sysctl, route_localnet)."""
    ip = ("ip", "address", "add", address, "peer", peer, "dev", name)
    for command in (ip, ("ip", "link", "set", name, "up", "mtu", "1500", "txqueuelen", "1000")):
        subprocess.run(command, check=True)
    for setting, value in (("route_localnet", "1"), ("rp_filter", "0")):
        Path(f"/proc/sys/net/ipv4/conf/{name}/{setting}").write_text(value)


def choose(control: str) -> None:
    """The congestion control of this namespace. Only an unrestricted one may be chosen here (tcp(7)): CUBIC may not."""
    Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(control)


class Direction:
    """One way. ``carried`` and ``lost`` count bytes of IP packets that used the line; ``dropped`` never got on it."""

    def __init__(self, device: int, onto: int, *, bits: float, loss: float, delay: float) -> None:
        self._from, self._onto, self._loss, self._delay = device, onto, loss, delay
        self._bytes = bits / 8
        self._random = random.Random(device)
        self._free = 0.0
        self.carried = self.lost = self.dropped = 0

    def read(self) -> None:
        """Take what waits at the device, each packet after the ones before it."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet = os.read(self._from, 65536)
            except BlockingIOError:
                return
            now = loop.time()
            begins = max(now, self._free)
            if (begins - now) * self._bytes > _QUEUE:
                self.dropped += len(packet)
                continue
            self._free = begins + len(packet) / self._bytes
            if self._random.random() < self._loss:
                self.lost += len(packet)
                continue
            self.carried += len(packet)
            loop.call_at(self._free + self._delay, self._write, packet)

    def _write(self, packet: bytes) -> None:
        try:
            os.write(self._onto, packet)
        except OSError:
            self.dropped += len(packet)


class SlowLine:
    """The line as a process; ``inside`` gives the beginning of a command that runs at the school's end."""

    def __init__(self, *, bits: float = 2e6, loss: float = 0.05, delay: float = 0.08, control: str = "") -> None:
        """``delay`` in seconds each way; ``control``: congestion control of both ends, else that of the machine."""
        self.bits = bits
        if control:
            choose(control)
        device = tun("outside")
        configure("outside", _OUTSIDE, _SCHOOL)
        command = [sys.executable, "-m", "tests.benchmarks.slow_line", str(device), str(bits), str(loss), str(delay)]
        self._process = subprocess.Popen(
            [*command, control], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(device,)
        )
        os.close(device)
        self.counted()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def inside(self) -> tuple[str, ...]:
        """What comes before a command of the school."""
        return ("nsenter", f"--net=/proc/{self._process.pid}/ns/net")

    def counted(self) -> dict[str, float]:
        """Bytes ``up`` and ``down`` that used the line so far (lost ones among them), and when."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the line broke down; see above")
        found: dict[str, float] = json.loads(answer)
        return found


async def _carry(inside: int, outside: int, *, bits: float, loss: float, delay: float) -> None:
    up = Direction(inside, outside, bits=bits, loss=loss, delay=delay)
    down = Direction(outside, inside, bits=bits, loss=loss, delay=delay)
    loop = asyncio.get_running_loop()
    loop.add_reader(inside, up.read)
    loop.add_reader(outside, down.read)
    while await asyncio.to_thread(sys.stdin.readline):
        ways = {name: one.carried + one.lost for name, one in (("up", up), ("down", down))}
        dropped = {f"{name} dropped": one.dropped for name, one in (("up", up), ("down", down))}
        print(json.dumps({**ways, **dropped, "at": time.monotonic()}), flush=True)


def main(outside: str, bits: str, loss: str, delay: str, control: str) -> None:
    """Leave the namespace that we were started in, and be the line until standard input ends."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network namespace of our own")
    if control:
        choose(control)
    inside = tun("school")
    configure("school", _SCHOOL, _OUTSIDE)
    subprocess.run(["ip", "route", "add", "127.0.0.1/32", "dev", "school", "src", _SCHOOL], check=True)
    os.set_blocking(int(outside), False)
    asyncio.run(_carry(inside, int(outside), bits=float(bits), loss=float(loss), delay=float(delay)))


if __name__ == "__main__":
    main(*sys.argv[1:])
