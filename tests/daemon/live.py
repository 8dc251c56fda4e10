"""A school with homes on a real file system, a sandbox as its own process over TLS, and the daemon as another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.lab.cloud_reader import CloudReader
from bridge.lab.drive_reader import DriveReader
from tests.daemon.embedded import Embedded, person
from tests.waiting import until

_TENANT = "6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10"
_APP, _SECRET = "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0001", "of-the-test.alone~no-secret"
#: What changes a tenant; GET, and the token's own request, do not.
_CHANGING = ("POST", "PUT", "PATCH", "DELETE", "content requests")

_SCHOOL = """\
version: 1
school: "0123"
name: Gymnasium am Ölberg
initial_stage: hybrid
school_side: {{connector: memory, name: school, path: {root}/school.json, kinds: [user, group]}}
cloud_side:
  connector: graph
  tenant_id: {tenant}
  client_id: {app}
  client_secret: file:{root}/client.secret
  endpoint: {url}
  authority: {url}
  ca_file: {ca_file}
  domains: [schule.example]
  poll_seconds: 0.5
naming: {{domain: schule.example}}
guard: {{pause: 1s}}
schedule: {{school_poll: 1s, cloud_poll: 1m, jitter: 0s}}
shares:
  - name: homes
    for: user
    school: {place}
    cloud:
      connector: graph_drive
      drive: {{user: "{{cloud_id}}"}}
      fragment: 1310720
      not_provisioned_seconds: 1
      file_budgets: {{clock_scale: 100}}
"""

#: The school's side of the homes; a test may have another one.
_PLACE = '{{connector: folder, base: {root}/homes, root: "{{login}}", quiet_seconds: 0.3}}'


class Live:
    """``homes`` holds a directory for each login; ``person(login)`` gives the id of the account in the cloud."""

    def __init__(self, root: Path, *, people: int = 6, place: str = "") -> None:
        self.root = root
        self.homes = root / "homes"
        self.homes.mkdir()
        self.school = Embedded(root)
        with self.school.school.changing() as side:
            for number in range(people):
                side.create("user", person(number))
        ready = self._start_sandbox()
        url, ca_file = ready["base_url"], ready["ca_file"]
        (root / "client.secret").touch(0o600)
        (root / "client.secret").write_text(_SECRET)
        self.school.school_file.write_text(
            _SCHOOL.format(
                root=root,
                tenant=_TENANT,
                app=_APP,
                url=url,
                ca_file=ca_file,
                place=place or _PLACE.format(root=root),
            )
        )
        self._url, self._ca_file = url, ca_file
        access: dict[str, str] = {"tenant": _TENANT, "client_id": _APP, "secret": _SECRET, "ca_file": ca_file}
        self.cloud = CloudReader(url, admin_key="of-the-test", **access)
        self.drives = DriveReader(url, **access)
        self.daemon: subprocess.Popen[bytes] | None = None

    def _start_sandbox(self) -> dict[str, Any]:
        applications = json.dumps([{"client_id": _APP, "secrets": [_SECRET], "roles": ["User Administrator"]}])
        command = [sys.executable, "-m", "connectors.sandbox", "--tls", "--tenant", _TENANT, "--domain",
                   "schule.example", "--drives", "all", "--random-seed", "1"]  # fmt: skip
        keys = {"SANDBOX_ADMIN_KEY": "of-the-test", "SANDBOX_APPLICATIONS": applications}
        with (self.root / "sandbox.log").open("w") as log:
            self._sandbox = subprocess.Popen(
                command, env={**os.environ, **keys}, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._sandbox.stdout is not None
        ready: dict[str, Any] = json.loads(self._sandbox.stdout.readline())
        return ready

    def beside(self, root: Path, code: str) -> Embedded:
        """Another school's bridge, with a state of its own, on the same tenant; its homes are below ``root``."""
        (root / "homes").mkdir(parents=True)
        (root / "client.secret").touch(0o600)
        (root / "client.secret").write_text(_SECRET)
        other = Embedded(root)
        text = _SCHOOL.format(root=root, tenant=_TENANT, app=_APP, url=self._url, ca_file=self._ca_file,
                              place=_PLACE.format(root=root))  # fmt: skip
        other.school_file.write_text(text.replace('"0123"', f'"{code}"'))
        return other

    # -- the daemon

    def start(self) -> None:
        (self.root / "run" / "status.json").unlink(missing_ok=True)  # what an earlier one left
        with (self.root / "log").open("a") as log:
            command = [sys.executable, "-m", "bridge", "run"]
            self.daemon = subprocess.Popen(command, env=self.school.environment(), stderr=log)

    def kill(self) -> None:
        """As when the power fails."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def stop(self) -> None:
        """End both; the daemon has to end well."""
        try:
            if self.daemon is not None:
                self.daemon.terminate()
                code = self.daemon.wait(timeout=90)
                assert code == 0, (self.root / "log").read_text()[-3000:]
        finally:
            self._sandbox.terminate()
            self._sandbox.wait(timeout=90)

    def until(self, probe: Callable[[], object], *, seconds: float = 45) -> None:
        """Wait until it is true; what is not there (yet) is not. On failure the log says why."""
        until(
            lambda: _true(probe),
            seconds=seconds,
            why=lambda: f"{(self.root / 'log').read_text()[-3000:]}\n{self.row()}",
        )

    def row(self) -> dict[str, Any]:
        """What the daemon's status file says of the homes."""
        try:
            schools = json.loads((self.root / "run" / "status.json").read_text())["schools"]
        except (OSError, ValueError):
            return {}
        found: dict[str, Any] = schools["0123"]["shares"].get("homes", {})
        return found

    # -- both ends

    def account(self, login: str) -> str:
        """The id of a person's account in the cloud."""
        found = self.cloud.account(f"R{login.removeprefix('anna')}")
        if found is None:
            raise LookupError(login)
        return found.id

    def home(self, login: str) -> Path:
        """A person's directory, made when it is not there."""
        path = self.homes / login
        path.mkdir(exist_ok=True)
        return path

    def both(self, login: str) -> tuple[set[str], set[str]]:
        """The paths of both ends."""
        home = self.homes / login
        here = {str(path.relative_to(home)) for path in home.rglob("*")}
        mine = {path for path in here if path.split("/")[0] != ".schoolbridge-trash"}
        return mine, set(self.drives.tree(self.account(login)))

    def changes(self) -> dict[str, int]:
        """Requests that change something, and those for content, since ``forget``; none left out."""
        counted = self.cloud.counters()
        return {name: counted[name] for name in _CHANGING if counted.get(name)}

    def forget(self) -> None:
        """Count anew."""
        self.cloud.admin("POST", "reset", {"what": ["counters"]})

    def at_rest(self) -> None:
        """Wait until nothing is sent for a while."""
        while True:
            self.forget()
            time.sleep(1.3)  # longer than any pause of this configuration
            if not self.changes():
                return


def _true(probe: Callable[[], object]) -> bool:
    try:
        return bool(probe())
    except (LookupError, OSError):
        return False
