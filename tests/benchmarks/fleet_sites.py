"""Simulated sites, all in one process: connections of mutual TLS that stay open, and a report a minute over each.

What they send is what a real site of `make demo-fleet` sends: with each report the state of its school, now and then
the head of its journal and an event. Some reports are sent twice on purpose, as after a receipt that was lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bridge.fleet.paths import REPORT, WAIT

EVERY = 60.0
#: Shares of reports: with an event, with a new head of the journal, sent again.
EVENT, HEAD, AGAIN = 1 / 30, 1 / 10, 1 / 100
_AT_ONCE = 40
_BODY = json.dumps(json.loads((Path(__file__).parent / "fleet_body.json").read_text()), separators=(",", ":"))


@dataclass
class Counts:
    """What was sent and answered."""

    reports: int = 0
    events: int = 0
    repeated: int = 0
    refused: int = 0
    took: list[float] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)


class Site:
    """One site."""

    def __init__(self, name: str, code: str, context: ssl.SSLContext, port: int) -> None:
        self.name, self.code = name, code
        self._context, self._port = context, port
        self._seq = self._events = 0
        self._body = _BODY.replace("@code@", code)

    async def greet(self, counts: Counts) -> None:
        """The first report of a process has nothing in it; a connection that says nothing is closed."""
        await self.connect()
        now = datetime.now(UTC).isoformat()
        await self._post(f'{{"protocol":1,"epoch":1,"last":0,"oldest":1,"now":"{now}"}}'.encode(), counts)

    async def connect(self) -> None:
        """The handshake."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, limit=1 << 16
        )

    async def report(self, counts: Counts, chance: random.Random) -> None:
        """Send what is new, and again where the receipt is taken to be lost."""
        now = datetime.now(UTC).isoformat()
        first = self._seq + 1
        messages = [self._message("school", self._body.replace("@now@", now), now)]
        if chance.random() < HEAD:
            messages.append(self._message("head", f'{{"seq":{self._seq},"hash":"{self._seq:064x}"}}', now))
        if chance.random() < EVENT:
            self._events += 1
            counts.events += 1
            said = f'{{"severity":"warning","text":"the school can not be read","over":false,"n":{self._events}}}'
            messages.append(self._message("notice", said, now))
        body = (
            f'{{"protocol":1,"epoch":1,"last":{self._seq},"oldest":{first},"now":"{now}","version":"0.1.0",'
            f'"messages":[{",".join(messages)}]}}'
        ).encode()
        again = chance.random() < AGAIN
        for _ in range(2 if again else 1):
            begun = time.perf_counter()
            await self._post(body, counts)
            counts.took.append((time.perf_counter() - begun) * 1000)
        counts.reports += 1
        counts.repeated += again
        counts.last[self.name] = self._seq

    def _message(self, kind: str, body: str, now: str) -> str:
        self._seq += 1
        return f'{{"seq":{self._seq},"at":"{now}","school":"{self.code}","kind":"{kind}","body":{body}}}'

    async def _post(self, body: bytes, counts: Counts) -> None:
        head = f"POST {REPORT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self._answer()
        if b'"seq":%d,' % self._seq not in answer:
            counts.refused += 1
            if counts.refused < 5:
                print(answer[:300], file=sys.stderr)

    async def _answer(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return await self._reader.readexactly(int(length[15:]))

    async def listen(self) -> None:
        """The handshake, and the first question for orders: who says nothing is not kept."""
        await self.connect()
        self._ask()

    async def wait(self) -> None:
        """Wait for orders, as often as it takes."""
        while True:
            await self._answer()
            self._ask()

    def _ask(self) -> None:
        self._writer.write(f"GET {WAIT}?seconds=50 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def _contexts(root: Path) -> list[tuple[str, str, ssl.SSLContext]]:
    found = []
    own = root / "own.pem"
    key = (root / "key.pem").read_text()
    with (root / "certificates.json").open() as file:
        for line in file:
            site, code, pem = json.loads(line)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(root / "authority.pem")
            own.write_text(pem + key)
            context.load_cert_chain(own)
            found.append((site, code, context))
    return found


async def main(root: Path, port: int, seconds: float, waiting: int) -> None:
    """Connect all, say so, report for so long, print what came of it."""
    known = _contexts(root)
    sites = [Site(*one, port) for one in known]
    door = asyncio.Semaphore(_AT_ONCE)
    chance = random.Random(1)
    counts = Counts()

    async def first(site: Site) -> None:
        async with door:
            await site.greet(counts)

    async def second(site: Site) -> asyncio.Task[None]:
        async with door:
            await site.listen()
            return asyncio.create_task(site.wait())

    await asyncio.gather(*map(first, sites))
    waits = await asyncio.gather(*(second(Site(*one, port)) for one in known[:waiting]))
    print(f"{len(sites)} sites are connected, {len(waits)} of them wait for orders", flush=True)
    begun = time.monotonic()
    end = begun + seconds + 5

    async def going(site: Site, offset: float) -> None:
        await asyncio.sleep(offset)
        due = time.monotonic()
        while due < end:
            await site.report(counts, chance)
            due += EVERY
            if due < end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    await asyncio.gather(*(going(site, EVERY * number / len(sites)) for number, site in enumerate(sites)))
    took = time.monotonic() - begun
    for one in waits:
        one.cancel()
    counts.took.sort()
    count = len(counts.took)
    found = {
        "reports": counts.reports, "events": counts.events, "repeated": counts.repeated, "refused": counts.refused,
        "seconds": took, "p50": counts.took[count // 2], "p95": counts.took[int(count * 0.95)], "last": counts.last,
    }  # fmt: skip
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
