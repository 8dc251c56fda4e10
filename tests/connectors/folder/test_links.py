"""Hard links: every name is a file of its own, and what is done to one name never leaves another one behind."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bridge.core.model import Action
from tests.conformance.base import written
from tests.connectors.folder.conftest import Mirrored


def append(mirrored: Mirrored) -> None:
    with (mirrored.root / "one/a.txt").open("a") as file:
        file.write(" more")


def rename(mirrored: Mirrored) -> None:
    (mirrored.root / "one/a.txt").rename(mirrored.root / "one/c.txt")


def move(mirrored: Mirrored) -> None:
    (mirrored.root / "one/a.txt").rename(mirrored.root / "c.txt")


def unlink(mirrored: Mirrored) -> None:
    (mirrored.root / "one/a.txt").unlink()


def link_again(mirrored: Mirrored) -> None:
    os.link(mirrored.root / "one/a.txt", mirrored.root / "c.txt")


def replace(mirrored: Mirrored) -> None:
    mirrored.put("one/~new.tmp", "2").replace(mirrored.root / "one/a.txt")


def rights(mirrored: Mirrored) -> None:
    (mirrored.root / "one/a.txt").chmod(0o640)


@pytest.fixture
async def linked(mirrored: Mirrored) -> Mirrored:
    """One file under two names in two folders, seen."""
    path = mirrored.put("one/a.txt", "1")
    mirrored.put("two/x.txt", "x")
    os.link(path, mirrored.root / "two/b.txt")
    await mirrored.look()
    return mirrored


@pytest.mark.parametrize("work", [append, rename, move, unlink, link_again, replace, rights])
async def test_what_people_do_to_one_name_is_seen_at_the_other(
    linked: Mirrored, work: Callable[[Mirrored], None]
) -> None:
    """The kernel tells only of the folder of the name that was used; both names share times, size and bytes."""
    anchor = linked.at("two/b.txt")
    work(linked)
    await linked.look()
    change = linked.write(Action.UPDATE, "file", "two/b.txt", content=b"from the cloud")
    assert change.anchor == anchor
    done = await written(linked.connector, change)
    assert (linked.root / "two/b.txt").read_bytes() == b"from the cloud"
    await linked.look()
    assert linked.seen.versions[anchor] == done.version


async def test_what_is_written_through_one_name_is_the_content_of_all(linked: Mirrored) -> None:
    before = linked.seen.records[linked.at("two/b.txt")]
    append(linked)
    await linked.look()
    after = linked.seen.records[linked.at("two/b.txt")]
    assert after["content"] != before["content"]
    assert after["content"] == linked.seen.records[linked.at("one/a.txt")]["content"]


@pytest.mark.parametrize("action", ["edit", "rename", "delete"])
async def test_what_is_written_at_one_name_leaves_the_other_writable(linked: Mirrored, action: str) -> None:
    first = {
        "edit": linked.write(Action.UPDATE, "file", "one/a.txt", content=b"A"),
        "rename": linked.write(Action.UPDATE, "file", "one/a.txt", name="c.txt"),
        "delete": linked.write(Action.DELETE, "file", "one/a.txt"),
    }[action]
    await written(linked.connector, first)
    assert (linked.root / "two/b.txt").read_bytes() == b"1"
    await linked.look()
    await written(linked.connector, linked.write(Action.UPDATE, "file", "two/b.txt", content=b"B"))
    await linked.look()
    await written(linked.connector, linked.write(Action.DELETE, "file", "two/b.txt"))
    await linked.look()
    assert "two/b.txt" not in linked.tree()
    left = {"edit": b"A", "rename": b"1"}
    if action in left:
        assert next((linked.root / "one").iterdir()).read_bytes() == left[action]


async def test_links_at_rest_cost_no_second_look(linked: Mirrored) -> None:
    await linked.look()
    await linked.restart()
    linked.seen.token = None
    await linked.look()
    assert linked.connector.sight.listed == 3


async def test_a_name_that_is_linked_again_is_another_file(mirrored: Mirrored) -> None:
    """The first link went on to another name with its anchor; the second one under the same name needs its own."""
    path = mirrored.put("b", "1")
    os.link(path, mirrored.root / "a")
    await mirrored.look()
    (mirrored.root / "a").rename(mirrored.root / "C")
    await mirrored.look()
    os.link(path, mirrored.root / "a")
    await mirrored.look()
    assert mirrored.tree() == {"a": "file", "b": "file", "C": "file"}
    assert len({mirrored.at(name) for name in "abC"}) == 3
