"""Homes are made whole or not at all, with their owner and their rights, on the real disk."""

from __future__ import annotations

import asyncio
import os
import pwd
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.ports import Account, Foundation, Refused, Waiting
from connectors.folder import FolderConnector, Options, founding
from connectors.tree.foundation import under_way
from tests.conformance.base import context
from tests.connectors.folder.conftest import anchor_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")

#: An account that every machine has, and that is none of the system's own by its number.
NOBODY = Account("nobody")
UID = pwd.getpwnam("nobody").pw_uid
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_UNDEFINED = 0xFFFFFFFF


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "homes"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    return folder


def options(base: Path, root: str, **more: Any) -> Options:
    return Options(base=base, root=root, **more)


def foundation(wanted: Options) -> Foundation:
    found = FolderConnector(wanted, context()).capabilities.foundation
    assert found is not None
    return found


def make(wanted: Options, owner: Account, *, beside: Sequence[Options] = ()) -> None:
    asyncio.run(foundation(wanted).make(owner, beside=beside))


def move(wanted: Options, old: Options, identity: str) -> None:
    asyncio.run(foundation(wanted).move(old, identity))


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def rights(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_uid, state.st_mode & 0o7777


def test_a_home_is_its_owners_alone(base: Path) -> None:
    make(options(base, "anna"), NOBODY)
    assert rights(base / "anna") == (UID, 0o700)
    assert names(base) == ["anna"], "nothing else is left"


def test_the_folder_of_a_class_is_made_like_the_one_above(base: Path) -> None:
    base.chmod(0o2751)
    make(options(base, "students/5a/anna"), NOBODY)
    assert rights(base / "students") == rights(base / "students/5a") == (0, 0o2751)
    assert rights(base / "students/5a/anna") == (UID, 0o2700)


def test_a_default_list_hands_down_but_not_to_others(base: Path) -> None:
    entries = [(_USER_OBJ, 7, _UNDEFINED), (_USER, 5, 1), (_GROUP_OBJ, 0, _UNDEFINED), (_MASK, 7, _UNDEFINED),
               (_OTHER, 5, _UNDEFINED)]  # fmt: skip
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
    os.setxattr(base, "system.posix_acl_default", raw)
    make(options(base, "5a/anna"), NOBODY)
    given = os.getxattr(base / "5a/anna", "system.posix_acl_access")
    assert list(struct.iter_unpack("<HHI", given[4:])) == [*entries[:-1], (_OTHER, 0, _UNDEFINED)]
    assert os.getxattr(base / "5a", "system.posix_acl_access") == raw
    assert rights(base / "5a/anna")[0] == UID


def test_a_folder_that_is_there_is_left_as_it_is(base: Path) -> None:
    home = base / "anna"
    home.mkdir()
    (home / "Aufsatz.odt").write_text("mein")
    home.chmod(0o755)
    make(options(base, "anna"), NOBODY)
    assert rights(home) == (0, 0o755)
    assert names(base) == ["anna"]
    assert (home / "Aufsatz.odt").read_text() == "mein"


@pytest.mark.parametrize(
    ("login", "error", "words"),
    [
        ("ganz-unbekannt", Waiting, "does not know its owner's account"),
        ("root", Refused, "an account of the system"),
        ("daemon", Refused, "an account of the system"),
    ],
)
def test_nothing_is_made_for_whom_the_machine_does_not_know(
    base: Path, login: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make(options(base, "5a/anna"), Account(login))
    assert names(base) == []


def test_the_domain_stands_before_the_account(base: Path) -> None:
    with pytest.raises(Waiting, match="does not know"):
        make(options(base, "anna", domain="SCHULE"), NOBODY)
    assert names(base) == []


def test_a_folder_in_another_class_is_not_doubled(base: Path) -> None:
    (base / "5a" / "anna").mkdir(parents=True)
    with pytest.raises(Waiting, match=r"lies at .*/5a/anna"):
        make(options(base, "6a/anna"), NOBODY, beside=[options(base, "5a/anna")])
    assert not (base / "6a").exists()


def test_a_base_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="see the disk"):
        make(options(tmp_path / "away", "anna"), NOBODY)
    assert not (tmp_path / "away").exists()


def test_read_only_offers_nothing(base: Path) -> None:
    assert FolderConnector(options(base, "anna", read_only=True), context()).capabilities.foundation is None


# --- crashes ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """In place of the n-th call of a function the process ends: not even what clears up runs."""

    def at(name: str, number: int) -> None:
        calls = 0
        module, real = (founding, founding.rename) if name == "rename" else (os, getattr(os, name))

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                monkeypatch.setattr(os, "rmdir", lambda *_, **__: None)
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    return at


_POINTS = [("mkdir", 1), ("fchmod", 1), ("fchown", 1), ("fsync", 1), ("rename", 1), ("mkdir", 2), ("fchmod", 2),
           ("fchown", 2), ("fsync", 3), ("rename", 2), ("fsync", 4)]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), _POINTS)
