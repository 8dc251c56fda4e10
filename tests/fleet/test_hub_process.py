"""The hub as a process of its own: systemd's words, a wrong configuration while it runs, a clean end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import aiohttp

from bridge.fleet.certificates import client_context
from bridge.fleet.paths import WAIT
from bridge.hub import authority
from tests.fleet.live_hub import settings_in

ROOT = Path(__file__).parents[2]


class Process:
    """A hub that runs as a child; ``log`` is what it wrote, ``told`` what it told systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._told = folder, list[str]()
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.setblocking(False)
        self._line.bind(str(folder / "notify"))
        with (folder / "log").open("w") as log:
            self.child = Popen(
                [sys.executable, "-m", "bridge", "--config", folder / "hub.yaml", "hub", "run"],
                env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "PYTHONPATH": str(ROOT)},
                stderr=log, cwd=ROOT,
            )  # fmt: skip

    def until(self, true: Callable[[str, str], object]) -> None:
        """Wait until that is so of what it told and of its log; a busy machine is no failure."""
        end = time.monotonic() + 60
        while not true(self.told, self.log):
            assert self.child.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def told(self) -> str:
        try:
            while True:
                self._told.append(self._line.recv(4096).decode())
        except BlockingIOError:
            return "\n".join(self._told)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._line.close()


@contextmanager
def process(folder: Path) -> Iterator[Process]:
    authority.make(folder / "keys", datetime.now(UTC))
    made = Process(folder)
    try:
        yield made
    finally:
        made.close()


async def refused(folder: Path, log: str) -> int:
    """What a stranger gets at the door: proof that it is open, under this authority."""
    port = re.findall(r'"listen": "127.0.0.1:(\d+)"', log)[-1]
    secure = client_context(folder / "keys/authority.pem")
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=secure)) as session,
        session.get(f"https://127.0.0.1:{port}{WAIT}") as response,
    ):
        return response.status


def test_a_hub_runs_keeps_its_configuration_when_the_new_one_is_wrong_and_ends(tmp_path: Path) -> None:
    settings_in(tmp_path)
    right = (tmp_path / "hub.yaml").read_text()
    with process(tmp_path) as hub:
        hub.until(lambda told, log: "READY=1" in told and "sites report here" in log)
        assert asyncio.run(refused(tmp_path, hub.log)) == 401
        (tmp_path / "hub.yaml").write_text(right + "languge: de\n")
        hub.child.send_signal(signal.SIGHUP)
        hub.until(lambda told, log: "configuration wrong, old one kept" in told and "languge" in log)
        (tmp_path / "hub.yaml").write_text(right.replace("127.0.0.1:0", "'127.0.0.1:00'"))
        hub.child.send_signal(signal.SIGHUP)
        hub.until(lambda told, log: log.count("sites report here") == 2)
        assert asyncio.run(refused(tmp_path, hub.log)) == 401
        hub.until(lambda told, log: "WATCHDOG=1" in told)
        hub.child.send_signal(signal.SIGTERM)
        assert hub.child.wait(60) == 0
        assert "STOPPING=1" in hub.told
        assert '"error"' not in hub.log.replace('"level": "error"', "", 1)


def test_a_port_that_is_taken_does_not_end_the_hub(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings_in(tmp_path)
        text = (tmp_path / "hub.yaml").read_text()
        (tmp_path / "hub.yaml").write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"))
        with process(tmp_path) as hub:
            hub.until(lambda told, log: "READY=1" in told and "sites can't report" in log)
            hub.child.terminate()
            assert hub.child.wait(60) == 0
