"""Fail the i-th access to the database, and the i-th call of a side, for every i of a mirror run: the rest follows.

ownCloud's ``testDatabaseError`` is the model. ``make test`` takes a sample of the points, ``make soak`` all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from bridge.core.model import Side
from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig, rig
from tests.machines.test_trees import current, trashed
from tests.machines.tree_work import remove

SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}
STRIDE = 61


class Broken(Exception):
    """The database did not answer."""


class Wall:
    """Counts accesses to a database, commits included, and breaks one of them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def pass_(self, *_: Any) -> None:
        self.count += 1
        if self.count == self.at:
            raise Broken(f"access {self.at}")

    @contextmanager
    def around(self, one: Rig) -> Iterator[None]:
        engine = one.database.engine
        event.listen(engine, "before_cursor_execute", self.pass_)
        event.listen(engine, "commit", self.pass_)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", self.pass_)
            event.remove(engine, "commit", self.pass_)


async def staged(one: Rig) -> set[bytes]:
    """Mirror a small tree, then change it on both sides; returns the texts that must still be somewhere at the end."""
    one.threads = False
    school, cloud = one.school, one.cloud
    old = school.create("folder", {"name": "old"})
    kept = school.create("folder", {"name": "kept"})
    files = [new_file(school, {"name": f"{name}.txt", "parent": kept}, f"base {name}".encode()) for name in "abcdef"]
    inside = new_file(school, {"name": "in.txt", "parent": old}, b"base in")
    await one.settle()
    there = {record.fields["name"]: record.anchor for record in cloud.records()}
    write_body(school, files[0], b"school a")
    write_body(cloud, there["a.txt"], b"cloud a")
    school.change(files[1], {"name": "~"})
    school.change(files[2], {"name": "b.txt"})
    school.change(files[1], {"name": "c.txt"})
    school.delete(files[3])
    write_body(cloud, there["d.txt"], b"cloud d")
    cloud.change(there["e.txt"], {"parent": None, "name": "moved.txt"})
    cloud.change(there["kept"], {"name": "renamed"})
    remove(school, old)
    write_body(cloud, there["in.txt"], b"cloud in")
    new_file(school, {"name": "new.txt", "parent": kept}, b"school new")
    new_file(cloud, {"name": "NEW.txt", "parent": there["kept"]}, b"cloud new")
    assert inside
    return current(school) | current(cloud)


async def finished(one: Rig, texts: set[bytes]) -> None:
    one.calm()
    await one.settle()
    one.pass_(hours=25)
    await one.settle()
    school, cloud = one.tree(Side.SCHOOL), one.tree(Side.CLOUD)
    assert school == cloud, one.store.troubles()
    written = {text for text in texts if not text.startswith(b"base")}
    assert written <= current(one.school), written - current(one.school)
    assert texts <= current(one.school) | trashed(one.school) | trashed(one.cloud)
    assert one.store.verify().ok
    assert not [trouble for trouble in one.store.troubles() if trouble.retry_at is None]


async def accesses() -> int:
    with rig(shows=SHARE) as one:
        await staged(one)
        wall = Wall(None)
        with wall.around(one):
            await one.cycle()
        return wall.count


async def broken_at(point: int) -> None:
    with rig(shows=SHARE) as one:
        texts = await staged(one)
        with Wall(point).around(one), pytest.raises(Broken):
            await one.cycle()
        await finished(one, texts)


async def test_an_access_to_the_database_may_fail() -> None:
    number = await accesses()
    assert number > 200
    for point in range(1, number + 1, STRIDE):
        await broken_at(point)


@pytest.mark.soak
async def test_any_access_to_the_database_may_fail() -> None:
    for point in range(1, await accesses() + 1):
        await broken_at(point)


FAULTS = ("cut_writes", "cut_pages", "cut_answers")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", list(Side))
async def test_a_call_of_a_side_may_fail(side: Side, fault: str) -> None:
    for point in (0, 3):
        await cut_off_after(side, fault, point)


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", list(Side))
async def test_any_call_of_a_side_may_fail(side: Side, fault: str) -> None:
    point = 0
    while await cut_off_after(side, fault, point):
        point += 1
    assert point > 2


async def cut_off_after(side: Side, fault: str, point: int) -> bool:
    """Let so many calls pass and fail the next one; False where there are not so many."""
    with rig(shows=SHARE, page_size=2, chunk=3) as one:
        texts = await staged(one)
        setattr(one.connectors[side].faults, fault, point)
        report = await one.cycle()
        await finished(one, texts)
        return bool(report.error)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_file_may_change_while_it_is_copied(side: Side, pieces: int) -> None:
    with rig(shows=SHARE) as one:
        texts = await staged(one)
        one.connectors[side].faults.changing = pieces
        held = 0
        for _ in range(2):  # what is new at the school is copied with the second cycle: its rival needs a name first
            held += (await one.cycle()).held["file:changed"]
        assert held > 0
        for overwritten in one.connectors[side].traffic.overwritten:
            texts = texts - {overwritten} | {overwritten + b" and more"}
        await finished(one, texts)
