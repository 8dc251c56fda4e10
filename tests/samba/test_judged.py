"""What root does not do, however it is asked: by whom, for which share, and by what list."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.ports import ConfigurationError
from bridge.samba.answering import ANSWERS, KEPT, Desk
from bridge.samba.asked import FRESH, Answer, name_of, names, read, write
from bridge.samba.registry import Samba
from tests.samba.conftest import Place


def refused(place: Place, **more: str) -> str:
    """Why; nothing was changed."""
    before = place.net("list")
    answer = place.ask(**more)
    assert (answer.done, place.net("list"), names(place.desk.own / KEPT)) == (False, before, [])
    return answer.text


def test_a_share_that_is_not_on_roots_list(place: Place) -> None:
    place.allow("other", f"# {place.share}")
    said = refused(place)
    assert f"0123: the share {place.share} of Samba is not on the list" in said
    assert f"Expected a line `{place.share}` in {place.desk.allowed}" in said
    place.allow(place.share.upper())
    assert place.ask().done, "Samba does not tell upper from lower case"
    assert place.ask("writable").done


def test_a_share_of_smb_conf_is_refused_with_the_way_out(place: Place) -> None:
    place.allow("alt")
    said = refused(place, share="alt", path=str(place.server.share("alt")))
    assert "stands in smb.conf" in said
    assert "net conf import /etc/samba/smb.conf alt" in said
    assert "freeze: permissions" in said


def test_a_share_that_smb_conf_has_too_is_what_the_registry_says(place: Place) -> None:
    """Samba's rule, and testparm knows it."""
    place.net("addshare", "alt", str(place.server.share("alt")), "writeable=y")
    place.allow("alt")
    try:
        assert place.ask(share="alt", path=str(place.server.share("alt"))).done
        place.server.share("alt").chmod(0o777)
        assert not place.person("anna").can("alt", "a.txt")
        assert place.ask("writable", share="alt").done
        assert place.person("anna").can("alt", "a.txt")
    finally:
        place.net("delshare", "alt")


class Overruled(Samba):
    """Whatever the registry says, something else holds."""

    def holds(self, share: str, option: str) -> str | None:
        return "No" if option == "read only" else super().holds(share, option)


def test_a_share_that_is_writable_all_the_same_is_not_said_to_be_frozen(place: Place) -> None:
    shown = place.shown()
    place.desk = replace(place.desk, samba=Overruled(place.desk.samba.file))
    place.desk.own.mkdir()
    answer = place.ask()
    assert "was set read-only in the registry, and yet is not" in answer.text
    assert (place.shown(), names(place.desk.own / KEPT)) == (shown, [])


def test_a_share_that_is_nowhere_or_stands_for_others(place: Place) -> None:
    place.allow("nowhere", "homes")
    assert "is not there. Expected one of this name in `net conf list`" in refused(place, share="nowhere")
    assert "stands for others" in refused(place, share="Homes")


def test_a_share_that_shows_another_place(place: Place) -> None:
    said = refused(place, path="/srv/homes")
    assert f"shows {place.folder}. Expected /srv/homes, which the bridge mirrors, or a folder above it" in said
    assert "Expected a folder" in refused(place, path="")
    (place.root / "link").symlink_to(place.folder)
    assert place.ask(path=str(place.root / "link" / "anna")).done, "it is the place itself that counts"
    assert place.ask("writable").done
    place.net("setparm", place.share, "path", f"{place.folder}/%S")
    assert "for everybody another folder" in refused(place)


def test_a_second_share_by_which_people_could_write_on(place: Place) -> None:
    above, other = str(place.folder.parent), f"all-{place.share[-6:]}"
    place.net("addshare", other, above, "writeable=y")
    try:
        said = refused(place)
        assert f"{other} shows {above}, and people can write there" in said
        place.net("setparm", other, "read only", "yes")
        place.net("setparm", other, "write list", "lehrer")
        assert "people can write there" in refused(place)
        place.allow(place.share, other)
        both = [place.request(share=one) for one in (place.share, other)]
        for one in both:
            write(place.desk.requests, one.share, one, mode=0o600)
        assert [one.text for one in place.desk.answer_all()] == ["", ""], "frozen together none is left"
        for one in both:
            write(place.desk.requests, one.share, place.request("writable", share=one.share), mode=0o600)
        assert all(one.done for one in place.desk.answer_all())
    finally:
        place.net("delshare", other)


