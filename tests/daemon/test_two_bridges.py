"""A pupil changes schools with all files: two installed bridges and states, two file servers, and one tenant.

The commands are real, the sandbox is a process of its own behind TLS, the homes are directories with real bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.daemon import wiring
from tests.daemon.embedded import Embedded, person
from tests.daemon.folders import tree
from tests.daemon.live import Live

OLD, NEW = "0123", "0456"
FILES = {"Aufsatz.odt": b"aus der alten Schule" * 2000, "Bilder/Hund.png": bytes(range(256)) * 400, "leer.txt": b""}


class Pair:
    """The old school (``live``) and the new one (``other``), and a clock that both bridges go by."""

    def __init__(self, root: Path) -> None:
        (root / "old").mkdir()
        self.live = Live(root / "old", people=2)
        self.old = self.live.school
        self.other = self.live.beside(root / "new", NEW)
        self.offset = timedelta()
        for one in (self.old, self.other):
            text = one.school_file.read_text()
            one.school_file.write_text(text.replace("  poll_seconds", "  take_over: true\n  poll_seconds"))
        self.home = self.live.home("anna0")
        for name, content in FILES.items():
            (self.home / name).parent.mkdir(exist_ok=True)
            (self.home / name).write_bytes(content)
        self.new_home = root / "new" / "homes" / "lang.anna"
        self.mirror(lambda: self.drive() == set(FILES) | {"Bilder"})

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def account(self) -> str:
        return self.live.account("anna0")

    def drive(self) -> set[str]:
        return set(self.live.drives.tree(self.account()))

    def leave(self) -> None:
        with self.old.school.changing() as side:
            side.delete(side.named("user", "source_anchor", "R0") or "")

    def enrol(self) -> None:
        self.new_home.mkdir()
        (self.new_home / "neu.txt").write_bytes(b"schon da")
        with self.other.school.changing() as side:
            side.create("user", {**person(0), "login": "lang.anna", "upn_base": "lang.anna"})

    def mirror(self, probe: Callable[[], bool], *only: Embedded) -> None:
        """Syncs of both bridges, a quarter of an hour apart, until it is so."""
        said = ""
        for _ in range(12):
            for one in only or (self.old, self.other):
                answer = one.run("sync")
                said = answer.out + answer.err
            if probe():
                return
            self.offset += timedelta(minutes=16)
        raise AssertionError(said[-3000:])

    def moved(self) -> bool:
        """Whether both ends of the new home hold everything."""
        wanted = {**FILES, "neu.txt": b"schon da"}
        return tree(self.new_home) == wanted and self.drive() == set(wanted) | {"Bilder"}


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    one = Pair.__new__(Pair)
    one.offset = timedelta()
    monkeypatch.setattr(wiring, "now", lambda: Pair.now(one))
    one.__init__(tmp_path)  # type: ignore[misc]
    yield one
    one.live.stop()


@pytest.mark.parametrize("order", ["old first", "new first", "deleted long ago"])
def test_the_files_go_along_and_stay_where_they_were(pair: Pair, order: str) -> None:
    account = pair.account()
    if order == "new first":
        pair.enrol()
        pair.other.run("sync")
        assert "held_elsewhere" in pair.other.run("quarantine").out
        assert tree(pair.new_home) == {"neu.txt": b"schon da"}
        pair.leave()
    else:
        pair.leave()
        pair.old.run("sync")
        if order == "deleted long ago":
            pair.offset += timedelta(days=31)
            pair.mirror(lambda: pair.live.cloud.account("R0") is None, pair.old)
        pair.enrol()
    pair.mirror(pair.moved)
    assert pair.account() == account
    # The old home is as it was, and what happens there goes nowhere.
    assert tree(pair.home) == FILES
    (pair.home / "spät.txt").write_bytes(b"an der alten Schule")
    (pair.home / "Aufsatz.odt").unlink()
    pair.offset += timedelta(days=100)
    for one in (pair.old, pair.other, pair.old, pair.other):
        one.run("sync")
    assert pair.moved()
    assert pair.account() == account
    # And the new school's goes both ways.
    (pair.new_home / "weiter.txt").write_bytes(b"weiter")
    pair.mirror(lambda: "weiter.txt" in pair.drive(), pair.other)
    for code, one in ((OLD, pair.old), (NEW, pair.other)):
        assert one.run("journal", "verify").code == 0, code
    found = [(one.id, one.enabled) for one in pair.live.cloud.accounts() if one.reference == "R0"]
    assert found == [(account, True)]
