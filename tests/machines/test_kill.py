"""kill -9 at random points of a first mirror, and start again: the same end state, nobody twice.

The bridge is the real command in a process of its own, the cloud the sandbox in another, the school a file of the
memory connector. Points and seed are printed; SCHOOLBRIDGE_KILL_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Side
from bridge.daemon import turn, wiring
from bridge.daemon.catalog import Catalog
from bridge.engine.bridged import Report
from bridge.lab.cloud_reader import CloudReader
from bridge.lab.directories import account_fields, group_fields
from bridge.lab.processes import ProcessTree
from bridge.lab.seed import School, SchoolSize, draw_school
from bridge.settings import load
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf

TENANT, APPLICATION, DOMAIN = (
    "6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10",
    "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0001",
    "a.example",
)
SKUS = {
    "M365EDU_A3_STUDENT": "7cfd9a2b-e110-4c39-bf20-c6a3f36a3121",
    "M365EDU_A3_FACULTY": "4b590615-0888-425a-a965-b3bf7789848d",
}
SIZE = SchoolSize(
    pupils=130, teachers=8, staff=2, leavers=0, newcomers=0, classes_per_year=1, groups=20, largest_group=30
)
_PATIENCE = 60.0


class Rig:
    """One school in a file and one tenant; each life of the bridge is a process."""

    def __init__(self, root: Path, cloud: CloudReader, school: School, ready: Mapping[str, Any]) -> None:
        self.cloud, self.config = cloud, root / "bridge.yaml"
        (root / "schools").mkdir(parents=True)
        self.side = fill(root / "school.json", school)
        #: Writes of a first mirror, at least: each account, its licence, each group.
        self.least = 2 * sum(bool(one.fields["consent"]) for one in self.side.records("user"))
        self.least += sum(1 for _ in self.side.records("group"))
        cloud_side = {
            "connector": "graph", "tenant_id": TENANT, "client_id": APPLICATION,
            "client_secret": f"file:{root.parent / 'client.secret'}", "endpoint": ready["base_url"],
            "authority": ready["base_url"], "ca_file": ready["ca_file"], "domains": [DOMAIN], "licenses": list(SKUS),
            "fallback_owner": f"it@{DOMAIN}", "budgets": {"clock_scale": 1000},
        }  # fmt: skip
        bridge = {"version": 1, "state": {"url": f"sqlite:///{root / 'state.db'}"}, "runtime": str(root / "run")}
        one = {
            "version": 1, "school": "a", "name": school.name, "initial_stage": "hybrid",
            "school_side": {
                "connector": "memory", "name": "school", "path": str(root / "school.json"), "kinds": ["user", "group"],
                "read_only": True,
            },
            "cloud_side": cloud_side, "naming": {"domain": DOMAIN},
        }  # fmt: skip
        (root / "run").mkdir()
        self.config.write_text(json.dumps(bridge))  # JSON is YAML
        (root / "schools" / "a.yaml").write_text(json.dumps(one))

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "--json", "sync"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def sync(self) -> dict[str, Any]:
        done = self.start()
        out, errors = done.communicate(timeout=_PATIENCE)
        assert done.returncode == 0, errors.decode()
        answer: dict[str, Any] = json.loads(out)["schools"][0]
        return answer

    def killed(self, writes: int, moment: float) -> bool:
        """A life that ends by SIGKILL some milliseconds after so many writes; False when it was done before."""
        life = self.start()
        first = self.writes()
        while life.poll() is None and self.writes() - first < writes:
            time.sleep(0.02)
        time.sleep(moment)
        life.send_signal(signal.SIGKILL)
        life.communicate()
        return life.returncode == -signal.SIGKILL

    def writes(self) -> int:
        return int(self.cloud.counters().get("writes", 0))

    # --- what must hold ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        expected = {
            str(one.fields["source_anchor"]): one.fields for one in self.side.records("user") if one.fields["consent"]
        }
        tenant = self.cloud.admin("GET", "tenant")
        people = [one for one in tenant["users"] if one["userPrincipalName"] != f"it@{DOMAIN}"]
        marks = Counter(_reference(one) for one in people)
        assert set(marks) == set(expected), set(marks) ^ set(expected)
        assert set(marks.values()) == {1}, [mark for mark, count in marks.items() if count > 1]
        for one in people:
            wanted = expected[_reference(one)]
            found = (one["displayName"], one["givenName"], one["surname"], one["accountEnabled"], one["usageLocation"])
            assert found == tuple(
                wanted[name] for name in ("display_name", "given_name", "surname", "enabled", "usage_location")
            )
            licences = {SKUS[name] for name in wanted["licenses"]}
            assert {licence["skuId"] for licence in one.get("assignedLicenses", ())} == licences, one["displayName"]
        assert len({one["userPrincipalName"].lower() for one in people}) == len(people)
        self._check_groups(tenant, {one["id"]: _reference(one) for one in people}, set(expected))

    def _check_groups(self, tenant: Mapping[str, Any], references: Mapping[str, str], there: set[str]) -> None:
        wanted = {
            str(one.fields["display_name"]): {
                str(record.fields["source_anchor"]) for record in self._within(one.anchor)
            }
            & there
            for one in self.side.records("group")
        }
        names = Counter(one["displayName"] for one in tenant["groups"])
        assert names == Counter(str(one.fields["display_name"]) for one in self.side.records("group"))
        found = {
            one["displayName"]: {references[member] for member in one.get("members", ())} for one in tenant["groups"]
        }
        assert found == wanted

    def _within(self, anchor: str) -> Iterator[Any]:
        for member in self.side.record(anchor).fields.get("members") or ():
            record = self.side.record(member)
            if record.kind == "user":
                yield record
            else:
                yield from self._within(member)

    def check_still(self) -> None:
        """Ten more cycles write nothing, and the journal is whole."""
        before = self.writes()
        for report in asyncio.run(self.cycles(10)):
            assert not report.error, report.error
            assert not report.failed
        assert self.writes() == before
        catalog = Catalog()
        settings = load(self.config, catalog)
        with wiring.database(settings, create=False) as database:
            verdict = database.school("a", settings.schools[0].kinds()).verify()
        assert verdict.ok, verdict.message

    async def cycles(self, count: int) -> list[Report]:
        """As many cycles in this process, which is quicker than the command."""
        catalog = Catalog()
        settings = load(self.config, catalog)
        school = settings.schools[0]
        with wiring.database(settings, create=False) as database:
            store = database.school(school.code, school.kinds())
            async with wiring.bridged(settings, catalog, school, store) as one:
                return [await turn.turn(one, school, store, sides=tuple(Side)) for _ in range(count)]


def fill(path: Path, school: School) -> MemorySide:
    """The school in a file, as the lab's embedded directory keeps it."""
    shelf = Shelf(path, MemorySide(name="school"))
    with shelf.changing() as side:
        people = {person.reference: side.create("user", account_fields(person)) for person in school.people}
        groups: dict[str, str] = {}
        for one in school.groups():
            members = [people[reference] for reference in one.members] + [groups[name] for name in one.subgroups]
            fields = group_fields(school, one.name, one.description, one.kind)
            groups[one.name] = side.create("group", {**fields, "members": frozenset(members)})
    return shelf.side


