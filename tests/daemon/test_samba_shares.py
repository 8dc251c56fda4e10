"""A school whose shares are frozen by Samba's own option, by the real daemon and a real smbd.

Root's part is the real command, started by the test where systemd would start it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.daemon import samba_shares
from bridge.daemon.catalog import Catalog
from bridge.daemon.samba_shares import SambaShares
from bridge.lab.file_server import USER, FileServer
from bridge.lab.processes import Unavailable
from bridge.ports import NOTICE, Refused, Unreachable
from bridge.samba.answering import ANSWERS, KEPT, Desk
from bridge.samba.asked import Answer, Kept, alone, names, opened, write
from bridge.settings import SettingsError, load
from tests.daemon.folders import Folders
from tests.daemon.test_cutover import Cut
from tests.daemon.test_service import daemon
from tests.samba.conftest import Person

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change Samba's registry")
SHARE = "Homes der Schule"


class Served(Cut):
    """The homes are shown by a share of Samba that stands in its registry and on root's list."""

    def __init__(self, root: Path, server: FileServer) -> None:
        super().__init__(root)
        self.server = server
        self.school_file.write_text(by_samba(self.school_file.read_text(), SHARE))
        self.config.write_text(f"{self.config.read_text()}samba: own\n")
        server.register(SHARE, root / "homes", write_list=USER)
        (root / "samba-shares").write_text(f"{SHARE}\n")
        (root / "samba-shares").chmod(0o644)

    @property
    def requests(self) -> Path:
        return self.root / "run" / "samba"

    def writes(self) -> bool:
        """Whether somebody who comes by the network now can write."""
        return Person(self.server, USER).can(SHARE, r"anna0\offen.txt")

    def frozen(self) -> bool:
        return bool(names(self.root / "own" / KEPT))

    @contextmanager
    def enabled(self) -> Iterator[None]:
        """As schoolbridge-samba.path does: each request starts a round."""
        over = threading.Event()
        options = {"requests": self.requests, "own": self.root / "own", "allowed": self.root / "samba-shares",
                   "configuration": self.server.directory / "smb.conf"}  # fmt: skip
        words = [f"--{name}={path}" for name, path in options.items()]

        def rounds() -> None:
            while not over.wait(0.1):
                if names(self.requests):
                    command = [sys.executable, "-m", "bridge", "samba-shares", *words]
                    subprocess.run(command, env=self.environment(), capture_output=True, check=False)

        thread = threading.Thread(target=rounds)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def by_samba(text: str, share: str) -> str:
    return text.replace("    for: user\n", f"    for: user\n    freeze: samba\n    samba_share: {share}\n")


@pytest.fixture
def server() -> Iterator[FileServer]:
    try:
        started = FileServer.start(shares=(), options={"include": "registry"})
    except Unavailable as reason:
        pytest.skip(str(reason))
    with started:
        yield started


@needs_root
def test_a_school_is_frozen_by_samba_switched_and_rolled_back(tmp_path: Path, server: FileServer) -> None:
    school = Served(tmp_path, server)
    home, before = tmp_path / "homes" / "anna0", school.modes()
    with daemon(school), school.enabled():
        school.ready()
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(lambda: school.shown()["stage"] == "soaking")
        school.wait(school.over)
        (past,) = school.shown()["past"]
        assert past["state"]["frozen"] == {"shares of Samba frozen": 1}
        assert past["state"]["notice"]["thawed"] == {"shares of Samba thawed": 1}
        assert past["state"]["verify"]["compared"] == 6
        assert (home / NOTICE).exists()
        assert {path: mode for path, mode in school.modes().items() if not path.endswith(NOTICE)} == before
        assert (school.frozen(), school.writes()) == (False, True)
        school.asked("roll-back", "0123", "--reason", "too early")
        school.wait(school.over)
        assert school.shown()["stage"] == "hybrid"
        assert not (home / NOTICE).exists()
    assert (names(school.requests), school.frozen(), school.writes()) == ([], False, True)


