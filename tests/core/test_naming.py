"""Names in the cloud: valid whatever a person is called, and numbered the same way every time."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import naming

NAMES = st.text(max_size=120)
LIMITS = st.integers(min_value=8, max_value=64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jörg.Weiß", "joerg.weiss"),
        ("Łukasz.Żółć", "lukasz.zolc"),
        ("Özgür.Işık", "oezguer.isik"),
        ("Nguyễn.Thị Hương", "nguyen.thi.huong"),
        ("Søren.Ærø", "soren.aero"),
        ("José-María", "jose-maria"),
        ("O’Brien", "o'brien"),
        ("A\u0308nne", "aenne"),  # decomposed ä
        ("  .anna..lena. ", "anna.lena"),
        ("Lena - Marie", "lena-marie"),
        ("ẞ", "ss"),
        ("...", ""),
        ("李明", ""),
        ("", ""),
    ],
)
def test_local_part(text: str, expected: str) -> None:
    assert naming.local_part(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5a", "5a"),
        ("Kurs Deutsch (LK)", "Kurs-Deutsch-LK"),
        ("Größe@Ü", "Groesse-Ue"),
        ("--", ""),
        ("Straße 10", "Strasse-10"),
    ],
)
def test_nickname(text: str, expected: str) -> None:
    assert naming.nickname(text) == expected


def test_transliteration_is_asked_only_for_what_is_not_latin() -> None:
    asked: list[str] = []

    def transliterate(letter: str) -> str:
        asked.append(letter)
        return {"Д": "D", "а": "a"}.get(letter, "")

    assert naming.ascii_letters("Müller Даř", transliterate=transliterate) == "Mueller Dar"
    assert asked == ["Д", "а"]


@pytest.mark.parametrize("name", [".a", "a.", "a..b", "a b", "ä", "", "a@b", "a" * 65, "a/b"])
def test_invalid_local_parts(name: str) -> None:
    assert not naming.valid_local_part(name)


def test_all_special_characters_are_valid() -> None:
    assert naming.valid_local_part("a'.-_!#^~b")


def test_candidates_are_numbered_in_order() -> None:
    assert list(islice(naming.Candidates("anna.lang"), 3)) == ["anna.lang", "anna.lang2", "anna.lang3"]


def test_candidates_are_cut_and_never_end_in_a_dot_before_the_number() -> None:
    assert list(islice(naming.Candidates("anna.lena", longest=8), 3)) == ["anna.len", "anna.le2", "anna.le3"]
    assert naming.numbered("annabel.x", 2, longest=9) == "annabel2"


def test_candidates_do_not_repeat_when_the_base_holds_digits() -> None:
    """a1x cut to three letters: number 2 and number 12 would both be a12."""
    names = list(naming.Candidates("a1x", longest=3, most=150))
    assert len(set(names)) == len(names) == 150


@given(NAMES, NAMES, LIMITS)
def test_every_candidate_is_a_valid_and_new_name(base: str, anchor: str, longest: int) -> None:
    names = list(naming.user_principal_names(base, domain="school.example", anchor=anchor, longest=longest, most=120))
    assert len(set(names)) == 120
    for name in names:
        local, at, domain = name.rpartition("@")
        assert (at, domain) == ("@", "school.example")
        assert naming.valid_local_part(local)
        assert len(local) <= longest or local.startswith("user-")
        assert local == local.lower()


@given(NAMES, NAMES, st.from_regex(r"[A-Za-z0-9_-]{0,24}", fullmatch=True))
def test_every_nickname_is_valid(base: str, anchor: str, prefix: str) -> None:
    names = list(naming.mail_nicknames(base, anchor=anchor, prefix=prefix, most=30))
    assert len(set(names)) == 30
    assert all(naming.valid_nickname(name) for name in names)


@given(NAMES, NAMES)
def test_the_same_person_gets_the_same_candidates(base: str, anchor: str) -> None:
    once, twice = (list(naming.user_principal_names(base, domain="a.de", anchor=anchor, most=5)) for _ in range(2))
    assert once == twice


@given(st.text(alphabet="李明王伟", min_size=1), NAMES, NAMES)
def test_people_without_a_usable_letter_get_names_of_their_own(base: str, one: str, two: str) -> None:
    first, second = (naming.user_principal_names(base, domain="a.de", anchor=anchor)[0] for anchor in (one, two))
    assert (first == second) is (one == two)


@given(NAMES)
def test_sanitising_is_stable(text: str) -> None:
    for clean in (naming.local_part, naming.nickname):
        assert clean(clean(text)) == clean(text)


def test_candidates_are_a_sequence_that_makes_names_when_asked() -> None:
    names = naming.Candidates("anna", domain="a.de", most=10_000)
    assert (len(names), names[0], names[1:3], names[-1]) == (
        10_000,
        "anna@a.de",
        ["anna2@a.de", "anna3@a.de"],
        "anna10000@a.de",
    )
    assert "anna7@a.de" in names
    with pytest.raises(IndexError):
        names[10_000]


@given(NAMES, NAMES, LIMITS)
def test_after_the_numbered_names_comes_the_one_made_of_the_anchor(base: str, anchor: str, longest: int) -> None:
    plain = naming.user_principal_names(base, domain="a.de", anchor=anchor, longest=longest, most=30)
    names = naming.user_principal_names(base, domain="a.de", anchor=anchor, longest=longest, most=30, ending=True)
    last = f"{naming.fallback(anchor)}@a.de"
    assert (list(names), len(names), names[-1]) == ([*plain, last], 31, last)
    groups = naming.mail_nicknames(base, anchor=anchor, most=30, ending=True)
    assert groups[29:] == [naming.mail_nicknames(base, anchor=anchor)[29], naming.fallback(anchor, prefix="group")]
