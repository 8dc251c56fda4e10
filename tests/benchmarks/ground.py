"""What the figures are measured on: the big school on a real Samba, the sandbox as a process, the bridge's files."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from bridge.lab.cloud_reader import CloudReader
from bridge.lab.directories import SambaDirectory
from bridge.lab.processes import ProcessTree
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import BIG, School, SchoolSize, draw_school

TENANT = "6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10"
APPLICATION = "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0001"
DOMAIN = "schule.example"
CODE = "big"
SKUS = {
    "M365EDU_A3_STUDENT": "7cfd9a2b-e110-4c39-bf20-c6a3f36a3121",
    "M365EDU_A3_FACULTY": "4b590615-0888-425a-a965-b3bf7789848d",
}
#: How much faster than in truth the clock of the budgets runs: 2,500 s of waiting become less than the work takes.
SCALE = 25
_READY_SECONDS = 30.0


class Ground:
    """A school server, a cloud and a configured bridge below one directory; ``with`` ends and removes all of it."""

    def __init__(self, size: SchoolSize = BIG) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="schoolbridge-bench-"))
        self.school: School = draw_school(1, size)
        self.server = SchoolServer.of(self.school)
        self.directory = SambaDirectory(self.server, self.root / "reader.password")
        self._trees: list[ProcessTree] = []
        self.cloud = self._start_sandbox()
        self.config = self.configure("bridge")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tree in self._trees:
            tree.stop()
        self.server.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def _start_sandbox(self) -> CloudReader:
        key, secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        private(self.root / "client.secret", secret)
        private(self.root / "applications.json", json.dumps([{"client_id": APPLICATION, "secrets": [secret]}]))
        (self.root / "tenant.json").write_text(json.dumps(_tenant()))
        log = self.root / "sandbox.log"
        command = [
            sys.executable, "-m", "connectors.sandbox", "--tls", "--tenant", TENANT, "--domain", DOMAIN, "--budgets",
            "--budget-scale", str(SCALE), "--applications", str(self.root / "applications.json"),
            "--seed", str(self.root / "tenant.json"), "--random-seed", "1",
        ]  # fmt: skip
        self._trees.append(ProcessTree.start(command, log=log, environment={"SANDBOX_ADMIN_KEY": key}))
        ready = first_line(log)
        self.endpoint, self.ca_file = ready["base_url"], ready["ca_file"]
        return CloudReader(
            self.endpoint, tenant=TENANT, client_id=APPLICATION, secret=secret, admin_key=key, ca_file=self.ca_file
        )

    def configure(self, name: str, *, scale: float = SCALE) -> Path:
        """A configuration with an empty state of its own; budgets ``scale`` times as fast as in truth."""
        home = self.root / name
        for folder in (home / "schools", home / "run"):
            folder.mkdir(parents=True)
        side = {
            "connector": "graph",
            "tenant_id": TENANT,
            "client_id": APPLICATION,
            "client_secret": f"file:{self.root / 'client.secret'}",
            "endpoint": self.endpoint,
            "authority": self.endpoint,
            "ca_file": self.ca_file,
            "domains": [DOMAIN],
            "licenses": list(SKUS),
            "fallback_owner": f"it@{DOMAIN}",
            "budgets": {"clock_scale": scale},
            "poll_seconds": 5,
        }
        bridge = {"state": {"url": f"sqlite:///{home / 'state.db'}"}, "runtime": str(home / "run")}
        school = {
            "school": CODE,
            "name": self.school.name,
            "initial_stage": "hybrid",
            "school_side": self.directory.options(self.school),
            "cloud_side": side,
            "naming": {"domain": DOMAIN},
        }
        yaml = YAML()
        for file, content in ((home / "bridge.yaml", bridge), (home / "schools" / "big.yaml", school)):
            with file.open("w") as stream:
                yaml.dump({"version": 1, **content}, stream)
        return home / "bridge.yaml"

    def daemon(self) -> ProcessTree:
        """Start the production daemon."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "run"]
        tree = ProcessTree.start(command, log=self.root / "daemon.log", grace=25)
        self._trees.append(tree)
        return tree

    def measure(self, what: str, *arguments: object) -> dict[str, Any]:
        """Run one measurement of ``tests.benchmarks.alone`` in a process of its own; what it found."""
        command = [sys.executable, "-m", "tests.benchmarks.alone", what, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{what} broke off:\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def _tenant() -> dict[str, Any]:
    owner = {
        "userPrincipalName": f"it@{DOMAIN}",
        "displayName": "IT",
        "mailNickname": "it",
        "accountEnabled": True,
        "usageLocation": "DE",
    }
    return {
        "users": [owner],
        "skus": [{"skuId": sku, "skuPartNumber": name, "enabled": 30_000} for name, sku in SKUS.items()],
    }


def private(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def first_line(log: Path) -> dict[str, Any]:
    """The line in which the sandbox says where it listens."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        for line in log.read_text().splitlines() if log.exists() else []:
            if line.startswith("{"):
                ready: dict[str, Any] = json.loads(line)
                return ready
        time.sleep(0.05)
    raise RuntimeError(f"the sandbox did not start within {_READY_SECONDS:.0f} s")
