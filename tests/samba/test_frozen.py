"""Real people at a real smbd: frozen, they lose what they had open and write nothing; thawed, all is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

from bridge.samba.answering import KEPT
from bridge.samba.asked import Kept, names, read, write
from bridge.samba.frozen import Shares
from bridge.samba.judged import Registered, judge
from bridge.samba.registry import Samba
from tests.samba.conftest import PEOPLE, Place


def kept(place: Place) -> Kept | None:
    return read(place.desk.own / KEPT, place.share, Kept)


def test_who_has_a_file_open_is_cut_off_and_nobody_writes_until_it_is_thawed(place: Place) -> None:
    before = place.shown()
    anna = place.person("anna")
    held = anna.open(place.share, "held.txt", "wb")
    held.write(b"still there")
    assert all(place.writes(one) for one in PEOPLE)
    assert place.ask().text == ""
    with pytest.raises((OSError, SMBException)):
        held.write(b"lost")
    assert [one for one in PEOPLE if place.writes(one)] == [], "neither the write list nor admin users"
    assert place.person("anna").can(place.share, "held.txt", "rb")
    assert (place.folder / "held.txt").read_bytes() == b"still there"
    (place.folder / "bridge.txt").write_text("the bridge goes on")
    reading = place.person("lehrer")
    assert reading.can(place.share, "bridge.txt", "rb")
    assert place.ask("writable").text == ""
    assert place.shown() == before
    assert kept(place) is None
    assert all(place.writes(one) for one in PEOPLE)


def test_a_write_list_of_all_shares_lets_nobody_in_either(place: Place) -> None:
    place.net("setparm", place.share, "write list", "")
    place.net("delparm", place.share, "write list")
    before = place.shown()
    assert "write list" not in "".join(before)
    place.net("setparm", "global", "write list", "lehrer")
    try:
        assert place.ask().text == ""
        assert not place.writes("lehrer")
        assert place.ask("writable").text == ""
        assert place.writes("lehrer")
    finally:
        place.net("delparm", "global", "write list")
    assert place.shown() == before


def test_asked_again_it_does_no_harm(place: Place) -> None:
    before = place.shown()
    write(place.desk.requests, place.share, place.request(), mode=0o600)
    assert [one.done for one in place.desk.answer_all()] == [True]
    reader = place.person("anna")
    (place.folder / "a.txt").write_text("a")
    with reader.open(place.share, "a.txt", "rb") as file:
        assert place.desk.answer_all() == [], "the same request is answered once"
        assert place.ask().done
        assert file.read(1) == b"a", "who only reads is not cut off again"
    place.net("setparm", place.share, "read only", "no")
    assert place.ask().done
    assert not place.writes("anna"), "who made it writable meanwhile did not freeze it"
    for _ in range(2):
        assert place.ask("writable").done
    assert place.shown() == before


def test_of_another_school_nothing_is_given_back(place: Place) -> None:
    assert place.ask().done
    for wanted in ("frozen", "writable"):
        assert "is frozen for the school 0123" in place.ask(wanted, school="0456").text
    assert not place.writes("anna")
    assert place.ask("writable").done


def test_thawed_also_when_it_is_not_on_the_list_any_more_or_not_there(place: Place) -> None:
    before = place.shown()
    assert place.ask().done
    place.desk.allowed.unlink()
    assert place.ask("writable").done
    assert place.shown() == before
    place.allow(place.share)
    assert place.ask().done
    place.net("delshare", place.share)
    assert place.ask("writable").done
    assert kept(place) is None
    assert place.share not in place.net("listshares"), "it is not made anew"
    place.server.register(place.share, place.folder)


class Died(BaseException):
    """Like SIGKILL: nothing is put right."""


class Mortal(Samba):
    """Samba's commands, as many as root lives for."""

    left = 0

    def _command(self, *words: str):  # type: ignore[no-untyped-def]
        if words[0] != "testparm" and not Mortal.left:
            raise Died
        Mortal.left -= words[0] != "testparm"
        return super()._command(*words)


#: A freezing: showshare, two options, and twice reload and close.
@pytest.mark.parametrize("lives", range(8))
def test_whoever_dies_on_the_way_leaves_what_can_be_gone_on_with(place: Place, tmp_path: Path, lives: int) -> None:
    before = place.shown()
    folder = tmp_path / "own" / KEPT
    folder.mkdir(parents=True)
    samba = place.desk.samba
    shares = Shares(samba, folder, sleep=lambda _: None)
    mortal = Shares(Mortal(samba.file), folder, sleep=lambda _: None)

    def judged(by: Samba) -> Registered:
        return judge(place.request(), by, allowed=place.desk.allowed)

    def dies(what: str) -> None:
        Mortal.left = lives
        if what == "freeze" and lives < 7:
            with pytest.raises(Died):
                mortal.freeze(place.request(), lambda: judged(mortal.samba))
        elif what == "freeze":
            mortal.freeze(place.request(), lambda: judged(mortal.samba))
        else:
            with pytest.raises(Died):
                mortal.thaw(place.request("writable"))

    dies("freeze")
    assert bool(names(folder)) is (lives > 0), "what is kept is on the disk before an option is set"
    if lives % 2:
        shares.thaw(place.request("writable"))
    else:
        shares.freeze(place.request(), lambda: judged(samba))
        assert not place.writes("lehrer")
        dies("thaw")
        assert names(folder), "it is forgotten last"
        shares.thaw(place.request("writable"))
    assert (place.shown(), names(folder)) == (before, [])
    assert place.writes("lehrer")
