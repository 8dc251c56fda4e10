"""What people and programs do to the files and folders of a side, as verbs that a machine draws."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from connectors.memory import MemorySide, Rejected
from connectors.memory.contents import new_file, write_body
from tests.core.people import folder, pick

#: Few names, so that they meet: by case, by Unicode form, by the number that a clash gets.
NAMES = ("a", "A", "b.txt", "B.txt", "ü", "u\u0308", "a (2)", "c.docx")


@dataclass(frozen=True, slots=True)
class Work:
    """``verb`` on the ``one``-th object with the ``two``-th of those there are; ``body`` and ``at`` if it writes."""

    verb: str
    one: int
    two: int
    name: str
    body: bytes
    at: str


def do(side: MemorySide, work: Work) -> bool:
    """Do it; False where the side refuses, or where there is nothing to do it to."""
    with suppress(Rejected):
        return VERBS[work.verb](side, work) is not None
    return False


def create(side: MemorySide, work: Work) -> str:
    return new_file(side, {"parent": folder(side, work.one), "name": work.name, "modified": work.at}, work.body)


def mkdir(side: MemorySide, work: Work) -> str:
    return side.create("folder", {"parent": folder(side, work.one), "name": work.name})


def write(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file")
    if record:
        write_body(side, record.anchor, work.body, {"modified": work.at})
    return record and record.anchor


def append(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file")
    if record:
        write_body(side, record.anchor, side.bodies[record.anchor] + work.body, {"modified": work.at})
    return record and record.anchor


def touch(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file")
    if record:
        write_body(side, record.anchor, side.bodies[record.anchor], {"modified": work.at})
    return record and record.anchor


def rename(side: MemorySide, work: Work) -> int | None:
    record = pick(side, work.one, "file", "folder")
    return side.change(record.anchor, {"name": work.name}) if record else None


def change_case(side: MemorySide, work: Work) -> int | None:
    record = pick(side, work.one, "file", "folder")
    return side.change(record.anchor, {"name": str(record.fields["name"]).swapcase()}) if record else None


def move(side: MemorySide, work: Work) -> int | None:
    record = pick(side, work.one, "file", "folder")
    return side.change(record.anchor, {"parent": folder(side, work.two)}) if record else None


def move_and_write(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file")
    if record:
        side.change(record.anchor, {"parent": folder(side, work.two), "name": work.name})
        write_body(side, record.anchor, work.body, {"modified": work.at})
    return record and record.anchor


def swap(side: MemorySide, work: Work) -> str | None:
    one, two = pick(side, work.one, "file", "folder"), pick(side, work.two, "file", "folder")
    if one is None or two is None or one.anchor == two.anchor:
        return None
    first, second = ({name: record.fields.get(name) for name in ("parent", "name")} for record in (one, two))
    side.change(one.anchor, {"name": "~swap"})
    for anchor, place in ((two.anchor, first), (one.anchor, second)):
        try:
            side.change(anchor, place)
        except Rejected:
            with suppress(Rejected):
                side.change(two.anchor, second)
            with suppress(Rejected):
                side.change(one.anchor, first)
            return None
    return one.anchor


def delete(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file", "folder")
    if record:
        remove(side, record.anchor)
    return record and record.anchor


def remove(side: MemorySide, anchor: str, *, purge: bool = False) -> None:
    """Delete with all that is in it."""
    for child in list(side.records()):
        if child.fields.get("parent") == anchor:
            remove(side, child.anchor, purge=purge)
    side.delete(anchor, purge=purge)


def purge(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "file", "folder")
    if record:
        remove(side, record.anchor, purge=True)
    return record and record.anchor


def rmdir(side: MemorySide, work: Work) -> str | None:
    record = pick(side, work.one, "folder")
    if record:
        side.delete(record.anchor)
    return record and record.anchor


def restore(side: MemorySide, work: Work) -> int | None:
    gone = [anchor for anchor in side.entries if side.record(anchor) is None]
    return side.restore(gone[work.one % len(gone)]) if gone else None


def save_by_renaming(side: MemorySide, work: Work) -> str | None:
    """Office: the new text goes to a new file, which takes the old one's name."""
    record = pick(side, work.one, "file")
    if record is None:
        return None
    place = {name: record.fields.get(name) for name in ("parent", "name")}
    fresh = new_file(side, {"parent": place["parent"], "name": "~save.tmp", "modified": work.at}, work.body)
    side.delete(record.anchor)
    side.change(fresh, place)
    return fresh


def change_type(side: MemorySide, work: Work) -> str | None:
    """A file becomes a folder of the same name, or the other way round."""
    record = pick(side, work.one, "file", "folder")
    if record is None:
        return None
    place = {name: record.fields.get(name) for name in ("parent", "name")}
    remove(side, record.anchor)
    return side.create("folder", place) if record.kind == "file" else new_file(side, place, work.body)


VERBS: dict[str, Callable[[MemorySide, Work], object]] = {
    one.__name__: one
    for one in (
        create, mkdir, write, append, touch, rename, change_case, move, move_and_write, swap, delete, purge, rmdir,
        restore, save_by_renaming, change_type,
    )
}  # fmt: skip
#: Verbs after which no byte needs to travel: names, places and times only.
METADATA = ("rename", "change_case", "move", "swap", "mkdir", "touch")
