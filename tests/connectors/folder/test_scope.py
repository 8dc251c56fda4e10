"""What gets a name or place that the patterns exclude left the scope: not deleted, and the same when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Evidence
from tests.connectors.folder.conftest import Mirrored


@pytest.fixture
async def mirrored(tmp_path: Path) -> AsyncIterator[Mirrored]:
    one = Mirrored(tmp_path, exclude=("*.tmp", "*.bak", "privat", "archiv/alt", "$RECYCLE.BIN"))
    yield one
    await one.connector.close()


async def test_a_file_that_gets_an_excluded_name_and_its_own_again(mirrored: Mirrored) -> None:
    file = mirrored.put("a.docx", "text")
    await mirrored.look()
    anchor = mirrored.at("a.docx")
    file.rename(mirrored.root / "a.tmp")
    await mirrored.look()
    assert mirrored.seen.gone == {anchor: Evidence.LEFT}
    (mirrored.root / "a.tmp").rename(file)
    await mirrored.look()
    assert mirrored.at("a.docx") == anchor
    assert mirrored.seen.gone == {}


async def test_a_folder_that_goes_into_an_excluded_one(mirrored: Mirrored) -> None:
    mirrored.put("Fotos/innen/a.jpg", "bild")
    mirrored.put("privat/x", "x")
    await mirrored.look()
    known = {mirrored.at(path) for path in ("Fotos", "Fotos/innen", "Fotos/innen/a.jpg")}
    (mirrored.root / "privat" / "tief").mkdir()
    (mirrored.root / "Fotos").rename(mirrored.root / "privat" / "tief" / "Fotos")
    await mirrored.look()
    assert mirrored.seen.gone == dict.fromkeys(known, Evidence.LEFT)
    (mirrored.root / "privat" / "tief" / "Fotos").rename(mirrored.root / "Bilder")
    await mirrored.look()
    assert {mirrored.at(path) for path in ("Bilder", "Bilder/innen", "Bilder/innen/a.jpg")} == known


async def test_a_folder_excluded_by_its_path(mirrored: Mirrored) -> None:
    mirrored.put("archiv/neu/a.txt", "text")
    await mirrored.look()
    known = {mirrored.at(path) for path in ("archiv/neu", "archiv/neu/a.txt")}
    (mirrored.root / "archiv" / "neu").rename(mirrored.root / "archiv" / "alt")
    await mirrored.look()
    assert mirrored.seen.gone == dict.fromkeys(known, Evidence.LEFT)


async def test_what_is_in_a_recycle_bin_was_deleted(mirrored: Mirrored) -> None:
    file = mirrored.put("a.docx", "text")
    (mirrored.root / "$RECYCLE.BIN").mkdir()
    mirrored.put("privat/x", "x")
    await mirrored.look()
    anchor = mirrored.at("a.docx")
    file.rename(mirrored.root / "$RECYCLE.BIN" / "a.docx")
    await mirrored.look()
    assert mirrored.seen.gone == {anchor: Evidence.DELETED}


async def test_what_is_really_deleted_beside_something_excluded(mirrored: Mirrored) -> None:
    file = mirrored.put("a.docx", "text")
    mirrored.put("b.tmp", "x")
    mirrored.put("privat/x", "x")
    await mirrored.look()
    anchor = mirrored.at("a.docx")
    file.unlink()
    await mirrored.look()
    assert mirrored.seen.gone == {anchor: Evidence.DELETED}


@pytest.mark.parametrize("looks", [False, True])
async def test_a_program_that_saves_by_way_of_an_excluded_backup_saves_the_same_file(
    mirrored: Mirrored, looks: bool
) -> None:
    """Writes beside it, puts the old one away under an excluded name, and gives the new one the name."""
    file = mirrored.put("a.docx", "alt")
    await mirrored.look()
    anchor = mirrored.at("a.docx")
    new = mirrored.put("neu.tmp", "neu und anders")
    file.rename(mirrored.root / "a.bak")
    if looks:
        await mirrored.look()
    new.rename(file)
    await mirrored.look()
    assert mirrored.at("a.docx") == anchor
    assert mirrored.seen.gone == {}
    (mirrored.root / "a.bak").unlink()
    await mirrored.look()
    assert mirrored.tree() == {"a.docx": "file"}
    assert mirrored.seen.gone == {}
