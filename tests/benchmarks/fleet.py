"""``python -m tests.benchmarks.fleet``: 10,000 simulated sites report each minute to one real hub on PostgreSQL.

ground   a hub as an authority runs it, its sites with a certificate each, all signed by the hub's own authority
sites    one process (``fleet_sites``): a connection of mutual TLS for each site, kept open; bodies as a real site sends
people   another process: the board by the API and as a page, all of it each time, one after the other
count    the hub's processor from /proc; every event in the database exactly once; what tables grew by

PostgreSQL writes every commit to the disk. What is measured here is measured while nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, select, text

from bridge.fleet.certificates import Authority, request_for
from bridge.lab.guardian import children_of
from bridge.lab.hub_server import HubServer
from bridge.lab.postgres import PostgresServer
from bridge.state.fleet_tables import hub_certificate, hub_event, hub_school, hub_site
from tests.benchmarks.api import cpu
from tests.benchmarks.fleet_sites import EVENT, EVERY, HEAD

#: Files of a process that are no connections.
_BESIDE = 200
#: A row a site or a school, whatever happens.
_REPLACED = ("hub_site", "hub_school", "hub_demand", "hub_certificate")
_TABLES = ("hub_site", "hub_school", "hub_event", "hub_head", "hub_demand", "journal", "hub_certificate")
_DAY = 86_400.0


def named(number: int) -> tuple[str, str]:
    """Site and school of a number."""
    return f"site-{number:05}", f"{number:05}"


class Ground:
    """The hub and its database, filled with sites that have not reported yet."""

    def __init__(self, root: Path, sites: int) -> None:
        self.root, self.sites = root, sites
        self.server = PostgresServer.start(durable=True)
        self.hub = HubServer(root / "hub", [], url=self.server.url)
        assert self.hub.hub("init").returncode == 0
        self._enrol()

    def _enrol(self) -> None:
        """One key for all sites of the simulator; a certificate of its own for each."""
        kept = self.root / "hub" / "kept"
        authority = Authority((kept / "authority.key").read_bytes(), (kept / "authority.pem").read_bytes())
        key, request = request_for("simulated")
        (self.root / "key.pem").write_bytes(key)
        (self.root / "authority.pem").write_bytes((kept / "authority.pem").read_bytes())
        now = datetime.now(UTC)
        made: list[dict[str, Any]] = []
        papers: list[dict[str, Any]] = []
        with (self.root / "certificates.json").open("w") as file:
            for number in range(self.sites):
                site, code = named(number)
                issued = authority.site(site, request, now=now, days=90)
                file.write(json.dumps([site, code, issued.pem]) + "\n")
                papers.append({"serial": issued.serial, "site": site, "made": now, "expires": issued.expires})
                made.append({"site": site, "label": f"Schule {code}", "schools": code, "made": now})
        with create_engine(self.server.url).begin() as connection:
            connection.execute(insert(hub_site), made)
            connection.execute(insert(hub_certificate), papers)

    @contextmanager
    def running(self) -> Iterator[int]:
        """The hub; its process id."""
        self.hub.start()
        self.hub.let_in()
        assert self.hub.process is not None
        try:
            yield children_of(self.hub.process.pid)[0]
        finally:
            self.hub.stop()
            self.server.stop()

    def sizes(self) -> dict[str, int]:
        """Bytes of each table with its indexes."""
        with create_engine(self.server.url).connect() as connection:
            return {
                name: connection.execute(text("SELECT pg_total_relation_size(:name)"), {"name": name}).scalar_one()
                for name in _TABLES
            }

    def applied(self) -> tuple[int, int, dict[str, int]]:
        """Events in the database, different ones among them, and the mark of each site."""
        with create_engine(self.server.url).connect() as connection:
            rows = connection.execute(select(hub_event.c.site, hub_event.c.body).where(hub_event.c.kind == "notice"))
            bodies = [(row.site, json.loads(row.body)["n"]) for row in rows]
            marks = {row.site: row.seq for row in connection.execute(select(hub_site.c.site, hub_site.c.seq))}
        return len(bodies), len(set(bodies)), marks

    def states(self) -> int:
        """Schools of which a state is known."""
        with create_engine(self.server.url).connect() as connection:
            return len(connection.execute(select(hub_school.c.school).where(hub_school.c.slot == "school")).all())


def held(pid: int) -> float:
    """Megabytes that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def enough_files(sites: int) -> None:
    """Each site is a file of the simulator and one of the hub."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < sites + _BESIDE:
        raise SystemExit(
            f"{sites} sites need {sites + _BESIDE} open files in one process, and this machine lets a process have "
            f"{hard} (ulimit -Hn). Raise it (LimitNOFILE=), or measure fewer: --sites {hard - _BESIDE}"
        )


def measure(sites: int, seconds: float, waiting: int) -> None:
    """All of it, printed as rows of docs/performance.md."""
    enough_files(sites + waiting)
    with tempfile.TemporaryDirectory(prefix="schoolbridge-fleet-") as place:
        ground = Ground(Path(place), sites)
        with ground.running() as pid:
            _measure(ground, pid, seconds, waiting)


def _measure(ground: Ground, pid: int, seconds: float, waiting: int) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.fleet_sites", str(ground.root), str(ground.hub.door)]
    simulator = subprocess.Popen(
        [*command, str(seconds), str(waiting)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert simulator.stdout is not None
    begun = time.monotonic()
    shook = cpu(pid)
    print(simulator.stdout.readline().strip(), f"({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
    shook = cpu(pid) - shook
    people = [sys.executable, "-m", "tests.benchmarks.fleet_people", str(ground.hub.people), str(seconds)]
    looking = subprocess.Popen(
        people, stdout=subprocess.PIPE, text=True, env={**os.environ, "BENCH_TOKEN": ground.hub.token}
    )
    before, sizes, begun = cpu(pid), ground.sizes(), time.monotonic()
    looked = json.loads(looking.communicate()[0])
    took, spent, after = time.monotonic() - begun, cpu(pid) - before, ground.sizes()
    found = json.loads(simulator.communicate()[0])
    count, different, marks = ground.applied()
    lost = found["events"] - different
    behind = sum(marks[site] != last for site, last in found["last"].items())
    print(f"| reports | {found['reports'] / found['seconds']:.0f}/s, {found['repeated']} sent again on purpose |")
    print(f"| lost | {lost} events, {behind} sites whose last message is not applied, {found['refused']} refused |")
    print(f"| twice | {count - different} |")
    print(f"| states | {ground.states()} of {ground.sites} schools |")
    print(f"| hub, one core | {spent / took:.0%} (handshakes before it: {shook / ground.sites * 1000:.1f} ms a site) |")
    print(f"| hub, memory | {held(pid):,.0f} MB |")
    print(f"| receipt | p50 {found['p50']:.0f} ms, p95 {found['p95']:.0f} ms |")
    for what, one in looked.items():
        print(f"| board, {what} | p50 {one['p50']:.0f} ms, p95 {one['p95']:.0f} ms, {one['bytes'] / 1e6:.2f} MB |")
    _growth(ground, sizes, after, {**found, "took": took})


def _growth(ground: Ground, before: dict[str, int], after: dict[str, int], found: dict[str, Any]) -> None:
    """States are replaced: their table grows to what all schools need, and no further. Events and heads are kept."""
    share = found["took"] / found["seconds"]  # of what was sent, while tables were looked at
    kept = {name: after[name] - before[name] for name in after if name not in _REPLACED}
    reports = found["reports"] * share
    a_day = sum(kept.values()) / reports * ground.sites * _DAY / EVERY
    print(f"| tables that are replaced | {sum(after[name] for name in _REPLACED) / 1e6:.0f} MB |")
    print(f"| grown | {json.dumps({name: size for name, size in kept.items() if size})} by {reports:.0f} reports |")
    print(f"| a day | {a_day / 1e6:,.0f} MB: {EVENT:.1%} of reports with an event, {HEAD:.0%} with a head |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--sites", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--waiting", type=int, default=0, help="so many of them also wait for orders, as real sites do")
    said = parser.parse_args()
    measure(said.sites, said.seconds, min(said.waiting, said.sites))


if __name__ == "__main__":
    main()
