"""Open files are seen where they are, and what can't be seen is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.lab.file_server import PASSWORD, USER, FileServer
from bridge.lab.processes import Unavailable
from bridge.ports import Opened
from connectors.folder import open_files
from connectors.folder.open_files import _samba, look
from connectors.smb import Options
from connectors.smb.line import CREATE, FILE, READ, WRITE, Line


def opened(root: Path, mount: tuple[int, int, int] | None = None, *, proc: Path = Path("/proc")) -> Opened:
    """Look now, below one directory."""
    return open_files.opened(look(proc=proc), root, mount)


@contextmanager
def holding(path: Path, mode: str) -> Iterator[None]:
    """Another process has the file open."""
    program = f"import sys\nwith open({str(path)!r}, {mode!r}):\n    print('open', flush=True)\n    sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.communicate()


def test_a_file_that_somebody_writes_is_seen_until_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "Aufsatz.odt").write_text("Es war")
    with holding(tmp_path / "Aufsatz.odt", "a"):
        seen = opened(tmp_path)
        assert (seen.writing, seen.reading) == (1, 0)
        assert opened(tmp_path / "elsewhere").writing == 0
    assert opened(tmp_path).writing == 0


def test_who_reads_only_and_the_bridge_itself_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "Bild.png").write_text("x")
    part = tmp_path / ".schoolbridge-part"
    part.write_text("x")
    with holding(tmp_path / "Bild.png", "r"), holding(part, "a"), (tmp_path / "mine").open("w"):
        seen = opened(tmp_path)
        assert (seen.writing, seen.reading) == (0, 1)


def test_a_process_that_can_not_be_looked_into_makes_blind(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs another account's process")
    program = (
        "import os, subprocess\nfrom pathlib import Path\nfrom connectors.folder.open_files import look, opened\n"
        "os.setgid(65534)\nos.setuid(65534)\n"  # the interpreter may lie where only we can read it
        f"print(opened(look(), Path({str(tmp_path)!r})).blind)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "seen by root only" in done.stdout, done.stderr


def test_processes_that_are_not_even_listed_make_blind(tmp_path: Path) -> None:
    """As in a unit with ProtectProc=invisible: that nothing is seen says nothing."""
    proc = tmp_path / "proc"
    (proc / str(os.getppid()) / "fd").mkdir(parents=True)
    assert "seen by root only" in opened(tmp_path, proc=proc).blind
    (proc / "1" / "fd").mkdir(parents=True)
    assert opened(tmp_path, proc=proc).blind == ""


def test_what_others_open_over_nfs_or_on_another_server_makes_blind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc = tmp_path / "proc"
    (proc / "1" / "fd").mkdir(parents=True)
    threads = proc / "fs" / "nfsd" / "threads"
    threads.parent.mkdir(parents=True)
    threads.write_text("0\n")
    assert opened(tmp_path, proc=proc).blind == ""
    threads.write_text("8\n")
    assert "NFS" in opened(tmp_path, proc=proc).blind
    threads.write_text("0\n")
    monkeypatch.setattr("connectors.folder.mounts.kind_of", lambda mount: "cifs" if mount[2] == 7 else "ext4")
    assert opened(tmp_path, (0, 1, 6), proc=proc).blind == ""
    assert "lies on cifs" in opened(tmp_path, (0, 1, 7), proc=proc).blind


@pytest.fixture
def samba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, which answers what ``smbstatus --locks --json`` of Samba 4.17 answers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    share = tmp_path / "share"
    share.mkdir()
    files = {}
    for name, access in (("a.docx", "RW"), ("b.docx", "R"), (".schoolbridge-part", "W")):
        (share / name).write_text("x")
        files[str(share / name)] = {
            "service_path": str(share), "filename": name,
            "opens": {"1/2": {"access_mask": {"hex": "0x00000003", "text": access}}},
        }  # fmt: skip
    files["/other/c"] = {"service_path": "/other", "filename": "c", "opens": {}}
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"version": "4.17.12", "open_files": files}))
    (programs / "smbstatus").write_text(f"#!/bin/sh\ncat {answer}\n")
    (programs / "smbstatus").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return share


def test_samba_tells_what_people_have_open_over_the_network(samba: Path) -> None:
    seen = opened(samba)
    assert (seen.writing, seen.reading, seen.blind) == (1, 1, "")
    assert "smbstatus" in seen.how


def test_an_open_file_of_which_samba_does_not_say_how_counts_as_written(samba: Path) -> None:
    answer = samba.parent / "answer.json"
    tree = json.loads(answer.read_text())
    tree["open_files"][str(samba / "b.docx")]["opens"] = {}
    answer.write_text(json.dumps(tree))
    assert (opened(samba).writing, opened(samba).reading) == (2, 0)


def test_a_share_of_samba_that_is_reached_by_a_link_is_the_same(samba: Path) -> None:
    link = samba.parent / "link"
    link.symlink_to(samba)
    answer = samba.parent / "answer.json"
    answer.write_text(answer.read_text().replace(str(samba), str(link)))
    assert opened(samba).writing == 1


def test_a_samba_that_does_not_answer_is_not_believed(samba: Path) -> None:
    (samba.parent / "bin" / "smbstatus").write_text("#!/bin/sh\necho 'smbstatus only works as root!'\nexit 1\n")
    assert "smbstatus" not in opened(samba).how


def test_a_real_samba_tells_of_its_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        server = FileServer.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    (tmp_path / "smbstatus").write_text(
        f'#!/bin/sh\nexec {shutil.which("smbstatus")} --configfile={server.directory}/smb.conf "$@"\n'
    )
    (tmp_path / "smbstatus").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with server:
        share = server.share("daten")
        where = Options(server=server.ip, port=server.port, share="daten", username=USER, password="env:X")
        line = Line(where, PASSWORD)
        try:
            with line.opened("Aufsatz.odt", access=WRITE, disposition=CREATE, options=FILE):
                seen = opened(share)
                assert (seen.writing, seen.reading) == (1, 0)
                assert "smbstatus" in seen.how
                assert seen.blind == ""
                assert _samba() == ({f"{os.path.realpath(share)}/Aufsatz.odt": True}, True)
            with line.opened("Aufsatz.odt", access=READ, options=FILE):
                assert (opened(share).writing, opened(share).reading) == (0, 1)
            closed = opened(share)
            assert (closed.writing, closed.reading, closed.blind) == (0, 0, "")
        finally:
            line.close()
