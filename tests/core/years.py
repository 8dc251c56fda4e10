"""Random school years with their truth: who was promoted, which class became which. Drawn from one number, so that a
school of 1,200 is as quick to make as one of 60."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from bridge.core.units import Unit, unit
from bridge.core.year import CLASS, Group, Person, PersonTurn, Year

#: How a directory shows the change: the groups are renamed, filled anew, or made anew.
WAYS = ("renamed", "refilled", "made")


@dataclass(slots=True)
class Truth:
    """What was done: key -> turn; id of a class of last year -> id of the class of now that it goes on as."""

    people: dict[str, PersonTurn] = field(default_factory=dict)
    goes_on: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    split: dict[str, str] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Turned:
    """Last year, this year, and what really happened between them."""

    last: Year
    now: Year
    truth: Truth


def last_year(chance: random.Random, *, per_year: int, size: int, years: int = 6) -> Year:
    """Classes 5a, 5b ... of about ``size`` pupils."""
    people: dict[str, Person] = {}
    groups: list[Group] = []
    for year in range(5, 5 + years):
        for letter in range(per_year):
            keys = frozenset(f"R{len(people) + number}" for number in range(size + chance.randint(-2, 2)))
            people |= {key: Person(key, f"Name {key}", "pupil") for key in keys}
            name = str(Unit(year, chr(97 + letter)))
            groups.append(Group(f"L-{name}", name, CLASS, keys, f"G-{name}"))
    return Year(people, tuple(groups))


def turned(
    last: Year,
    chance: random.Random,
    *,
    way: str,
    leave: int = 0,
    repeat: int = 0,
    skip: int = 0,
    newcomers: int = 0,
    merge: int = 0,
    split: int = 0,
) -> Turned:
    """One year later. The highest year leaves as a whole; newcomers fill the lowest and join the others."""
    truth = Truth()
    units = {one.id: _unit(one.name) for one in last.groups}
    top, low = max(unit.year for unit in units.values()), min(unit.year for unit in units.values())
    going = [one for one in last.groups if units[one.id].year < top]
    members = {one.id: set(one.members) for one in last.groups}
    people = dict(last.people)
    for one in last.groups:
        for key in one.members:
            truth.people[key] = PersonTurn.PROMOTED if one in going else PersonTurn.LEAVES
        if one not in going:
            members[one.id].clear()
            truth.left.add(one.id)
    classes: dict[str, set[str]] = {one.id: members[one.id] for one in going}
    names = {one.id: str(Unit(units[one.id].year + 1, units[one.id].letter)) for one in going}
    for _ in range(min(leave, sum(len(keys) - 1 for keys in classes.values()))):
        key = _taken(chance, classes)
        truth.people[key] = PersonTurn.LEAVES
    # Most of a school is promoted: where more repeat than go on, nobody could tell it from a year that did not begin.
    most = sum(len(keys) for keys in classes.values()) // 12
    repeat, skip = min(repeat, most), min(skip, most)
    back: dict[str, list[str]] = {}
    for turn, number, step in ((PersonTurn.REPEATS, repeat, -1), (PersonTurn.SKIPS, skip, 1)):
        for _ in range(number):
            # Above the highest year there is nothing to skip to.
            below = {one: keys for one, keys in classes.items() if units[one].year + 1 + step <= top}
            if not any(len(keys) > 1 for keys in below.values()):
                break
            key = _taken(chance, below)
            truth.people[key] = turn
            home = next(units[one.id] for one in last.groups if key in one.members)
            back.setdefault(str(Unit(home.year + 1 + step, home.letter)), []).append(key)
    _merge(chance, truth, classes, names, merge)
    _split(chance, truth, classes, names, split)
    fifth = {f"new {letter}": set[str]() for letter in sorted({unit.letter for unit in units.values()})}
    names |= {one: str(Unit(low, one[-1])) for one in fifth}
    classes |= fifth
    by_name = {name: one for one, name in names.items()}
    for name, keys in back.items():
        # A class that was merged away, or a year above the highest: they go to any class of that year, or the highest.
        target = by_name.get(name) or next(one for one, told in names.items() if _unit(told).year == _unit(name).year)
        classes[target] |= set(keys)
    for number in range(newcomers):
        key = f"N{number}"
        people[key] = Person(key, f"New {key}", "pupil")
        truth.people[key] = PersonTurn.NEW
        lowest = number % 10 and list(fifth)
        classes[chance.choice(lowest or list(classes))].add(key)
    for key, turn in truth.people.items():
        if turn is PersonTurn.LEAVES:
            del people[key]
    return Turned(last, Year(people, _groups(last, classes, names, way)), truth)


def _taken(chance: random.Random, classes: dict[str, set[str]]) -> str:
    one = chance.choice([id_ for id_, keys in classes.items() if len(keys) > 1])
    key = chance.choice(sorted(classes[one]))
    classes[one].remove(key)
    return key


def _merge(
    chance: random.Random, truth: Truth, classes: dict[str, set[str]], names: dict[str, str], number: int
) -> None:
    for _ in range(number):
        pairs = [
            (a, b) for a in classes for b in classes
            if a < b and _unit(names[a]).year == _unit(names[b]).year and not {a, b} & set(truth.merged.values())
        ]  # fmt: skip
        if pairs:
            one, two = sorted(chance.choice(pairs), key=lambda id_: len(classes[id_]), reverse=True)
            classes[one] |= classes.pop(two)
            del names[two]
            truth.merged[two] = one


def _split(
    chance: random.Random, truth: Truth, classes: dict[str, set[str]], names: dict[str, str], number: int
) -> None:
    for _ in range(number):
        whole = [one for one in classes if one not in set(truth.merged.values()) | set(truth.split.values())]
        whole = [one for one in whole if not one.startswith("part") and len(classes[one]) >= 8]
        if whole:
            one = chance.choice(whole)
            part = set(chance.sample(sorted(classes[one]), len(classes[one]) * 2 // 5))
            classes[one] -= part
            classes[f"part {one}"] = part
            names[f"part {one}"] = str(Unit(_unit(names[one]).year, chr(ord("m") + len(truth.split))))
            truth.split[f"part {one}"] = one


def _groups(last: Year, classes: dict[str, set[str]], names: dict[str, str], way: str) -> tuple[Group, ...]:
    anchors = {one.name: one.anchor for one in last.groups}
    own = {one.id: one.anchor for one in last.groups}
    found = []
    for id_, keys in classes.items():
        anchor = {
            "renamed": own.get(id_, f"G-{id_}"),
            "refilled": anchors.get(names[id_], f"G-{id_}"),
            "made": f"M-{id_}",
        }[way]
        found.append(Group(f"A {id_}", names[id_], CLASS, frozenset(keys), anchor))
    return tuple(found)


def _unit(name: str) -> Unit:
    told = unit(name)
    assert told is not None
    return told


def with_person(year: Year, key: str, **changes: object) -> Year:
    """The same year with another word about somebody."""
    return replace(year, people={**year.people, key: replace(year.people[key], **changes)})  # type: ignore[arg-type]
