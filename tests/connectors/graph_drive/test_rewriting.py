"""SharePoint writes into files after their upload: no edit, whatever we heard of it; and a person's edit is one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.core.model import Side
from bridge.ports import Meaning, Page
from connectors.graph_drive import DriveConnector
from connectors.sandbox.drive_model import Item
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import connector, content_of, digest, done, new_file, pages
from tests.connectors.graph_drive.test_reading import folded
from tests.machines.hands import DriveHands
from tests.machines.shares import Shares, folder, mirrored

Connect = Callable[..., DriveConnector]


def edit(cloud: Cloud, item: Item, content: bytes) -> None:
    """A person writes to a file of the library, in Office or by a sync client."""
    spool = cloud.sandbox.service.drives.blobs.spool()
    spool.write(content)
    cloud.sandbox.service.drives.write(item, spool, by=cloud.user)
    cloud.sandbox.commit()


def meant(found: list[Page]) -> dict[str, Meaning]:
    return {one.anchor: one for page in found for one in page.meanings}


@pytest.mark.parametrize("delay", [0.0, 60.0])
async def test_office_rewriting_is_no_edit(cloud: Cloud, connect: Connect, delay: float) -> None:
    knobs = cloud.sandbox.service.knobs
    knobs.office_rewriting, knobs.office_delay = True, delay
    drive = connect(library=True)
    token = (await pages(drive))[-1].token
    written = await done(drive, new_file("a.docx", b"a word document"))
    item = cloud.library.items[written.anchor]
    assert (written.shown is None) == bool(delay)
    assert written.content == digest(b"a word document")
    cloud.sandbox.clock.advance(61)
    await pages(drive)
    shown = digest(content_of(cloud.sandbox, item))
    assert shown != written.content
    wanted = Meaning(item.id, shown, written.content)
    # A later process, and a full listing, say the same.
    for found in (await pages(drive, token), await pages(connect(library=True))):
        assert folded(found)[item.id].fields["content"] == shown, "what the drive shows"
        assert meant(found) == {item.id: wanted}, "and what it means"
    # But a person's edit is one.
    edit(cloud, item, b"edited")
    found = await pages(drive, found[-1].token)
    assert folded(found)[item.id].fields["content"] == digest(b"edited")
    assert not meant(found)


async def test_a_lost_answer_of_a_rewritten_file_is_still_ours(cloud: Cloud, connect: Connect) -> None:
    cloud.sandbox.service.knobs.office_rewriting = True
    drive = connect(library=True)
    cloud.sandbox.faults.add("drop-after", method="PUT", path="_upload", count=1)
    written = await done(drive, new_file("a.docx", b"a word document"))
    assert written.adopted
    assert written.content == digest(b"a word document")
    assert written.shown is not None
    assert len(cloud.library.root.children or {}) == 1


# --- a whole mirror, whose process ends between SharePoint's commit and our hearing of it -----------------------------


class Library:
    """A class's folder mirrored to its library; ``restart`` is a new process of the bridge."""

    def __init__(self, cloud: Cloud, ends: Shares, place: Path, root: Path) -> None:
        self.cloud, self.ends, self.place, self.root = cloud, ends, place, root

    def open(self) -> DriveConnector:
        told = {"group": self.cloud.group}
        return connector(self.cloud.sandbox, told, directory=self.place / "drive", timeouts={"retry": 1})

    async def restart(self) -> None:
        await self.ends.ends[Side.CLOUD].close()
        self.ends.ends = {**self.ends.ends, Side.CLOUD: self.open()}

    def item(self, name: str = "a.docx") -> Item:
        return next(one for one in self.cloud.library.root.children.values() if one.name == name)  # type: ignore[union-attr]

    def uploads(self) -> int:
        return int(self.cloud.sandbox.counters().get("files written", 0))

    async def lose_the_answer(self) -> None:
        """The upload is committed; neither its answer nor anything else reaches us any more, and the process ends."""
        faults, before = self.cloud.sandbox.faults, self.uploads()
        faults.add("drop-after", method="PUT", path="_upload", count=1)
        faults.add("unavailable", method="GET", path="_upload|items|root", count=None)
        # Observing comes before writing: what a cycle reads first is not to be lost.
        writer = self.ends.ends[Side.CLOUD]._writer  # type: ignore[attr-defined]
        faults.rules[-1].probability = 0.0
        inner = writer.apply

        def apply(writes: object) -> AsyncIterator[object]:
            faults.rules[-1].probability = 1.0
            found: AsyncIterator[object] = inner(writes)
            return found

        writer.apply = apply
        report = await self.ends.cycle()
        assert report.error, "nobody heard of it"
        assert self.uploads() == before + 1, "but it was committed"
        faults.rules.clear()
        await self.restart()


