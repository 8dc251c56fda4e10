"""``python -m tests.benchmarks.writeback``: 500 edits in the cloud are written back to a real Active Directory.

Printed beside the floor measured in the same run: ldap3 alone, one modify after the other on the same server.
"""

from __future__ import annotations

import asyncio
import time

import ldap3

from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import SchoolSize, draw_school
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.writing import delegate
from tests.machines.both_ways import Both, both_ways
from tests.machines.test_both_ways import usn

EDITS = 500
_SCHOOL = SchoolSize(pupils=560, teachers=20, staff=2, leavers=0, newcomers=0, classes_per_year=2, groups=30)


def floor(server: SchoolServer) -> float:
    """Seconds that ldap3 alone takes for as many modifies."""
    people = server.find("(&(sAMAccountType=805306368)(department=*))", ("description",))[:EDITS]
    begun = time.monotonic()
    for number, one in enumerate(people):
        server.ldap.modify(one.dn, {"description": [(ldap3.MODIFY_REPLACE, [f"floor {number}"])]})
    return time.monotonic() - begun


async def measured(both: Both) -> tuple[float, float, int]:
    """Seconds and CPU until all edits are in the directory, and writes of ten more cycles."""
    await both.cut_over()
    for number, user in enumerate(both.users()[:EDITS]):
        both.number = number
        given, surname = both.word(), both.word()
        body = {"displayName": f"{given} {surname}", "givenName": given, "surname": surname}
        answer = await both.admin.call("PATCH", f"/users/{user['id']}", body)
        assert answer.status == 204, answer.body
        both._learn([user["id"]])
    begun, cpu = time.monotonic(), time.process_time()
    report = await both.cycle()
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    assert report.executed["user:update"] == EDITS, report.counts()
    assert both.wrong() == []
    before = (usn(both.server), both.cloud.counters()["PATCH"])
    echoes = 0
    for _ in range(10):
        both.engine.pass_(hours=1)
        echoes += sum((await both.cycle()).executed.values())
    assert (usn(both.server), both.cloud.counters()["PATCH"]) == before
    return seconds, cpu, echoes


async def main() -> None:
    server = SchoolServer.of(draw_school(1, _SCHOOL))
    try:
        delegate(server, "--units")
        clouds: list[Sandbox] = []

        async def sandbox(**options: object) -> Sandbox:
            clouds.append(Sandbox(seed=1, **options))  # type: ignore[arg-type]
            return await clouds[-1].start()

        async with both_ways(server, sandbox, seed=1) as both:
            seconds, cpu, echoes = await measured(both)
        least = floor(server)
        for cloud in clouds:
            await cloud.stop()
        print("| what | found | floor | required |\n|---|---|---|---|")
        print(
            f"| {EDITS} cloud edits (3 fields each) written back to AD | {seconds:.1f} s ({cpu:.1f} s CPU, the sandbox "
            f"in it), {echoes} echoes in ten cycles | ldap3 alone, one modify each: {least:.1f} s: × "
            f"{seconds / least:.1f} | ≤ 30 s, 0 echo |"
        )
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(main())
