"""What one file costs does not depend on how many are beside it: SQLite's own steps are counted, not seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.core.model import Action, Evidence
from connectors.tree.index import ROOT, Entry, Index
from tests.conformance.base import written
from tests.connectors.folder.conftest import Mirrored

FEW, MANY = 50, 20_000


def entry(number: int) -> Entry:
    return Entry(f"Datei {number:05}.docx", 1000 + number, 7, 1, 2, 3, 4)


def filled(count: int) -> Index:
    index = Index(None, "test")
    index.put_files(ROOT, {(one := entry(number)).name: one for number in range(count)}, before={})
    for number in range(count):
        index.add_directory(f"{10**7 + number}:7", ROOT, f"Ordner {number:05}")
    return index


@contextmanager
def steps(index: Index, into: list[int]) -> Iterator[None]:
    """Count the instructions that SQLite's machine executes."""
    count = 0

    def one_more() -> int:
        nonlocal count
        count += 1
        return 0

    index._db.set_progress_handler(one_more, 1)
    try:
        yield
    finally:
        index._db.set_progress_handler(None, 0)
        into.append(count)


def special(index: Index) -> None:
    index.inherit(ROOT, entry(7), anchor="1:1")
    assert index.find("1:1") is not None
    assert index.is_special("1:1")


WORK: dict[str, Callable[[Index], object]] = {
    "put one file": lambda index: index.replace_file(ROOT, entry(10**6).name, entry(10**6)),
    "replace one": lambda index: index.replace_file(ROOT, entry(7).name, entry(7)),
    "take one away": lambda index: index.replace_file(ROOT, entry(7).name, None),
    "find one": lambda index: index.find(entry(7).anchor),
    "find none": lambda index: index.find("4711:7+abcdef01"),
    "by inode": lambda index: (index.holders(1007, 7), index.rows_of("1007:7"), index.rows_holding(1007)),
    "by name": lambda index: index.file(ROOT, entry(7).name),
    "take a free name": lambda index: index.displace(ROOT, "neu", by="1:1"),
    "take a file's name": lambda index: index.displace(ROOT, entry(7).name, by="1:1"),
    "take a folder's name": lambda index: index.displace(ROOT, "Ordner 00007", by="1:1"),
    "a folder by path": lambda index: index.by_path("Ordner 00007"),
    "another anchor": special,
    "tell of one": lambda index: (index.log([("1007:7", "file", Evidence.DELETED)]), index.changes(0, 9, 9)),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_one_file_costs_the_same_in_a_large_folder(work: Callable[[Index], object]) -> None:
    counted: list[int] = []
    for count in (FEW, MANY):
        index = filled(count)
        with steps(index, counted):
            work(index)
        index.close()
    few, many = counted
    # A tree that is one level deeper may take a few more.
    assert few > 0
    assert many <= few + 20, f"{few} steps beside {FEW} files, {many} beside {MANY}"


def test_one_changed_file_writes_one_row() -> None:
    index = filled(MANY)
    before = index.files(ROOT)
    after = {**before, entry(7).name: Entry(entry(7).name, 1007, 7, 9, 9, 9, 9), entry(MANY).name: entry(MANY)}
    del after[entry(8).name]
    changes = index._db.total_changes
    index.put_files(ROOT, after, before=before)
    assert index._db.total_changes - changes <= 3 + 1  # OR REPLACE counts what it replaces
    assert index.files(ROOT) == after
    index.close()


async def test_a_burst_of_writes_into_a_large_folder_lists_it_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = Mirrored(tmp_path, watch=False)
    for number in range(300):
        mirrored.put(f"Kurs/{number}", "x")
    await mirrored.look()

    longest: list[int] = []
    really = os.listdir

    def listed(folder: int) -> list[str]:
        found = really(folder)
        longest.append(len(found))
        return found

    def scanned(_: object = ".") -> None:
        raise AssertionError("a folder was listed for one file")

    monkeypatch.setattr(os, "scandir", scanned)
    monkeypatch.setattr(os, "listdir", listed)
    parent = mirrored.at("Kurs")
    for number in range(20):
        await written(
            mirrored.connector,
            mirrored.write(Action.CREATE, "file", None, parent=parent, name=f"new {number}", content=b"y"),
        )
        await written(mirrored.connector, mirrored.write(Action.UPDATE, "file", f"Kurs/{number}", content=b"z"))
        await written(mirrored.connector, mirrored.write(Action.DELETE, "file", f"Kurs/{number + 50}"))
    monkeypatch.undo()
    assert max(longest) <= 2, "a version in the trash and its origin"
    await mirrored.connector.close()
