"""``schoolbridge verify``: both sides compared by their bytes, and a report that can't be changed unnoticed."""

import json
import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.model import Digest, Side
from bridge.daemon.seen import Couple, End
from bridge.daemon.signing import Signer
from bridge.daemon.verify import Sample, _Batch
from bridge.ports import ConfigurationError
from tests.daemon.folders import Folders, tree


@pytest.fixture
def school(tmp_path: Path) -> Folders:
    one = Folders(tmp_path)
    (one.home / "Deutsch").mkdir()
    (one.home / "Deutsch" / "Aufsatz.odt").write_bytes(b"Es war einmal" * 99)
    (one.home / "Bild.png").write_bytes(b"\x89PNG" * 50)
    (one.home / "leer.txt").write_bytes(b"")
    one.mirror()
    assert tree(one.home) == tree(one.drive)
    return one


def test_equal_sides_are_said_to_be_equal(school: Folders) -> None:
    answer = school.run("verify", "--json")
    assert answer.code == 0, answer.out + answer.err
    found = answer.json
    assert found["result"] == "equal"
    assert found["contents_compared"] == 3
    assert found["totals"]["school:file"] == found["totals"]["cloud:file"] == 3
    assert found["totals"]["bytes_read:school"] == sum(map(len, tree(school.home).values()))
    assert not [path for path in school.root.iterdir() if path.name.startswith(".verify")], "scratch is gone"


def test_a_flipped_bit_behind_an_unchanged_size_and_time_is_found(school: Folders) -> None:
    file = school.drive / "Deutsch" / "Aufsatz.odt"
    before = file.stat()
    body = bytearray(file.read_bytes())
    body[7] ^= 1
    file.write_bytes(body)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    answer = school.run("verify", "--json", "--names")
    assert answer.code == 2
    (one,) = answer.json["roots"][0]["differences"]
    assert (one["what"], one["paths"]["cloud"]) == ("content", "Deutsch/Aufsatz.odt")
    assert one["link"]
    assert one["hashes"]["school"] != one["hashes"]["cloud"]
    assert answer.json["totals"]["different"] == 1


def test_what_is_missing_is_told_with_its_side(school: Folders) -> None:
    (school.drive / "Bild.png").unlink()
    (school.drive / "neu.txt").write_text("only here")
    answer = school.run("verify", "--json", "--names")
    assert answer.code == 2
    told = {(one["what"], *one["paths"].values()) for one in answer.json["roots"][0]["differences"]}
    assert told == {("missing in the cloud", "Bild.png"), ("missing in the school", "neu.txt")}
    assert "Bild.png" not in school.run("verify").out, "ids only, unless asked for names"
    assert "Bild.png" in school.run("verify", "--names").out


def test_another_name_and_another_place_are_differences(school: Folders) -> None:
    (school.drive / "Bild.png").rename(school.drive / "Foto.png")
    (school.drive / "leer.txt").rename(school.drive / "Deutsch" / "leer.txt")
    found = school.run("verify", "--json").json["roots"][0]["differences"]
    assert sorted(one["what"] for one in found) == ["name", "place"]


def test_a_copy_is_found_equal_without_any_links(school: Folders) -> None:
    """The drive was put back from a backup: other inodes, so no link of the state fits."""
    shutil.copytree(school.drive, school.root / "copy")
    shutil.rmtree(school.drive)
    shutil.copytree(school.root / "copy", school.drive)
    answer = school.run("verify", "--json")
    assert answer.code == 0, answer.out
    assert answer.json["contents_compared"] == 3


def test_a_side_that_is_gone_is_no_equality(school: Folders) -> None:
    school.drive.rename(school.root / "away")
    answer = school.run("verify", "--json")
    assert answer.code == 1
    assert "was there before" in str(answer.json["not_compared"])
    (school.root / "drives").rename(school.root / "drives-away")
    gone = school.run("verify", "--json")
    assert gone.code == 1
    assert gone.json["result"] == "error"
    assert gone.json["not_compared"]


