"""The words of scenarios about people and groups, on two sides in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge.core.cutover import Stage
from bridge.core.kinds import Authority
from bridge.core.model import Choice, Side, Value
from bridge.core.policy import policy_for
from connectors.memory import MemorySide
from tests.machines.rig import Rig
from tests.scenarios.play import Player

_SETS = {"members", "owners", "licenses"}


class People(Player[MemorySide]):
    """One rig and the names by which the scenario knows its objects."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self.rig = rig
        self.accounts: dict[str, str | None] = {}

    def at(self, side: Side) -> MemorySide:
        return self.rig.side(side)

    def writes(self) -> object:
        return self.rig.versions()

    def mirrored(self) -> None:
        self.accounts = {str(one.fields.get("source_anchor")): one.anchor for one in self.rig.cloud.records()}

    # --- people working on a side -----------------------------------------------------------------------------------

    def do_user(self, side: MemorySide, name: str, value: Mapping[str, Any]) -> None:
        own = side is self.rig.school
        fields = {"source_anchor": name, "display_name": name, "enabled": True, "role": "pupil"}
        fields |= {"consent": True, "upn_base": name} if own else {"upn": f"{name}@hfg.example"}
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
        side.restore(next(one.anchor for one in side.entries.values() if one.fields.get("source_anchor") == name))

    def do_vanish(self, side: MemorySide, name: str, value: None) -> None:
        """A server restored from nothing, or read with the wrong rights."""
        side.entries.clear()
        side.log.clear()
        side.expire_tokens()

    def do_lose(self, side: MemorySide, name: str, value: None) -> None:
        del side.entries[self.anchor(side, name)]
        side.expire_tokens()

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

    def then_stage(self, words: str, value: str) -> None:
        self.rig.policy = policy_for(Stage(value))

    def then_holding(self, words: str, value: list[str]) -> None:
        """Fields of users whose drift waits for a person."""
        self.rig.policy = replace(self.rig.policy, holding=frozenset(("user", name) for name in value))

    def then_owner(self, words: str, value: Mapping[str, str]) -> None:
        owners = {("user", name): Authority(one) for name, one in value.items()}
        self.rig.policy = replace(self.rig.policy, owners=owners)

    def then_choose(self, choice: str, value: Mapping[str, str]) -> None:
        for name, field in value.items():
            link = next(one.link for one in self.rig.store.find(name) if one.link)
            (side, *_) = [one.side for one in self.rig.store.drifts() if (one.link, one.field) == (link, field)]
            self.rig.store.choose(link, field, side, Choice(choice), actor="test", reason="asked")

    def then_drift(self, words: str, expected: Mapping[str, str]) -> None:
        found = {one.field: one.state for one in reversed(self.rig.store.drifts())}
        assert found == expected, self.rig.store.drifts()

    def then_fault(self, words: str, value: Any) -> None:
        side, fault = words.split()
        if fault == "failing":
            value = {name: (cause, f"{name} is refused") for name, cause in value.items()}
        setattr(self.rig.connectors[Side(side)].faults, fault, value)

    # --- words ------------------------------------------------------------------------------------------------------

    def find(self, side: MemorySide, name: str) -> str | None:
        for kind in ("user", "group"):
            found = side.named(kind, "source_anchor", name) or side.named(kind, "display_name", name)
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
