"""What the figures of shares are measured on: a sandbox as a process over TLS, trees of files, clients as processes."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bridge.lab.cloud_reader import CloudReader
from bridge.lab.drive_reader import DriveReader
from bridge.lab.processes import ProcessTree
from tests.benchmarks.ground import APPLICATION, DOMAIN, TENANT, first_line, private

SMALL = 4096
RCLONE = Path(sys.executable).with_name("rclone")

_SCHOOL = """\
version: 1
school: bench
name: Bench
initial_stage: hybrid
school_side: {{connector: memory, name: school, path: {home}/school.json, kinds: [user, group]}}
cloud_side: {{connector: memory, name: cloud, path: {home}/cloud.json, kinds: [user, group]}}
naming: {{domain: schule.example}}
shares:
  - name: homes
    for: user
    school: {{connector: folder, base: {base}, quiet_seconds: 0, watch: false}}
    cloud:
      connector: graph_drive
      tenant_id: {tenant}
      client_id: {application}
      client_secret: file:{root}/client.secret
      endpoint: {url}
      authority: {url}
      ca_file: {ca_file}
      drive: {{user: "{{cloud_id}}"}}
      parallel: 16
      file_budgets: {{clock_scale: 1000000}}
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a client process took: seconds, CPU seconds (user + system), peak MB, bytes on the wire both ways."""

    wall: float
    cpu: float
    peak: float
    wire: int
    requests: int
    said: str = ""

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, {self.cpu:.2f} s CPU, peak {self.peak:.0f} MB, {self.requests} requests"


class SharesGround:
    """A sandbox with empty OneDrives and rooms for trees; ``with`` ends and removes all of it."""

    def __init__(self, users: int = 12, scratch: Path | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="schoolbridge-shares-", dir=scratch))
        secret, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        private(self.root / "client.secret", secret)
        private(self.root / "applications.json", json.dumps([{"client_id": APPLICATION, "secrets": [secret]}]))
        rows = [
            {"userPrincipalName": f"u{one}@{DOMAIN}", "displayName": f"U{one}", "mailNickname": f"u{one}",
             "accountEnabled": True, "usageLocation": "DE"}
            for one in range(users)
        ]  # fmt: skip
        (self.root / "tenant.json").write_text(json.dumps({"users": rows}))
        command = [
            sys.executable, "-m", "connectors.sandbox", "--tls", "--tenant", TENANT, "--domain", DOMAIN, "--drives",
            "all", "--applications", str(self.root / "applications.json"), "--seed", str(self.root / "tenant.json"),
        ]  # fmt: skip
        log = self.root / "sandbox.log"
        self._tree = ProcessTree.start(command, log=log, environment={"SANDBOX_ADMIN_KEY": key})
        ready = first_line(log)
        self.url, self.ca_file, self._secret = ready["base_url"], ready["ca_file"], secret
        access = {"tenant": TENANT, "client_id": APPLICATION, "secret": secret, "ca_file": self.ca_file}
        self.cloud = CloudReader(self.url, admin_key=key, **access)
        self.drives = DriveReader(self.url, **access)
        self._free = [one.id for one in self.cloud.accounts()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tree.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def user(self, files: Mapping[str, str] | None = None) -> tuple[str, str]:
        """The ids of a user and of their drive, empty but for ``files``."""
        owner = self._free.pop()
        return owner, self.cloud.admin("POST", "drives/load", {"drive": owner, "files": dict(files or {})})["id"]

    def configure(self, name: str, base: Path) -> Path:
        """A bridge with an empty state, whose homes are ``base``."""
        home = self.root / name
        for folder in (home / "schools", home / "run"):
            folder.mkdir(parents=True)
        bridge = f"version: 1\nstate: {{url: 'sqlite:///{home}/state.db'}}\nruntime: {home}/run\n"
        (home / "bridge.yaml").write_text(bridge)
        school = _SCHOOL.format(
            home=home, base=base, root=self.root, tenant=TENANT, application=APPLICATION, url=self.url,
            ca_file=self.ca_file,
        )  # fmt: skip
        (home / "schools" / "bench.yaml").write_text(school)
        return home / "bridge.yaml"

    def run(self, command: list[str], environment: Mapping[str, str] | None = None) -> Cost:
        """Run a client to its end and say what it took. RuntimeError when it fails."""
        before, wire = self.counted(), on_the_wire()
        begun = time.perf_counter()
        with tempfile.TemporaryFile(dir=self.root) as said:
            process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall, wire = time.perf_counter() - begun, on_the_wire() - wire
            said.seek(0)
            text = said.read().decode()
        if process.returncode:
            raise RuntimeError(f"{command[:3]} broke off:\n{text[-4000:]}")
        requests = self.counted() - before
        return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, wire, requests, text)

    def counted(self) -> int:
        """Requests that the sandbox has been sent, those for content included."""
        counters = self.cloud.counters()
        return int(counters.get("requests", 0)) + int(counters.get("content requests", 0))

    def rclone(self, drive: str, *arguments: str) -> Cost:
        """One rclone command; ``cloud:`` is the drive. It is told of the sandbox by its environment."""
        settings = {
            "TYPE": "onedrive",
            "CLIENT_CREDENTIALS": "true",
            "CLIENT_ID": APPLICATION,
            "CLIENT_SECRET": self._secret,
            "TENANT": TENANT,
            "TENANT_URL": f"{self.url}/_api",
            "TOKEN_URL": f"{self.url}/{TENANT}/oauth2/v2.0/token",
            "AUTH_URL": f"{self.url}/{TENANT}/oauth2/v2.0/authorize",
            "DRIVE_ID": drive,
            "DRIVE_TYPE": "business",
        }
        folder = self.root / "rclone"
        folder.mkdir(exist_ok=True)
        (folder / "rclone.conf").touch()
        environment = {f"RCLONE_CONFIG_CLOUD_{name}": value for name, value in settings.items()}
        environment |= {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"RCLONE_CONFIG": str(folder / "rclone.conf"), "RCLONE_CACHE_DIR": str(folder)}
        return self.run([str(RCLONE), "--ca-cert", str(self.ca_file), *arguments], environment)


def grow(base: Path, files: int, large: int) -> int:
    """``files`` files of 4 KiB, 100 in a folder, below ``all``, and a file of ``large`` bytes; their sum."""
    for number in range(files):
        here = base / "all" / f"{number // 100:04}"
        if number % 100 == 0:
            here.mkdir(parents=True)
        (here / f"Datei {number:06}.bin").write_bytes(os.urandom(SMALL))
    with (base / "large.bin").open("wb") as stream:
        for _ in range(large >> 20):
            stream.write(os.urandom(1 << 20))
    return files * SMALL + (large >> 20 << 20)


def change(base: Path, mark: str) -> None:
    """Ten changes: six files edited, two new, two deleted."""
    every = sorted((base / "all").rglob("*.bin"))
    for path in every[:6]:
        path.write_bytes(os.urandom(SMALL + 1))
    for number in range(2):
        (base / "all" / "0001" / f"new {mark} {number}.bin").write_bytes(os.urandom(SMALL))
    for path in every[-2:]:
        path.unlink()


def on_the_wire() -> int:
    """Bytes that went over the loopback device, headers of TCP, IP and TLS included. In our namespace all are ours."""
    for row in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = row.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    return 0


def raise_loopback() -> None:
    """Switch the loopback device of a new network namespace on (netdevice(7): SIOCSIFFLAGS, IFF_UP)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, 0x8914, struct.pack("16sh", b"lo", 0x1))


def ask(process: subprocess.Popen[str], ground: SharesGround) -> dict[str, Any]:
    """Let a living bridge do one pass; what it says of it, with ``wire`` and ``requests``."""
    assert process.stdin is not None
    assert process.stdout is not None
    before, wire = ground.counted(), on_the_wire()
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the bridge broke off; see above")
    found: dict[str, Any] = json.loads(answer)
    found["wire"] = on_the_wire() - wire
    found["requests"] = ground.counted() - before
    if found["error"]:
        raise RuntimeError(f"the pass ended early: {found['error']}")
    return found
