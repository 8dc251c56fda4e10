"""The real application on a real socket, over a real state of two schools, in a thread of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bridge.api.app import build
from bridge.api.keyring import Keyring
from bridge.api.local import LocalSource
from bridge.api.survey import Bridge
from bridge.api.talk import Runner
from bridge.core.model import Action, Drift, Side
from bridge.daemon import wiring
from bridge.daemon.board import Board, SchoolRow, SideRow
from bridge.daemon.catalog import Catalog
from bridge.ports import Trouble
from bridge.settings import Settings, load
from bridge.state import tokens
from bridge.state.database import Database
from bridge.state.tables import conflict
from tests.daemon.embedded import Embedded

FIRST, OTHER = "0123", "0456"
#: What stands in the state about people, and must not leave without the scope `names`.
NAMES = ("Anna", "Lang", "Aufsatz von Anna")
LONG = timedelta(days=1)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    address: str, path: str, token: str | None = None, *, method: str = "GET", body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:  # fmt: skip
    """One request; a body that is no bytes is sent as JSON."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    if raw is not None:
        sent.setdefault("Content-Type", "application/json")
    line = http.client.HTTPConnection(address, timeout=30)
    try:
        line.request(method, path, raw, sent)
        answer = line.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        line.close()


@dataclass
class Served:
    """The address, and what stands behind it."""

    school: Embedded
    settings: Settings
    database: Database
    board: Board
    woken: list[str] = field(default_factory=list)
    port: int = 0

    def token(self, *scopes: str, schools: tuple[str, ...] = (), lasts: timedelta = LONG) -> str:
        """A new token."""
        end = wiring.now() + lasts
        return tokens.make(
            self.database, label="test", scopes=scopes, schools=schools, expires=end, actor="test"
        )[1]  # fmt: skip

    def ask(self, path: str, token: str | None = None, **more: Any) -> Reply:
        """One request."""
        return ask(f"127.0.0.1:{self.port}", path, token, **more)

    def act(self, token: str, *, code: str = FIRST, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
        """Have something done."""
        body = {"reason": "because of the test", **fields}
        return self.ask(f"/api/v1/schools/{code}/actions", token, method="POST", body=body, headers=headers)


def prepared(root: Path, *, more: str = "") -> Embedded:
    """Two schools, both in the state."""
    school = Embedded(root)
    school.config.write_text(school.config.read_text() + more)
    school.fill(3)
    text = school.school_file.read_text()
    other = (
        text.replace(FIRST, OTHER).replace("/cloud.json", "/other.json").replace("/school.json", "/other-school.json")
    )
    school.school_file.with_name("b.yaml").write_text(other)
    assert school.run("sync").code == 0
    return school


def _trouble(database: Database, settings: Settings) -> None:
    """What is held, a conflict and a drift, with names in them."""
    one = settings.school(FIRST)
    assert one is not None
    store, now = database.school(FIRST, one.kinds()), wiring.now()
    link = next(pair.link for pair in store.find("Anna Lang") if pair.link)
    message = f"{FIRST}: user {link}: Anna Lang has no room"
    side, rule = Side.CLOUD, "failed:quota"
    held = [Trouble(f"link-{number:02}", "user", side, Action.UPDATE, "pupil", rule, message, now, 1, now + LONG)
            for number in range(5)]  # fmt: skip
    store.trouble([*held, Trouble(link, "user", side, Action.DELETE, "pupil", "guard:delete", message, now)])
    drift = Drift(
        link=link, kind="user", field="display_name", side=side, found="Anna Lung", wanted="Anna Lang", held=True
    )
    store.drifted([drift], now=now)
    store.release("link-of-old", actor="test", reason="the teacher of Anna Lang asked for it")
    root = f"{FIRST}/homes/{link}"
    database.school(root, one.kinds())
    with database.write() as connection:
        paths = {"path": "/Aufsatz von Anna.odt", "copy": "/Aufsatz von Anna (2).odt"}
        row = {"school": root, "id": "c1", "link": "l1", "side": "cloud", "anchor": "a", "at": now, "how": "", **paths}
        connection.execute(conflict.insert().values(row))


@contextmanager
def served(root: Path, *, more: str = "", catalog: Catalog | None = None) -> Iterator[Served]:
    """The application, until the end of the block."""
    school = prepared(root, more=more)
    catalog = catalog or Catalog()
    settings = load(school.config, catalog)
    board = Board(root / "status.json", 1, started=wiring.now().isoformat())
    for one in settings.schools:
        sides = {side.value: SideRow(3600.0, wiring.now().isoformat()) for side in Side}
        board.schools[one.code] = SchoolRow(since=wiring.now().isoformat(), sides=sides)
    with wiring.database(settings, create=False) as database:
        _trouble(database, settings)
        it = Served(school, settings, database, board)
        with _running(it, catalog):
            yield it


@contextmanager
def _running(it: Served, catalog: Catalog) -> Iterator[None]:
    loop, began, ending = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    writing = threading.Lock()  # the daemon writes from its loop alone

    def told() -> Mapping[str, Any]:
        with writing:
            it.board.write(wiring.now())
            return it.board.told

    def wake(code: str, full: bool) -> bool:
        it.woken.append(code)
        return True

    async def run() -> None:
        source = LocalSource(Bridge(lambda: it.settings, catalog, it.database, told, wake, wiring.now))
        api = it.settings.bridge.api
        secret = wiring.secret(it.settings, api.proxied.secret) if api.proxied else b""
        keyring = Keyring(it.database, clock=wiring.now, api=api, secret=secret)
        runner = Runner(build(source, keyring, api=api, run=source.run), access_log=None, shutdown_timeout=1)
        await runner.setup()
        from aiohttp import web

        await web.TCPSite(runner, "127.0.0.1", 0).start()
        it.port = runner.addresses[0][1]
        began.set()
        await ending.wait()
        await runner.cleanup()
        await source.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="served")
    thread.start()
    try:
        assert began.wait(30), "did not begin in time"
        yield
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(30)
        loop.close()
