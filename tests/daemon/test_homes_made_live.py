"""A newcomer's home, from the directory to the first file in the OneDrive: on the own disk, and on a file server."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import smbclient  # type: ignore[import-untyped]
from smbprotocol.exceptions import SMBOSError  # type: ignore[import-untyped]

from bridge.lab.file_server import PASSWORD, USER, FileServer
from tests.connectors.smb.conftest import start
from tests.daemon.accounts import FIRST_UID, known
from tests.daemon.embedded import person
from tests.daemon.live import Live

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")

_PUPILS = {f"anna{number}": f"Kurz.und.gut{number}" for number in range(3)}
_SMB = (
    '{{connector: smb, server: "{ip}", port: {port}, share: daten, root: "{base}/{{class}}/{{login}}", '
    'username: {user}, password: "file:{secret}", quiet_seconds: 0.3, connections: 1}}\n    make: true'
)


@dataclass
class World:
    """One pupil of class 5a at first. ``homes``: the folder of the classes, on the disk."""

    live: Live
    homes: Path
    server: FileServer | None

    def enrol(self, number: int) -> None:
        """A newcomer of the class appears in the directory."""
        login = f"anna{number}"
        with self.live.school.school.changing() as side:
            made = side.create("user", {**person(number), "sid": self._sid(login)})
            (group,) = side.records("group")
            members = group.fields.get("members")
            others = members if isinstance(members, frozenset) else frozenset()
            side.change(group.anchor, {"members": others | {made}})

    def advance(self) -> None:
        """Class 5a becomes 6a."""
        with self.live.school.school.changing() as side:
            (group,) = side.records("group")
            side.change(group.anchor, {"display_name": "6a"})

    def _sid(self, login: str) -> str:
        if self.server is None:
            return ""
        command = ["pdbedit", "-s", str(self.server.directory / "smb.conf"), "-v", "-u", login]
        environment = {**os.environ, **self.server._environment()}
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        return next(line.split()[-1] for line in out.splitlines() if line.startswith("User SID"))

    def save(self, login: str, path: str, text: str, *, as_: str = "") -> None:
        """The pupil saves a file: over the wire with the own password, or as who owns the folder on this machine."""
        who = as_ or login
        if self.server is None:
            uid = FIRST_UID + int(who.removeprefix("anna"))
            command = ["setpriv", f"--reuid={uid}", "--clear-groups", "tee", str(self.homes / path)]
            if subprocess.run(command, input=text.encode(), capture_output=True, check=False).returncode:
                raise PermissionError(path)
            return
        place = rf"\\{self.server.ip}\daten\{self.homes.name}\{path}".replace("/", "\\")
        access = {"username": who, "password": _PUPILS[who], "port": self.server.port}
        try:
            with smbclient.open_file(place, mode="w", connection_cache={}, **access) as file:
                file.write(text)
        except SMBOSError as error:
            raise PermissionError(path) from error


@pytest.fixture(params=["folder", "smb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        if above.owner() == tmp_path.owner() and not above.stat().st_mode & 0o001:
            above.chmod(0o755)  # a worker of xdist has one more
    if request.param == "folder":
        place = f'{{connector: folder, base: {tmp_path}/homes, root: "{{class}}/{{login}}", quiet_seconds: 0.3}}'
        yield from _world(World(Live(tmp_path, people=0, place=f"{place}\n    make: true"), tmp_path / "homes", None))
        return
    secret = tmp_path / "smb.secret"
    secret.touch(0o600)
    secret.write_text(PASSWORD)
    with start(users={USER: PASSWORD, **_PUPILS}, options={"vfs objects": "acl_xattr"}) as server:
        homes = server.share("daten") / f"homes-{uuid.uuid4().hex[:8]}"
        homes.mkdir()
        homes.chmod(0o755)
        place = _SMB.format(ip=server.ip, port=server.port, base=homes.name, user=USER, secret=secret)
        yield from _world(World(Live(tmp_path, people=0, place=place), homes, server))


def _world(one: World) -> Iterator[World]:
    try:
        with one.live.school.school.changing() as side:
            group = {"source_anchor": "G1", "display_name": "5a", "role": "class", "nickname_base": "5a"}
            side.create("group", {**group, "members": frozenset()})
        one.enrol(0)
        one.live.school.extra = known(one.live.root, _PUPILS)
        one.live.start()
        yield one
    finally:
        one.live.stop()


def test_from_the_directory_to_the_first_file_in_onedrive(world: World) -> None:
    live, homes = world.live, world.homes
    live.until(lambda: (homes / "5a" / "anna0").is_dir() and live.row().get("complete") == 1)
    world.enrol(1)
    live.until(lambda: (homes / "5a" / "anna1").is_dir() and live.row().get("complete") == 2)
    # The pupil saves what another pupil can't, and it arrives; what comes from the cloud is the pupil's to change.
    world.save("anna1", "5a/anna1/Aufsatz.txt", "Es war einmal")
    with pytest.raises(PermissionError):
        world.save("anna1", "5a/anna1/fremd.txt", "fremd", as_="anna0")
    user = live.account("anna1")
    live.until(lambda: live.drives.content(user, "Aufsatz.txt") == b"Es war einmal")
    live.drives.put(user, "hin.txt", b"aus der Cloud")
    live.until(lambda: (homes / "5a" / "anna1" / "hin.txt").read_bytes() == b"aus der Cloud")
    world.save("anna1", "5a/anna1/hin.txt", "geht weiter")
    live.until(lambda: live.drives.content(user, "hin.txt") == b"geht weiter")
    # The year changes: the homes move by themselves, and nothing is sent.
    live.at_rest()
    before = {path: one.id for path, one in live.drives.tree(user).items()}
    world.advance()
    live.until(lambda: (homes / "6a" / "anna1" / "Aufsatz.txt").exists() and (homes / "6a" / "anna0").is_dir())
    live.until(lambda: (live.row().get("complete"), live.row().get("elsewhere")) == (2, 0))
    world.save("anna1", "6a/anna1/neu.txt", "sechste Klasse")
    live.until(lambda: live.drives.content(user, "neu.txt") == b"sechste Klasse")
    assert {path: one.id for path, one in live.drives.tree(user).items() if path in before} == before
    # Killed and started again it makes nothing twice; what vanishes is not made again, and nothing is deleted.
    live.kill()
    shutil.rmtree(homes / "6a" / "anna1")
    world.enrol(2)
    live.start()
    live.until(lambda: (homes / "6a" / "anna2").is_dir())
    live.until(lambda: live.row().get("stopped") == 1)
    assert not (homes / "6a" / "anna1").exists()
    assert set(live.drives.tree(user)) == {"Aufsatz.txt", "hin.txt", "neu.txt"}
    assert [path.name for path in homes.rglob(".schoolbridge-home-*")] == []
