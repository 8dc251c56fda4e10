"""``python -m tests.benchmarks``: measures the figures of docs/performance.md and prints each against its floor.

``--only rehearse,mirror`` measures some of them; ``quiet`` and ``change`` need ``mirror`` before them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import smb, tree
from tests.benchmarks.ground import DOMAIN, Ground

#: Two deltas, two recycle bins, the stock of licences.
READING = 5
#: What a cycle without a change may write: its own books, and tokens with another time in them.
_BOOKS = {"cycle", "token", "school"}


def line(what: str, found: str, floor: str, required: str) -> None:
    """One row of the table."""
    print(f"| {what} | {found} | {floor} | {required} |", flush=True)


def least(tenant: dict[str, Any]) -> int:
    """The least possible number of requests of a first mirror that left the tenant like this.

    A user is one write and its licence another, a group is one write that binds up to 20 members and owners, its other
    members go 20 a write; 20 writes a request.
    """
    users = [one for one in tenant["users"] if one["userPrincipalName"] != f"it@{DOMAIN}"]
    licensed = [one for one in users if one.get("assignedLicenses")]
    groups = tenant["groups"]
    more = sum(
        math.ceil(max(0, len(one.get("members", ())) - (20 - len(one.get("owners", ())))) / 20) for one in groups
    )
    return READING + sum(math.ceil(count / 20) for count in (len(users), len(licensed), len(groups), more))


def rehearse(ground: Ground) -> None:
    """AD read, reconcile and plan against ldap3 alone; budgets as good as off."""
    server = ground.server
    floor = ground.measure(
        "read", server.url, server.layout.root, server.reader_upn, ground.root / "reader.password",
        server.authority_file,
    )  # fmt: skip
    found = ground.measure("rehearse", ground.configure("rehearsal", scale=1e6))
    sys.stderr.write(f"{json.dumps(floor)}\n{json.dumps(found)}\n")
    line(
        "AD read + reconcile + plan",
        f"{found['seconds']:.1f} s ({found['cpu']:.1f} s CPU), peak {found['peak']:.0f} MB",
        f"ldap3 alone reads {floor['objects']} objects in {floor['seconds']:.1f} s: × "
        f"{found['seconds'] / floor['seconds']:.1f}",
        "≤ 30 s, ≤ 300 MB",
    )


def mirror(ground: Ground) -> None:
    """The first mirror with the real budgets on."""
    ground.cloud.admin("POST", "reset", {"what": ["counters", "budgets"]})
    found = ground.measure("mirror", ground.config)
    counted = ground.cloud.counters()
    needed = least(ground.cloud.admin("GET", "tenant"))
    sys.stderr.write(f"{json.dumps(found)}\n{json.dumps(counted)}\n")
    line(
        "first mirror",
        f"{counted['requests']} requests, {counted['throttled']} throttled ({found['seconds']:.0f} s, "
        f"{found['cpu']:.0f} s CPU, peak {found['peak']:.0f} MB)",
        f"{needed} requests: × {counted['requests'] / needed:.3f}",
        "≤ 1.05 ×, 0 throttled",
    )


def quiet(ground: Ground) -> None:
    """Cycles without a change; the dearest counts."""
    ground.measure("quiet", ground.config, 1)
    before, writes = _rows(ground.config), ground.cloud.counters().get("writes", 0)
    found = ground.measure("quiet", ground.config, 10)
    after = _rows(ground.config)
    touched = sorted(name for name in before if before[name] != after[name] and name not in _BOOKS)
    cycles = found["cycles"]
    sys.stderr.write(f"{json.dumps(found)}\n")
    line(
        "cycle without a change",
        f"{ground.cloud.counters().get('writes', 0) - writes} writes, {max(one['sent'] for one in cycles)} HTTP and "
        f"{max(one['ldap'] for one in cycles)} LDAP requests, {max(one['cpu'] for one in cycles):.2f} s CPU, "
        f"tables touched beside the books: {', '.join(touched) or 'none'}",
        "–",
        "0 writes, ≤ 5 requests, ≤ 0.5 s CPU",
    )


def _rows(config: Path) -> dict[str, int]:
    """A digest of every table's rows."""
    with sqlite3.connect(config.with_name("state.db")) as state:
        names = [row[0] for row in state.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: hash(tuple(state.execute(f'SELECT * FROM "{name}"'))) for name in names}


