"""A school between two memory sides and a year change at it: what the tests and the benchmark of the school year play.

The school is drawn by ``tests.core.years``; ``way`` says how the administrator rebuilds the directory in August.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.model import Action, Fields, Side
from bridge.core.units import unit
from bridge.core.year import Group, Year
from bridge.daemon import school_year
from bridge.engine.wanted import carry_out
from bridge.ports import Outcome, Write
from connectors.memory import MemoryConnector
from tests.core.years import Turned, last_year, turned
from tests.machines.rig import Rig


@dataclass(slots=True)
class Counted:
    """Everything that was written to the cloud."""

    writes: list[Write] = field(default_factory=list)

    def of(self, kind: str, *actions: Action) -> list[Write]:
        return [one for one in self.writes if one.kind == kind and one.action in actions]

    def requests(self) -> int:
        """As a side that takes fields in one request and 20 members in another would count them."""
        return sum(cost(one) for one in self.writes)


def cost(write: Write) -> int:
    """One request for the object itself (a new one with up to 20 members), and one for each 20 members that come, and
    one for each that goes, which is how Graph takes them."""
    added = sum(len(keys) for keys in write.added.values())
    removed = sum(len(keys) for keys in write.removed.values())
    if write.action is Action.CREATE:
        return 1 + -(-max(0, added - 20) // 20)
    return bool(write.fields or write.action is not Action.UPDATE) + -(-added // 20) + removed


def counting(connector: MemoryConnector) -> Counted:
    """Note every write that a connector is given."""
    counted = Counted()
    apply = connector.apply

    async def noted(writes):  # type: ignore[no-untyped-def]
        counted.writes += writes
        async for outcome in apply(writes):
            outcome: Outcome
            yield outcome

    connector.apply = noted  # type: ignore[method-assign]
    return counted


def person_fields(key: str, role: str = "pupil") -> Fields:
    return {
        "source_anchor": key, "display_name": f"Name {key}", "given_name": "Name", "surname": key, "enabled": True,
        "role": role, "consent": True, "login": key.lower(), "upn_base": key.lower(),
    }  # fmt: skip


class SchoolYear:
    """A school in step, and the same one year later at the school's side."""

    def __init__(self, rig: Rig, one: Turned) -> None:
        self.rig, self.one = rig, one
        self.people: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        for key in one.last.people:
            self.people[key] = rig.school.create("user", person_fields(key))
        for group in one.last.groups:
            self._make(group)

    def _make(self, group: Group) -> None:
        name = {"display_name": group.name, "nickname_base": group.name, "role": group.role}
        fields = {"source_anchor": group.anchor, **name, "members": self._members(group)}
        self.groups[group.anchor] = self.rig.school.create("group", fields)

    def _members(self, group: Group) -> frozenset[str]:
        return frozenset(self.people[key] for key in group.members)

    def rebuild(self, *, delete_old: bool = True) -> None:
        """August: what the administrator does to the directory. Leavers are deleted last."""
        school, one = self.rig.school, self.one
        for key in one.now.people.keys() - one.last.people.keys():
            self.people[key] = school.create("user", person_fields(key))
        kept = set()
        for group in one.now.groups:
            kept.add(group.anchor)
            if group.anchor in self.groups:
                name = {"display_name": group.name, "nickname_base": group.name}
                school.change(self.groups[group.anchor], {**name, "members": self._members(group)})
            else:
                self._make(group)
        for anchor in set(self.groups) - kept if delete_old else ():
            school.delete(self.groups[anchor])
        for key in one.last.people.keys() - one.now.people.keys():
            school.delete(self.people[key])

    def clouds(self) -> dict[str, str]:
        """Name of a class -> id of its group in the cloud."""
        return {str(one.fields["display_name"]): one.anchor for one in self.rig.cloud.records("group")}

    def cloud_members(self, anchor: str) -> frozenset[str]:
        """Keys of the members of a group of the cloud."""
        record = self.rig.cloud.record(anchor)
        inside = record.fields.get("members") if record else None
        found = [self.rig.cloud.record(one) for one in inside] if isinstance(inside, frozenset) else []
        return frozenset(str(one.fields["source_anchor"]) for one in found if one)

    def gone(self) -> frozenset[str]:
        """Leavers: they stay in the groups of the cloud until their accounts go."""
        return frozenset(self.one.last.people.keys() - self.one.now.people.keys())

    def wrong(self) -> list[str]:
        """Classes of now whose group in the cloud is not the one it should be, or has other people in it."""
        before = {f"A {id_}": name for id_, name in ((g.id, g.name) for g in self.one.last.groups)}
        then, now = self.before, self.clouds()
        found = []
        for group in self.one.now.groups:
            anchor = now.get(group.name)
            if anchor is None:
                found.append(f"{group.name} has no group in the cloud")
            elif self.cloud_members(anchor) - self.gone() != group.members:
                found.append(f"{group.name} has other members in the cloud")
            elif group.id in before and anchor != then[before[group.id]]:
                found.append(f"{group.name} is not the group of {before[group.id]} in the cloud")
            elif group.id not in before and anchor in then.values():
                found.append(f"{group.name} took a group of last year")
        return found

    before: Mapping[str, str] = {}