@needs_root
def test_frozen_nobody_writes_but_the_bridge_and_it_is_thawed_after_a_restart(
    tmp_path: Path, server: FileServer
) -> None:
    school = Served(tmp_path, server)
    home = tmp_path / "homes" / "anna0"
    working = Person(server, USER)
    with daemon(school):
        school.ready(closed=False)
        held = working.open(SHARE, r"anna0\offen.txt", "ab")
        assert school.run("readiness", "0123", "--event", "switch", "--json").code, "somebody has it open"
        (home / "lokal.txt").write_text("local")
        local = (home / "lokal.txt").open("a")
        with school.enabled():
            school.asked("freeze", "0123", "--reason", "the day")
            school.wait(lambda: "open for writing" in (school.shown()["run"] or {}).get("problem", ""))
            assert "1 file open for writing" in school.shown()["run"]["problem"], "only who works at the server itself"
            with pytest.raises(Exception, match=r"(?i)network|closed"):
                held.write(b"x")
            assert not school.writes()
            (school.drive / "offen.txt").write_text("from the cloud")
            school.wait(lambda: (home / "offen.txt").read_text() == "from the cloud")
        local.close()
        school.asked("abort", "0123", "--reason", "not today")
        school.wait(lambda: names(school.requests))
        assert school.shown()["stage"] == "hybrid"
    assert not school.over(), "it is frozen yet: nobody thaws it"
    with daemon(school):
        time.sleep(3)
        assert not school.over()
        assert not school.writes()
        with school.enabled():
            school.wait(school.over)
        assert school.writes()
    assert (names(school.requests), school.frozen()) == ([], False)
    assert [one["outcome"] for one in school.shown()["past"]] == ["aborted"]


@needs_root
def test_where_nobody_answers_the_deadline_gives_up_and_nothing_is_frozen_later(
    tmp_path: Path, server: FileServer
) -> None:
    school = Served(tmp_path, server)
    school.school_file.write_text(school.school_file.read_text().replace("10 minutes", "10s"))
    with daemon(school):
        school.ready()
        school.asked("freeze", "0123", "--reason", "the day")
        school.wait(lambda: names(school.requests))
        school.wait(school.over)
        assert [one["outcome"] for one in school.shown()["past"]] == ["deadline passed"]
        with school.enabled():
            time.sleep(2)
        assert (names(school.requests), school.frozen(), school.writes()) == ([], False, True)


# --- asking and waiting, with root played by the test ---------------------------------------------------------------


@pytest.fixture
def asking(tmp_path: Path) -> SambaShares:
    return SambaShares("0123", tmp_path / "run" / "samba", tmp_path / "own", {"homes": "/srv/homes"}, patience=1.0)


def remembered(asking: SambaShares, *, school: str = "0123") -> None:
    (asking.own / KEPT).mkdir(parents=True, exist_ok=True)
    write(asking.own / KEPT, school, Kept(share=school, school=school, options={}))


async def test_nobody_answers_and_the_request_is_taken_back(asking: SambaShares) -> None:
    with pytest.raises(Unreachable, match=r"0123: nobody answers .*homes.*enable --now schoolbridge-samba\.path"):
        await asking.freeze()
    assert names(asking.requests) == []
    assert asking.requests.stat().st_mode & 0o777 == 0o700


async def test_what_root_refuses_is_told_in_its_words(asking: SambaShares) -> None:
    going = asyncio.create_task(asking.freeze())
    await asyncio.sleep(0.05)
    assert names(asking.requests) == ["homes.json"]
    said = (asking.requests / "homes.json").read_text()
    (asking.own / ANSWERS).mkdir(parents=True)
    write(asking.own / ANSWERS, "homes", Answer(id="of another one", share="homes", done=True))
    await asyncio.sleep(0.3)
    assert not going.done()
    answer = Answer(id=said.split('"')[3], share="homes", done=False, text="0123: the share homes is not on the list")
    write(asking.own / ANSWERS, "homes", answer)
    with pytest.raises(Refused, match="0123: the share homes is not on the list"):
        await going
    assert names(asking.requests) == []


async def test_while_root_works_it_is_waited_for_and_nothing_is_written(asking: SambaShares) -> None:
    asking.requests.mkdir(parents=True)
    with opened(asking.requests) as folder, alone(folder) as mine:
        assert mine
        going = asyncio.create_task(asking.freeze())
        await asyncio.sleep(1.5)
        assert (going.done(), names(asking.requests)) == (False, [])
    with pytest.raises(Unreachable, match="nobody answers"):
        await going


