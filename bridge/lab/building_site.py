"""What stands in one building of the city: a directory in a file, a cloud tenant of its own, and the daemon."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bridge.lab.city import Building
from bridge.lab.cloud_reader import CloudReader
from bridge.lab.directories import EmbeddedDirectory
from bridge.lab.guardian import children_of
from bridge.lab.processes import ProcessTree
from bridge.lab.sandboxed import BRIDGE_APP, GRANTED, READ, READER_APP, Application, Sandbox

_NAMES = uuid.UUID("6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10")
#: Where Debian's package `libfaketime` puts what shifts a process's clock.
_SHIFTING = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class Site:
    """One building. Everything of it lies below ``root``; the directory may be changed at any time."""

    def __init__(self, building: Building, root: Path) -> None:
        self.building = building
        self.root = root
        root.mkdir(parents=True)
        self.config = root / "bridge.yaml"
        self.runtime = root / "run"
        self.sandbox: Sandbox | None = None
        self.daemon: ProcessTree | None = None
        self.directory = EmbeddedDirectory(building.school, root / "school.json")
        self.cloud: CloudReader | None = None

    @property
    def name(self) -> str:
        """The site's name, as the hub knows it."""
        return self.building.site

    @property
    def code(self) -> str:
        """The school's code."""
        return self.building.code

    def build(self, *, hub: str, every: str = "5s") -> None:
        """Start the cloud and write the configuration. ``hub``: the URL of the hub, through the site's own line."""
        tenant = str(uuid.uuid5(_NAMES, self.code))
        applications = (Application(BRIDGE_APP, GRANTED), Application(READER_APP, READ))
        self.sandbox = sandbox = Sandbox.start(
            self.root, tenant=tenant, domain=self.building.domain, applications=applications
        )
        self.cloud = CloudReader(
            sandbox.endpoint, admin_key=sandbox.admin_key, **sandbox.access(READER_APP)
        )  # fmt: skip
        (self.root / "schools").mkdir()
        self.runtime.mkdir()
        self._dump(self.config, self._bridge(hub, every))
        self._dump(self.root / "schools" / f"{self.code}.yaml", self._school(sandbox))

    def _dump(self, path: Path, tree: Mapping[str, Any]) -> None:
        with path.open("w") as file:
            YAML().dump(dict(tree), file)

    def _bridge(self, hub: str, every: str) -> dict[str, Any]:
        reporting = {"hub": {"url": hub, "every": every}} if hub else {}
        return {
            "version": 1,
            "state": {"url": f"sqlite:///{self.root / 'state.db'}"},
            "schools": "schools",
            "runtime": str(self.runtime),
            "language": "de",
            "api": {"listen": f"unix:{self.root / 'api.sock'}"},
            **reporting,
        }

    def _school(self, cloud: Sandbox) -> dict[str, Any]:
        """Asked seldom: at rest 41 of them share two cores."""
        return {
            "version": 1,
            "school": self.code,
            "name": self.building.name,
            "initial_stage": "hybrid",
            "school_side": self.directory.options(self.building.school) | {"name": self.code, "read_only": False},
            "cloud_side": {
                **cloud.side(self.root),
                "poll_seconds": 60,
            },
            "naming": {"domain": self.building.domain},
            "schedule": {"school_poll": "30s", "cloud_poll": "5m", "jitter": "10s"},
            "guard": {"pause": "1s"},
            "cutover": {"deadline": "10 minutes", "soak": "0s"},
        }

    # -- the daemon

    def start(self, *, ahead: float = 0.0) -> None:
        """Start the production daemon; ``ahead``: its clock is so many seconds before this machine's."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "run"]
        environment = {"MALLOC_ARENA_MAX": "2", **(shifted(ahead) if ahead else {})}
        self.daemon = ProcessTree.start(command, log=self.root / "daemon.log", environment=environment, grace=15)

    def restart(self, *, ahead: float = 0.0) -> None:
        """Stop it well and start it again."""
        self.halt()
        self.start(ahead=ahead)

    def halt(self) -> None:
        """Stop the daemon well."""
        if self.daemon is not None:
            self.daemon.stop()
            self.daemon = None

    def kill(self) -> None:
        """As when the power fails: the daemon alone, by SIGKILL."""
        if self.daemon is not None:
            for pid in children_of(self.daemon.pid):
                os.kill(pid, signal.SIGKILL)
            self.daemon.stop()
            self.daemon = None

    def pids(self) -> list[int]:
        """Of the daemon and of the cloud, without their guardians."""
        trees = [self.daemon, self.sandbox.tree if self.sandbox else None]
        return [pid for tree in trees if tree is not None for pid in children_of(tree.pid)]

    def bridge(self, *arguments: str, words: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the bridge as this school's admin would."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), *arguments]
        return subprocess.run(command, capture_output=True, input=words, text=True, check=False, timeout=180)

    def status(self) -> dict[str, Any]:
        """What the daemon's status file says of the school; empty while there is none."""
        try:
            tree: dict[str, Any] = json.loads((self.runtime / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        found: dict[str, Any] = tree.get("schools", {}).get(self.code, {})
        return found

    def waiting(self) -> int:
        """How many messages the hub has not confirmed, read beside the daemon."""
        return self._number("SELECT count(*) FROM outbox")

    def numbered(self) -> int:
        """The number that was given out last."""
        return self._number("SELECT last FROM uplink WHERE school = ''")

    def _number(self, query: str) -> int:
        state = f"file:{self.root / 'state.db'}?mode=ro"
        with closing(sqlite3.connect(state, uri=True, timeout=10)) as opened:
            found: int = opened.execute(query).fetchone()[0]
        return found

    def mirrored(self) -> bool:
        """Whether both sides went through a whole cycle once."""
        sides = self.status().get("sides", {})
        return bool(sides) and all(side.get("complete") for side in sides.values())

    def last_words(self) -> str:
        """The end of the daemon's log."""
        return self.daemon.last_words(5) if self.daemon else ""

    def stop(self) -> None:
        """End both."""
        self.halt()
        if self.sandbox is not None:
            self.sandbox.stop()
            self.sandbox = None


def shifted(ahead: float) -> dict[str, str]:
    """The environment of a process whose clock is wrong; LookupError where Debian's `libfaketime` is not installed.

    Only the time of day is wrong: timers go as they should.
    """
    found = sorted(Path("/").glob(_SHIFTING.lstrip("/")))
    if not found:
        raise LookupError("no libfaketime here (as root: python -m bridge.lab.packages clock)")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{ahead:+.0f}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
