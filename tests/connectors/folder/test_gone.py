"""A share of very many files that vanishes: decided on without a list of them, in an order from the bottom up."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.core.model import Evidence
from connectors.tree import tables
from connectors.tree.gone import Sought, decide
from connectors.tree.index import ROOT, Directory, Entry, Index
from connectors.tree.scope import Scope
from connectors.tree.storage import Wanted

FOLDERS, FILES = 200, 100


def entry(number: int) -> Entry:
    return Entry(f"Datei {number:06}.docx", 10**6 + number, 7, 1, 2, 3, 4)


def vanished(place: Path, *, loose: int = 0) -> Index:
    """A folder with so many folders of files in it is gone, and ``loose`` files beside it."""
    index = Index(place / "index", "test")
    index.begin()
    top = index.add_directory("1:7", ROOT, "alles")
    for number in range(FOLDERS):
        folder = index.add_directory(f"{100 + number}:7", top.id, f"Ordner {number:04}")
        here = [entry(number * FILES + one) for one in range(FILES)]
        index.put_files(folder.id, {one.name: one for one in here}, before={})
    index.vanish([top.vanished()])
    index.vanish(entry(10**6 + one).vanished(ROOT) for one in range(loose))
    index.commit()
    return index


class Lister:
    """Finds what ``there`` holds, in every folder that is looked through."""

    def __init__(self, there: set[int]) -> None:
        self.there = there

    def find(self, path: str, wanted: Wanted) -> tuple[set[int], Sequence[str]]:
        return {one for one in self.there if wanted.get(one) is not None}, ()


class Shut(Scope):
    """One excluded folder at the root."""

    def __init__(self) -> None:
        super().__init__()
        self._shut[ROOT] = ("tmp",)


def told(index: Index) -> list[tuple[str, str, Evidence | None]]:
    return [(one.anchor, one.kind, one.gone) for one in index.changes(0, 10**9, 10**9)]


@pytest.mark.parametrize("scope", [Scope, Shut])
def test_what_is_gone_is_told_from_the_bottom_up_and_nothing_of_it_is_kept(tmp_path: Path, scope: type[Scope]) -> None:
    index = vanished(tmp_path, loose=50)
    tracemalloc.start()
    try:
        decide(index, Lister(set()), scope())  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000, "a list of all took 5.7 MB"
    found = told(index)
    assert len(found) == 50 + FOLDERS * (FILES + 1) + 1
    assert {gone for _, _, gone in found} == {Evidence.DELETED}
    place = {anchor: number for number, (anchor, _, _) in enumerate(found)}
    assert place["1:7"] == len(found) - 1
    for number in (0, 7, FOLDERS - 1):
        assert max(place[entry(number * FILES + one).anchor] for one in range(FILES)) < place[f"{100 + number}:7"]
    assert index.all_directories() == [ROOT]
    assert (index.count_vanished("file"), index.count_vanished("folder")) == (0, 0)
    index.close()


def test_what_left_the_scope_is_told_so_with_all_that_is_in_it(tmp_path: Path) -> None:
    index = vanished(tmp_path, loose=2)
    decide(index, Lister({entry(10**6).ino, entry(3).ino}), Shut())  # type: ignore[arg-type]
    gone = {anchor: evidence for anchor, _, evidence in told(index)}
    assert {anchor for anchor, evidence in gone.items() if evidence is Evidence.LEFT} == {
        entry(10**6).anchor, entry(3).anchor,
    }  # fmt: skip
    aside = index.aside(ROOT, entry(10**6).name)
    assert aside is not None, "it is the same one when it comes back"
    assert aside.anchor == entry(10**6).anchor
    index.close()


def test_a_folder_that_left_the_scope_takes_everything_along(tmp_path: Path) -> None:
    index = vanished(tmp_path, loose=1)
    decide(index, Lister({1}), Shut())  # type: ignore[arg-type]
    gone = {anchor: evidence for anchor, _, evidence in told(index)}
    assert gone.pop(entry(10**6).anchor) is Evidence.DELETED
    assert set(gone.values()) == {Evidence.LEFT}
    assert len(gone) == FOLDERS * (FILES + 1) + 1
    index.close()


def test_what_is_sought_is_found_by_id_and_nothing_else_is(tmp_path: Path) -> None:
    index = vanished(tmp_path, loose=1)
    other: Directory = index.add_directory("99:7", ROOT, "lebt")
    index.put_files(other.id, {"lebt": Entry("lebt", 98, 7, 1, 2, 3, 4)}, before={})
    sought = Sought(index)
    assert len(sought) == 1 + FOLDERS * (FILES + 1) + 1
    found = [sought.get(one) for one in (1, 107, entry(5).ino, entry(10**6).ino)]
    assert [one.anchor if one else None for one in found] == ["1:7", "107:7", entry(5).anchor, entry(10**6).anchor]
    assert [sought.get(one) for one in (98, 99, 12345, 10)] == [None] * 4
    index.close()


class Failing(sqlite3.Connection):
    """A disk that can't be read."""

    def execute(self, *_: object) -> sqlite3.Cursor:
        raise sqlite3.OperationalError("disk I/O error")


def test_a_disk_that_fails_for_a_moment_does_not_cost_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = vanished(tmp_path)
    index.log([("1:1", "file", Evidence.DELETED)])
    before, number, known = index.all_directories(), index.number, index.id
    index.close()
    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(tables.sqlite3, "connect", lambda *given, **more: connect(*given, factory=Failing, **more))
        with pytest.raises(sqlite3.OperationalError):
            Index(tmp_path / "index", "test")
    index = Index(tmp_path / "index", "test")
    assert (index.all_directories(), index.number, index.id) == (before, number, known)
    assert number > 0
    monkeypatch.setattr(index, "_db", connect(tmp_path / "index", factory=Failing))
    with pytest.raises(sqlite3.OperationalError):
        assert index.number != 0, "not that nothing was ever told"


def test_of_a_write_the_index_keeps_all_or_nothing_but_what_others_broke_off(tmp_path: Path) -> None:
    index = vanished(tmp_path)
    top = index.by_anchor("1:7")
    assert top is not None

    def rename(error: Exception) -> None:
        with index.writing():
            index.place_directory(top.id, ROOT, "anders")
            raise error

    with pytest.raises(sqlite3.OperationalError):
        rename(sqlite3.OperationalError("database or disk is full"))  # what would tell of it
    assert index.by_anchor("1:7") == top
    with pytest.raises(ValueError, match="refused"):
        rename(ValueError("refused"))
    here = index.by_anchor("1:7")
    assert here is not None
    assert here.name == "anders"
    index.close()
