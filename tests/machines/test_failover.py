"""Kill and stop the daemon that looks after a school, again and again: the next one takes over, nothing is late.

Four pairs of real daemons on one PostgreSQL, each pair with a school of its own; the school is a file, the cloud the
sandbox in a process of its own, behind a witness for each daemon. SCHOOLBRIDGE_KILL_SEED repeats the random choices,
SCHOOLBRIDGE_FAILOVERS says how many strikes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.lab.cloud_reader import CloudReader
from bridge.lab.cloud_writer import CloudWriter
from bridge.lab.directories import account_fields
from bridge.lab.postgres import PostgresServer
from bridge.lab.seed import SchoolSize, draw_school
from bridge.settings import load
from bridge.state import open_database
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.machines.test_kill import APPLICATION, DOMAIN, SKUS, TENANT, cloud
from tests.machines.witness import Witness

SIZE = SchoolSize(
    pupils=60, teachers=4, staff=1, leavers=0, newcomers=0, classes_per_year=1, groups=3, largest_group=10
)
#: Seconds: the figure of a failover, and after which a lease ends.
MOST, LASTS = 30.0, 15.0


class Daemon:
    """One of a pair: its configuration, its process, its witness."""

    def __init__(self, pair: Pair, name: str) -> None:
        self.pair, self.root = pair, pair.root / name
        self.process: subprocess.Popen[bytes] | None = None
        self.witness = Witness(pair.ready["base_url"], pair.ready["ca_file"], self.has_it)
        self.witness.start()
        (self.root / "schools").mkdir(parents=True)
        bridge = {
            "version": 1, "state": {"url": pair.url}, "runtime": str(self.root / "run"), "api": {"enabled": False},
        }  # fmt: skip
        one = {
            "version": 1, "school": pair.code, "name": "A", "initial_stage": "hybrid",
            "school_side": {
                "connector": "memory", "name": f"school-{pair.code}", "path": str(pair.root / "school.json"),
                "kinds": ["user", "group"], "read_only": True,
            },
            "cloud_side": {
                "connector": "graph", "tenant_id": TENANT, "client_id": APPLICATION,
                "client_secret": f"file:{pair.ground / 'client.secret'}", "endpoint": self.witness.base_url,
                "authority": pair.ready["base_url"], "ca_file": pair.ready["ca_file"], "domains": [DOMAIN],
                "licenses": list(SKUS),
                "fallback_owner": f"it@{DOMAIN}", "budgets": {"clock_scale": 1000},
            },
            "naming": {"domain": DOMAIN},
            "guard": {
                "thresholds": [
                    {"tally": tally, "kind": "user", "unlimited": True} for tally in ("create", "rename", "disable")
                ]
            },
            "schedule": {"school_poll": "10 s", "cloud_poll": "10 s", "jitter": "1 s"},
        }  # fmt: skip
        self.config = self.root / "bridge.yaml"
        self.config.write_text(json.dumps(bridge))
        (self.root / "schools" / "a.yaml").write_text(json.dumps(one))

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else -1

    def has_it(self) -> bool:
        return self.pair.owner() == self.pid

    def start(self) -> None:
        with (self.root / "log").open("a") as stream:
            command = [sys.executable, "-m", "bridge", "--config", str(self.config), "run"]
            # A session of its own: the kernel wakes stopped members of a process group that loses its shell.
            self.process = subprocess.Popen(command, stderr=stream, start_new_session=True)

    def strike(self, number: int) -> None:
        os.kill(self.pid, number)
        if number == signal.SIGKILL and self.process is not None:
            self.process.wait()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(60)


class Pair:
    """Two daemons of one school, and what happens to them."""

    def __init__(self, ground: Path, code: str, *, url: str, ready: dict[str, Any], seed: int) -> None:
        self.ground, self.root, self.code, self.url, self.ready = ground, ground / f"pair-{code}", code, url, ready
        self.chance = random.Random(f"{seed} {code}")
        self.root.mkdir()
        self.shelf = Shelf(self.root / "school.json", MemorySide(name=f"school-{code}"))
        people = draw_school(seed + len(code) + ord(code), SIZE).people
        self.fields = [account_fields(one) | {"consent": True} for one in people]
        for number, one in enumerate(self.fields):
            one |= {"source_anchor": f"{code}{number}", "login": f"{code}{number}", "upn_base": f"{code}{number}"}
        self.next = 0
        self.reader = CloudReader(
            ready["base_url"], tenant=TENANT, client_id=APPLICATION, secret="of-this-test-only",
            admin_key="admin", ca_file=ready["ca_file"],
        )  # fmt: skip
        self.writer = CloudWriter(
            ready["base_url"], tenant=TENANT, client_id=APPLICATION, secret="of-this-test-only",
            ca_file=ready["ca_file"],
        )  # fmt: skip
        self.line = url.replace("postgresql+psycopg://", "postgresql://")
        self.daemons = [Daemon(self, name) for name in ("one", "two")]
        self.takeovers: list[float] = []
        self.works: list[float] = []
        self.counts: Counter[str] = Counter()
        self.error: BaseException | None = None

    def owner(self) -> int:
        """The process that has the lease now; 0 for nobody."""
        query = "SELECT owner FROM lease WHERE school = %s AND owner <> '' AND until::timestamptz > clock_timestamp()"
        with psycopg.connect(self.line, autocommit=True) as connection:
            row = connection.execute(query, [self.code]).fetchone()
        return int(row[0].split()[1]) if row else 0

    # -- what happens at the sides

    def change(self) -> str:
        """Something at the school: somebody new or somebody renamed; the reference and name that has to arrive."""
        with self.shelf.changing() as side:
            new = self.next < len(self.fields) and (self.next < 5 or self.chance.random() < 0.4)
            if new:
                fields = self.fields[self.next]
                self.next += 1
                side.create("user", fields)
                return str(fields["source_anchor"])
            one = self.chance.choice(self.fields[: self.next])
            anchor = side.named("user", "source_anchor", str(one["source_anchor"])) or ""
            one["display_name"] = f"{one['given_name']} {self.chance.randrange(10**6)}"
            side.change(anchor, {"display_name": one["display_name"]})
            return str(one["source_anchor"])

    def meddle(self) -> None:
        """Somebody changes a name in the cloud, where it is the school's.

        Each time to another one: what a replica showed before a write of ours is believed a quarter of an hour later.
        """
        one = self.chance.choice(self.fields[: self.next])
        try:
            found = self.reader.account(str(one["source_anchor"]))
            if found is not None:
                self.writer.change(found.id, displayName=f"somebody else {self.chance.randrange(10**9)}")
        except OSError:
            self.counts["not meddled"] += 1

    def arrived(self, reference: str) -> bool:
        wanted = next(one for one in self.fields if one["source_anchor"] == reference)
        try:
            found = self.reader.account(reference)
        except OSError:  # this machine is busy; LookupError, somebody who is there twice, is not passed over
            self.counts["not looked"] += 1
            return False
        return found is not None and found.display_name == wanted["display_name"] and found.enabled

    # -- one strike after the other

    def run(self, strikes: int) -> None:
        try:
            for one in self.daemons:
                one.start()
            for _ in range(10):
                self.change()
            self.until(lambda: self.owner() != 0 and self.arrived(f"{self.code}0"), 120)
            for number in range(strikes):
                self.round(number)
            self.until(lambda: not self.apart(), 180, said="converged")
        except BaseException as error:  # noqa: BLE001 - told by the test, which waits for this thread
            self.error = error
            traceback.print_exc()

    def round(self, number: int) -> None:
        self.until(lambda: self.owner() in {one.pid for one in self.daemons}, MOST)
        owner = self.owner()
        victim = next(one for one in self.daemons if one.pid == owner)
        for _ in range(self.chance.randrange(4)):
            self.change()
        time.sleep(self.chance.random() * 1.5)  # anywhere in the cycle that this begins
        kill = self.chance.random() < 0.5
        pause = self.chance.uniform(1, 40)
        victim.strike(signal.SIGKILL if kill else signal.SIGSTOP)
        struck = time.monotonic()
        reference = self.change()
        if kill or pause > LASTS:
            self.until(lambda: self.owner() not in (0, owner), MOST, said=f"{number}: takeover")
            self.takeovers.append(time.monotonic() - struck)
            self.until(lambda: self.arrived(reference), 90, said=f"{number}: first write of the new owner")
            self.works.append(time.monotonic() - struck)
        if kill:
            self.counts["killed"] += 1
            victim.start()
        else:
            self.counts["stopped, taken over" if pause > LASTS else "stopped"] += 1
            time.sleep(max(0.0, struck + pause - time.monotonic()))
            victim.strike(signal.SIGCONT)
        self.meddle()

    def until(self, probe: Callable[[], bool], seconds: float, *, said: str = "") -> None:
        end = time.monotonic() + seconds
        while not probe():
            if time.monotonic() > end:
                logs = "\n".join((one.root / "log").read_text()[-2500:] for one in self.daemons)
                raise AssertionError(f"{self.code}: not in {seconds} s: {said}; apart: {self.apart()}\n{logs}")
            time.sleep(0.1)

    def apart(self) -> list[str]:
        """Who is not in the cloud as at the school."""
        everybody = [str(one["source_anchor"]) for one in self.fields[: self.next]]
        return [one for one in everybody if not self.arrived(one)]

    # -- what must hold

    def check(self) -> None:
        assert all(one.witness.writes for one in self.daemons), "each of them wrote"
        late = [seen.what for one in self.daemons for seen in one.witness.writes if not seen.mine]
        assert not late, late
        tenant = self.reader.admin("GET", "tenant")
        marks = Counter(
            str((one.get("onPremisesExtensionAttributes") or {}).get("extensionAttribute15")) for one in tenant["users"]
        )
        wanted = {str(one["source_anchor"]) for one in self.fields[: self.next]}
        found = {mark: count for mark, count in marks.items() if mark.startswith(self.code) and mark[1:].isdigit()}
        assert found == dict.fromkeys(wanted, 1)
        catalog = Catalog()
        settings = load(self.daemons[0].config, catalog)
        with wiring.database(settings, create=False) as database:
            store = database.school(self.code, settings.schools[0].kinds())
            assert store.verify().ok, store.verify().message
            assert not store.orphans()


def struck(root: Path, url: str, *, seed: int, strikes: int) -> list[Pair]:
    """Four pairs at a time, each with a quarter of the strikes."""
    open_database(url).close()
    with cloud(root / "cloud") as (_, ready):
        pairs = [Pair(root / "cloud", code, url=url, ready=ready, seed=seed) for code in "abcd"]
        try:
            running = [threading.Thread(target=one.run, args=(strikes // 4,)) for one in pairs]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
            for one in pairs:
                if one.error is not None:
                    raise one.error
                one.check()
        finally:
            for pair in pairs:
                for one in pair.daemons:
                    one.end()
        return pairs


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.timeout(3600)
def test_a_hundred_strikes(tmp_path: Path, postgresql_server: PostgresServer) -> None:
    seed = int(os.environ.get("SCHOOLBRIDGE_KILL_SEED") or random.SystemRandom().randrange(10**6))
    strikes = int(os.environ.get("SCHOOLBRIDGE_FAILOVERS") or 100)
    print(f"SCHOOLBRIDGE_KILL_SEED={seed}")
    pairs = struck(tmp_path, postgresql_server.create_database("failover"), seed=seed, strikes=strikes)
    took = [one for pair in pairs for one in pair.takeovers]
    works = [one for pair in pairs for one in pair.works]
    counts: Counter[str] = sum((pair.counts for pair in pairs), Counter())
    writes = sum(len(one.witness.writes) for pair in pairs for one in pair.daemons)
    print(f"{dict(counts)}; {len(took)} takeovers: median {statistics.median(took):.1f} s, most {max(took):.1f} s")
    print(
        f"the first write arrived after {statistics.median(works):.1f} s, at most {max(works):.1f} s; {writes} writes"
    )
    assert max(took) <= MOST
