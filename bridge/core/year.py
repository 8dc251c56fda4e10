"""A school year as values: who was in which class, who is now, and what became of each.

1. ``year_groups``  which class of now is which of last year, by its members
2. ``year_people``  what happens to each person, by the reference
3. ``year_wanted``  what has to be written for it

Pure. Members are source anchors of people; a name is shown and never decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CLASS, COURSE = "class", "course"


class Certainty(StrEnum):
    """How sure the plan is."""

    SURE = "sure"
    LIKELY = "likely"
    OPEN = "open"  # a person has to decide; nothing is planned for it


class GroupTurn(StrEnum):
    """What becomes of a class or course."""

    SAME = "same"  # goes on, under whatever name
    MERGED = "merged"  # goes on and takes others in
    SPLIT = "split"  # goes on without those who make a class of their own now
    NEW = "new"
    DISSOLVED = "dissolved"  # archived: kept with its files
    ARCHIVED = "archived"  # a course of last year
    OPEN = "open"


class PersonTurn(StrEnum):
    """What happens to a person."""

    PROMOTED = "promoted"
    REPEATS = "repeats"
    SKIPS = "skips"
    MOVED = "moved"  # another class of the same year
    STAYS = "stays"
    LEAVES = "leaves"
    NEW = "new"
    RETURNS = "returns"
    TWO_SCHOOLS = "two_schools"
    MANUAL = "manual"  # no roster brought it: listed, never touched
    OPEN = "open"


class Why(StrEnum):
    """The reason, in a word that every language has a sentence for."""

    MEMBERS = "members"  # {overlap} of {of}
    ANCHOR = "anchor"
    CHOSEN = "chosen"
    MERGED_INTO = "merged_into"
    SPLIT_OFF = "split_off"
    MADE_OF = "made_of"
    ALL_LEFT = "all_left"
    ALL_NEW = "all_new"
    SCATTERED = "scattered"
    OTHER_MEMBERS = "other_members"
    UNCHANGED = "unchanged"
    EMPTIED = "emptied"
    TIE = "tie"
    MIXED = "mixed"
    WITH_CLASS = "with_class"
    NOT_WITH_CLASS = "not_with_class"
    REFERENCE = "reference"
    NOT_THERE = "not_there"
    STATUS = "status"
    OTHER_SCHOOL = "other_school"
    KNOWN_BEFORE = "known_before"
    SAME_NAME = "same_name"
    NO_CLASS = "no_class"
    TWO_CLASSES = "two_classes"
    NO_YEAR = "no_year"
    NOT_BROUGHT = "not_brought"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a year; ``key`` is the source anchor. ``enabled`` False: has left, but is still told of."""

    key: str
    name: str
    role: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A class or course in a year. ``id`` is unique in its year, ``anchor`` that of the directory, empty in a roster.

    ``members`` are keys of people.
    """

    id: str
    name: str
    role: str
    members: frozenset[str]
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Year:
    """Everybody and every class and course of a school at one time."""

    people: Mapping[str, Person]
    groups: tuple[Group, ...]

    def of_role(self, role: str) -> list[Group]:
        """The groups of a role, in the order of their ids."""
        return sorted((one for one in self.groups if one.role == role), key=lambda one: one.id)


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What becomes of one group: ``before`` goes on as ``after``, or one of them is None.

    ``parts`` are the others concerned: classes of last year that come in, classes of now that went off or took over.
    ``overlap`` of ``of`` members carry the verdict.
    """

    turn: GroupTurn
    before: Group | None
    after: Group | None
    certainty: Certainty
    why: Why
    overlap: int = 0
    of: int = 0
    parts: tuple[Group, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether the group of last year is the one of now."""
        return self.turn in {GroupTurn.SAME, GroupTurn.MERGED, GroupTurn.SPLIT}

    @property
    def renamed(self) -> bool:
        """Whether it goes on under another name."""
        return (
            self.goes_on and self.before is not None and self.after is not None and self.before.name != self.after.name
        )


@dataclass(frozen=True, slots=True)
class PersonChange:
    """What happens to one person; classes by name, empty where there is none. ``other``: who else it might be."""

    person: Person
    turn: PersonTurn
    certainty: Certainty
    why: Why
    before: str = ""
    after: str = ""
    other: Person | None = None
    schools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class YearPlan:
    """All of it. ``groups`` and ``people`` hold those that stay as they are, too."""

    groups: tuple[GroupChange, ...] = ()
    people: tuple[PersonChange, ...] = ()

    @property
    def undecided(self) -> list[GroupChange]:
        """Classes that a person has to decide before anything can be applied."""
        return [one for one in self.groups if one.certainty is Certainty.OPEN]

    @property
    def questions(self) -> list[PersonChange]:
        """People of whom a person has to decide; nothing is planned for them."""
        return [one for one in self.people if one.certainty is Certainty.OPEN]

    @property
    def something(self) -> bool:
        """Whether anything is different from last year."""
        quiet = {PersonTurn.STAYS, PersonTurn.TWO_SCHOOLS, PersonTurn.MANUAL}
        still = (one.turn is GroupTurn.SAME and not one.renamed and _same_place(one) for one in self.groups)
        return not all(still) or any(one.turn not in quiet for one in self.people)


def _same_place(one: GroupChange) -> bool:
    return one.before is not None and one.after is not None and one.before.anchor in ("", one.after.anchor)


@dataclass(frozen=True, slots=True)
class Known:
    """What else the plan goes by.

    ``elsewhere``: key -> other schools of the same authority where somebody is. ``brought``: whom a roster ever
    brought; None where the directory itself is asked, which brings everybody. ``chosen``: id of a group of now -> id of
    the group of last year that goes on as it, None for a new one: what a person decided.
    """

    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    brought: frozenset[str] | None = None
    chosen: Mapping[str, str | None] = field(default_factory=dict)


def pupils(keys: Iterable[str], *years: Year) -> frozenset[str]:
    """Those of ``keys`` who are no teachers or staff in any of the years: a class is made of its pupils."""
    return frozenset(key for key in keys if all(_learns(year.people.get(key)) for year in years))


def _learns(person: Person | None) -> bool:
    return person is None or person.role not in {"teacher", "staff"}
