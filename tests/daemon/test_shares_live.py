"""Homes on a real file system, mirrored by the real daemon with OneDrives of a sandbox over TLS, all in one story.

The world is started once; each test has a person, and so a home and a drive, of its own.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.live import Live


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    world = Live(tmp_path_factory.mktemp("live"), people=8)
    try:
        for number in range(7):
            world.home(f"anna{number}")
        world.start()
        world.until(lambda: world.row()["complete"] >= 7)
        yield world
    finally:
        world.stop()


def test_a_saved_file_is_in_onedrive_and_one_put_there_comes_home(live: Live) -> None:
    home, user = live.home("anna0"), live.account("anna0")
    (home / "Deutsch").mkdir()
    (home / "Deutsch" / "Aufsatz: Größe.odt").write_bytes(b"Es war einmal" * 999)
    live.until(lambda: live.drives.content(user, _shown(live, user, "Aufsatz")) == b"Es war einmal" * 999)
    live.drives.put(user, "Deutsch/Bild.png", b"\x89PNG" * 500)
    live.until(lambda: (home / "Deutsch" / "Bild.png").read_bytes() == b"\x89PNG" * 500)
    live.drives.put(user, "Deutsch/Bild.png", b"besser")
    live.until(lambda: (home / "Deutsch" / "Bild.png").read_bytes() == b"besser")
    (home / "Deutsch" / "Bild.png").write_bytes(b"noch besser")
    live.until(lambda: live.drives.content(user, "Deutsch/Bild.png") == b"noch besser")
    (old,) = (path for path in (home / ".schoolbridge-trash").rglob("*") if path.is_file() and "Bild" in path.name)
    assert old.read_bytes().startswith(b"\x89PNG"), "what was overwritten is in the trash"


def _shown(live: Live, user: str, part: str) -> str:
    found = [path for path in live.drives.tree(user) if part in path]
    if not found:
        raise LookupError(part)
    return found[0]


def test_a_renamed_folder_costs_one_request_and_no_content(live: Live) -> None:
    home, user = live.home("anna1"), live.account("anna1")
    (home / "Fotos").mkdir()
    for number in range(500):
        (home / "Fotos" / f"{number:03}.jpg").write_bytes(b"%d" % number)
    live.until(lambda: len(live.drives.tree(user)) == 501)
    live.at_rest()
    before = {Path(path).name: one.id for path, one in live.drives.tree(user).items()}
    live.forget()
    (home / "Fotos").rename(home / "Urlaub")
    live.until(lambda: "Urlaub/499.jpg" in live.drives.tree(user))
    assert live.changes() == {"PATCH": 1}
    after = {Path(path).name: one.id for path, one in live.drives.tree(user).items()}
    assert after == {**{key: value for key, value in before.items() if key != "Fotos"}, "Urlaub": before["Fotos"]}
    inode = (home / "Urlaub" / "000.jpg").stat().st_ino
    live.forget()
    live.drives.rename(user, "Urlaub", "Ferien")
    live.until(lambda: (home / "Ferien" / "499.jpg").exists())
    assert (home / "Ferien" / "000.jpg").stat().st_ino == inode
    assert live.changes() == {"PATCH": 1}, "that of the person alone"


def test_what_is_deleted_is_in_the_others_bin(live: Live) -> None:
    home, user = live.home("anna2"), live.account("anna2")
    for name in ("hier.txt", "dort.txt", "bleibt.txt"):
        (home / name).write_text(name)
    live.until(lambda: len(live.drives.tree(user)) == 3)
    (home / "hier.txt").unlink()
    live.until(lambda: "hier.txt" not in live.drives.tree(user))
    live.drives.delete(user, "dort.txt")
    live.until(lambda: not (home / "dort.txt").exists())
    binned = {drive["owner"]: drive["binned"] for drive in live.cloud.admin("GET", "drives")["value"]}
    assert binned[user] == len("hier.txt") + len("dort.txt")
    kept = [path.read_text() for path in (home / ".schoolbridge-trash").rglob("*dort.txt*") if path.is_file()]
    assert kept == ["dort.txt"]
    assert live.both("anna2") == ({"bleibt.txt"}, {"bleibt.txt"})


def test_of_two_edits_both_are_kept(live: Live) -> None:
    home, user = live.home("anna3"), live.account("anna3")
    (home / "Referat.txt").write_text("Anfang")
    live.until(lambda: live.drives.content(user, "Referat.txt") == b"Anfang")
    live.at_rest()
    live.drives.put(user, "Referat.txt", b"zu Hause geschrieben")
    (home / "Referat.txt").write_text("im Unterricht geschrieben")

    def texts() -> tuple[set[str], set[str]]:
        here = {path.read_text() for path in home.glob("Referat*")}
        return here, {live.drives.content(user, path).decode() for path in live.drives.tree(user)}

    wanted = {"zu Hause geschrieben", "im Unterricht geschrieben"}
    live.until(lambda: texts() == (wanted, wanted))
    names, there = live.both("anna3")
    assert names == there
    (copy,) = names - {"Referat.txt"}
    assert copy.startswith("Referat (conflict ")
    assert copy.endswith(").txt")


def test_a_daemon_killed_in_the_middle_of_an_upload_goes_on_with_it(live: Live) -> None:
    home, user = live.home("anna4"), live.account("anna4")
    content = b"".join(b"%019d\n" % number for number in range(1024 * 1024))  # 20 MiB: 16 fragments
    slow = {"kind": "slow", "method": "PUT", "path": "_upload", "seconds": 0.25}
    live.cloud.admin("POST", "faults", slow)
    live.forget()
    (home / "Film.mp4").write_bytes(content)
    live.until(lambda: live.changes().get("content requests", 0) >= 4 and live.row()["progress"]["bytes"] > 0)
    told = live.row()["progress"]
    live.kill()
    assert (told["files"], told["files_total"], told["bytes_total"], told["complete"]) == (0, 1, len(content), True)
    assert told["bytes"] < len(content)
    assert told["most_files"] == pytest.approx(1250 * 0.8 / 60 * 100)
    assert "Film.mp4" not in live.drives.tree(user)
    live.cloud.admin("DELETE", "faults")
    live.start()
    live.until(lambda: live.drives.content(user, "Film.mp4") == content)
    counted = live.cloud.counters()
    # What was under way when it was killed did not arrive; nothing that had arrived was sent again.
    assert counted["fragment bytes"] == len(content)
    assert counted["files written"] == 1
    assert live.both("anna4") == ({"Film.mp4"}, {"Film.mp4"})


def test_office_files_that_sharepoint_rewrites_do_not_go_to_and_fro(live: Live) -> None:
    home, user = live.home("anna5"), live.account("anna5")
    live.cloud.admin("PATCH", "settings", {"office_rewriting": True})
    try:
        written = {f"{number}.docx": b"PK\x03\x04" + b"%d" % number * 999 for number in range(3)}
        for name, content in written.items():
            (home / name).write_bytes(content)
        live.until(lambda: len(live.drives.tree(user)) == 3)
        live.at_rest()
    finally:
        live.cloud.admin("PATCH", "settings", {"office_rewriting": False})
    assert {path.name: path.read_bytes() for path in home.glob("*.docx")} == written
    (home / "0.docx").write_bytes(b"PK\x03\x04 edited")
    live.until(lambda: b"edited" in live.drives.content(user, "0.docx"))
    live.at_rest()
    assert live.both("anna5") == ({*written}, {*written})


def test_a_home_that_is_not_there_yet_waits_and_is_found_when_it_comes(live: Live) -> None:
    user = live.account("anna7")
    live.until(lambda: live.row()["waiting"] == 1)
    assert live.row()["stopped"] == 0
    live.drives.put(user, "schon da.txt", b"aus dem Browser")
    home = live.home("anna7")
    live.until(lambda: (home / "schon da.txt").read_bytes() == b"aus dem Browser")
    live.until(lambda: live.row()["waiting"] == 0)


def test_at_rest_nothing_is_written_also_after_a_restart_that_scans_all(live: Live) -> None:
    live.at_rest()
    live.forget()
    live.kill()
    live.start()
    live.until(lambda: live.row().get("complete") == 8)
    time.sleep(1.5)
    assert live.changes() == {}
    assert live.row()["stopped"] == 0
    assert not live.row()["errors"]
    assert "conflict behaviour left open" not in live.cloud.counters()
    words = (live.root / "log").read_text()
    assert "broke off" not in words
    assert "Traceback" not in words