def change(ground: Ground) -> None:
    """One changed user, one new member of the largest group: what a cycle reads, and how soon the daemon has it."""
    user, other, guest, late = _cast(ground)
    edits: list[tuple[str, Callable[[], None]]] = [
        ("one changed user", lambda: ground.server.modify(user, displayName="Ähnlich Anders")),
        ("one member more in 5,000", lambda: ground.server.add_members(_group(ground), guest)),
    ]
    command = [sys.executable, "-m", "tests.benchmarks.alone", "follow", str(ground.config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        for _, edit in edits:
            edit()
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
        process.stdin.close()
        cycles = json.loads(process.stdout.readline())["cycles"]
    again = [
        lambda: ground.server.modify(other, displayName="Änne Anders"),
        lambda: ground.server.add_members(_group(ground), late),
    ]
    ground.daemon()
    _until_still(ground)
    for (what, _), cost, edit in zip(edits, cycles, again, strict=False):
        sys.stderr.write(f"{json.dumps(cost)}\n")
        if sum(cost["executed"].values()) != 1:
            raise RuntimeError(f"{what}: the cycle after the change did not write once but {cost['executed']}")
        writes, seconds = _watch(ground, edit)
        line(
            what,
            f"{writes} write; {cost['http']} HTTP (the write among them) and {cost['ldap']} LDAP requests; in the "
            f"cloud after {seconds:.1f} s",
            "–",
            "1 write, ≤ 20 requests, ≤ 3 s",
        )


def _group(ground: Ground) -> str:
    return ground.server.layout.group_dn("ganztag")


def _cast(ground: Ground) -> tuple[str, str, str, str]:
    """Two pupils to change, and two who are not in the big group yet."""
    pupils = [one for one in ground.school.people if one.role == "pupil" and one.standing == "present" and one.consent]
    inside = {str(dn).lower() for dn in _members(ground)}
    dns = [ground.server.layout.person_dn(one) for one in pupils]
    outside = [dn for dn in dns if dn.lower() not in inside]
    return dns[0], dns[1], outside[-1], outside[-2]


def _members(ground: Ground) -> list[str]:
    group = ground.server.find("(sAMAccountName=ganztag)", ("member",), ground.server.base)[0]
    return [value.decode() for value in group.attributes["member"]]


def _until_still(ground: Ground) -> None:
    """Until the daemon has done its first cycle: it asks for nothing but its poll any more."""
    before, still = -1, 0
    until = time.monotonic() + 300
    while still < 4 and time.monotonic() < until:
        time.sleep(3)
        now = ground.cloud.counters()["requests"]
        still = still + 1 if now - before <= 4 else 0
        before = now


def _watch(ground: Ground, edit: Callable[[], None]) -> tuple[int, float]:
    """(writes, seconds until the first of them) after an edit at the school."""
    before = ground.cloud.counters().get("writes", 0)
    edit()
    begun = time.monotonic()
    while ground.cloud.counters().get("writes", 0) == before and time.monotonic() < begun + 60:
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    time.sleep(8)
    return ground.cloud.counters().get("writes", 0) - before, seconds


def directory(_: Ground) -> None:
    """A directory of the server: scans, hints, a burst."""
    tree.measure(10_000)


def listing(_: Ground) -> None:
    """A share of another server."""
    for row in smb.measure():
        line(*row)


def shared(_: Ground) -> None:
    """A root of the shares, folder and drive, beside rclone and Unison."""
    subprocess.run([sys.executable, "-m", "tests.benchmarks.shares", "--full"], check=True)


FIGURES = {
    "rehearse": rehearse, "mirror": mirror, "quiet": quiet, "change": change, "directory": directory,
    "smb": listing, "shares": shared,
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(FIGURES), help="figures to measure, separated by commas")
    wanted = parser.parse_args().only.split(",")
    with Ground() as ground:
        size = ground.school.size
        sys.stderr.write(f"{size}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
        line("figure", "measured", "floor", "required")
        line("---", "---", "---", "---")
        for name, figure in FIGURES.items():
            if name in wanted:
                figure(ground)


if __name__ == "__main__":
    main()
