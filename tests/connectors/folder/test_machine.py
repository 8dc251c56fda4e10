"""Random work in a root: what was observed, folded, is always what is there, and a move keeps the anchor."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bridge.core.model import Action
from bridge.ports import Failed, Write, Written
from connectors.folder.system import EXCHANGE, rename
from tests.conformance.base import write, written
from tests.connectors.folder.conftest import Mirrored, anchor_of, really

NAMES = st.sampled_from(["a", "b", "C", "ü.txt", "d.docx"])
NUMBERS = st.integers(0, 10_000)


class Machine(RuleBasedStateMachine):
    """Files and folders under five names, three deep; every choice is a number so that it always fits."""

    watched = True

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="schoolbridge-"))
        self.mirrored = Mirrored(self.folder, watch=self.watched)
        self.root = self.mirrored.root
        self.contents = 0
        self.links = False

    def teardown(self) -> None:
        self.loop.run_until_complete(self.mirrored.connector.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def pick(self, number: int, kind: str) -> Path | None:
        found = sorted(path for path, what in really(self.root).items() if what == kind)
        return self.root / found[number % len(found)] if found else None

    def place(self, number: int, name: str) -> Path | None:
        folders = ["", *sorted(path for path, what in really(self.root).items() if what == "folder")]
        folders = [one for one in folders if one.count("/") < 2]
        path = self.root / folders[number % len(folders)] / name
        return None if os.path.lexists(path) else path

    def done(self, change: Callable[[], Write]) -> tuple[Write, Written]:
        """A write that succeeds, at once or after another look where a file had other names.

        Who removes a folder with one of them in it changes the ctime of the others, and nothing tells where they are.
        """
        one = change()
        outcome = self.run(write(self.mirrored.connector, one))["w1"]
        if self.links and isinstance(outcome, Failed) and outcome.cause == "stale":
            self.run(self.mirrored.look())
            one = change()
            outcome = self.run(write(self.mirrored.connector, one))["w1"]
        assert isinstance(outcome, Written), outcome
        return one, outcome

    # --- people at work ---------------------------------------------------------------------------------------------

    @rule(where=NUMBERS, name=NAMES)
    def create(self, where: int, name: str) -> None:
        if path := self.place(where, name):
            self.contents += 1
            path.write_text(str(self.contents))

    @rule(where=NUMBERS, name=NAMES)
    def mkdir(self, where: int, name: str) -> None:
        if path := self.place(where, name):
            path.mkdir()

    @rule(which=NUMBERS)
    def append(self, which: int) -> None:
        if path := self.pick(which, "file"):
            with path.open("a") as file:
                file.write("more")

    @rule(which=NUMBERS)
    def safe_save(self, which: int) -> None:
        if path := self.pick(which, "file"):
            self.contents += 1
            new = path.with_name("~WRD0001.tmp")
            new.write_text(str(self.contents))
            new.replace(path)

    @rule(which=NUMBERS, kind=st.sampled_from(["file", "folder"]), where=NUMBERS, name=NAMES)
    def move(self, which: int, kind: str, where: int, name: str) -> None:
        source, target = self.pick(which, kind), self.place(where, name)
        if source and target and source not in target.parents:
            source.rename(target)

    @rule(one=NUMBERS, two=NUMBERS, kind=st.sampled_from(["file", "folder"]))
    def swap(self, one: int, two: int, kind: str) -> None:
        first, second = self.pick(one, kind), self.pick(two, kind)
        if first and second and first not in second.parents and second not in first.parents and first != second:
            fds = [os.open(path.parent, os.O_RDONLY) for path in (first, second)]
            rename(fds[0], first.name, fds[1], second.name, flags=EXCHANGE)
            for fd in fds:
                os.close(fd)

    @rule(which=NUMBERS, other=NUMBERS)
    def move_over(self, which: int, other: int) -> None:
        source, target = self.pick(which, "file"), self.pick(other, "file")
        if source and target:
            source.replace(target)

    @rule(which=NUMBERS)
    def unlink(self, which: int) -> None:
        if path := self.pick(which, "file"):
            path.unlink()

    @rule(which=NUMBERS)
    def remove_tree(self, which: int) -> None:
        if path := self.pick(which, "folder"):
            shutil.rmtree(path)

    @rule(which=NUMBERS, where=NUMBERS, name=NAMES)
    def hard_link(self, which: int, where: int, name: str) -> None:
        source, target = self.pick(which, "file"), self.place(where, name)
        if source and target:
            os.link(source, target)
            self.links = True

    @rule(which=NUMBERS)
    def type_change(self, which: int) -> None:
        if path := self.pick(which, "file"):
            path.unlink()
            path.mkdir()

    # --- the bridge at work -----------------------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.run(self.mirrored.restart())

    @rule()
    def list_anew(self) -> None:
        self.mirrored.seen.token = None
        self.mirrored.seen.records = {}
        self.run(self.mirrored.look())
        assert self.mirrored.seen.pages[-1].complete

    @rule(which=NUMBERS, where=NUMBERS, name=NAMES)
    def bridge_creates(self, which: int, where: int, name: str) -> None:
        self.run(self.mirrored.look())
        if path := self.place(where, name):
            parent = str(path.parent.relative_to(self.root))
            anchor = None if parent == "." else self.mirrored.at(parent)
            self.contents += 1
            fields: dict[str, Any] = {"parent": anchor, "name": name, "content": f"bridge {self.contents}".encode()}
            done = self.run(
                written(self.mirrored.connector, self.mirrored.write(Action.CREATE, "file", None, **fields))
            )
            assert done.anchor == anchor_of(path)

    @rule(which=NUMBERS)
    def bridge_edits(self, which: int) -> None:
        self.run(self.mirrored.look())
        if path := self.pick(which, "file"):
            self.contents += 1
            content = f"bridge {self.contents}".encode()
            here = str(path.relative_to(self.root))
            change, done = self.done(lambda: self.mirrored.write(Action.UPDATE, "file", here, content=content))
            assert done.anchor == change.anchor
            assert path.read_bytes() == content
            self.run(self.mirrored.look())
            assert self.mirrored.seen.versions[done.anchor] == done.version
            assert self.mirrored.seen.records[done.anchor]["content"] == done.shown

    @rule(which=NUMBERS, kind=st.sampled_from(["file", "folder"]), where=NUMBERS, name=NAMES)
    def bridge_moves(self, which: int, kind: str, where: int, name: str) -> None:
        self.run(self.mirrored.look())
        source, target = self.pick(which, kind), self.place(where, name)
        if source and target and source not in target.parents:
            parent = str(target.parent.relative_to(self.root))
            anchor = None if parent == "." else self.mirrored.at(parent)
            here = str(source.relative_to(self.root))
            before: list[Any] = []

            def change() -> Write:
                before.append(self.mirrored.seen.records[self.mirrored.at(here)].get("content"))
                return self.mirrored.write(Action.UPDATE, kind, here, parent=anchor, name=name)

            _, done = self.done(change)
            self.run(self.mirrored.look())
            assert self.mirrored.seen.versions[done.anchor] == done.version
            assert self.mirrored.seen.records[done.anchor].get("content") == before[-1]

    @rule(which=NUMBERS)
    def bridge_deletes_and_restores(self, which: int) -> None:
        self.run(self.mirrored.look())
        if path := self.pick(which, "file"):
            here = str(path.relative_to(self.root))
            content = path.read_bytes()
            deletion, done = self.done(lambda: self.mirrored.write(Action.DELETE, "file", here))
            assert not path.exists()
            self.run(self.mirrored.look())
            assert deletion.anchor in self.mirrored.seen.gone
            back = self.mirrored.write(Action.RESTORE, "file", None, anchor=deletion.anchor)
            outcome = self.run(write(self.mirrored.connector, back))["w1"]
            assert isinstance(outcome, Written), outcome
            assert outcome.anchor == done.anchor
            assert path.read_bytes() == content

    # --- what must hold ---------------------------------------------------------------------------------------------

    @rule()
    def observe(self) -> None:
        """Two looks: the tree as folded is the tree as it is, and the second shows nothing new."""
        seen = self.mirrored.seen
        before = {anchor: dict(fields) for anchor, fields in seen.records.items()}
        moved = {self.mirrored._path(anchor): anchor for anchor in before if "+" not in anchor}
        self.run(self.mirrored.look())
        assert self.mirrored.tree() == really(self.root)
        assert len(self.mirrored.tree()) == len(seen.records)
        # Of several names of one file each is a record, and the one that stays keeps its own.
        linked = {anchor.partition("+")[0] for anchor in {*before, *seen.records} if "+" in anchor}
        # An inode that lives on is the same record as before.
        alive = {anchor_of(self.root / path): path for path in really(self.root)}
        for anchor in moved.values():
            if anchor in alive and anchor not in linked and (self.root / alive[anchor]).stat().st_nlink == 1:
                assert anchor in seen.records, f"{anchor} lives at {alive[anchor]}"
        pages = len(seen.pages)
        self.run(self.mirrored.look())
        assert not any(page.observations or page.removals for page in seen.pages[pages:])

    @invariant()
    def nothing_of_ours_is_left(self) -> None:
        left = list(self.root.rglob(".schoolbridge-part-*"))
        assert left == []


class Scanned(Machine):
    watched = False


FEW = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
MANY = settings(FEW, max_examples=2000, stateful_step_count=40, derandomize=False)


@pytest.mark.parametrize("machine", [Machine, Scanned])
def test_what_is_observed_is_what_is_there(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("machine", [Machine, Scanned])
def test_what_is_observed_is_what_is_there_many_times(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=MANY)
