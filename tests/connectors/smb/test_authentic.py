"""S6: what comes over the line is the server's own: signed always, no guest, no SMB 1, encrypted where asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.lab.file_server import PASSWORD, FileServer
from bridge.lab.lent_server import log_in_by_smb
from bridge.ports import BridgeError, Refused, Unreachable
from connectors.smb import Options, SmbConnector
from connectors.smb.line import Line
from tests.conformance.base import watch
from tests.connectors.smb.conftest import options, smb_context, start

MARKER = b"-- the pupil passed --"
FORGED = b"-- the pupil failed --"


class Listening(FileServer):
    """A server that lets nobody in by the usual way; ready as soon as its port is open."""

    def _refusal(self) -> Exception | None:
        try:
            socket.create_connection((self.ip, self.port), timeout=1).close()
        except OSError as error:
            return error
        return None


class Forger:
    """Between client and server: passes everything on, and exchanges some bytes on their way to the client."""

    def __init__(self, server: FileServer, ip: str) -> None:
        self.server, self.forged = server, 0
        self.active = True
        self._door = socket.create_server((ip, 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection((self.server.ip, self.server.port))
                for source, target, change in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=(source, target, change), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, change: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 20):
                if change and self.active and MARKER in piece:
                    self.forged += 1
                    piece = piece.replace(MARKER, FORGED)
                target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.close()

    def close(self) -> None:
        self._door.close()


@contextmanager
def server_with(**settings: str) -> Iterator[FileServer]:
    with start(options={name.replace("_", " "): value for name, value in settings.items()}) as server:
        yield server


async def refusal(wanted: Options, place: Path) -> BridgeError:
    """With what the connector refuses to work."""
    connector = SmbConnector(wanted, smb_context(place))
    try:
        with pytest.raises(BridgeError) as caught:
            await connector.identify()
    finally:
        await connector.close()
    assert PASSWORD not in str(caught.value)
    return caught.value


async def test_bytes_that_are_exchanged_on_their_way_are_never_taken(file_server: FileServer, tmp_path: Path) -> None:
    folder = file_server.share("daten") / f"forged {tmp_path.name}"
    folder.mkdir()
    (folder / "Zeugnis.txt").write_bytes(MARKER)
    forger = Forger(file_server, file_server.ip)
    wanted = options(file_server, folder.name).model_copy(update={"port": forger.port})
    forger.active = False
    connector = SmbConnector(wanted, smb_context(tmp_path / "index"))
    try:
        seen = await watch(connector)
        (anchor,) = seen.records
        contents = connector.capabilities.contents
        assert contents is not None

        async def read() -> bytes:
            source = contents.source(anchor, seen.versions[anchor])
            return b"".join([chunk async for chunk in source.chunks()])

        assert await read() == MARKER, "the way itself is good"
        forger.active = True
        for _ in range(3):
            with pytest.raises(BridgeError):
                await read()
        assert forger.forged >= 1, "bytes were really exchanged"
    finally:
        await connector.close()
        forger.close()


@pytest.mark.parametrize("signing", ["auto", "disabled"])
async def test_a_server_that_need_not_sign_has_to(tmp_path: Path, signing: str) -> None:
    with server_with(server_signing=signing) as server:
        line = Line(options(server, ""), PASSWORD)
        assert line.signed
        line.close()


@pytest.mark.parametrize("user", ["niemand", "guest", "nobody"])
async def test_nobody_becomes_a_guest(tmp_path: Path, user: str) -> None:
    with server_with(map_to_guest="bad user", guest_account="nobody") as server:
        wanted = options(server, "").model_copy(update={"username": user})
        assert isinstance(await refusal(wanted, tmp_path), Refused | Unreachable)


async def test_a_server_that_speaks_smb_1_only_is_not_spoken_to(tmp_path: Path) -> None:
    wishes: dict[str, Any] = {"server min protocol": "NT1", "server max protocol": "NT1"}
    with Listening.start(options=wishes) as server:
        await refusal(options(server, ""), tmp_path)


async def test_where_encryption_is_asked_for_nothing_is_sent_without(tmp_path: Path) -> None:
    with server_with(smb_encrypt="off") as server:
        log_in_by_smb(server.ip, server.port, user=options(server, "").username, password=PASSWORD)
        told = await refusal(options(server, "", encrypt=True), tmp_path)
        assert "encrypt" in str(told)


async def test_a_server_that_insists_on_encryption_is_spoken_to_encrypted(tmp_path: Path) -> None:
    with server_with(smb_encrypt="required") as server:
        line = Line(options(server, ""), PASSWORD)
        assert line.encrypted
        line.close()
