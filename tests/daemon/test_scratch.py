"""Directories of a command that was killed are removed by the next one; those in use are not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from bridge.daemon.scratch import scratch

_HOLDER = """
import sys, time
from pathlib import Path
from bridge.daemon.scratch import scratch
with scratch(Path(sys.argv[1]), "verify") as own:
    (own / "seen.db").write_text("x")
    print(own.name, flush=True)
    time.sleep(3600)
"""


def test_what_a_killed_command_left_goes_with_the_next(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    with scratch(tmp_path, "restore"):
        assert (tmp_path / name / "seen.db").exists(), "it is in use"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert (tmp_path / name / "seen.db").exists()
    with scratch(tmp_path, "restore") as own:
        assert [one.name for one in tmp_path.iterdir()] == [own.name]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in (".verify-", ".verify-old", ".restore-ABCDEFGH", "verify-abcdefgh"):
        (tmp_path / name).mkdir()
    (tmp_path / ".verify-abcdefgh").write_text("a file")
    (tmp_path / ".restore-abcdefgh").symlink_to(tmp_path / ".verify-old")
    before = sorted(tmp_path.iterdir())
    with scratch(tmp_path, "verify"):
        pass
    assert sorted(tmp_path.iterdir()) == before