def _reference(user: Mapping[str, Any]) -> str:
    return str((user.get("onPremisesExtensionAttributes") or {}).get("extensionAttribute15"))


@contextmanager
def cloud(root: Path) -> Iterator[tuple[CloudReader, dict[str, Any]]]:
    """An empty tenant in a process of its own."""
    root.mkdir()
    (root / "client.secret").write_text("of-this-test-only")
    (root / "client.secret").chmod(0o600)
    (root / "apps.json").write_text(json.dumps([{"client_id": APPLICATION, "secrets": ["of-this-test-only"]}]))
    owner = {"userPrincipalName": f"it@{DOMAIN}", "displayName": "IT", "mailNickname": "it", "accountEnabled": True}
    skus = [{"skuId": sku, "skuPartNumber": name, "enabled": 500} for name, sku in SKUS.items()]
    (root / "tenant.json").write_text(json.dumps({"users": [owner], "skus": skus}))
    command = [
        sys.executable, "-m", "connectors.sandbox", "--tls", "--tenant", TENANT, "--domain", DOMAIN,
        "--applications", str(root / "apps.json"), "--seed", str(root / "tenant.json"),
    ]  # fmt: skip
    tree = ProcessTree.start(command, log=root / "log", environment={"SANDBOX_ADMIN_KEY": "admin"})
    try:
        until = time.monotonic() + _PATIENCE
        while not (root / "log").exists() or "{" not in (root / "log").read_text():
            assert time.monotonic() < until, tree.last_words()
            time.sleep(0.02)
        ready = json.loads(next(one for one in (root / "log").read_text().splitlines() if one.startswith("{")))
        yield (
            CloudReader(
                ready["base_url"], tenant=TENANT, client_id=APPLICATION, secret="of-this-test-only",
                admin_key="admin", ca_file=ready["ca_file"],
            ),
            ready,
        )  # fmt: skip
    finally:
        tree.stop()


def mirrored_through(root: Path, points: int, *, seed: int, lives: int) -> int:
    """Kill ``points`` lives, about ``lives`` of each first mirror; how many first mirrors that took."""
    chance = random.Random(seed)
    mirrors = struck = 0
    while struck < points:
        mirrors += 1
        home = root / str(mirrors)
        with cloud(home) as (reader, ready):
            rig = Rig(home / "bridge", reader, draw_school(seed + mirrors, SIZE), ready)
            # Anywhere in what is left of the mirror: creations, licences, groups; between and within requests, commits.
            for _ in range(min(lives, points - struck)):
                left = rig.least - rig.writes()
                if left <= 0 or not rig.killed(chance.randrange(left // 2 + 1), chance.random() * 0.05):
                    break
                struck += 1
            rig.sync()
            asyncio.run(rig.cycles(2))
            rig.check()
            rig.check_still()
        print(f"{struck} kills in {mirrors} first mirrors")
    return mirrors


def _seed() -> int:
    seed = int(os.environ.get("SCHOOLBRIDGE_KILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"SCHOOLBRIDGE_KILL_SEED={seed}")
    return seed


@pytest.mark.timeout(600)
def test_killed_five_times(tmp_path: Path) -> None:
    mirrored_through(tmp_path, 5, seed=20261123, lives=5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    mirrored_through(tmp_path, 200, seed=_seed(), lives=20)
