"""Work follows the change and the depth of the tree, not the size of the share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Digest, Evidence, Operation, Side
from bridge.core.policy import policy_for
from bridge.engine.bridged import Bridged, Report
from bridge.engine.cycle import cycle
from bridge.ports import (
    Capabilities,
    Done,
    Identity,
    Observation,
    Outcome,
    Page,
    Pair,
    Removal,
    Write,
    Written,
    chunks,
)
from bridge.state import SchoolStore, open_database

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
#: Files in one folder, below a path of three.
PER_FOLDER = 100


@dataclass(slots=True)
class Told:
    """A side that tells what it is given and takes whatever is written."""

    pages: list[Page] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    made: int = 0

    @property
    def capabilities(self) -> Capabilities:
        kinds = frozenset({"folder", "file"})
        return Capabilities(kinds, dict.fromkeys(kinds, frozenset(Action)))

    async def identify(self) -> Identity:
        return Identity(str(id(self)), "told")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        told, self.pages = self.pages, []
        for page in told:
            yield page
        yield Page(token="next")

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        for write in writes:
            self.writes.append(write)
            self.made += 1
            yield Written(write.id, write.anchor or f"made-{self.made}", f"w{self.made}")


@dataclass(slots=True)
class Share:
    """A mirrored root in which nothing is to be done."""

    store: SchoolStore
    sides: dict[Side, Told]
    steps: int = 0
    statements: int = 0

    async def cycle(self, *seen: Observation | Removal, side: Side = Side.SCHOOL) -> Report:
        self.sides[side].pages = [
            Page(
                tuple(one for one in seen if isinstance(one, Observation)),
                tuple(one for one in seen if isinstance(one, Removal)),
                token="t",
            )
        ]
        bridged = Bridged(
            code="west",
            name="West",
            store=self.store,
            connectors=self.sides,  # type: ignore[arg-type]
            kinds=self.store.kinds,
            policy=policy_for(Stage.HYBRID),
            naming=lambda *_: ("", ()),
            clock=lambda: NOW,
            new_id=lambda: "fresh",
        )
        with self.measured():
            report = await cycle(bridged)
        assert not report.error, report.error
        return report

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count statements, and tens of SQLite's own steps: the work that it really does."""
        self.steps = self.statements = 0

        def step() -> int:
            self.steps += 1
            return 0

        def one_more(*_: Any) -> None:
            self.statements += 1

        event.listen(self.store.database.engine, "before_cursor_execute", one_more)
        raw = self._raw()
        raw.set_progress_handler(step, 10)
        try:
            yield
        finally:
            raw.set_progress_handler(None, 0)
            event.remove(self.store.database.engine, "before_cursor_execute", one_more)

    def _raw(self) -> Any:
        """The pool gives the same connection each time."""
        with self.store.database.read() as connection:
            return connection.connection.driver_connection


def folder(anchor: str, name: str, parent: str | None) -> Observation:
    return Observation("folder", anchor, "1", {"name": name, "parent": parent})


def file(anchor: str, name: str, parent: str | None, text: str = "1", version: str = "1") -> Observation:
    return Observation("file", anchor, version, {"name": name, "parent": parent, "content": Digest("sha256", text, 1)})


def tree(files: int, prefix: str) -> list[Observation]:
    """``a/b/c/d<n>/f<n>``, a hundred files a folder."""
    path = [
        folder(f"{prefix}{name}", name, f"{prefix}{above}" if above else None)
        for name, above in (("a", ""), ("b", "a"), ("c", "b"))
    ]
    folders = [folder(f"{prefix}d{number}", f"d{number}", f"{prefix}c") for number in range(files // PER_FOLDER)]
    below = [file(f"{prefix}f{number}", f"f{number}", f"{prefix}d{number // PER_FOLDER}") for number in range(files)]
    return [*path, *folders, *below]


def share(files: int) -> Share:
    database = open_database("sqlite://", clock=lambda: NOW)
    store = database.school("west", {name: KINDS[name] for name in ("folder", "file")})
    here, there = tree(files, "s"), tree(files, "c")
    for side, seen in ((Side.SCHOOL, here), (Side.CLOUD, there)):
        for some in chunks(seen, 2000):
            store.fold(side, Page(tuple(some), token="t"), now=NOW)
    link = {one.anchor: f"L{one.anchor[1:]}" for one in here}
    for some in chunks(list(zip(here, there, strict=True)), 2000):
        store.pair([Pair(link[one.anchor], one.kind, one.anchor, other.anchor) for one, other in some])
    for some in chunks(here, 2000):
        done = []
        for one in some:
            parent = one.fields["parent"]
            agree = {**one.fields, "parent": link[str(parent)] if parent else None}
            done.append(Done(Operation(link[one.anchor], one.kind, Side.SCHOOL, Action.AGREE, agree=agree), agree))
        store.record(done, cycle="c", now=NOW)
    assert not store.due(NOW, None, 10)
    return Share(store, {side: Told() for side in Side})


@pytest.fixture(scope="module")
def shares() -> Iterator[tuple[Share, Share]]:
    both = share(400), share(4000)
    yield both
    for one in both:
        one.store.database.close()


async def measured(one: Share, *seen: Observation | Removal) -> tuple[Report, int, int]:
    report = await one.cycle(*seen)
    return report, one.statements, one.steps


async def test_an_edited_file_costs_the_same_in_any_share(shares: tuple[Share, Share]) -> None:
    for one in shares:
        await one.cycle()  # whatever a first cycle does besides
    small, large = [await measured(one, file("sf7", "f7", "sd0", "2", "2")) for one in shares]
    assert small[0].executed == large[0].executed == {"file:update": 1}
    assert small[1] == large[1]
    assert large[2] <= small[2] * 1.2, (small[2], large[2])


async def test_a_renamed_folder_is_one_write_whatever_is_below(shares: tuple[Share, Share]) -> None:
    small, large = [await measured(one, folder("sc", "renamed", "sb")) for one in shares]
    assert small[0].executed == large[0].executed == {"folder:update": 1}
    assert small[1] == large[1]
    assert large[2] <= small[2] * 1.2, (small[2], large[2])
    assert not list(shares[1].store.due(NOW, None, 10))


async def test_a_folder_that_dies_with_all_in_it_goes_bottom_up(shares: tuple[Share, Share]) -> None:
    gone = [one.anchor for one in tree(400, "s") if one.anchor not in {"sa", "sb", "sc"}]
    one = shares[0]
    one.sides[Side.CLOUD].writes.clear()
    for trouble in one.store.troubles():
        one.store.release(trouble.link, actor="test", reason="checked")
    report = await one.cycle(*(Removal(anchor, Evidence.DELETED) for anchor in gone))
    assert report.held["file:guard:delete"] == 400
    assert not [write for write in one.sides[Side.CLOUD].writes if write.action is Action.DELETE]
    for trouble in one.store.troubles():
        one.store.release(trouble.link, actor="test", reason="checked")
    report = await one.cycle()
    deleted = [write.anchor or "" for write in one.sides[Side.CLOUD].writes if write.action is Action.DELETE]
    assert len(deleted) == 404
    assert [anchor[:2] for anchor in deleted[-4:]] == ["cd"] * 4
