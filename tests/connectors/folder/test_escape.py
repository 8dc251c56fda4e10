"""S3: no path leads out of a root, also while somebody exchanges folders for links as fast as they can."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.folder.system import open_beneath, open_by_steps

Opener = Callable[[int, str, int], int]
OPENERS = [open_beneath, open_by_steps]


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_race_of_links_never_opens_what_is_outside(tmp_path: Path, opener: Opener) -> None:
    """Another thread exchanges a folder for a link to the outside, over and over, while files in it are opened."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "Kurs", outside):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(folder.name)
    (root / "trap").symlink_to(outside)
    done = threading.Event()

    def exchange() -> None:
        with opened(root) as at:
            while not done.is_set():
                for one, two in (("Kurs", "away"), ("trap", "Kurs"), ("Kurs", "trap"), ("away", "Kurs")):
                    os.rename(one, two, src_dir_fd=at, dst_dir_fd=at)

    enemy = threading.Thread(target=exchange)
    enemy.start()
    found: dict[str, int] = {}
    try:
        with opened(root) as at:
            while not (found.get("Kurs", 0) >= 100 and found.get("refused", 0) >= 100):
                try:
                    file = opener(at, "Kurs/a.txt", os.O_RDONLY)
                except OSError:
                    found["refused"] = found.get("refused", 0) + 1
                    continue
                text = os.read(file, 20).decode()
                os.close(file)
                found[text] = found.get(text, 0) + 1
                assert text != "outside"
    finally:
        done.set()
        enemy.join()
    assert set(found) == {"Kurs", "refused"}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "path",
    ["..", "../outside/a.txt", "Kurs/../../outside/a.txt", "{outside}/a.txt", "link/a.txt", "Kurs/up/outside/a.txt",
     "Kurs/./../../outside/a.txt", "/proc/self/root/etc/passwd", "proc/root/etc/passwd"],
)  # fmt: skip
def test_paths_and_links_that_lead_out_are_refused(tmp_path: Path, opener: Opener, path: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "Kurs").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.txt").write_text("outside")
    (root / "link").symlink_to(outside)
    (root / "Kurs" / "up").symlink_to("../..")
    (root / "proc").symlink_to("/proc/self")
    with opened(root) as at, pytest.raises(OSError, match=r"."):
        os.close(opener(at, path.format(outside=outside), os.O_RDONLY))


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("name", ["..\\..\\outside", "file:ads", "CON", "aux.txt", "a\\b", "C:\\x", "…", ". "])
def test_what_is_special_elsewhere_is_a_plain_name_here(tmp_path: Path, opener: Opener, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with opened(tmp_path) as at:
        file = opener(at, name, os.O_RDONLY)
        assert os.read(file, 9) == b"mine"
        os.close(file)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_zero_byte_is_no_end_of_a_path(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "a").write_text("mine")
    with opened(tmp_path) as at, pytest.raises((OSError, ValueError)):
        os.close(opener(at, "a\0b", os.O_RDONLY))
