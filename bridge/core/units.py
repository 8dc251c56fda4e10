"""How classes are called: 5a to 10d, EF, Q1 and Q2, with whatever a school writes around it ("Klasse-05A").

Names never decide which class is which; they tell a person's year and how a class is to be called next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The upper school of North Rhine-Westphalia comes after year 10.
UPPER = {"EF": 11, "Q1": 12, "Q2": 13}
_NAME = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<year>0?[1-9]|1[0-3])[ ]?(?P<letter>[A-Za-z]{0,2})|(?P<upper>EF|Q1|Q2)(?P<part>[A-Za-z]?))"
    r"(?![0-9A-Za-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """A class or a year of the upper school: ``year`` counts 1 to 13, ``letter`` is lower case."""

    year: int
    letter: str = ""

    def __str__(self) -> str:
        upper = {number: name for name, number in UPPER.items()}
        return f"{upper.get(self.year, self.year)}{self.letter}"


def unit(name: str) -> Unit | None:
    """The unit that a name tells, the last one where it tells several; None where it tells none."""
    found = _last(name)
    if found is None:
        return None
    if found["upper"]:
        return Unit(UPPER[found["upper"].upper()], found["part"].lower())
    return Unit(int(found["year"]), found["letter"].lower())


def _last(name: str) -> re.Match[str] | None:
    return max(_NAME.finditer(name), key=re.Match.start, default=None)


def renamed(name: str, to: str) -> str:
    """``name`` with the unit of ``to`` in place of its own, spelt as it was: Klasse-05A to 6a is Klasse-06A.

    Where either tells no unit it is ``to`` itself.
    """
    found, wanted = _last(name), unit(to)
    if found is None or wanted is None:
        return to
    text = str(wanted)
    if found["year"] and found["year"].startswith("0") and wanted.year < 10:
        text = f"0{text}"
    old = found[0]
    if old.upper() == old and old.lower() != old:
        text = text.upper()
    elif old.lower() == old and not old.isdigit() and (found["upper"] or _small(name[: found.start()])):
        text = text.lower()
    return f"{name[: found.start()]}{text}{name[found.end() :]}"


def _small(prefix: str) -> bool:
    """Whether what stands before the unit is written small: klasse-10d becomes klasse-ef, but Klasse 10d Klasse EF."""
    return prefix.lower() == prefix and prefix.upper() != prefix


def order(name: str) -> tuple[int, str, str]:
    """Sorts classes as people count: 5a, 5b, 10a, EF."""
    told = unit(name)
    return (told.year, told.letter, name) if told else (99, "", name)
