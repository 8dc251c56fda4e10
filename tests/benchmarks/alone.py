"""Measurements that need a process of their own: ``python -m tests.benchmarks.alone WHAT ...`` prints one JSON line.

read URL BASE ...    the floor of reading: all people and groups, paged by ldap3 alone, nothing kept
rehearse CONFIG      both sides read, reconciled and planned on an empty state; nothing written to either side
mirror CONFIG        one cycle as the daemon runs it
quiet CONFIG TIMES   cycles without a change, after one that warms the connections up
follow CONFIG        one cycle for each line of standard input, after one that warms the connections up
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import ldap3

from bridge.core.model import Side
from bridge.daemon import turn, wiring
from bridge.daemon.catalog import Catalog
from bridge.engine.bridged import Bridged
from bridge.engine.cycle import cycle
from bridge.settings import School, Settings, load
from bridge.state.store import SchoolStore


@contextmanager
def clocked(found: dict[str, Any]) -> Iterator[None]:
    """Put wall and CPU seconds of this process into ``found``."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    found |= {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def peak() -> float:
    """Peak resident memory of this process in MB (ru_maxrss is in KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def opened(config: str) -> Iterator[tuple[Settings, Catalog, School, SchoolStore]]:
    """The school of a configuration and its state."""
    catalog = Catalog()
    settings = load(Path(config), catalog)
    school = settings.schools[0]
    with wiring.database(settings, create=True) as database:
        store = database.school(school.code, school.kinds())
        turn.begin(store, school, settings.runtime)
        yield settings, catalog, school, store


def progress() -> Any:
    """A progress callback that notes when each phase was last heard of, in seconds since now."""
    begun = time.perf_counter()
    phases: dict[str, float] = {}

    def note(phase: str, done: int, total: int | None) -> None:
        phases[phase] = round(time.perf_counter() - begun, 2)

    note.phases = phases  # type: ignore[attr-defined]
    return note


@asynccontextmanager
async def bridged(config: str) -> AsyncIterator[tuple[Bridged, School, SchoolStore, dict[str, float]]]:
    """The school connected, and when each phase was last heard of."""
    with opened(config) as (settings, catalog, school, store):
        watch = progress()
        async with wiring.bridged(settings, catalog, school, store, progress=watch) as one:
            yield one, school, store, watch.phases


async def rehearse(config: str) -> dict[str, Any]:
    """Everything up to the plan, on an empty state in a real file."""
    found: dict[str, Any] = {}
    async with bridged(config) as (one, _, _, phases):
        with clocked(found):
            report = await cycle(wiring.read_only(one), rehearse=True)
    return {**found, "planned": dict(report.planned), "error": report.error, "peak": peak(), "phases": phases}


async def mirror(config: str) -> dict[str, Any]:
    """One cycle that writes; requests as the connector counts them."""
    found: dict[str, Any] = {}
    async with bridged(config) as (one, school, store, phases):
        with clocked(found):
            report = await turn.turn(one, school, store, sides=tuple(Side))
        found["sent"] = sent(one)
    told = {"error": report.error, "messages": report.messages[:5], "phases": phases, "peak": peak()}
    return {**found, **report.counts(), **told}


def sent(one: Bridged) -> int:
    """Requests that the cloud's connector has sent."""
    connector: Any = one.connectors[Side.CLOUD]
    return int(connector.client.counters.requests)


def asked(one: Bridged) -> int:
    """Search requests that the school's connector has sent over its present connection."""
    connector: Any = one.connectors[Side.SCHOOL]
    session = connector._directory._session  # no public counter: nobody but a benchmark asks
    return int(session.requests) if session else 0


async def follow(config: str) -> dict[str, Any]:
    """What a cycle after a change costs; says ``ready`` when the change may be made."""
    cycles: list[dict[str, Any]] = []
    with opened(config) as (settings, catalog, school, store):
        async with wiring.bridged(settings, catalog, school, store) as one:
            while True:
                found: dict[str, Any] = {}
                http, ldap = (sent(one), asked(one)) if cycles else (0, 0)
                with clocked(found):
                    report = await turn.turn(one, school, store, sides=tuple(Side))
                reads = {"http": sent(one) - http, "ldap": asked(one) - ldap}
                cycles.append({**found, **report.counts(), **reads, "error": report.error})
                print("ready", flush=True)
                if not await asyncio.to_thread(sys.stdin.readline):
                    return {"cycles": cycles[1:], "warming": cycles[0]}


async def read(url: str, base: str, account: str, password_file: str, ca_file: str) -> dict[str, Any]:
    """The same objects and attributes as fast as ldap3 alone reads them."""
    found: dict[str, Any] = {}
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
    server = ldap3.Server(url, tls=tls, get_info=ldap3.NONE)
    password = await asyncio.to_thread(Path(password_file).read_text)
    people = "(&(objectCategory=person)(objectClass=user))"
    groups = "(objectClass=group)"
    fields = ["objectGUID", "cn", "sAMAccountName", "displayName", "givenName", "sn", "mail", "userAccountControl",
              "employeeNumber", "employeeType", "department", "accountExpires", "uSNChanged"]  # fmt: skip
    count = 0
    made = ldap3.Connection(server, account, password, client_strategy=ldap3.SAFE_SYNC, auto_bind=True)
    with clocked(found), made as connection:
        # The product's own page sizes: large pages of groups are slower on Samba.
        for condition, names, size in ((people, fields, 1000), (groups, ["objectGUID", "cn", "member"], 100)):
            pages = connection.extend.standard.paged_search(
                base, condition, attributes=names, paged_size=size, generator=True
            )
            count += sum(1 for _ in pages)
    return {**found, "objects": count}


async def quiet(config: str, times: str) -> dict[str, Any]:
    """The dearest of several cycles without a change."""
    cycles: list[dict[str, Any]] = []
    with opened(config) as (settings, catalog, school, store):
        async with wiring.bridged(settings, catalog, school, store) as one:
            for _ in range(int(times) + 1):
                found: dict[str, Any] = {}
                before, ldap = (sent(one), asked(one)) if cycles else (0, 0)
                with clocked(found):
                    report = await turn.turn(one, school, store, sides=tuple(Side))
                cycles.append(
                    {
                        **found,
                        **report.counts(),
                        "sent": sent(one) - before,
                        "ldap": asked(one) - ldap,
                        "error": report.error,
                    }
                )
    return {"warming": cycles[0], "cycles": cycles[1:], "peak": peak()}


async def _run(what: str, *arguments: str) -> dict[str, Any]:
    measurements: dict[str, Any] = {
        "read": read,
        "rehearse": rehearse,
        "mirror": mirror,
        "quiet": quiet,
        "follow": follow,
    }
    found: dict[str, Any] = await measurements[what](*arguments)
    return found


if __name__ == "__main__":
    gc.freeze()  # as bridge.cli does
    print(json.dumps(asyncio.run(_run(*sys.argv[1:]))))
