"""The cloud of a demo: the sandbox as a process of its own, filled with what a fresh tenant has."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.lab.processes import ProcessTree, Unavailable

READ = ("User.Read.All", "Group.Read.All", "Organization.Read.All")
GRANTED = (
    *READ, "User.ReadWrite.All", "User.EnableDisableAccount.All", "User.DeleteRestore.All", "Group.ReadWrite.All",
    "GroupMember.ReadWrite.All", "LicenseAssignment.ReadWrite.All", "User-PasswordProfile.ReadWrite.All",
    "Files.ReadWrite.All",
)  # fmt: skip
SKUS = {
    "M365EDU_A3_STUDENT": "7cfd9a2b-e110-4c39-bf20-c6a3f36a3121",
    "M365EDU_A3_FACULTY": "4b590615-0888-425a-a965-b3bf7789848d",
}
#: The client ids of the bridge and of the lab's own look.
BRIDGE_APP, READER_APP = "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0001", "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0002"
#: How much faster than real ones the budgets of the cloud run.
HURRY = 20
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application: its client id, and what it was granted."""

    client_id: str
    permissions: tuple[str, ...]


class Sandbox:
    """A running sandbox. ``access(client_id)`` is what a reader of the lab takes."""

    def __init__(
        self, tree: ProcessTree, ready: dict[str, Any], domain: str, admin_key: str, keys: dict[str, str]
    ) -> None:
        self.tree = tree
        self.domain = domain
        self.tenant: str = ready["tenant_id"]
        self.endpoint: str = ready["base_url"]
        self.ca_file: str = ready["ca_file"]
        self.admin_key = admin_key
        self._keys = keys

    @classmethod
    def start(cls, root: Path, *, tenant: str, domain: str, applications: Iterable[Application]) -> Sandbox:
        """Start one below ``root``; secrets are drawn anew and stand in private files. Raises Unavailable."""
        known = list(applications)
        keys = {one.client_id: secrets.token_urlsafe(24) for one in known}
        admin_key = secrets.token_urlsafe(24)
        registered, seed, log = root / "applications.json", root / "tenant.json", root / "sandbox.log"
        private(registered, json.dumps([_registration(one, keys[one.client_id]) for one in known]))
        seed.write_text(json.dumps(_fresh(domain)))
        command = [
            sys.executable, "-m", "connectors.sandbox", "--tls", "--tenant", tenant, "--domain", domain, "--budgets",
            "--budget-scale", str(HURRY), "--drives", "all", "--applications", registered, "--seed", seed,
            "--random-seed", "1",
        ]  # fmt: skip
        tree = ProcessTree.start(list(map(str, command)), log=log, environment={"SANDBOX_ADMIN_KEY": admin_key})
        try:
            return cls(tree, first_line(log, tree, "the sandbox"), domain, admin_key, keys)
        except BaseException:
            tree.stop()
            raise

    def side(self, root: Path) -> dict[str, Any]:
        """The cloud's side as it stands in a school's file; the bridge's secret is put below ``root``."""
        private(root / "client.secret", self._keys[BRIDGE_APP])
        return {
            "connector": "graph",
            "tenant_id": self.tenant,
            "client_id": BRIDGE_APP,
            "client_secret": f"file:{root / 'client.secret'}",
            "endpoint": self.endpoint,
            "authority": self.endpoint,
            "ca_file": self.ca_file,
            "domains": [self.domain],
            "licenses": list(SKUS),
            "fallback_owner": f"it@{self.domain}",
            "budgets": {"clock_scale": HURRY},
        }

    def access(self, client_id: str) -> dict[str, str]:
        """For ``GraphDoor`` and those over it."""
        secret = self._keys[client_id]
        return {"tenant": self.tenant, "client_id": client_id, "secret": secret, "ca_file": self.ca_file}

    def stop(self) -> None:
        """End it."""
        self.tree.stop()


def private(path: Path, text: str) -> None:
    """A file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_text(text)


def first_line(log: Path, tree: ProcessTree, what: str) -> dict[str, Any]:
    """The JSON line that a server of ours prints once it listens. Raises Unavailable."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and tree.alive():
        for line in log.read_text().splitlines() if log.exists() else []:
            if line.startswith("{"):
                ready: dict[str, Any] = json.loads(line)
                return ready
        time.sleep(0.05)
    raise Unavailable(f"{what} did not start within {_READY_SECONDS:.0f} s:\n{tree.last_words()}")


def _registration(one: Application, secret: str) -> dict[str, Any]:
    permissions = list(one.permissions)
    return {
        "client_id": one.client_id,
        "secrets": [secret],
        "permissions": permissions,
        "roles": ["User Administrator"],
    }


def _fresh(domain: str) -> dict[str, Any]:
    return {
        "users": [
            {
                "userPrincipalName": f"it@{domain}",
                "displayName": "IT der Stadt",
                "mailNickname": "it",
                "accountEnabled": True,
                "usageLocation": "DE",
            }
        ],
        "skus": [{"skuId": sku, "skuPartNumber": name, "enabled": 5000} for name, sku in SKUS.items()],
    }