def test_it_writes_nothing_to_either_side_and_into_the_state_what_it_found_only(school: Folders) -> None:
    (school.drive / "neu.txt").write_text("new")
    rows = len(school.run("journal", "show", "--json").json["rows"])
    before = tree(school.home), tree(school.drive)
    assert school.run("verify").code == 2
    assert (tree(school.home), tree(school.drive)) == before
    (added,) = school.run("journal", "show", "--json").json["rows"][rows:]
    assert (added["action"], added["anchor"], added["outcome"]) == ("measure", "verified", "fail")
    assert school.run("verify").code == 2
    assert school.run("verify", "--share", "homes").code == 2
    assert len(school.run("journal", "show", "--json").json["rows"]) == rows + 1, "the same again is no news"


def test_a_signed_report_is_believed_until_it_is_changed(school: Folders, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert school.run("verify", "--report", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "verify.key").stat().st_mode & 0o777 == 0o600
    checked = school.run("verify", "--check", str(file))
    assert checked.code == 0, checked.err
    assert "unchanged" in checked.out
    assert "already" in school.run("verify", "--report", str(file)).err
    report = json.loads(file.read_text())
    assert "gleich" in report["report"]["text"]["de"][0]
    report["report"]["totals"]["school:file"] = 4
    file.write_text(json.dumps(report))
    changed = school.run("verify", "--check", str(file))
    assert changed.code == 1
    assert "was changed" in changed.err


def test_a_report_of_another_bridge_is_not_believed(school: Folders, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    school.run("verify", "--report", str(file))
    (tmp_path / "verify.key").unlink()
    answer = school.run("verify", "--check", str(file))
    assert answer.code == 1
    assert "another key" in answer.err


def test_a_key_that_others_can_read_signs_nothing(tmp_path: Path) -> None:
    first = Signer.of(tmp_path / "key")
    assert Signer.of(tmp_path / "key").fingerprint == first.fingerprint
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="0600"):
        Signer.of(tmp_path / "key")


def test_mistakes_are_told_with_what_would_be_right(school: Folders) -> None:
    assert "did you mean homes?" in school.run("verify", "--share", "hoomes").err
    assert "did you mean 0123?" in school.run("verify", "0132").err
    assert "no folder belongs to" in school.run("verify", "--owner", "nobody").err
    assert school.run("verify", "--check", str(school.config)).code == 1


@given(
    st.sampled_from([100, 50, 33, 10, 7.5, 1]),
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    st.binary(min_size=32, max_size=32),
)
def test_after_enough_nights_in_a_row_every_file_had_its_turn_once(percent: float, first: date, key: bytes) -> None:
    nights = Sample.of(percent, first, key).nights
    samples = [Sample.of(percent, first + timedelta(days=night), key) for night in range(nights)]
    for handle in ("1:2", "file-7", "ü"):
        assert sum(sample.takes(handle) for sample in samples) == 1
    assert nights >= 100 / percent


def test_a_sample_compares_some_contents_and_all_names(school: Folders) -> None:
    for number in range(60):
        (school.home / f"{number}.txt").write_bytes(b"%d" % number)
    school.mirror()
    (school.drive / "Bild.png").unlink()
    found = school.run("verify", "--json", "--sample", "25").json
    assert found["totals"]["different:missing in the cloud"] == 1
    left = found["totals"]["left_for_other_nights"]
    assert found["contents_compared"] + left == 62
    assert 20 <= left < 62


def test_a_home_that_was_never_there_is_no_error(tmp_path: Path) -> None:
    school = Folders(tmp_path)
    school.home.rmdir()
    answer = school.run("verify", "--json")
    assert (answer.code, len(answer.json["no_folder_yet"])) == (0, 1)


def test_only_a_hash_that_the_cloud_shows_may_mean_other_bytes() -> None:
    sent, rewritten = Digest("quickxor", "a" * 40, 9), Digest("quickxor", "b" * 40, 12)
    school = End("s", "1", "", "x.docx", Digest("unread", "1", 9))
    shows = Couple("file", "l", school, End("c", "1", "", "x.docx", rewritten))
    blind = Couple("file", "l", school, End("c", "1", "", "x.docx", Digest("unread", "1", 12)))
    agreed = {Side.SCHOOL: {"s": sent}, Side.CLOUD: {"c": sent}}
    assert _Batch._rewritten(shows, sent, rewritten, agreed)
    assert not _Batch._rewritten(blind, sent, rewritten, agreed), "the bytes were read, and are others"
    assert not _Batch._rewritten(shows, Digest("quickxor", "c" * 40, 9), rewritten, agreed), "the school's are others"
