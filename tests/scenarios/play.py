"""Plays a scenario: given → sync → when → sync → then → sync again and expect nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bridge.core.model import Digest, Side, Value
from connectors.memory import MemorySide
from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig

Step = Mapping[str, Any]
_SETS = {"members", "owners", "licenses"}


def scenarios(name: str) -> list[dict[str, Any]]:
    """The scenarios of a file."""
    return list(YAML(typ="safe").load(Path(__file__).with_name(name)))


def mirrored(step: Step) -> Step:
    """The same step with the sides exchanged."""
    swap = {"school": "cloud", "cloud": "school"}
    return {" ".join(swap.get(word, word) for word in key.split()): value for key, value in step.items()}


class Player:
    """One rig and the names by which the scenario knows its objects."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.accounts: dict[str, str | None] = {}

    async def play(self, scenario: Mapping[str, Any], *, mirror: bool = False) -> None:
        parts = {
            part: [mirrored(one) if mirror else one for one in scenario.get(part) or []]
            for part in ("given", "when", "then")
        }
        await self.do(parts["given"])
        await self.sync()
        self.accounts = {str(one.fields.get("source_anchor")): one.anchor for one in self.rig.cloud.records()}
        if parts["when"]:
            await self.do(parts["when"])
            await self.sync()
        await self.do(parts["then"])
        before = self.rig.versions()
        await self.sync()
        assert self.rig.versions() == before, "a second run wrote something"
        assert self.rig.store.verify().ok

    async def sync(self) -> None:
        """Cycles until quiet; an unreachable side is tried again, as the daemon does."""
        for _ in range(12):
            report = await self.rig.cycle()
            if not report.error and not (report.executed or report.noted):
                return
            self.rig.pass_(seconds=1)
        raise AssertionError(f"not quiet: {report.counts()} {report.error} {report.messages}")

    async def do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            key, value = next(iter(step.items()))
            words = key.split()
            if words[0] in {"school", "cloud"} and hasattr(self, f"do_{words[1]}"):
                getattr(self, f"do_{words[1]}")(self.rig.side(Side(words[0])), " ".join(words[2:]), value)
            elif words[0] in {"school", "cloud"}:
                self.see(Side(words[0]), words[1], value)
            elif words[0] in {"wait", "sync"}:
                self.rig.pass_(days=value or 0)
                await self.sync()
            else:
                getattr(self, f"then_{words[0]}")(" ".join(words[1:]), value)

    # --- people working on a side -----------------------------------------------------------------------------------

    def do_user(self, side: MemorySide, name: str, value: Mapping[str, Any]) -> None:
        own = side is self.rig.school
        fields = {"source_anchor": name, "display_name": name, "enabled": True, "role": "pupil"}
        fields |= {"consent": True, "upn_base": name} if own else {}
        side.create("user", self.fields(side, {**fields, **value}))

    def do_users(self, side: MemorySide, name: str, value: int) -> None:
        for number in range(1, value + 1):
            self.do_user(side, f"{name}{number}", {})

    def do_group(self, side: MemorySide, name: str, value: Mapping[str, Any]) -> None:
        side.create(
            "group", self.fields(side, {"source_anchor": name, "display_name": name, "nickname_base": name, **value})
        )

    def do_change(self, side: MemorySide, name: str, value: Mapping[str, Any]) -> None:
        side.change(self.anchor(side, name), self.fields(side, value))

    def do_member(self, side: MemorySide, name: str, value: str) -> None:
        anchor, member = self.anchor(side, name), self.anchor(side, value[1:])
        record = side.record(anchor)
        assert record is not None
        members = record.fields.get("members", frozenset())
        assert isinstance(members, frozenset)
        side.change(anchor, {"members": members | {member} if value[0] == "+" else members - {member}})

    def do_delete(self, side: MemorySide, name: str, value: int | None) -> None:
        if value is None:
            side.delete(self.anchor(side, name))
            return
        for number in range(1, value + 1):
            side.delete(self.anchor(side, f"{name.split()[-1]}{number}"))

    def do_restore(self, side: MemorySide, name: str, value: None) -> None:
        called = (one.anchor for one in side.entries.values() if name in map(one.fields.get, ("source_anchor", "name")))
        side.restore(next(called))

    def do_vanish(self, side: MemorySide, name: str, value: None) -> None:
        """A server restored from nothing, or read with the wrong rights."""
        side.entries.clear()
        side.log.clear()
        side.expire_tokens()

    def do_lose(self, side: MemorySide, name: str, value: None) -> None:
        del side.entries[self.anchor(side, name)]
        side.expire_tokens()

    def do_folder(self, side: MemorySide, name: str, value: None) -> None:
        side.create("folder", {"name": name})

    def do_file(self, side: MemorySide, name: str, value: int) -> None:
        if self.bytes:
            new_file(side, {"name": name}, body(value))
        else:
            side.create("file", {"name": name, "content": text(value)})

    def do_edit(self, side: MemorySide, name: str, value: int) -> None:
        if self.bytes:
            write_body(side, self.anchor(side, name), body(value))
        else:
            side.change(self.anchor(side, name), {"content": text(value)})

    @property
    def bytes(self) -> bool:
        """Whether files have bytes, or only digests that stand for them."""
        return self.rig.connectors[Side.SCHOOL].contents is not None

    def do_name(self, side: MemorySide, name: str, value: str) -> None:
        side.change(self.anchor(side, name), {"name": value})

    def do_move(self, side: MemorySide, name: str, value: str | None) -> None:
        side.change(self.anchor(side, name), {"parent": self.anchor(side, value) if value else None})

    # --- what must be -----------------------------------------------------------------------------------------------

    def see(self, side: Side, name: str, expected: Any) -> None:
        there = self.rig.side(side)
        anchor = self.find(there, name)
        record = there.record(anchor) if anchor else None
        if expected == "gone":
            assert record is None, f"{name} is in the {side}"
            return
        assert record is not None, f"{name} is not in the {side}: {self.rig.store.troubles()}"
        if expected != "there":
            found = {key: record.fields.get(key) for key in expected}
            assert found == self.fields(there, expected), (found, self.rig.store.troubles())

    def then_same(self, word: str, name: str) -> None:
        assert self.find(self.rig.cloud, name) == self.accounts[name]

    def then_held(self, word: str, expected: Mapping[str, int]) -> None:
        found = Counter(trouble.rule for trouble in self.rig.store.troubles())
        assert {rule: found[rule] for rule in expected} == expected, found
        assert expected or not found, found

    def then_release(self, word: str, name: str) -> None:
        link = next(one.link for one in self.rig.store.find(name) if one.link)
        self.rig.store.release(link, actor="test", reason="checked")

    def then_count(self, words: str, expected: int) -> None:
        side, kind = words.split()
        assert len(list(self.rig.side(Side(side)).records(kind))) == expected

    def then_fault(self, words: str, value: Any) -> None:
        side, fault = words.split()
        if fault == "failing":
            value = {name: (cause, f"{name} is refused") for name, cause in value.items()}
        setattr(self.rig.connectors[Side(side)].faults, fault, value)

    def then_tree(self, word: str, expected: Mapping[str, int | None]) -> None:
        for side in Side:
            wanted = {path: self.text(value) if value else None for path, value in expected.items()}
            assert self.rig.tree(side) == wanted, (side, self.rig.store.troubles())

    def then_contents(self, word: str, expected: Sequence[int]) -> None:
        trees = [self.rig.tree(side) for side in Side]
        assert trees[0] == trees[1]
        found = [number for number in range(10) for one in trees[0].values() if one == self.text(number)]
        assert found == list(expected), trees

    def then_folders(self, word: str, expected: Sequence[str]) -> None:
        trees = [self.rig.tree(side) for side in Side]
        assert trees[0] == trees[1]
        assert sorted(path.rsplit("/", 1)[1] for path, content in trees[0].items() if content is None) == list(expected)

    # --- words ------------------------------------------------------------------------------------------------------

    def text(self, value: int) -> Digest | bytes:
        return body(value) if self.bytes else text(value)

    def find(self, side: MemorySide, name: str) -> str | None:
        for kind, column in (
            ("user", "source_anchor"),
            ("group", "source_anchor"),
            ("folder", "name"),
            ("file", "name"),
        ):
            found = side.named(kind, column, name) or side.named(kind, "display_name", name)
            if found:
                return found
        return None

    def anchor(self, side: MemorySide, name: str) -> str:
        found = self.find(side, name)
        assert found, f"{name} is not in {side.name}"
        return found

    def fields(self, side: MemorySide, value: Mapping[str, Any]) -> dict[str, Value]:
        return {
            key: frozenset(one if key == "licenses" else self.anchor(side, one) for one in given)
            if key in _SETS
            else given
            for key, given in value.items()
        }


def body(value: int) -> bytes:
    """Bytes that are told apart by their number and not by their size."""
    return f"text {value:04}".encode()


def text(value: int) -> Digest:
    """A content that is told apart by its number."""
    return Digest("sha256", f"{value:064x}", value)