def least(counted: Counted, year: SchoolYear) -> int:
    """The least possible number of requests: computed from last year and this one alone, not from what was done.

    Each newcomer is one creation; each class that goes on under another name is one change; members who come are one
    request for each 20 of a class, those who go one each; a new class is one creation with its first 20 members.
    """
    one = year.one
    needed = len(one.now.people.keys() - one.last.people.keys())
    last = {f"A {group.id}": group for group in one.last.groups}
    for group in one.now.groups:
        before = last.get(group.id)
        if before is None:
            needed += 1 + -(-max(0, len(group.members) - 20) // 20)
            continue
        needed += before.name != group.name
        # Leavers stay in their classes until their accounts go: a member who is nowhere is not taken out of anything.
        gone = (before.members - group.members) & one.now.people.keys()
        needed += -(-len(group.members - before.members) // 20) + len(gone)
    return needed


async def settled(rig: Rig, one: Turned) -> SchoolYear:
    """A school of last year, mirrored."""
    year = SchoolYear(rig, one)
    await rig.settle()
    year.before = year.clouds()
    return year


def drawn(seed: int, *, way: str, full: bool = False) -> Turned:
    """A small school of 8 classes, or the one of the figures: 1,200 pupils, of whom 150 leave, 12 repeat, 1 class is
    made of two and one becomes two, and 150 come."""
    chance = random.Random(seed)
    if not full:
        last = last_year(chance, per_year=2, size=12, years=4)
        return turned(last, chance, way=way, leave=3, repeat=2, newcomers=22, merge=1, split=1)
    last = last_year(chance, per_year=5, size=27, years=9)
    return turned(last, chance, way=way, leave=150 - top(last), repeat=12, newcomers=150, merge=1, split=1)


def top(last: Year) -> int:
    """Pupils of the highest year, who all leave."""
    years = {group.id: told.year for group in last.groups if (told := unit(group.name))}
    return sum(len(group.members) for group in last.groups if years[group.id] == max(years.values()))


async def settle_year(rig: Rig, **more: object) -> None:
    """Plan, apply, and rename what is archived in the cloud, as the command does."""
    planned = school_year.plan(rig.store, **more)  # type: ignore[arg-type]
    shown = school_year.archives(rig.store, planned)
    rig.store.apply_year("Y1", school_year.settlement(planned), actor="test", reason="August")
    wanted = school_year.unnamed(rig.store)
    assert {(one.anchor, one.after["display_name"]) for one in wanted} == {
        (one.anchor, one.after["display_name"]) for one in shown
    }, "what was shown before is done"
    carried = await carry_out(rig.bridged(), wanted, cycle="Y1")
    assert carried.failed == []


SIDES = tuple(Side)
