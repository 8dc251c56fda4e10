"""The demo's stage: it can be set without Samba, and what could not be set leaves nothing behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bridge.lab import stage as stages
from bridge.lab.directories import EmbeddedDirectory
from bridge.lab.processes import Unavailable
from bridge.lab.seed import draw_school
from tests.lab.test_processes import eventually


def test_the_embedded_directory_holds_the_whole_school(tmp_path: Path) -> None:
    school = draw_school(1)
    directory = EmbeddedDirectory(school, tmp_path / "school.json")
    assert directory.options(school)["connector"] == "memory"
    written = (tmp_path / "school.json").read_text()
    assert all(f'"{person.login}"' in written for person in school.people)


def test_a_stage_that_can_not_be_set_leaves_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise Unavailable("no Samba here")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stages.SchoolServer, "of", nowhere)
    with pytest.raises(Unavailable):
        stages.Stage(directory="samba")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_demo_leaves_no_directory(tmp_path: Path) -> None:
    program = """
import os, signal
from bridge.lab.stage import Stage
stage = Stage(directory="embedded")
print(stage.root, flush=True)
assert (stage.root / "client.secret").exists()
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert Path(done.stdout.strip()).parent == tmp_path, done.stderr
    assert eventually(lambda: not list(tmp_path.glob("schoolbridge-demo-*")))
