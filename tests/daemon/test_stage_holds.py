"""What a stage or a threshold held is done when another one lets it through, in the shares as well."""

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


def test_files_that_were_held_are_judged_anew_by_another_threshold(tmp_path: Path) -> None:
    school = Folders(tmp_path)
    for number in range(6):
        (school.home / f"{number}.txt").write_text("x")
    text = school.school_file.read_text()
    limit = "guard: {{pause: 0s, thresholds: [{{tally: delete, kind: file, count: {}, percent: 0}}]}}\n"
    school.school_file.write_text(text + limit.format(3))
    school.mirror()
    for number in range(5):
        (school.home / f"{number}.txt").unlink()
    school.mirror()
    assert len(list(school.drive.glob("*.txt"))) == 6
    held = school.run("quarantine", "--json").json["held"]
    assert [one["rule"] for one in held] == ["guard:delete"] * 5
    school.school_file.write_text(text + limit.format(10))
    school.mirror()
    assert [one.name for one in school.drive.glob("*.txt")] == ["5.txt"]
    assert school.run("quarantine", "--json").json["held"] == []
