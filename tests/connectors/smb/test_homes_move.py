"""Homes on a file server that move with their class, mirrored by the real daemon with OneDrives of a sandbox."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import smbclient  # type: ignore[import-untyped]

from bridge.lab.file_server import PASSWORD, USER, FileServer
from tests.daemon.live import Live

_PLACE = (
    '{{connector: smb, server: "{ip}", port: {port}, share: daten, root: "{base}/{{class}}/{{login}}", '
    'username: {user}, password: "file:{secret}", quiet_seconds: 0.3, connections: 1}}'
)


@dataclasses.dataclass
class World:
    """Two pupils of class 5a. ``folder`` holds the classes, on the server's own disk."""

    live: Live
    server: FileServer
    folder: Path
    groups: dict[str, str]
    people: list[str]

    def advance(self, name: str, *members: int) -> None:
        """The directory puts pupils into a class, and out of the others."""
        mine = frozenset(self.people[number] for number in members)
        with self.live.school.school.changing() as side:
            for other, anchor in self.groups.items():
                now = next(one for one in side.records("group") if one.anchor == anchor).fields.get("members")
                now = now if isinstance(now, frozenset) else frozenset()
                side.change(anchor, {"members": now | mine if other == name else now - mine})

    def move(self, login: str, old: str, new: str) -> None:
        """The admin moves a folder over the wire, while the bridge listens to it."""
        base = rf"\\{self.server.ip}\daten\{self.folder.name}"
        access = {"username": USER, "password": PASSWORD, "port": self.server.port}
        smbclient.rename(rf"{base}\{old}\{login}", rf"{base}\{new}\{login}", **access)

    def standing(self) -> tuple[int, int, int]:
        """How many roots are in step, lie elsewhere, stand still."""
        row = self.live.row()
        return row.get("complete", 0), row.get("elsewhere", 0), row.get("stopped", 0)


@pytest.fixture
def world(file_server: FileServer, tmp_path: Path) -> Iterator[World]:
    folder = file_server.share("daten") / f"homes-{uuid.uuid4().hex[:8]}"
    for name in ("5a/anna0", "5a/anna1", "6a"):
        (folder / name).mkdir(parents=True)
    secret = tmp_path / "smb.secret"
    secret.touch(0o600)
    secret.write_text(PASSWORD)
    place = _PLACE.format(ip=file_server.ip, port=file_server.port, base=folder.name, user=USER, secret=secret)
    live = Live(tmp_path, people=2, place=place)
    with live.school.school.changing() as side:
        people = [one.anchor for one in side.records("user")]
        groups = {
            name: side.create(
                "group",
                {"source_anchor": f"G{name}", "display_name": name, "role": "class", "nickname_base": name}
                | {"members": frozenset(people if name == "5a" else ())},
            )
            for name in ("5a", "6a")
        }
    (folder / "5a" / "anna0" / "Aufsatz.odt").write_bytes(b"Es war einmal" * 999)
    try:
        live.start()
        yield World(live, file_server, folder, groups, people)
    finally:
        live.stop()


def test_a_home_goes_on_whatever_comes_first_and_nothing_is_sent_again(world: World) -> None:
    live, user = world.live, world.live.account
    live.until(lambda: world.standing() == (2, 0, 0))
    live.until(lambda: "Aufsatz.odt" in live.drives.tree(user("anna0")))
    before = {path: one.id for path, one in live.drives.tree(user("anna0")).items()}
    # The directory first.
    world.advance("6a", 0)
    live.until(lambda: world.standing() == (2, 1, 0))
    (world.folder / "5a" / "anna0" / "spät.txt").write_text("late")
    live.until(lambda: live.drives.content(user("anna0"), "spät.txt") == b"late")
    live.at_rest()
    world.move("anna0", "5a", "6a")
    live.until(lambda: world.standing() == (2, 0, 0))
    time.sleep(2)
    assert live.changes() == {}, "neither bytes nor deletions nor a second copy"
    # The folder first.
    world.move("anna1", "5a", "6a")
    live.until(lambda: world.standing()[2] == 1)
    world.advance("6a", 1)
    live.until(lambda: world.standing() == (2, 0, 0))
    live.drives.put(user("anna1"), "aus der Cloud.txt", b"hin")
    live.until(lambda: (world.folder / "6a" / "anna1" / "aus der Cloud.txt").read_bytes() == b"hin")
    after = {path: one.id for path, one in live.drives.tree(user("anna0")).items()}
    assert after == {**before, "spät.txt": after["spät.txt"]}


def test_a_new_folder_at_the_new_place_stops_it_until_somebody_puts_it_right(world: World) -> None:
    live, user = world.live, world.live.account
    live.until(lambda: "Aufsatz.odt" in live.drives.tree(user("anna0")))
    live.at_rest()
    (world.folder / "6a" / "anna0").mkdir()
    world.advance("6a", 0)
    live.until(lambda: world.standing()[2] == 1)
    (text,) = (one["error"] for one in live.row()["errors"].values())
    assert rf"\{world.folder.name}\6a\anna0 is not the folder that was mirrored" in text
    assert rf"still lies at share \\{world.server.ip}\daten\{world.folder.name}\5a\anna0" in text
    time.sleep(2)
    assert set(live.drives.tree(user("anna0"))) == {"Aufsatz.odt"}
    (world.folder / "6a" / "anna0").rmdir()
    world.move("anna0", "5a", "6a")
    live.until(lambda: world.standing() == (2, 0, 0))
    assert set(live.drives.tree(user("anna0"))) == {"Aufsatz.odt"}
