"""What is observed: saving, moving, waiting, resuming, and that silence is never taken for a deletion."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bridge.core.model import Evidence
from bridge.ports import TokenLost
from connectors.folder.system import EXCHANGE, open_beneath, open_by_steps, rename
from tests.connectors.folder.conftest import Mirrored, anchor_of, really


async def test_the_watch_lives_and_looks_where_something_happened_only(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    for number in range(30):
        mirrored.put(f"{number}/a.txt", "x")
    await mirrored.look()
    assert mirrored.connector.sight.watching
    assert mirrored.connector.sight.listed >= 31
    mirrored.put("7/a.txt", "changed")
    await asyncio.wait_for(anext(mirrored.connector.hints()), 20)
    await mirrored.look()
    assert mirrored.connector.sight.listed == 1
    await mirrored.connector.close()


async def test_an_overflow_makes_everything_be_scanned(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    mirrored.put("Kurs/a.txt", "x")
    await mirrored.look()
    sight = mirrored.connector.sight
    assert sight.storage.watch is not None
    sight.storage.watch._tree.lost = True
    sight.storage.watch.drain()
    await mirrored.look()
    assert sight.listed >= 2
    await mirrored.connector.close()


async def test_a_deaf_watch_is_noticed(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    await mirrored.look()
    watch = mirrored.connector.sight.storage.watch
    assert watch is not None
    watch._tree.dead = True
    mirrored.put("a.txt", "x")
    await mirrored.look()
    assert mirrored.tree() == {"a.txt": "file"}
    assert mirrored.connector.sight.watching
    assert mirrored.connector.sight.storage.watch is not watch
    await mirrored.connector.close()


async def test_saving_by_another_file_keeps_the_anchor(mirrored: Mirrored) -> None:
    path = mirrored.put("a.docx", "1")
    await mirrored.look()
    anchor, before = mirrored.at("a.docx"), mirrored.seen.records[mirrored.at("a.docx")]
    mirrored.put("~WRD0001.tmp", "2").replace(path)
    await mirrored.look()
    assert mirrored.at("a.docx") == anchor
    assert mirrored.seen.records[anchor]["content"] != before["content"]
    assert mirrored.seen.gone == {}
    await mirrored.restart()
    await mirrored.look()
    assert mirrored.at("a.docx") == anchor


async def test_a_backup_that_is_kept_is_the_old_file(mirrored: Mirrored) -> None:
    path = mirrored.put("a.txt", "1")
    await mirrored.look()
    anchor = mirrored.at("a.txt")
    path.rename(path.with_name("a.bak"))
    mirrored.put("a.txt", "2")
    await mirrored.look()
    assert mirrored.at("a.bak") == anchor
    assert mirrored.at("a.txt") == anchor_of(path)


async def test_a_moved_folder_is_one_change(mirrored: Mirrored) -> None:
    for number in range(20):
        mirrored.put(f"Kurs/sub/{number}", "x")
    mirrored.put("other/x", "x")
    await mirrored.look()
    pages = len(mirrored.seen.pages)
    (mirrored.root / "Kurs").rename(mirrored.root / "other" / "Kurs 2")
    await mirrored.look()
    told = [one.anchor for page in mirrored.seen.pages[pages:] for one in page.observations]
    assert told == [mirrored.at("other/Kurs 2")]
    assert mirrored.seen.gone == {}


async def test_a_file_that_is_being_written_waits(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path, quiet_seconds=5)
    sight = mirrored.connector.sight
    path = mirrored.put("a.txt", "half")
    sight.now = lambda: path.stat().st_mtime_ns + 10**9
    await mirrored.look()
    assert mirrored.tree() == {}
    due = sight.next_due()
    assert due is not None
    assert 3.9 < due < 4.1
    sight.now = lambda: path.stat().st_mtime_ns + 6 * 10**9
    await mirrored.look()
    assert mirrored.tree() == {"a.txt": "file"}
    assert sight.next_due() is None
    await mirrored.connector.close()


async def test_what_other_patterns_exclude_left_the_scope_and_is_not_deleted(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    mirrored.put("a.mp4", "x")
    mirrored.put("b/c.mp4", "x")
    mirrored.put("b/d.txt", "x")
    await mirrored.look()
    film, folder, below, text = (mirrored.at(path) for path in ("a.mp4", "b", "b/c.mp4", "b/d.txt"))
    mirrored.options = mirrored.options.model_copy(update={"exclude": ("*.mp4",)})
    await mirrored.restart()
    await mirrored.look()
    assert mirrored.seen.gone == {film: Evidence.LEFT, below: Evidence.LEFT}
    mirrored.options = mirrored.options.model_copy(update={"exclude": ("b",)})
    await mirrored.restart()
    await mirrored.look()
    assert mirrored.seen.gone == {folder: Evidence.LEFT, below: Evidence.LEFT, text: Evidence.LEFT}
    assert mirrored.at("a.mp4") == film, "it is the same file"
    await mirrored.connector.close()


async def test_a_lost_index_leads_to_a_listing_and_no_deletion(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    mirrored.put("a.mp4", "x")
    await mirrored.look()
    await mirrored.connector.close()
    for file in (tmp_path / "index").iterdir():
        file.write_bytes(b"broken")
    mirrored.connector = mirrored.opened()
    with pytest.raises(TokenLost):
        await mirrored.look()
    mirrored.seen.token = None
    await mirrored.look()
    assert mirrored.seen.gone == {}
    await mirrored.connector.close()


async def test_a_listing_goes_on_where_it_was_cut_off(mirrored: Mirrored) -> None:
    for number in range(1200):
        mirrored.put(f"{number % 3}/{number}", "")
    pages = mirrored.connector.observe(None)
    mirrored.seen.fold(await anext(pages))
    first = len(mirrored.seen.records)
    assert 0 < first <= 501
    await mirrored.restart()
    await mirrored.look()
    assert len(mirrored.seen.records) == 1203
    assert mirrored.seen.pages[-1].complete
    told = sum(len(page.observations) for page in mirrored.seen.pages)
    assert told == 1203
    assert set(mirrored.seen.gone.values()) <= {Evidence.DELETED}


async def test_what_is_no_file_is_told_and_not_followed(mirrored: Mirrored, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (mirrored.root / "link").symlink_to(tmp_path)
    os.mkfifo(mirrored.root / "pipe")
    os.close(os.open(os.fsencode(mirrored.root) + b"/\xff.txt", os.O_CREAT))
    await mirrored.look()
    assert mirrored.tree() == {}
    text = "\n".join(mirrored.seen.pages[-1].warnings)
    assert all(word in text for word in ("symbolic link", "pipe", "UTF-8"))


@pytest.mark.parametrize("opener", [open_beneath, open_by_steps])
def test_nothing_outside_is_opened(tmp_path: Path, opener: object) -> None:
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    root = os.open(tmp_path / "root", os.O_RDONLY)
    assert callable(opener)
    os.close(opener(root, "in", os.O_RDONLY))
    for path in ("..", "in/../..", "link/root", "link"):
        with pytest.raises(OSError, match=r"link|Not a dir|symbolic"):
            opener(root, path, os.O_RDONLY)
    os.close(root)


async def test_what_happens_in_a_folder_on_its_way_there_and_back_is_seen(mirrored: Mirrored) -> None:
    """Nothing but the folder's own time tells of it afterwards: the folder is the same one at the same place."""
    mirrored.put("Kurs/a.txt", "1")
    mirrored.put("Kurs/sub/a.txt", "1")
    mirrored.put("other/a.txt", "1")
    await mirrored.look()
    (mirrored.root / "Kurs").rename(mirrored.root / "other" / "Kurs")
    mirrored.put("other/Kurs/b.txt", "2")
    mirrored.put("other/Kurs/sub/b.txt", "2")
    (mirrored.root / "other" / "Kurs").rename(mirrored.root / "Kurs")
    await mirrored.look()
    assert mirrored.tree() == really(mirrored.root)