def test_everybodys_own_home_may_be_the_same_folder(place: Place) -> None:
    place.net("setparm", "homes", "read only", "no")
    try:
        assert "homes shows %H, and people can write there" in refused(place)
        place.net("setparm", "homes", "read only", "yes")
        assert place.ask().done
        assert place.ask("writable").done
    finally:
        place.net("delshare", "homes")


@pytest.mark.parametrize("fault", ["writable", "owner", "link", "missing"])
def test_a_list_that_others_than_root_could_write_counts_for_nothing(place: Place, fault: str) -> None:
    allowed = place.desk.allowed
    if fault == "writable":
        allowed.chmod(0o664)
    elif fault == "owner":
        os.chown(allowed, 65534, 0)
    elif fault == "link":
        allowed.rename(place.root / "real")
        allowed.symlink_to(place.root / "real")
    else:
        allowed.unlink()
    said = refused(place)
    assert f"the list {allowed}" in said
    assert "Expected" in said


def test_a_directory_of_requests_that_others_could_write_is_not_read(place: Place) -> None:
    place.desk.requests.chmod(0o770)
    with pytest.raises(ConfigurationError, match="Expected that only one account"):
        place.desk.answer_all()
    place.desk.requests.chmod(0o700)
    os.chown(place.desk.requests, 65534, 65534)
    with pytest.raises(ConfigurationError, match="belongs to account 65534, mode 700, in a directory of 0"):
        place.desk.answer_all()


def test_a_link_in_its_place_is_not_followed(place: Place) -> None:
    place.desk.requests.rename(place.root / "elsewhere")
    place.desk.requests.symlink_to(place.root / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        place.desk.answer_all()


def test_files_that_the_daemon_did_not_write_are_passed_over(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    requests, mine = place.desk.requests, place.request()
    content = mine.model_dump_json()
    name = name_of(place.share)
    (requests / "other.json").write_text(content)  # of another share than its name says
    (requests / "text.json").write_text("nonsense")
    (requests / "large.json").write_text(content + " " * 5000)
    (requests / "option.json").write_text(content.replace(place.share, "--option"))
    (requests / "pipe.json").symlink_to("/dev/zero")
    (requests / "folder.json").mkdir()
    os.mkfifo(requests / "fifo.json")
    (requests / name).write_text(content)
    os.chown(requests / name, 65534, 65534)
    assert place.desk.answer_all() == []
    assert capsys.readouterr().err.count("a request is passed over") == 8
    assert place.net("showshare", place.share).count("read only = no")


def test_a_request_that_nobody_waits_for_any_more_freezes_nothing(place: Place) -> None:
    old = place.request()
    write(place.desk.requests, place.share, old, mode=0o600)
    then = time.time() - FRESH - 5
    os.utime(place.desk.requests / name_of(place.share), (then, then))
    assert place.desk.answer_all() == []
    write(place.desk.requests, place.share, place.request("writable"), mode=0o600)
    os.utime(place.desk.requests / name_of(place.share), (then, then))
    assert [one.done for one in place.desk.answer_all()] == [True], "to give back it is never too late"


def test_answers_to_what_is_not_asked_any_more_go(place: Place) -> None:
    place.allow()
    write(place.desk.requests, place.share, place.request(), mode=0o600)
    assert len(place.desk.answer_all()) == 1
    answers = place.desk.own / ANSWERS
    assert read(answers, place.share, Answer) is not None
    (place.desk.requests / name_of(place.share)).unlink()
    assert place.desk.answer_all() == []
    assert names(answers) == []


def test_where_nothing_was_ever_asked_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert Desk(tmp_path / "none", tmp_path / "own", tmp_path / "list").answer_all() == []
    assert not (tmp_path / "own").exists()
