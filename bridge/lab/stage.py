"""Sets the demo's stage: a school server, a cloud, configuration files as an admin would write them, and the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bridge.lab.cloud_reader import CloudReader
from bridge.lab.cloud_writer import CloudWriter
from bridge.lab.directories import Directory, EmbeddedDirectory, SambaDirectory
from bridge.lab.drive_reader import DriveReader
from bridge.lab.processes import ProcessTree, Unavailable
from bridge.lab.sandboxed import BRIDGE_APP, GRANTED, HURRY, READ, READER_APP, Application, Sandbox
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School, draw_school

_TENANT = "6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10"
#: Teachers at their browsers: what they do in their OneDrives is done by an application of its own.
_TEACHERS_APP = "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0003"
#: The city's cloud platform, where people are made once the school is cut over.
_PLATFORM_APP = "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0004"
_DOMAIN = "schule.example"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command of the bridge printed to standard output, and its exit code."""

    code: int
    output: str
    errors: str


class Stage:
    """Everything that runs during the demo, below one directory; ``stop`` ends and removes all of it."""

    def __init__(self, *, directory: str = "auto", seed: int = 1) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="schoolbridge-demo-"))
        self.school: School = draw_school(seed)
        self.homes = self.root / "homes"
        self.why_embedded = ""
        self.daemon: ProcessTree | None = None
        self.sandbox: Sandbox | None = None
        self.last: Answer | None = None
        # Passwords and names lie below it: it goes also when this process is killed and can remove nothing any more.
        self._keeper = ProcessTree.start(["sleep", "infinity"], log=self.root / "keeper.log", scratch=self.root)
        try:
            self.directory: Directory = self._start_directory(directory)
        except BaseException:
            self._keeper.stop()
            raise
        try:
            self.sandbox = sandbox = self._start_sandbox()
            self.cloud = self._look_into(sandbox)
            self.config = self._configure(sandbox)
        except BaseException:
            self.stop()
            raise

    @property
    def directory_name(self) -> str:
        """``samba`` or ``embedded``."""
        return "samba" if isinstance(self.directory, SambaDirectory) else "embedded"

    def _start_directory(self, wanted: str) -> Directory:
        if wanted in {"auto", "samba"}:
            try:
                directory = SambaDirectory(SchoolServer.of(self.school), self.root / "reader.password")
                directory.let_write()
                return directory
            except Unavailable as error:
                if wanted == "samba":
                    raise
                self.why_embedded = str(error)
        return EmbeddedDirectory(self.school, self.root / "school.json")

    # -- the cloud

    def _start_sandbox(self) -> Sandbox:
        known = (
            Application(BRIDGE_APP, GRANTED),
            Application(READER_APP, (*READ, "Files.Read.All")),
            Application(_TEACHERS_APP, ("Files.ReadWrite.All",)),
            Application(_PLATFORM_APP, ("User.ReadWrite.All", "GroupMember.ReadWrite.All")),
        )
        return Sandbox.start(self.root, tenant=_TENANT, domain=_DOMAIN, applications=known)

    def _look_into(self, sandbox: Sandbox) -> CloudReader:
        self.drives = DriveReader(sandbox.endpoint, **sandbox.access(READER_APP))
        self.browser = DriveReader(sandbox.endpoint, **sandbox.access(_TEACHERS_APP))
        self.platform = CloudWriter(sandbox.endpoint, **sandbox.access(_PLATFORM_APP))
        return CloudReader(sandbox.endpoint, admin_key=sandbox.admin_key, **sandbox.access(READER_APP))

    def storm(self) -> list[dict[str, Any]]:
        """The faults of the storm, aimed at what the bridge does (not at the demo's own look)."""
        return [
            {"kind": "throttle", "path": ".*batch.*", "count": 3, "retry_after": 1, "where": "request"},
            {"kind": "unavailable", "path": ".*batch.*", "count": 3, "where": "request"},
            {"kind": "drop-after", "path": ".*batch.*", "count": 2, "where": "request"},
            {"kind": "drop-before", "path": ".*batch.*", "count": 2, "where": "request"},
            {"kind": "throttle", "path": ".*/users/.*", "count": 10, "retry_after": 1, "where": "part"},
            {"kind": "replay-delta", "path": ".*users/delta.*", "count": 2},
        ]

    def forget(self) -> None:
        """Count anew what the cloud is asked."""
        self.cloud.admin("POST", "reset", {"what": ["counters"]})

    def written(self) -> dict[str, int]:
        """What was asked since that changes something (or moves bytes of files): kind of request -> how often."""
        kinds = ("POST", "PUT", "PATCH", "DELETE", "content requests")
        counted = self.cloud.counters()
        return {kind: counted[kind] for kind in kinds if counted.get(kind)}

    # -- the bridge

    def _configure(self, cloud: Sandbox) -> Path:
        yaml = YAML()
        config = self.root / "bridge.yaml"
        (self.root / "schools").mkdir()
        (self.root / "run").mkdir()
        self.homes.mkdir()
        with config.open("w") as file:
            yaml.dump(
                {
                    "version": 1,
                    "state": {"url": f"sqlite:///{self.root / 'state.db'}"},
                    "schools": "schools",
                    "runtime": str(self.root / "run"),
                    "language": "de",
                },
                file,
            )
        school = {
            "version": 1,
            "school": "demo",
            "name": self.school.name,
            "initial_stage": "hybrid",
            "school_side": self.directory.options(self.school),
            "cloud_side": {
                **cloud.side(self.root),
                "poll_seconds": 5,
                "newcomers": {"users": "user.department != ''"},
            },
            "attributes": {"user": {"department": {"from": "attr.department", "purpose": "class lists in Teams"}}},
            "naming": {"domain": _DOMAIN, "group_prefix": "demo-"},
            "shares": [_homes(self.homes)],
            "guard": {"pause": "3s"},
            "cutover": {"deadline": "1 hour", "soak": "0s"},
        }
        with (self.root / "schools" / "demo.yaml").open("w") as file:
            yaml.dump(school, file)
        return config

    def bridge(self, *arguments: str, words: str = "", account: str = "") -> Answer:
        """Run a command of the bridge as an admin would, who types ``words`` when it asks; as ``account``, by sudo."""
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "--config", str(self.config), *arguments],
            capture_output=True,
            input=words,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "SUDO_USER": account} if account else None,
        )
        self.last = Answer(done.returncode, done.stdout, done.stderr)
        return self.last

    def start_daemon(self) -> None:
        """Start the production daemon."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "run"]
        self.daemon = ProcessTree.start(command, log=self.root / "daemon.log", grace=15)

    def last_words(self) -> str:
        """The end of the daemon's and the last command's output, for a step that failed."""
        daemon = self.daemon.last_words(5) if self.daemon else ""
        command = "\n".join(self.last.errors.splitlines()[-5:]) if self.last and self.last.code == 1 else ""
        return "\n".join(filter(None, (daemon, command)))

    def stop(self) -> None:
        """End all servers and remove everything."""
        for tree in (self.daemon, self.sandbox):
            if tree is not None:
                tree.stop()
        self.directory.stop()
        self._keeper.stop()


def _homes(base: Path) -> dict[str, Any]:
    """The share of the teachers' homes, as it stands in the school's file."""
    return {
        "name": "homes",
        "for": "user",
        "roles": ["teacher"],
        "school": {"connector": "folder", "base": str(base), "root": "{login}", "quiet_seconds": 0.5},
        "cloud": {
            "connector": "graph_drive",
            "drive": {"user": "{cloud_id}"},
            "poll_seconds": 2,
            "fragment": 4 * 327_680,
            "file_budgets": {"clock_scale": HURRY},
        },
    }
