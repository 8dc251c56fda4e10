"""A real smbd with a registry of its own, people who come by the network, and root's desk."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import smbclient  # type: ignore[import-untyped]
from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

from bridge.lab.file_server import PASSWORD, USER, FileServer
from bridge.lab.processes import Unavailable
from bridge.samba.answering import Desk
from bridge.samba.asked import Answer, Request, name_of, write
from bridge.samba.registry import Samba

PEOPLE = ("anna", "lehrer", "chef")


@dataclass
class Person:
    """One connection to the server, kept until it is cut."""

    server: FileServer
    name: str
    lines: dict[str, Any] = field(default_factory=dict)

    def open(self, share: str, name: str, mode: str) -> Any:
        who = {"username": self.name, "password": PASSWORD, "port": self.server.port, "connection_cache": self.lines}
        smbclient.register_session(self.server.ip, **who)
        return smbclient.open_file(rf"\\{self.server.ip}\{share}\{name}", mode=mode, buffering=0, **who)

    def can(self, share: str, name: str, mode: str = "ab") -> bool:
        try:
            with self.open(share, name, mode) as file:
                file.read(1) if mode == "rb" else file.write(b"x")
        except (OSError, SMBException):
            return False
        return True


@dataclass
class Place:
    """One share in the registry, and what belongs to root and to the service."""

    server: FileServer
    root: Path
    share: str
    folder: Path
    desk: Desk

    def person(self, name: str) -> Person:
        """Somebody who comes anew."""
        return Person(self.server, name)

    def writes(self, name: str) -> bool:
        return self.person(name).can(self.share, f"{name}.txt")

    def allow(self, *names: str) -> None:
        self.desk.allowed.write_text("".join(f"{one}\n" for one in ("# root says which", *names)))
        self.desk.allowed.chmod(0o644)

    def request(self, wanted: Any = "frozen", **more: Any) -> Request:
        said = {"share": self.share, "school": "0123", "path": str(self.folder / "anna"), **more}
        return Request(id=secrets.token_hex(16), wanted=wanted, **said)

    def ask(self, wanted: Any = "frozen", **more: Any) -> Answer:
        """As the service does, and root's round after it."""
        request = self.request(wanted, **more)
        write(self.desk.requests, request.share, request, mode=0o600)
        (answer,) = self.desk.answer_all()
        assert answer.id == request.id
        (self.desk.requests / name_of(request.share)).unlink()
        return answer

    def shown(self) -> list[str]:
        """The share as it stands in the registry. What is set anew comes last there, which means nothing."""
        return sorted(self.net("showshare", self.share).splitlines())

    def net(self, *words: str) -> str:
        command = ["net", f"--configfile={self.desk.samba.file}", "conf", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    if os.geteuid() != 0:
        pytest.skip("only root may change Samba's registry")
    try:
        users = dict.fromkeys((USER, *PEOPLE), PASSWORD)
        started = FileServer.start(shares=("alt",), users=users, options={"include": "registry"})
    except Unavailable as reason:
        pytest.skip(str(reason))
    with started:
        yield started


@pytest.fixture
def place(server: FileServer, tmp_path: Path) -> Iterator[Place]:
    share = f"Homes {secrets.token_hex(3)}"
    folder = server.directory / "shares" / share
    server.register(share, folder, write_list="lehrer, @root", admin_users="chef", comment="was there before")
    folder.chmod(0o777)
    requests = tmp_path / "run" / "samba"
    requests.mkdir(parents=True, mode=0o700)
    samba = Samba(server.directory / "smb.conf")
    samba.reload()
    one = Place(server, tmp_path, share, folder, Desk(requests, tmp_path / "own", tmp_path / "samba-shares", samba))
    one.allow(share)
    yield one
    one.net("delshare", share)
