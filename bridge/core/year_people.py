"""What happens to each person in a school year.

Who somebody is the source anchor says, never the name. A pupil is compared with all of the year: who goes the way
that most of it goes is promoted, who stays behind repeats, who is ahead of it skips.

| last year | now | verdict |
|---|---|---|
| in a class | in a class, as far as most of the year | promoted; the same year: stays, or moved |
| in a class | behind, ahead of most of the year | repeats, skips |
| here | not there, disabled, or told as left | leaves (a person whom no roster brought: manual, untouched) |
| – | here, known from before | returns |
| – | here | new; with nearly the name of a leaver: open |
| in a class | here, but in none or in several | open |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.core.naming import ascii_letters
from bridge.core.units import Unit, unit
from bridge.core.year import (
    CLASS,
    Certainty,
    GroupChange,
    Known,
    Person,
    PersonChange,
    PersonTurn,
    Why,
    Year,
    YearPlan,
)
from bridge.core.year_groups import classes, courses

SURE, OPEN = Certainty.SURE, Certainty.OPEN
#: Of fewer pupils nobody can say where their year goes.
FEW = 6


def plan_year(last: Year, now: Year, known: Known | None = None) -> YearPlan:
    """The whole plan; ``last`` and ``now`` may be seen by the directory or by a roster."""
    known = known or Known()
    groups = classes(last, now, known)
    people = _people(last, now, known, groups)
    return YearPlan((*groups, *courses(last, now)), tuple(sorted(people, key=lambda one: one.person.key)))


def _people(last: Year, now: Year, known: Known, groups: Sequence[GroupChange]) -> list[PersonChange]:
    old, new = _Classes.of(last), _Classes.of(now)
    steps = _steps(old, new)
    same = {one.before.id: one.after.id for one in groups if one.goes_on and one.before and one.after}
    told = {person.role for person in now.people.values()}
    found: list[PersonChange] = []
    for key, person in last.people.items():
        there = now.people.get(key)
        if person.enabled and there is not None and there.enabled:
            found.append(_stayer(there, old, new, steps, same))
        elif person.enabled and (known.brought is None or person.role in told):
            found.append(_leaver(person, there, old, known))
    leavers = _by_name(one.person for one in found if one.turn is PersonTurn.LEAVES)
    for key, person in now.people.items():
        was = last.people.get(key)
        if person.enabled and (was is None or not was.enabled):
            found.append(_comer(person, new, leavers, was))
    return [_elsewhere(one, known) for one in found]


@dataclass(frozen=True, slots=True)
class _Classes:
    """Where everybody of a year is: key -> ids of classes; id -> name; id -> unit."""

    of_person: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]
    units: Mapping[str, Unit | None]

    @classmethod
    def of(cls, year: Year) -> _Classes:
        where: dict[str, list[str]] = {}
        for one in year.of_role(CLASS):
            for key in one.members:
                where.setdefault(key, []).append(one.id)
        groups = year.of_role(CLASS)
        return cls(
            {key: tuple(ids) for key, ids in where.items()},
            {one.id: one.name for one in groups},
            {one.id: unit(one.name) for one in groups},
        )

    def ids(self, key: str) -> tuple[str, ...]:
        return self.of_person.get(key, ())

    def called(self, key: str) -> str:
        return ", ".join(self.names[one] for one in self.ids(key))

    def year(self, key: str) -> int | None:
        """The year that somebody is in; None without a class, in several, or where its name tells none."""
        ids = self.ids(key)
        told = self.units[ids[0]] if len(ids) == 1 else None
        return told.year if told else None


def _steps(old: _Classes, new: _Classes) -> dict[int, int]:
    """Year -> by how many years its pupils went on, as two thirds of them did (year 9 goes to EF where there is no 10).

    A year with few who stayed goes the way of the school; where that is not clear either, it is left out.
    """
    steps: dict[int, Counter[int]] = {}
    for key in old.of_person:
        before, after = old.year(key), new.year(key)
        if before is not None and after is not None:
            steps.setdefault(before, Counter())[after - before] += 1
    school = _clear(sum(steps.values(), Counter[int]()))
    found = {year: step if (step := _clear(counted)) is not None else school for year, counted in steps.items()}
    return {year: step for year, step in found.items() if step is not None}


def _clear(counted: Counter[int]) -> int | None:
    if counted.total() < FEW:
        return None
    step, number = counted.most_common(1)[0]
    return step if step >= 0 and 3 * number >= 2 * counted.total() else None


def _stayer(
    person: Person, old: _Classes, new: _Classes, steps: Mapping[int, int], same: Mapping[str, str]
) -> PersonChange:
    key = person.key
    before, after = old.called(key), new.called(key)
    if person.role in {"teacher", "staff"} or not (before or after):
        return PersonChange(person, PersonTurn.STAYS, SURE, Why.REFERENCE)
    if not before:
        return PersonChange(person, PersonTurn.MOVED, SURE, Why.REFERENCE, before, after)
    if len(new.ids(key)) != 1 or len(old.ids(key)) != 1:
        why = Why.TWO_CLASSES if after else Why.NO_CLASS
        return PersonChange(person, PersonTurn.OPEN, OPEN, why, before, after)
    from_id, to_id = old.ids(key)[0], new.ids(key)[0]
    with_class = same.get(from_id) == to_id
    why = Why.WITH_CLASS if with_class else Why.NOT_WITH_CLASS
    then, today = old.year(key), new.year(key)
    usual = steps.get(then) if then is not None else None
    if then is None or today is None or usual is None:
        # Without years in the names the class alone tells: who goes with it goes on.
        if with_class:
            turn = PersonTurn.STAYS if before == after else PersonTurn.PROMOTED
            return PersonChange(person, turn, SURE, why, before, after)
        return PersonChange(person, PersonTurn.OPEN, OPEN, Why.NO_YEAR, before, after)
    ahead = today - then - usual
    if ahead:
        turn = PersonTurn.SKIPS if ahead > 0 else PersonTurn.REPEATS
        return PersonChange(person, turn, SURE, Why.NOT_WITH_CLASS, before, after)
    if usual:
        return PersonChange(person, PersonTurn.PROMOTED, SURE, why, before, after)
    turn = PersonTurn.STAYS if with_class or from_id == to_id else PersonTurn.MOVED
    return PersonChange(person, turn, SURE, why, before, after)


def _leaver(person: Person, there: Person | None, old: _Classes, known: Known) -> PersonChange:
    before = old.called(person.key)
    if there is None and known.brought is not None and person.key not in known.brought:
        return PersonChange(person, PersonTurn.MANUAL, SURE, Why.NOT_BROUGHT, before)
    return PersonChange(person, PersonTurn.LEAVES, SURE, Why.STATUS if there else Why.NOT_THERE, before)


def _comer(person: Person, new: _Classes, leavers: Mapping[str, Person], was: Person | None) -> PersonChange:
    after = new.called(person.key)
    if was is not None:
        return PersonChange(person, PersonTurn.RETURNS, SURE, Why.KNOWN_BEFORE, "", after)
    namesake = leavers.get(same_name(person.name))
    if namesake is not None and namesake.role == person.role:
        # The one thing that a name is good for: to ask a person whether a reference was typed wrongly.
        return PersonChange(person, PersonTurn.OPEN, OPEN, Why.SAME_NAME, "", after, other=namesake)
    return PersonChange(person, PersonTurn.NEW, SURE, Why.REFERENCE, "", after)


def _elsewhere(one: PersonChange, known: Known) -> PersonChange:
    schools = known.elsewhere.get(one.person.key, ())
    if not schools:
        return one
    if one.turn is PersonTurn.STAYS and one.person.role == "teacher":
        return replace(one, turn=PersonTurn.TWO_SCHOOLS, why=Why.OTHER_SCHOOL, schools=schools)
    if one.turn in {PersonTurn.LEAVES, PersonTurn.NEW}:
        return replace(one, why=Why.OTHER_SCHOOL, schools=schools)
    return replace(one, schools=schools)


def same_name(name: str) -> str:
    """What is left of a name that two spellings share: René and Rene, Lena Marie and Lena-Marie."""
    return "".join(letter for letter in ascii_letters(name).casefold() if letter.isalnum())


def _by_name(people: Iterable[Person]) -> dict[str, Person]:
    return {same_name(one.name): one for one in people}
