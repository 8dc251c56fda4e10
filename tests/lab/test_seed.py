"""Synthetic schools: the same from the same seed, believable, and with all that makes real schools difficult."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.lab.entries import Layout, escape, school_entries
from bridge.lab.seed import BIG, LOGIN_LENGTH, UPPER_YEARS, SchoolSize, class_group, draw_school, plain, year_of

BASE = "DC=schule,DC=lab"
SIZES = st.builds(
    SchoolSize,
    pupils=st.integers(9, 300), teachers=st.integers(1, 40), staff=st.integers(0, 10), leavers=st.integers(0, 9),
    newcomers=st.integers(0, 9), classes_per_year=st.integers(1, 30), groups=st.integers(0, 60),
    largest_group=st.integers(0, 100),
)  # fmt: skip


@given(seed=st.integers(0, 10**6), size=SIZES)
def test_any_school_is_sound(seed: int, size: SchoolSize) -> None:
    school = draw_school(seed, size)
    everybody = (*school.people, *school.newcomers)
    assert draw_school(seed, size) == school
    assert list(draw_school(seed, size).groups()) == list(school.groups())
    assert len({one.reference for one in everybody}) == len({one.login for one in everybody}) == len(everybody)
    assert all(one.login.isascii() and 0 < len(one.login) <= LOGIN_LENGTH for one in everybody)
    assert Counter(one.role for one in school.people if one.standing == "present") == Counter(
        {"pupil": size.pupils, "teacher": size.teachers, "staff": size.staff}
    )
    known = {one.reference for one in school.people if one.standing == "present"}
    names: set[str] = set()
    for group in school.groups():
        assert group.name not in names
        assert names.issuperset(group.subgroups), "a group is added before one that is made of it"
        assert len(set(group.members)) == len(group.members)
        assert known.issuperset(group.members), "leavers and newcomers are in no group"
        names.add(group.name)


@given(seed=st.integers(0, 10**6), size=SIZES)
def test_entries_can_be_added_in_their_order(seed: int, size: SchoolSize) -> None:
    there: set[str] = {BASE}
    accounts: set[str] = set()
    for entry in school_entries(draw_school(seed, size), BASE):
        dn = str(entry["dn"])
        assert dn.casefold() not in there, "no two objects of one name"
        assert any(dn.endswith(f",{above}") for above in there if len(above) < len(dn))
        assert {str(one) for one in entry.get("member", ())} <= there
        assert len(dn.partition(",OU=")[0]) <= 64 + len("CN=") + 4
        there.update((dn, dn.casefold()))
        if "sAMAccountName" in entry:
            assert str(entry["sAMAccountName"]).lower() not in accounts
            accounts.add(str(entry["sAMAccountName"]).lower())


def test_the_default_school_has_what_makes_schools_difficult() -> None:
    school = draw_school()
    pupils = [one for one in school.people if one.role == "pupil"]
    names = Counter(one.display for one in school.people)
    assert max(names.values()) >= 3, "several people of one name"
    assert len({one.unit for one in pupils if one.standing == "present"}) == 27
    assert sum(not one.consent for one in pupils) in range(4, 40)
    surnames = {one.surname for one in school.people}
    for sign in "üßŁł'- ışéń":
        assert any(sign in one.display for one in school.people), sign
    assert any(name.startswith("von der") for name in surnames)
    assert max(len(one.display) for one in school.people) > 50
    siblings = Counter((one.surname, one.unit[:1]) for one in pupils if len(one.surname) > 12)
    assert max(siblings.values()) > 1
    # The same login would be wanted for different people whose names only look different.
    wanted = Counter(plain(name) for name in names)
    assert max(wanted.values()) >= 2


def test_different_seeds_draw_different_people() -> None:
    small = SchoolSize(pupils=50, teachers=5)
    assert {one.reference for one in draw_school(1, small).people}.isdisjoint(
        one.reference for one in draw_school(2, small).people
    )


def test_the_big_school_has_the_asked_for_size() -> None:
    tracemalloc.start()
    school = draw_school(1, BIG)
    assert len(school.people) == 20_000
    sizes = {group.name: len(group.members) + len(group.subgroups) for group in school.groups()}
    assert len(sizes) == 900
    assert sum(sizes.values()) == 200_000
    assert max(sizes.values()) == sizes["ganztag"] == 5_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


def test_memberships_that_cannot_be_are_refused() -> None:
    school = draw_school(1, SchoolSize(pupils=50, teachers=5, groups=60, memberships=10**6))
    with pytest.raises(ValueError, match="cannot make up"):
        list(school.groups())


def test_classes_hold_their_own_pupils_and_all_pupils_is_made_of_them() -> None:
    school = draw_school()
    groups = {group.name: group for group in school.groups()}
    for unit in school.units:
        members = {one.reference for one in school.people if one.unit == unit and one.standing == "present"}
        assert set(groups[class_group(unit)].members) == members
    assert set(groups["alle-schueler"].subgroups) == {class_group(unit) for unit in school.units}
    assert {year_of(unit) for unit in school.units} == {"5", "6", "7", "8", "9", "10", *UPPER_YEARS}


def test_a_newcomer_can_be_laid_out_after_everybody_else() -> None:
    school = draw_school()
    layout = Layout(school, BASE)
    taken = {str(entry["dn"]) for entry in layout.entries()}
    assert taken.isdisjoint(layout.person_dn(one) for one in school.newcomers)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Jörg Groß", "joerg.gross"), ("Łukasz Wójcik", "lukasz.wojcik"), ("Giulia D'Angelo", "giulia.dangelo"),
        ("Ayşe Yıldız", "ayse.yildiz"), ("Anna-Lena von der Heide", "anna-lena.von.der.heide"), ("Đặng", "dang"),
    ],
)  # fmt: skip
def test_plain(name: str, expected: str) -> None:
    assert plain(name) == expected


@pytest.mark.parametrize(("name", "expected"), [("a, b", "a\\, b"), ("#1", "\\#1"), ("x ", "x\\ "), ('"', '\\"')])
def test_escape(name: str, expected: str) -> None:
    assert escape(name) == expected