@pytest.mark.parametrize("again", [False, True])
async def test_two_folders_that_change_places_are_not_taken_for_each_other(mirrored: Mirrored, again: bool) -> None:
    for name in ("one/a", "two/b"):
        mirrored.put(f"{name}/sub/x.txt", "1")
    await mirrored.look()

    def swap() -> None:
        fds = [os.open(mirrored.root / name, os.O_RDONLY) for name in ("one", "two")]
        rename(fds[0], "a", fds[1], "b", flags=EXCHANGE)
        for fd in fds:
            os.close(fd)

    swap()
    await mirrored.look()
    mirrored.put("one/a/sub/new.txt", "2")
    if again:
        swap()
    await mirrored.look()
    assert mirrored.tree() == really(mirrored.root)


async def test_a_folder_made_where_one_was_moved_away_is_not_taken_for_it(mirrored: Mirrored) -> None:
    """All of it happens before anybody reads what the kernel has to tell."""
    await mirrored.look()
    for name in ("new", "later"):
        (mirrored.root / "x").mkdir()
        (mirrored.root / "x").rename(mirrored.root / name)
    (mirrored.root / "x").mkdir()
    await mirrored.look()
    for name in ("x", "new", "later"):
        mirrored.put(f"{name}/a.txt", "1")
    await mirrored.look()
    assert mirrored.tree() == really(mirrored.root)