def test_a_crash_leaves_no_home_that_others_can_read_and_the_next_try_ends_it(
    base: Path, dies: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    with monkeypatch.context() as own:
        dies(name, number)
        with pytest.raises(Killed):
            founding.make(options(base, "5a/anna"), NOBODY, ())
        own.undo()
        monkeypatch.undo()
    home = base / "5a" / "anna"
    assert not home.exists() or rights(home) == (UID, 0o700), "there with all of its rights, or not there"
    for left in base.rglob(".schoolbridge-home-*"):
        assert rights(left)[1] & 0o077 == 0 or left.name == under_way("5a")
    founding.make(options(base, "5a/anna"), NOBODY, ())
    assert rights(home) == (UID, 0o700)
    assert [one.name for one in base.rglob("*")] == ["5a", "anna"], "nothing is left of the first try"


def test_what_somebody_put_into_the_rest_of_a_crash_is_not_removed(base: Path) -> None:
    left = base / under_way("anna")
    left.mkdir()
    (left / "mein.txt").write_text("mein")
    with pytest.raises(Refused, match=under_way("anna")):
        make(options(base, "anna"), NOBODY)
    assert (left / "mein.txt").read_text() == "mein"
    assert not (base / "anna").exists()


def test_whoever_makes_it_meanwhile_keeps_it(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fchown

    def slow(*args: int) -> None:
        real(*args)
        (base / "anna").mkdir(exist_ok=True)
        (base / "anna" / "zuerst.txt").write_text("zuerst")

    monkeypatch.setattr(os, "fchown", slow)
    make(options(base, "anna"), NOBODY)
    assert (base / "anna" / "zuerst.txt").read_text() == "zuerst"
    assert names(base) == ["anna"]


# --- moving -----------------------------------------------------------------------------------------------------------


def test_a_home_is_moved_by_its_identity(base: Path) -> None:
    home = base / "5a" / "anna"
    home.mkdir(parents=True)
    (home / "Aufsatz.odt").write_text("mein")
    identity = anchor_of(home)
    move(options(base, "6a/anna"), options(base, "5a/anna"), identity)
    assert anchor_of(base / "6a" / "anna") == identity
    assert (base / "6a" / "anna" / "Aufsatz.odt").read_text() == "mein"
    assert not home.exists()


def test_nothing_is_moved_that_is_not_the_known_one_or_over_something(base: Path) -> None:
    home = base / "5a" / "anna"
    home.mkdir(parents=True)
    to = options(base, "6a/anna")
    with pytest.raises(Waiting, match="not the known folder"):
        move(to, options(base, "5a/anna"), "1-1")
    assert home.exists()
    assert not (base / "6a" / "anna").exists()
    (base / "6a" / "anna").mkdir(parents=True)
    with pytest.raises(Waiting, match="something is there by now"):
        move(to, options(base, "5a/anna"), anchor_of(home))
    assert home.exists()
    with pytest.raises(Waiting, match="not there any more"):
        move(to, options(base, "7a/anna"), anchor_of(home))
    with pytest.raises(Waiting, match="not there any more"):
        move(to, options(base, "5a/berta"), anchor_of(home))
