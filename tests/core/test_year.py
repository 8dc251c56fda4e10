"""The plan of a school year: rows of its tables one by one, and random years recognised as they were made."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.units import Unit, renamed, unit
from bridge.core.year import (
    CLASS,
    COURSE,
    Certainty,
    Group,
    GroupChange,
    GroupTurn,
    Known,
    Person,
    PersonTurn,
    Why,
    Year,
    YearPlan,
)  # fmt: skip
from bridge.core.year_people import plan_year
from tests.core.years import WAYS, Turned, last_year, turned


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("5a", Unit(5, "a")), ("05A", Unit(5, "a")), ("Klasse-10d", Unit(10, "d")), ("klasse-ef", Unit(11)),
        ("Q1", Unit(12)), ("2025-26 7b", Unit(7, "b")), ("Chor", None), ("Bio2000", None), ("Klasse 5", Unit(5)),
    ],
)  # fmt: skip
def test_unit(name: str, told: Unit | None) -> None:
    assert unit(name) == told


@pytest.mark.parametrize(
    ("old", "to", "new"),
    [
        ("Klasse-05A", "6a", "Klasse-06A"), ("klasse-10d", "EF", "klasse-ef"),
        ("Klasse 10d", "EF", "Klasse EF"), ("10d", "EF", "EF"), ("5a", "05B", "5b"), ("EF", "Q1", "Q1"),
        ("Eulen", "6a", "6a"), ("09B", "10b", "10B"),
    ],
)  # fmt: skip
def test_a_class_is_renamed_as_it_was_spelt(old: str, to: str, new: str) -> None:
    assert renamed(old, to) == new


def year(**classes: str) -> Year:
    """``a5="abc"``: class 5a with pupils a, b and c, its group in the directory called like the class; ``a5_G1`` in
    the group G1."""
    groups, keys = [], set[str]()
    for word, members in classes.items():
        name, _, anchor = word.partition("_")
        name = f"{name[1:]}{name[0]}"
        groups.append(Group(f"{name}@{anchor or name}", name, CLASS, frozenset(members), anchor or name))
        keys |= set(members)
    return Year({key: Person(key, f"Name {key}", "pupil") for key in keys}, tuple(groups))


def told(plan: YearPlan) -> dict[str, tuple[GroupTurn, str]]:
    """Name of the class before (or of now) -> its turn, and who goes on as whom."""

    def short(one: GroupChange) -> str:
        return f"{one.before.name if one.before else ''}>{one.after.name if one.after else ''}"

    return {short(one): (one.turn, one.why.value) for one in plan.groups}


A, B, C = "abcdefgh", "ijklmnop", "qrstuvwx"


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (year(a5=A), year(a6_5a=A), {"5a>6a": (GroupTurn.SAME, "members")}),
        (year(a5=A, a6=B), year(a6=A, a5=""), {"5a>6a": (GroupTurn.SAME, "members"),
                                               "6a>": (GroupTurn.DISSOLVED, "all_left"),
                                               ">5a": (GroupTurn.NEW, "all_new")}),
        (year(a5=A), year(a6_new=A), {"5a>6a": (GroupTurn.SAME, "members")}),
        (year(a5="abcde", b5="ijk"), year(a6_new="abcdeijk"), {"5a>6a": (GroupTurn.MERGED, "members"),
                                                               "5b>": (GroupTurn.DISSOLVED, "merged_into")}),
        (year(a5=A), year(a6_5a="abcde", b6_new="fgh"), {"5a>6a": (GroupTurn.SPLIT, "members"),
                                                         ">6b": (GroupTurn.NEW, "split_off")}),
        # Equal halves: the group in the directory decides, and where it can't, a person.
        (year(a5="abcd", b5="ijkl"), year(a6_5a="abcdijkl"), {"5a>6a": (GroupTurn.MERGED, "members"),
                                                              "5b>": (GroupTurn.DISSOLVED, "merged_into")}),
        (year(a5="abcd", b5="ijkl"), year(a6_new="abcdijkl"), {"5a>6a": (GroupTurn.OPEN, "tie"),
                                                               "5b>": (GroupTurn.OPEN, "tie")}),
        (year(a5="abcdefgh"), year(a6_x="abcd", b6_y="efgh"), {"5a>6a": (GroupTurn.OPEN, "tie"),
                                                               ">6b": (GroupTurn.OPEN, "tie")}),
        # More newcomers than old pupils.
        (year(a5=A), year(a6_5a="abcdMNOPQ"), {"5a>6a": (GroupTurn.SAME, "members")}),
        # So few of it are left that they may be those who repeat: in 5a, and there last year's files would go.
        (year(a5=A), year(a5="abcMNOPQ"), {"5a>5a": (GroupTurn.OPEN, "mixed")}),
        # One of the two who are left repeats, alone in a new class.
        (year(b5=A, a5=B), year(b5="a", a6_5a=B + "b"), {"5b>5b": (GroupTurn.OPEN, "mixed"),
                                                         "5a>6a": (GroupTurn.SAME, "members")}),
        (year(a6=A, a7=B), year(a7=B[:6] + "abc", a8_x="de"), {"7a>7a": (GroupTurn.MERGED, "members"),
                                                              "6a>8a": (GroupTurn.OPEN, "mixed")}),
        (year(a5=A), year(a6_new="abcMNOPQ"), {"5a>6a": (GroupTurn.OPEN, "mixed")}),
        # The same group in the directory with other people in it.
        (year(a5=A), year(a5="MNOPQ"), {"5a>5a": (GroupTurn.OPEN, "all_new")}),
        # Classes that are mixed anew.
        (year(a6="abcd", b6="ijkl"), year(a7_6a="abij", b7_6b="cdkl"), {"6a>7a": (GroupTurn.SAME, "members"),
                                                                        "6b>7b": (GroupTurn.SAME, "members")}),
        (year(a6="abcdef", b6="ijklmn", c6="qrstuv"),
         year(a7_6a="abijqr", b7_6b="cdklst", c7_6c="efmnuv"), {"6a>7a": (GroupTurn.OPEN, "mixed"),
             "6b>7b": (GroupTurn.OPEN, "mixed"), "6c>7c": (GroupTurn.OPEN, "mixed")}),
        (year(a6="abcdef", b6="ijklmn", c6="qrstuv"),
         year(a7_x="abijqr", b7_y="cdklst", c7_z="efmnuv"), {"6a>7a": (GroupTurn.OPEN, "mixed"),
             "6b>7b": (GroupTurn.OPEN, "mixed"), "6c>7c": (GroupTurn.OPEN, "mixed")}),
        # Four classes become one year of the upper school: nobody reads another class's files by that.
        (year(a10=A, b10=B, c10=C), year(a11_EF=A + B + C), {">11a": (GroupTurn.NEW, "made_of"),
            "10a>": (GroupTurn.DISSOLVED, "merged_into"), "10b>": (GroupTurn.DISSOLVED, "merged_into"),
            "10c>": (GroupTurn.DISSOLVED, "merged_into")}),
    ],
)  # fmt: skip
def test_what_becomes_of_classes(last: Year, now: Year, expected: dict[str, tuple[GroupTurn, str]]) -> None:
    found = told(plan_year(last, now))
    assert found == expected


def test_an_emptied_class_is_open_while_its_pupils_have_no_other() -> None:
    last = year(a5=A)
    now = Year(last.people, (Group("5a@5a", "5a", CLASS, frozenset(), "5a"),))
    assert told(plan_year(last, now)) == {"5a>5a": (GroupTurn.OPEN, "emptied")}
    assert {one.turn for one in plan_year(last, now).people} == {PersonTurn.OPEN}


def test_a_person_decides_what_is_open() -> None:
    last, now = year(a5="abcd", b5="ijkl"), year(a6_new="abcdijkl")
    plan = plan_year(last, now, Known(chosen={"6a@new": "5b@5b"}))
    assert told(plan) == {"5b>6a": (GroupTurn.MERGED, "chosen"), "5a>": (GroupTurn.DISSOLVED, "merged_into")}
    plan = plan_year(last, now, Known(chosen={"6a@new": None}))
    assert told(plan)[">6a"] == (GroupTurn.NEW, "chosen")
    assert plan.undecided == []


def course(name: str, members: str, anchor: str = "") -> Group:
    return Group(f"{name}{members}", name, COURSE, frozenset(members), anchor or name)


def test_courses_are_archived_or_go_on() -> None:
    last, now = year(a5=A, b5=B), year(a5=A, b5=B)
    last = Year(last.people, (*last.groups, course("Chor", "abij"), course("Bio", A), course("Alt", A), course("X", A)))
    now = Year(now.people, (*now.groups, course("Chor", "abik"), course("Bio", B), course("X", ""), course("Neu", B)))
    found = told(plan_year(last, now))
    assert found["Chor>Chor"][0] is GroupTurn.SAME
    assert found["Bio>"][0] is GroupTurn.ARCHIVED
    assert found[">Bio"][0] is GroupTurn.NEW
    assert found["Alt>"][0] is GroupTurn.ARCHIVED
    assert found["X>"][0] is GroupTurn.ARCHIVED
    assert found[">Neu"][0] is GroupTurn.NEW


# --- people ---------------------------------------------------------------------------------------------------------


def turns(plan: YearPlan) -> dict[str, PersonTurn]:
    return {one.person.key: one.turn for one in plan.people}


def test_people() -> None:
    last = year(a5="abcdef", a6="ijklmn", a7="tuvw")
    now = year(a6_5a="abcdZ", a7_6a="ijklme", a8_7a="tuvn", a5_x="fNO")
    last = Year({**last.people, "N": Person("N", "Name N", "pupil", enabled=False)}, last.groups)
    found = turns(plan_year(last, now))
    assert found["a"] is PersonTurn.PROMOTED
    assert (found["e"], found["f"]) == (PersonTurn.SKIPS, PersonTurn.REPEATS)
    assert found["n"] is PersonTurn.SKIPS
    assert found["w"] is PersonTurn.LEAVES
    assert (found["N"], found["O"]) == (PersonTurn.RETURNS, PersonTurn.NEW)


def test_without_a_change_nothing_happens() -> None:
    last = year(a5=A, a6=B)
    plan = plan_year(last, last)
    assert not plan.something
    moved = plan_year(last, year(a5=A[:-1], a6=B + A[-1]))
    assert turns(moved)[A[-1]] is PersonTurn.SKIPS, "from 5a to 6a in the middle of a year"


def test_a_move_to_the_parallel_class() -> None:
    plan = plan_year(year(a5=A, b5=B), year(a5=A[:-1], b5=B + A[-1]))
    assert turns(plan)[A[-1]] is PersonTurn.MOVED
    assert plan.something


def named(last: Year, **names: str) -> Year:
    people = {key: Person(key, names.get(key, one.name), one.role) for key, one in last.people.items()}
    return Year(people, last.groups)


def test_a_name_never_decides_but_asks() -> None:
    last, now = named(year(a5="abR"), R="René Lena-Marie Weiß"), named(year(a5="abS"), S="Rene Lena Marie Weiss")
    plan = plan_year(last, now)
    assert turns(plan)["R"] is PersonTurn.LEAVES
    (question,) = plan.questions
    assert (question.person.key, question.why) == ("S", Why.SAME_NAME)
    assert question.other is not None
    assert question.other.key == "R"
    kept = plan_year(last, named(year(a5="abR"), R="Ganz Anders"))
    assert turns(kept)["R"] is PersonTurn.STAYS, "another name is the same person"


def test_whom_no_roster_brought_is_listed_and_not_touched() -> None:
    last = year(a5="abcd")
    last = Year({**last.people, "T": Person("T", "Frau T", "teacher")}, last.groups)
    found = turns(plan_year(last, year(a6_5a="ab"), Known(brought=frozenset("abc"))))
    assert (found["c"], found["d"]) == (PersonTurn.LEAVES, PersonTurn.MANUAL)
    assert "T" not in found, "a roster of pupils says nothing of teachers"


def test_teachers_at_two_schools_and_pupils_who_change_schools() -> None:
    teacher = Person("T", "Frau T", "teacher")
    last, now = year(a5="abc"), year(a5="abN")
    last, now = (Year({**one.people, "T": teacher}, one.groups) for one in (last, now))
    plan = plan_year(last, now, Known(elsewhere={"T": ("0456",), "c": ("0456",), "N": ("0456",)}))
    found = {one.person.key: (one.turn, one.why, one.schools) for one in plan.people}
    assert found["T"] == (PersonTurn.TWO_SCHOOLS, Why.OTHER_SCHOOL, ("0456",))
    assert found["c"] == (PersonTurn.LEAVES, Why.OTHER_SCHOOL, ("0456",))
    assert found["N"] == (PersonTurn.NEW, Why.OTHER_SCHOOL, ("0456",))


# --- random years -----------------------------------------------------------------------------------------------------


@st.composite
def years(draw: st.DrawFn) -> Turned:
    chance = random.Random(draw(st.integers(0, 2**32)))
    last = last_year(chance, per_year=draw(st.integers(1, 4)), size=draw(st.integers(10, 30)), years=draw(
        st.integers(2, 6)))  # fmt: skip
    small = st.integers(0, 4)
    return turned(
        last, chance, way=draw(st.sampled_from(WAYS)), leave=draw(st.integers(0, 12)), repeat=draw(small),
        skip=draw(st.integers(0, 2)), newcomers=draw(st.integers(0, 80)), merge=draw(st.integers(0, 2)),
        split=draw(st.integers(0, 2)),
    )  # fmt: skip


def wrong(one: Turned, plan: YearPlan) -> list[str]:
    """Everything that the plan says surely and that is not so."""
    found = [
        f"{c.person.key}: {c.turn} instead of {one.truth.people[c.person.key]}"
        for c in plan.people
        if c.certainty is not Certainty.OPEN and c.turn is not one.truth.people[c.person.key]
    ]
    for c in plan.groups:
        before = c.before.id if c.before else None
        after = c.after.id.removeprefix("A ") if c.after else None
        if c.certainty is Certainty.OPEN:
            continue
        if c.goes_on and before != after:
            found.append(f"{before} goes on as {after}")
        over = {*one.truth.merged, *one.truth.left, *small(one)}
        if c.turn is GroupTurn.DISSOLVED and before not in over:
            found.append(f"{before} dissolved")
        if c.turn is GroupTurn.NEW and after is not None and not after.startswith(("new", "part", *small(one))):
            found.append(f"{after} is new")
    return found


def small(one: Turned) -> tuple[str, ...]:
    """Classes that were merged and make less than 40 % of what came of it: by the rule that is a new class."""
    now = {group.id.removeprefix("A "): group.members for group in one.now.groups}
    parts = {group.id: len(group.members & now.get(group.id, frozenset())) for group in one.last.groups}
    return tuple(id_ for id_ in set(one.truth.merged.values()) if 5 * parts[id_] < 2 * len(now[id_]))


@settings(max_examples=400, deadline=None)
@given(years())
def test_a_random_year_is_recognised_or_asked_about_and_never_told_wrongly(one: Turned) -> None:
    plan = plan_year(one.last, one.now)
    assert wrong(one, plan) == []
    befores = sorted(c.before.id for c in plan.groups if c.before)
    afters = sorted(c.after.id for c in plan.groups if c.after)
    assert befores == sorted(group.id for group in one.last.groups)
    assert afters == sorted(group.id for group in one.now.groups)
    assert {c.person.key for c in plan.people} == set(one.truth.people)


def test_ordinary_years_are_recognised_without_a_question() -> None:
    """Asking about everything would be never wrong, too."""
    found: set[GroupTurn] = set()
    asked = 0
    for seed in range(30):
        chance = random.Random(seed)
        last = last_year(chance, per_year=4, size=28)
        one = turned(
            last, chance, way=WAYS[seed % 3], leave=40, repeat=12, skip=2, newcomers=115, merge=1, split=1
        )  # fmt: skip
        plan = plan_year(one.last, one.now)
        # Two classes of a size that are merged: which of them goes on is a person's choice.
        merged = {*one.truth.merged, *one.truth.merged.values()}
        assert {c.before.id for c in plan.undecided if c.before} <= merged
        assert plan.questions == []
        found |= {c.turn for c in plan.groups}
        asked += bool(plan.undecided)
    assert found >= {GroupTurn.SAME, GroupTurn.MERGED, GroupTurn.SPLIT, GroupTurn.NEW, GroupTurn.DISSOLVED}
    assert asked < 15


def test_a_school_of_1200_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(1)
    one = turned(last_year(chance, per_year=7, size=29), chance, way="made", leave=60, repeat=12, newcomers=150)
    assert len(one.last.people) > 1_150
    begun = time.perf_counter()
    plan = plan_year(one.last, one.now)
    seconds = time.perf_counter() - begun
    with capsys.disabled():
        print(f"\n{len(one.last.people)} pupils planned in {seconds:.3f} s")
    assert wrong(one, plan) == []
