"""Believable synthetic German schools, drawn from one number; pure, the same on every machine.

1. People: pupils class by class, teachers, staff, leavers, and newcomers who arrive later in the story.
2. Among them brothers and sisters, people of one name, double names, names too long for a login.
3. Groups: classes, all pupils (made of the class groups), all teachers, courses, working groups.

Sizes are parameters; `DEFAULT` is a school, `BIG` what the benchmarks need. People are a tuple (20,000: about 10 MB),
groups are generated one at a time.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bridge.lab.names import CULTURES, SCHOOLS, SUBJECTS, WORKING_GROUPS, Culture

Role = Literal["pupil", "teacher", "staff"]
Standing = Literal["present", "leaver", "newcomer"]
GroupKind = Literal["class", "everyone", "course", "working group", "department"]

YEARS = ("5", "6", "7", "8", "9", "10")
UPPER_YEARS = ("EF", "Q1", "Q2")  # North Rhine-Westphalia's upper school: whole years, no classes
LOGIN_LENGTH = 20  # sAMAccountName of a user (MS-SAMR 3.1.1.6, MS-ADA3 2.222)
_SIBLING, _NAMESAKE, _DOUBLE_NAME, _NO_CONSENT = 0.12, 0.012, 0.05, 0.01  # shares of all pupils
_BY_AGE = (*UPPER_YEARS, *reversed(YEARS))
_DEPARTMENTS = 8
_FORMS = {form: pair for culture in CULTURES for pair in culture.surnames if "/" in pair for form in pair.split("/")}
_LETTERS = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "ł": "l", "đ": "d", "ı": "i",
            "þ": "th"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SchoolSize:
    """How many of what. `groups` is a total, never less than the classes and departments need.

    `memberships` is the exact total of direct members of all groups, None for what a school naturally has;
    `largest_group` the number of pupils in the full-day group.
    """

    pupils: int = 1200
    teachers: int = 90
    staff: int = 12
    leavers: int = 15
    newcomers: int = 20
    classes_per_year: int = 4
    groups: int = 90
    memberships: int | None = None
    largest_group: int = 300


DEFAULT = SchoolSize()
BIG = SchoolSize(
    pupils=18_600, teachers=1_100, staff=200, leavers=100, newcomers=100, classes_per_year=40, groups=900,
    memberships=200_000, largest_group=5_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the school. `reference` (the Referenz-ID) stays for life, whatever else changes.

    `unit` is a pupil's class ("7b") or upper-school year ("Q1"), empty for adults. `consent` False: not given (yet).
    """

    reference: str
    role: Role
    given: str
    surname: str
    login: str
    unit: str
    standing: Standing = "present"
    consent: bool = True

    @property
    def display(self) -> str:
        """Given name and surname, as shown."""
        return f"{self.given} {self.surname}"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of people (`members`, by reference) or of groups (`subgroups`, by name)."""

    name: str
    kind: GroupKind
    description: str
    members: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class School:
    """A drawn school. `people` are those with an account at the start, `newcomers` arrive later."""

    seed: int
    size: SchoolSize
    name: str
    units: tuple[str, ...]
    people: tuple[Person, ...]
    newcomers: tuple[Person, ...]

    @property
    def key(self) -> str:
        """Names what was drawn: equal keys, equal schools (with the same sources)."""
        return f"{self.seed} {self.size}"

    def groups(self) -> Iterator[Group]:
        """All groups; a group follows the groups that it is made of."""
        return _groups(self, random.Random(f"{self.seed} groups"))


def draw_school(seed: int = 1, size: SchoolSize = DEFAULT) -> School:
    """The school of this seed and size."""
    chance = random.Random(f"{seed} people")
    units = units_of(size)
    people = list(_people(chance, size, units))
    logins: set[str] = set()
    people = [replace(person, login=_login(person, logins)) for person in people]
    present = tuple(person for person in people if person.standing != "newcomer")
    newcomers = tuple(person for person in people if person.standing == "newcomer")
    return School(seed, size, SCHOOLS[seed % len(SCHOOLS)], units, present, newcomers)


def units_of(size: SchoolSize) -> tuple[str, ...]:
    """5a to 10d and the upper-school years; more than 26 classes a year go on as aa, ab ..."""
    classes = [f"{year}{_letter(number)}" for year in YEARS for number in range(size.classes_per_year)]
    return (*classes, *UPPER_YEARS)


def plain(text: str) -> str:
    """`text` in lower-case ASCII letters, digits, hyphens and dots, as logins are written: Jörg Groß → joerg.gross."""
    folded = "".join(_LETTERS.get(letter, letter) for letter in unicodedata.normalize("NFC", text).lower())
    ascii_only = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9-]+", ".", ascii_only.replace("'", "")).strip(".-")


def _letter(number: int) -> str:
    return chr(97 + number) if number < 26 else _letter(number // 26 - 1) + chr(97 + number % 26)


def _people(chance: random.Random, size: SchoolSize, units: Sequence[str]) -> Iterator[Person]:
    total = size.pupils + size.teachers + size.staff + size.leavers + size.newcomers
    references = iter(chance.sample(range(100_000, 10_000_000), total))
    known: list[tuple[str, str]] = []
    plan: list[tuple[Role, Standing, int]] = [
        ("pupil", "present", size.pupils), ("teacher", "present", size.teachers), ("staff", "present", size.staff),
        ("pupil", "leaver", size.leavers), ("pupil", "newcomer", size.newcomers),
    ]  # fmt: skip
    weights = _unit_weights(size)
    for role, standing, count in plan:
        where = chance.choices(units, weights, k=count) if standing == "leaver" else _spread(units, weights, count)
        for number in range(count):
            given, surname = _name(chance, known, role)
            known.append((given, surname))
            fifth = units[number % size.classes_per_year]  # where newcomers start
            unit = "" if role != "pupil" else fifth if standing == "newcomer" else where[number]
            consent = role != "pupil" or chance.random() >= _NO_CONSENT
            yield Person(f"R{next(references):07d}", role, given, surname, "", unit, standing, consent)


def _unit_weights(size: SchoolSize) -> list[int]:
    return [1] * (len(YEARS) * size.classes_per_year) + [size.classes_per_year] * len(UPPER_YEARS)


def _spread(units: Sequence[str], weights: Sequence[int], count: int) -> list[str]:
    """`count` units in their order, in proportion to their weights."""
    total, filled = sum(weights), 0
    spread: list[str] = []
    for unit, weight in zip(units, weights, strict=True):
        filled += weight
        spread += [unit] * (count * filled // total - len(spread))
    return spread


def _name(chance: random.Random, known: Sequence[tuple[str, str]], role: Role) -> tuple[str, str]:
    culture = chance.choices(CULTURES, [culture.weight for culture in CULTURES])[0]
    girl = chance.random() < 0.5
    given, surname = _given(chance, culture, girl=girl), _surname(chance, culture, girl=girl)
    if known and role == "pupil":
        fate = chance.random()
        if fate < _NAMESAKE or len(known) in (7, 11):  # also a small school has people of one name
            return chance.choice(known)
        if fate < _NAMESAKE + _SIBLING:
            return given, _form(chance.choice(known[-400:])[1], girl=girl)
    if chance.random() < _DOUBLE_NAME and " " not in surname and "-" not in surname:
        other = _surname(chance, chance.choice(CULTURES), girl=girl)
        surname = f"{surname}-{other}" if len(surname) + len(other) < 60 else surname
    return given, surname


def _front(chance: random.Random, pool: Sequence[str]) -> str:
    return pool[int(len(pool) * chance.random() ** 1.6)]  # the front more often than the end


def _given(chance: random.Random, culture: Culture, *, girl: bool) -> str:
    pool = culture.girls if girl else culture.boys
    first = _front(chance, pool)
    second = _front(chance, pool)
    double = chance.random() < 0.06 and first != second and " " not in first and "-" not in first
    return first + chance.choice((" ", "-")) + second if double else first


def _surname(chance: random.Random, culture: Culture, *, girl: bool) -> str:
    return _form(_front(chance, culture.surnames), girl=girl)


def _form(surname: str, *, girl: bool) -> str:
    """The form of a surname for a girl or a boy, from either form or the pair: Kowalska, Kowalski."""
    forms = _FORMS.get(surname, surname).split("/")
    return forms[0] if girl else forms[-1]


def _login(person: Person, taken: set[str]) -> str:
    """given.surname in ASCII, cut to 20 characters; for a second one of that name, a number: anna.mueller2."""
    wanted = f"{plain(person.given)}.{plain(person.surname)}"
    number, login = 1, wanted[:LOGIN_LENGTH].rstrip(".-")
    while login in taken:
        number += 1
        login = wanted[: LOGIN_LENGTH - len(str(number))].rstrip(".-") + str(number)
    taken.add(login)
    return login


def _groups(school: School, chance: random.Random) -> Iterator[Group]:
    size = school.size
    present = [person for person in school.people if person.standing == "present"]
    pupils: dict[str, list[str]] = {unit: [] for unit in school.units}
    for person in present:
        if person.role == "pupil":
            pupils[person.unit].append(person.reference)
    teachers = [person.reference for person in present if person.role == "teacher"]
    fixed = list(_fixed_groups(school, pupils, teachers))
    yield from fixed
    used = sum(len(group.members) + len(group.subgroups) for group in fixed)
    years = {year: [one for unit in school.units if year_of(unit) == year for one in pupils[unit]] for year in _BY_AGE}
    everyone = [one for unit in school.units for one in pupils[unit]]
    largest = min(map(len, years.values()))
    courses = _course_sizes(chance, size, count=max(0, size.groups - len(fixed)), used=used, largest=largest)
    for number, members in enumerate(courses):
        year = _BY_AGE[number % len(_BY_AGE)]
        chosen = chance.sample(everyone if number % 3 == 2 else years[year], members - bool(teachers))
        if teachers:
            chosen.append(teachers[number % len(teachers)])
        yield _course(number, year, tuple(chosen))


def year_of(unit: str) -> str:
    """The year of a class: 10 of "10d", Q1 of "Q1"."""
    return unit if unit in UPPER_YEARS else unit.rstrip("abcdefghijklmnopqrstuvwxyz")


def _fixed_groups(school: School, pupils: dict[str, list[str]], teachers: list[str]) -> Iterator[Group]:
    for unit in school.units:
        yield Group(class_group(unit), "class", f"Klasse {unit}", tuple(pupils[unit]))
    classes = tuple(class_group(unit) for unit in school.units)
    yield Group("alle-schueler", "everyone", "Alle Schülerinnen und Schüler", subgroups=classes)
    yield Group("alle-lehrer", "everyone", "Alle Lehrkräfte", tuple(teachers))
    staff = tuple(one.reference for one in school.people if one.role == "staff" and one.standing == "present")
    yield Group("alle-personal", "everyone", "Verwaltung und Haustechnik", staff)
    everyone = [one for unit in school.units for one in pupils[unit]]
    yield Group("ganztag", "everyone", "Ganztagsbetreuung", tuple(everyone[: school.size.largest_group]))
    for number, subject in enumerate(SUBJECTS[:_DEPARTMENTS]):
        yield Group(
            f"fs-{plain(subject)}", "department", f"Fachschaft {subject}", tuple(teachers[number::_DEPARTMENTS])
        )


def class_group(unit: str) -> str:
    """The name of the group of a class or upper-school year."""
    return f"klasse-{unit.lower()}"


def _course_sizes(chance: random.Random, size: SchoolSize, *, count: int, used: int, largest: int) -> list[int]:
    """Members (the teacher among them) of `count` courses: about 20, or what `size.memberships` leaves to them."""
    if size.memberships is None:
        return [min(chance.randint(12, 28), largest) for _ in range(count)]
    rest = size.memberships - used
    if not 0 < count <= rest <= count * largest:
        raise ValueError(f"{count} courses of at most {largest} members cannot make up {rest} memberships: {size}")
    sizes = [rest // count + (number < rest % count) for number in range(count)]
    for first in range(0, count - 1, 2):  # pairs of unequal courses, the total kept
        shift = chance.randint(0, min(sizes[first] - 1, largest - sizes[first + 1]))
        sizes[first] -= shift
        sizes[first + 1] += shift
    return sizes


def _course(number: int, year: str, members: tuple[str, ...]) -> Group:
    if number % 3 == 2:
        name, round_ = WORKING_GROUPS[number // 3 % len(WORKING_GROUPS)], number // 3 // len(WORKING_GROUPS)
        suffix = f" {round_ + 1}" if round_ else ""
        return Group(f"ag-{plain(name + suffix)}", "working group", f"AG {name}{suffix}", members)
    subject = SUBJECTS[number // len(_BY_AGE) % len(SUBJECTS)]
    kind = ("LK" if year in UPPER_YEARS else "WP") + str(number // len(_BY_AGE) // len(SUBJECTS) + 1)
    return Group(f"kurs-{year.lower()}-{plain(subject)}-{kind.lower()}", "course", f"{year} {subject} {kind}", members)
