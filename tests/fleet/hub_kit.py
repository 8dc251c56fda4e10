"""A hub's door for people on a real socket, in a thread of its own, over a real database; and sites without daemons.

Sites tell through the real inbox; ``FakeSite`` takes real orders and answers them as a site would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api import models
from bridge.api.answers import ProgressView
from bridge.fleet.messages import Answer, Message, Order, Report
from bridge.fleet.orders import checked
from bridge.fleet.sealed import seal
from bridge.hub import hints
from bridge.hub.people import People
from bridge.hub.settings import HubSettings
from bridge.hub.source import HubSource
from bridge.settings.hub import HubFile
from bridge.state import Database, hub_inbox, hub_orders, hub_sites, open_database, tokens
from tests.api.kit import Reply, ask

FIRST, OTHER, THIRD = "0123", "0456", "0789"


class Clock:
    """Goes on by itself, and jumps when a test says so."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump(self, **span: float) -> None:
        self.ahead += timedelta(**span)


def view(code: str = FIRST, **more: Any) -> dict[str, Any]:
    """A school as its site tells it: JSON of a SchoolView without events."""
    said = {"code": code, "name": f"School {code}", "stage": "hybrid", "health": "green", **more}
    return models.SchoolView.model_validate(said).model_dump(mode="json", exclude={"events"})


@dataclass
class Sites:
    """Tells for sites, numbers its messages."""

    database: Database
    seqs: dict[str, int] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)

    def tell(self, site: str, *said: tuple[str, str, Mapping[str, Any]], ahead: float = 0.0, skip: int = 0) -> None:
        """A report with messages (school, kind, body). ``skip``: so many before them are lost for ever."""
        now = self.database.clock()
        first = self.seqs.get(site, 0) + skip + 1
        messages = [
            Message.model_validate({"seq": first + step, "at": now, "school": school, "kind": kind, "body": body})
            for step, (school, kind, body) in enumerate(said)
        ]
        last = first + len(messages) - 1
        self.seqs[site] = last
        report = Report(
            epoch=self.epochs.setdefault(site, 1), last=last, oldest=first if said else last + 1,
            now=now + timedelta(seconds=ahead), version="1", messages=messages,
        )  # fmt: skip
        (outcome,) = hub_inbox.apply(self.database, [hub_inbox.Posted(site, "serial", report, now)])
        assert not outcome.refused, outcome.refused
        if outcome.answers:
            hints.tell(self.database, hints.ANSWERS)

    def school(self, site: str, code: str, **more: Any) -> None:
        body = {"view": view(code, **more), "progress": ProgressView(school=code).model_dump(mode="json")}
        self.tell(site, (code, "school", body))


Answering = Callable[[Order], Any]


class FakeSite:
    """Takes orders in a thread: ``looks`` answers questions, ``acts`` commands with (state, text)."""

    def __init__(self, hub: Hub, name: str, *, looks: Answering | None = None, acts: Answering | None = None) -> None:
        self.hub, self.name, self.looks, self.acts = hub, name, looks, acts
        self.orders: list[Order] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeSite:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        public = self.hub.key.public_key().public_bytes_raw()
        while not self._ended.wait(0.02):
            taken = hub_orders.take(self.hub.database, [self.name]).get(self.name)
            for signed in [*taken.commands, *taken.questions] if taken else ():
                order = checked(signed, public, site=self.name, now=self.hub.clock())
                self.orders.append(order)
                if order.look is not None and self.looks is not None:
                    self._answer(order, self.looks(order))
                elif order.action is not None and self.acts is not None:
                    state, text = self.acts(order)
                    body = {"command": order.id, "state": state, "text": text}
                    self.hub.sites.tell(self.name, (order.school, "answer", body))

    def _answer(self, order: Order, found: Any) -> None:
        assert order.look is not None
        if isinstance(found, str):
            answer = Answer(id=order.id, problem=found)
        else:
            answer = Answer(id=order.id, sealed=seal(json.dumps(found).encode(), order.look.key, purpose=order.id))
        hub_orders.answered(self.hub.database, order.id, site=self.name, answer=answer.model_dump_json())
        hints.tell(self.hub.database, hints.ANSWERS)


@dataclass
class Hub:
    """The door, and what stands behind it."""

    database: Database
    clock: Clock
    key: Ed25519PrivateKey
    sites: Sites
    people: People
    loop: asyncio.AbstractEventLoop
    settings: HubSettings
    root: str = ""

    @property
    def source(self) -> HubSource:
        running = self.people._running
        assert running is not None
        return running[1]

    def token(self, *scopes: str, schools: tuple[str, ...] = (), label: str = "office") -> str:
        end = self.clock() + timedelta(days=1)
        made = tokens.make(self.database, label=label, scopes=scopes, schools=schools, expires=end, actor="test")
        return made[1]

    def do(self, work: Any) -> Any:
        """Something on the hub's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def look(self) -> None:
        """See what was told just now."""

        async def look() -> None:
            await self.source._look()
            await self.source._look()

        self.do(look())

    def ask(self, path: str, token: str | None = None, **more: Any) -> Reply:
        return ask(self.root.removeprefix("http://"), path, token, **more)

    def act(self, token: str, *, code: str = FIRST, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
        body = {"reason": "because of the test", **fields}
        return self.ask(f"/api/v1/schools/{code}/actions", token, method="POST", body=body, headers=headers)


def hub_file(**more: Any) -> HubFile:
    said = {"version": 1, "sites": {"names": ["hub.example"]}, "api": {"listen": "127.0.0.1:0", "per_minute": 100000}}
    return HubFile.model_validate({**said, **more})


def enrol(database: Database, site: str, *codes: str) -> None:
    hub_sites.invite(database, site, schools=codes, label="", actor="test")


@contextmanager
def serving(url: str, *, hub: HubFile | None = None) -> Iterator[Hub]:
    """The door, until the end of the block. Three schools at two sites are invited, nothing is told."""
    clock = Clock()
    database = open_database(url, clock=clock)
    key = Ed25519PrivateKey.generate()
    loop, began, ending = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    said = HubSettings(Path("/nowhere/hub.yaml"), hub or hub_file())
    it = Hub(database, clock, key, Sites(database), People(database, key, lambda: it.settings), loop, said)
    enrol(database, "north", FIRST, OTHER)
    enrol(database, "south", THIRD)

    async def run() -> None:
        await it.people.start()
        it.root = it.people.listening
        began.set()
        await ending.wait()
        await it.people.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="hub")
    thread.start()
    try:
        assert began.wait(30), "did not begin in time"
        yield it
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(30)
        loop.close()
        database.close()


def report_of(text: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(text).decode(), "media": "text/html"}