async def test_a_step_that_is_cancelled_leaves_no_request(asking: SambaShares) -> None:
    going = asyncio.create_task(asking.freeze())
    await asyncio.sleep(0.05)
    assert names(asking.requests) == ["homes.json"]
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert names(asking.requests) == []


async def test_where_root_keeps_nothing_nobody_is_needed_to_thaw(asking: SambaShares) -> None:
    remembered(asking, school="0456")
    assert (await asking.thaw()).changed == 0
    asking.requests.mkdir(parents=True)
    # Left by a daemon that was killed: root may begin at any time.
    left = asking_of(asking, "0123"), asking_of(asking, "0456")
    for school, text in zip(("0123", "0456"), left, strict=True):
        (asking.requests / f"{school}.json").write_text(text)
    assert (await asking.thaw()).changed == 0
    assert names(asking.requests) == ["0456.json"], "another school's is its own"
    remembered(asking)
    with pytest.raises(Unreachable, match="nobody answers about the share 0123"):
        await asking.thaw()


def asking_of(asking: SambaShares, school: str) -> str:
    return f'{{"id": "{"0" * 32}", "share": "{school}", "school": "{school}", "wanted": "frozen", "path": "/srv"}}'


async def test_what_was_taken_back_is_never_done(asking: SambaShares, tmp_path: Path) -> None:
    going = asyncio.create_task(asking.freeze())
    await asyncio.sleep(0.05)
    assert names(asking.requests) == ["homes.json"]
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    assert Desk(asking.requests, asking.own, tmp_path / "list").answer_all() == []


# --- what is configured ---------------------------------------------------------------------------------------------


def problems(school: Folders) -> str:
    with pytest.raises(SettingsError) as found:
        load(school.config, Catalog())
    return str(found.value)


def test_the_share_is_named_exactly_where_samba_freezes_it(tmp_path: Path) -> None:
    school = Folders(tmp_path)
    plain = school.school_file.read_text()
    school.school_file.write_text(by_samba(plain, "homes"))
    (share,) = load(school.config, Catalog()).schools[0].shares
    assert (share.freeze, share.samba_share) == ("samba", "homes")
    school.school_file.write_text(by_samba(plain, "homes").replace("    freeze: samba\n", ""))
    assert "`freeze: samba` and `samba_share` belong together" in problems(school)
    school.school_file.write_text(by_samba(plain, "homes").replace("    samba_share: homes\n", ""))
    assert "`freeze: samba` and `samba_share` belong together" in problems(school)
    school.school_file.write_text(by_samba(plain, "'--help'"))
    assert "no name of a share of Samba" in problems(school)
    school.school_file.write_text(
        by_samba(plain, "homes").replace("school: {connector: folder", "school: {connector: memory")
    )
    assert "a share of another server can't be frozen by the bridge" in problems(school)


def test_two_schools_never_freeze_each_other(tmp_path: Path) -> None:
    school = Folders(tmp_path)
    text = by_samba(school.school_file.read_text(), "homes")
    school.school_file.write_text(text)
    (tmp_path / "schools" / "b.yaml").write_text(
        text.replace('"0123"', '"0456"').replace("samba_share: homes", "samba_share: HOMES")
    )
    said = problems(school)
    assert 'the share "HOMES" of Samba is frozen with the school of' in said
    assert "schools/b.yaml" in said


def test_check_says_what_of_roots_part_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school = Folders(tmp_path)
    assert not list(samba_shares.findings(load(school.config, Catalog()).schools[0]))
    school.school_file.write_text(by_samba(school.school_file.read_text(), "homes"))
    one, allowed = load(school.config, Catalog()).schools[0], tmp_path / "samba-shares"
    monkeypatch.setattr(samba_shares, "_active", lambda: False)
    missing, unit = samba_shares.findings(one, allowed=allowed)
    assert (missing.ok, "samba-shares can't be read" in missing.found) == (None, True)
    assert "schoolbridge-samba.path is not active" in unit.found
    allowed.write_text("other\n")
    allowed.chmod(0o644)
    assert "homes is not on root's list" in next(samba_shares.findings(one, allowed=allowed)).found
    allowed.write_text("other\nHomes  # of the pupils\n")
    monkeypatch.setattr(samba_shares, "_active", lambda: True)
    assert not list(samba_shares.findings(one, allowed=allowed))
