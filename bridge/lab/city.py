"""A believable city drawn from one number: its schools, each with a building, a site and people of its own; pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from bridge.lab.seed import School, SchoolSize, draw_school

#: How many schools the city has that the demo shows.
SCHOOLS = 41
_KINDS = ("Grundschule", "Grundschule", "Gymnasium", "Gesamtschule", "Realschule", "Förderschule", "Berufskolleg")
_AFTER = (
    "Anne Frank", "Astrid Lindgren", "Bertolt Brecht", "Erich Kästner", "Sophie Scholl", "Albert Einstein",
    "Marie Curie", "Janusz Korczak", "Käthe Kollwitz", "Heinrich Böll", "Lise Meitner", "Alexander von Humboldt",
    "Maria Montessori", "Friedrich Ebert", "Otto Lilienthal", "Hannah Arendt", "Ernst Barlach", "Nelly Sachs",
    "Peter Weiß", "Clara Schumann", "Janosch",
)  # fmt: skip
_QUARTERS = (
    "Altstadt", "Mühlenviertel", "Am Ölberg", "Hafen", "Nordend", "Südpark", "Rheinaue", "Bergfeld", "Kirchdorf",
    "Höhenrain", "Weißer Stein",
)  # fmt: skip
_FIRST_CODE = 165_001


@dataclass(frozen=True, slots=True)
class Building:
    """A school building. ``site`` is the name under which its daemon reports, ``code`` the school's."""

    code: str
    site: str
    school: School

    @property
    def name(self) -> str:
        """The school's name, for people."""
        return self.school.name

    @property
    def domain(self) -> str:
        """The verified domain of its tenant."""
        return f"s{self.code}.schule.example"


def draw_city(count: int = SCHOOLS, seed: int = 1) -> tuple[Building, ...]:
    """The buildings of this seed, each time the same. Small schools: all their daemons run on one machine."""
    chance = random.Random(f"{seed} city")
    names: dict[str, None] = {}
    while len(names) < count:
        names.setdefault(_name(chance))
    return tuple(_building(chance, seed, number, name) for number, name in enumerate(names))


def _name(chance: random.Random) -> str:
    kind = chance.choice(_KINDS)
    if chance.random() < 0.3:
        return f"{kind} {chance.choice(_QUARTERS)}"
    return f"{chance.choice(_AFTER).replace(' ', '-')}-{kind}"


def _building(chance: random.Random, seed: int, number: int, name: str) -> Building:
    size = SchoolSize(
        pupils=chance.randint(16, 48), teachers=chance.randint(3, 9), staff=chance.randint(1, 3), leavers=0,
        newcomers=1, classes_per_year=1, groups=1, largest_group=20,
    )  # fmt: skip
    code = str(_FIRST_CODE + number * 13)
    school = draw_school(seed * 1000 + number, size)
    return Building(code, f"site-{code}", replace(school, name=name))