@pytest.fixture
async def library(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Library]:
    cloud.sandbox.service.knobs.office_rewriting = True
    async with _mirrored(cloud, tmp_path) as one:
        yield one


@asynccontextmanager
async def _mirrored(cloud: Cloud, place: Path) -> AsyncIterator[Library]:
    school = folder(place)
    first = connector(cloud.sandbox, {"group": cloud.group}, directory=place / "drive", timeouts={"retry": 1})
    async with mirrored(school, (first, DriveHands(cloud.sandbox, cloud.library))) as ends:
        one = Library(cloud, ends, place, school[1])
        yield one
        await one.ends.ends[Side.CLOUD].close()


def write(library: Library, content: bytes, when: int = 1_788_242_400) -> None:
    (library.root / "a.docx").write_bytes(content)
    os.utime(library.root / "a.docx", (when, when))


@pytest.mark.parametrize("delay", [0.0, 60.0])
@pytest.mark.parametrize("kind", ["new", "changed"])
async def test_a_lost_answer_makes_no_conflict_copy(library: Library, delay: float, kind: str) -> None:
    library.cloud.sandbox.service.knobs.office_delay = delay
    if kind == "changed":
        write(library, b"first")
        await library.ends.settle()
    write(library, b"a word document", when=1_788_250_000)
    await library.lose_the_answer()
    library.cloud.sandbox.clock.advance(61)
    uploads = library.uploads()
    await library.ends.settle()
    assert not library.ends.store.conflicts()
    assert library.ends.tree(Side.SCHOOL) == {"/a.docx": b"a word document"}
    [(path, shown)] = library.ends.tree(Side.CLOUD).items()
    assert path == "/a.docx"
    assert isinstance(shown, bytes)
    assert shown.startswith(b"a word document")
    assert shown != b"a word document", "rewritten"
    assert library.uploads() == uploads, "nothing is sent twice"
    # And the next real edits go both ways as ever.
    edit(library.cloud, library.item(), b"by a pupil")
    await library.ends.settle()
    assert library.ends.tree(Side.SCHOOL) == {"/a.docx": b"by a pupil"}
    write(library, b"by a teacher", when=1_788_260_000)
    await library.ends.settle()
    assert not library.ends.store.conflicts()
    assert content_of(library.cloud.sandbox, library.item()).startswith(b"by a teacher")


@pytest.mark.parametrize("kind", ["new", "changed"])
async def test_a_persons_edit_at_that_very_moment_is_not_lost(library: Library, kind: str) -> None:
    if kind == "changed":
        write(library, b"first")
        await library.ends.settle()
    write(library, b"a word document", when=1_788_250_000)
    await library.lose_the_answer()
    edit(library.cloud, library.item(), b"a pupil's work")
    await library.ends.settle()
    for side in Side:
        there = {one for one in library.ends.tree(side).values() if isinstance(one, bytes)}
        assert any(one.startswith(b"a pupil's work") for one in there), side
        kept = there | set(library.ends.hands[side].trash())
        assert any(one.startswith(b"a word document") for one in kept if isinstance(one, bytes)), side


async def test_an_upload_that_never_came_to_its_end_explains_nothing(library: Library) -> None:
    """The last bytes were on their way, nothing was committed: what the drive shows is the old file, and is told so."""
    write(library, b"first")
    await library.ends.settle()
    write(library, b"second", when=1_788_250_000)
    faults = library.cloud.sandbox.faults
    faults.add("drop-before", method="PUT", path="_upload", count=None)
    assert (await library.ends.cycle()).error
    faults.rules.clear()
    await library.restart()
    item = library.item()
    library.cloud.sandbox.service.drives.move(item, library.cloud.library.root, "b.docx", by="")
    library.cloud.sandbox.commit()
    await library.ends.settle()
    assert library.ends.tree(Side.SCHOOL) == {"/b.docx": b"second"}
    assert content_of(library.cloud.sandbox, library.item("b.docx")).startswith(b"second")
    assert not library.ends.store.conflicts()
