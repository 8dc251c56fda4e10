"""The preview of a school year as rows of text, the same for the screen and for paper: numbers, classes, people,
decisions. Whoever is promoted with the class is counted and not listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.core.units import order
from bridge.core.year import (
    COURSE,
    Certainty,
    GroupChange,
    GroupTurn,
    PersonChange,
    PersonTurn,
    Why,
    YearPlan,
)
from bridge.letters.year_text import YEAR_WORDS, YearWords

_ORDINARY = {PersonTurn.STAYS}
#: Whoever decides wants to see them in this order.
_ORDER = list(PersonTurn)


@dataclass(frozen=True, slots=True)
class Table:
    """A part of the preview. ``head`` names the columns; without rows ``empty`` is shown."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""


def tables(plan: YearPlan, language: str) -> list[Table]:
    """The parts in the order in which they are read."""
    words = YEAR_WORDS[language]
    classes = [one for one in plan.groups if not _course(one)]
    courses = [one for one in plan.groups if _course(one)]
    people = [one for one in plan.people if _special(one)]
    head = (words.last, words.now, words.what, words.reason)
    found = [
        Table(words.numbers, (words.what, words.number), tuple(_numbers(plan, words))),
        Table(words.decide, head, tuple(_questions(plan, words)), words.nothing),
        Table(words.classes, head, tuple(_group(one, words) for one in sorted(classes, key=_class_order))),
    ]
    if any(one.turn is not GroupTurn.SAME for one in courses):
        rows = [_group(one, words) for one in courses if one.turn is not GroupTurn.SAME]
        found.append(Table(words.courses, head, tuple(sorted(rows))))
    rows = [_person(one, words) for one in sorted(people, key=_person_order)]
    found.append(Table(words.people, (words.name, *head), tuple(rows), words.decided))
    return found


def _course(one: GroupChange) -> bool:
    group = one.before or one.after
    return group is not None and group.role == COURSE


def _special(one: PersonChange) -> bool:
    if one.certainty is Certainty.OPEN:
        return False  # shown among the decisions
    return one.turn not in _ORDINARY and not (one.turn is PersonTurn.PROMOTED and one.why is Why.WITH_CLASS)


def _numbers(plan: YearPlan, words: YearWords) -> Iterable[tuple[str, str]]:
    people = Counter(one.turn for one in plan.people)
    for turn in PersonTurn:
        if people[turn]:
            yield words.turns[turn], str(people[turn])
    groups = Counter((one.turn, _course(one)) for one in plan.groups)
    for became in GroupTurn:
        for course, title in ((False, words.classes), (True, words.courses)):
            if groups[became, course]:
                yield f"{title}: {words.groups[became]}", str(groups[became, course])


def _questions(plan: YearPlan, words: YearWords) -> Iterable[tuple[str, ...]]:
    for group in sorted(plan.undecided, key=_class_order):
        yield _group(group, words)
    for one in sorted(plan.questions, key=_person_order):
        name, *rest = _person(one, words)
        yield (f"{name} ({rest[0]})" if rest[0] != "–" else name, *rest[1:])


def _group(one: GroupChange, words: YearWords) -> tuple[str, ...]:
    parts = ", ".join(sorted((part.name for part in one.parts), key=order)) or "–"
    why = words.why[one.why].format(overlap=one.overlap, of=one.of, parts=parts)
    if one.turn in {GroupTurn.MERGED, GroupTurn.SPLIT}:
        why = f"{why}; {parts}"
    before, after = one.before.name if one.before else "–", one.after.name if one.after else "–"
    return before, after, words.groups[one.turn], why


def _person(one: PersonChange, words: YearWords) -> tuple[str, ...]:
    other = one.other.name if one.other else ""
    why = words.why[one.why].format(schools=", ".join(one.schools), other=other)
    return one.person.name, one.before or "–", one.after or "–", words.turns[one.turn], why


def _class_order(one: GroupChange) -> tuple[int, str, str]:
    group = one.before or one.after
    return order(group.name if group else "")


def _person_order(one: PersonChange) -> tuple[object, ...]:
    return (_ORDER.index(one.turn), order(one.before or one.after), one.person.name.casefold(), one.person.key)
