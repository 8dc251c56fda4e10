"""What a stage held is done when another one lets it through, in the shares as well."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.folders import Folders


def test_files_changed_while_the_school_is_paused_are_mirrored_afterwards(tmp_path: Path) -> None:
    school = Folders(tmp_path)
    school.mirror()
    assert school.run("stage", "0123", "pause", "--reason", "maintenance").code == 0
    (school.home / "new.txt").write_text("saved meanwhile")
    school.mirror()
    assert not (school.drive / "new.txt").exists()
    assert school.run("stage", "0123", "resume", "--reason", "done").code == 0
    school.mirror()
    assert (school.drive / "new.txt").read_text() == "saved meanwhile"
