"""The board of a hub over 10,000 schools: ``python -m tests.benchmarks.hub_board [SCHOOLS]``.

The hub's door for people on a real socket over a real SQLite file; beside the requests a sixtieth of the schools
reports each second, so that each reports once a minute. Prints milliseconds: median, p95, most.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from bridge.fleet.messages import Message, Report
from bridge.state import hub_inbox
from bridge.state.fleet_tables import hub_site
from tests.benchmarks.fleet_people import logged_in
from tests.fleet.hub_kit import Hub, Reply, serving, view

ROUNDS = 60


def filled(hub: Hub, schools: int) -> None:
    """Sites of one school each."""
    now = hub.clock()
    rows = [
        {"site": f"s{n:05}", "label": "", "schools": f"{n:05}", "former": "", "made": now, "ticket": "", "epoch": 0,
         "seq": 0, "missing": 0, "ahead": 0.0, "version": ""}
        for n in range(schools)
    ]  # fmt: skip
    with hub.database.write() as connection:
        connection.execute(hub_site.insert(), rows)
    for start in range(0, schools, 200):
        report(hub, range(start, min(start + 200, schools)), 1)


def report(hub: Hub, numbers: range, seq: int) -> None:
    """A report of each of these sites with the state of its school."""
    now = hub.clock()
    posted = []
    for n in numbers:
        code = f"{n:05}"
        said = view(code, name=f"Grundschule {n}", held=seq, wave=f"wave {n % 20}", wave_order=n % 20 + 1,
                    health=("green", "amber", "red")[n % 37 == 0] if n % 11 else "amber",
                    records={"school:user": 800, "cloud:user": 799, "school:group": 60, "cloud:group": 60})  # fmt: skip
        message = Message.model_validate(
            {"seq": seq, "at": now, "school": code, "kind": "school", "body": {"view": said, "progress": {}}}
        )
        told = Report(epoch=1, last=seq, oldest=seq, now=now, messages=[message])
        posted.append(hub_inbox.Posted(f"s{n:05}", "serial", told, now))
    assert all(not one.refused for one in hub_inbox.apply(hub.database, posted))


def busy(hub: Hub, schools: int, ended: threading.Event) -> None:
    """Each school reports once a minute."""
    step, at, seqs = max(1, schools // 60), 0, {}
    while not ended.wait(1.0):
        numbers = range(at, min(at + step, schools))
        seqs[at] = seqs.get(at, 1) + 1
        report(hub, numbers, seqs[at])
        at = numbers.stop % schools


def timed(what: str, ask: Callable[[], Reply]) -> None:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = ask()
        times.append(1000 * (time.perf_counter() - begun))
        assert answer.status == 200, (what, answer.status)
        time.sleep(0.3)
    times.sort()
    p95 = times[int(0.95 * len(times))]
    print(f"{what:32} median {statistics.median(times):6.1f}  p95 {p95:6.1f}  most {times[-1]:6.1f} ms")


def main(schools: int) -> None:
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as place, serving(f"sqlite:///{Path(place) / 'hub.db'}") as hub:
        filled(hub, schools)
        begun = time.perf_counter()
        hub.look()
        print(f"{schools} schools; the first look took {time.perf_counter() - begun:.2f} s")
        token = hub.token("read")
        port = int(hub.root.rpartition(":")[2])
        cookie = logged_in(HTTPConnection("127.0.0.1", port, timeout=60), token, port)
        size = len(hub.ask("/api/v1/schools", token).body)
        print(f"GET /api/v1/schools: {size / 1e6:.2f} MB")
        ended = threading.Event()
        work = threading.Thread(target=busy, args=(hub, schools, ended))
        work.start()
        try:
            timed("GET /api/v1/schools", lambda: hub.ask("/api/v1/schools", token))
            gzip = {"Accept-Encoding": "gzip"}
            timed("GET /api/v1/schools, gzip", lambda: hub.ask("/api/v1/schools", token, headers=gzip))
            timed("GET /api/v1/schools/00042", lambda: hub.ask("/api/v1/schools/00042", token))
            timed("GET / (board)", lambda: hub.ask("/", headers={"Cookie": cookie}))
            timed("GET /?q=grundschule 77", lambda: hub.ask("/?q=schule%2077", headers={"Cookie": cookie}))
        finally:
            ended.set()
            work.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
