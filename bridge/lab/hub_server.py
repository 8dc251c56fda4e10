"""The hub of the city, as the authority runs it: PostgreSQL, the production process, its commands and its API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bridge.lab.guardian import children_of
from bridge.lab.postgres import PostgresServer
from bridge.lab.processes import ProcessTree, Unavailable

#: Seconds after which a site that says nothing is amber, and red: a demo has no quarter of an hour.
AMBER, RED = 20, 60
_READY_SECONDS = 60.0


class HubServer:
    """One hub process below ``root``. ``waves``: as they stand in hub.yaml. SQLite where there is no PostgreSQL.

    ``url``: a database that somebody else looks after.
    """

    def __init__(self, root: Path, waves: Sequence[dict[str, Any]], *, postgresql: bool = True, url: str = "") -> None:
        root.mkdir()
        self.root = root
        self.config = root / "hub.yaml"
        self.process: ProcessTree | None = None
        self.why_sqlite = ""
        self.token = ""
        self._server: PostgresServer | None = None
        self.door, self.people = _free_port(), _free_port()
        if postgresql and not url:
            try:
                self._server = PostgresServer.start()
                url = self._server.url
            except Unavailable as error:
                self.why_sqlite = str(error)
        with self.config.open("w") as file:
            YAML().dump(self._settings(url or f"sqlite:///{root / 'hub.db'}", waves), file)

    def _settings(self, url: str, waves: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {
            "version": 1,
            "state": {"url": url},
            "kept": str(self.root / "kept"),
            "sites": {"listen": f"127.0.0.1:{self.door}", "names": ["127.0.0.1"]},
            "api": {"listen": f"127.0.0.1:{self.people}"},
            "silence": {"amber": f"{AMBER}s", "red": f"{RED}s"},
            "language": "de",
            "waves": list(waves),
        }

    @property
    def database(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return "postgresql" if self._server else "sqlite"

    def hub(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``schoolbridge hub ...`` as the authority's admin types it."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "hub", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)

    def told(self, *arguments: str) -> dict[str, Any]:
        """The JSON document that a command prints; LookupError with its error where there is none."""
        answer = self.hub(*arguments, "--json")
        try:
            found: dict[str, Any] = json.loads(answer.stdout)
        except ValueError:
            raise LookupError(answer.stderr.strip() or f"exit code {answer.returncode}") from None
        return found

    # -- the process

    def start(self) -> None:
        """Start it, and wait until it listens to people. Raises Unavailable."""
        command = [sys.executable, "-m", "bridge", "--config", str(self.config), "hub", "run"]
        self.process = ProcessTree.start(command, log=self.root / "hub.log", grace=15)
        until = time.monotonic() + _READY_SECONDS
        while not (_listens(self.people) and _listens(self.door)):
            if not self.process.alive() or time.monotonic() > until:
                raise Unavailable(f"the hub did not start:\n{self.process.last_words()}")
            time.sleep(0.1)

    def halt(self) -> None:
        """Stop the process well; the database runs on."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill(self) -> None:
        """As when the power fails: the process alone."""
        if self.process is not None:
            for pid in children_of(self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.halt()

    def last_words(self) -> str:
        """The end of its log."""
        return self.process.last_words(6) if self.process else ""

    # -- its API

    def let_in(self) -> None:
        """A token for the demo itself, which looks at the board as any other client."""
        made = self.told("token", "make", "--label", "demo", "--scopes", "read,operate,approve")
        self.token = made["token"]

    def board(self) -> dict[str, dict[str, Any]]:
        """The rows of the board, by school. LookupError where the hub says no."""
        return {row["code"]: row for row in self.ask("/schools")}

    def act(self, code: str, **action: Any) -> dict[str, Any]:
        """Ask a school for an action: by the hub, at its site."""
        found: dict[str, Any] = self.ask(f"/schools/{code}/actions", action)
        return found

    def ask(self, path: str, content: dict[str, Any] | None = None) -> Any:
        """A request to the status API. LookupError with what the hub answers where that is an error."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.people}/api/v1{path}",
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise LookupError(error.read().decode(errors="replace")[:400]) from None

    def stop(self) -> None:
        """End it and its database."""
        self.halt()
        if self._server is not None:
            self._server.stop()
            self._server = None


def _free_port() -> int:
    """A port that nobody has now: it has to be known before the process starts, and stays when it starts again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
