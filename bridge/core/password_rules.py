"""What a password must be like: the rules of both sides, checked before either is written. Pure.

Sources: MS-SAMR 3.1.1.7.2 (Windows; Samba asks the same but for the names) and Entra's password policies
(learn.microsoft.com/entra/identity/authentication: concept-sspr-policy, concept-password-ban-bad).
What a side keeps to itself (its history, its list of banned words, a filter of its own) only the side can tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bridge.core.model import Side

#: What a child types from paper must not be ambiguous: no l I 1, no O 0, no u v w, no q y x.
CONSONANTS = "bdfghkmnprstz"
VOWELS = "aeo"
DIGITS = "23456789"
READABLE = 12
"""The least characters of a readable password."""
_TRIES = 50
_SPLIT = re.compile(r"[,.\-_ #\t]+")
#: Letters for which people write a digit or sign, as Entra reads them before it looks for names.
_PLAIN = str.maketrans({"0": "o", "1": "l", "$": "s", "@": "a"})


class Words(StrEnum):
    """How a side looks for the person's names in the password."""

    ANY = "any"  # not at all
    PARTS = "parts"  # the login, and each part of the display name; three letters or more, ignoring case
    PLAIN = "plain"  # first name, surname and login; four letters or more, 0 read as o, 1 as l, $ as s, @ as a


class Broken(StrEnum):
    """Which rule a password breaks."""

    SHORT = "short"
    LONG = "long"
    SIMPLE = "simple"
    LETTERS = "letters"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one side for one account.

    ``kinds``: from how many of the four kinds of characters (small letters, capitals, digits, others) there must be
    one. ``ascii_only``: nothing but what a US keyboard has. ``history``: so many earlier ones may not come again, and
    ``wait`` must lie between two changes, when the person changes it; whoever resets it is not bound by these two.
    ``unread``: there are more rules, which the bridge may not read.
    """

    shortest: int = 0
    longest: int = 256
    kinds: int = 0
    ascii_only: bool = False
    words: Words = Words.ANY
    history: int = 0
    wait: timedelta = timedelta(0)
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What a password may not contain."""

    login: str = ""
    display_name: str = ""
    given_name: str = ""
    surname: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule that a password breaks; ``number`` is what the rule asks for, where it is one with a number."""

    side: Side
    broken: Broken
    number: int = 0


def faults(password: str, rules: Mapping[Side, Rules], names: Mapping[Side, Names]) -> tuple[Fault, ...]:
    """Every rule of either side that the password breaks; empty when both will take it."""
    found: list[Fault] = []
    for side, one in rules.items():
        found += _faults(password, side, one, names.get(side, Names()))
    return tuple(found)


def _faults(password: str, side: Side, rules: Rules, names: Names) -> Iterator[Fault]:
    if len(password) < rules.shortest:
        yield Fault(side, Broken.SHORT, rules.shortest)
    if len(password) > rules.longest:
        yield Fault(side, Broken.LONG, rules.longest)
    if kinds_of(password) < rules.kinds:
        yield Fault(side, Broken.SIMPLE, rules.kinds)
    if any(not letter.isprintable() or (rules.ascii_only and not letter.isascii()) for letter in password):
        yield Fault(side, Broken.LETTERS)
    if _contains(password, rules.words, names):
        yield Fault(side, Broken.NAMED)


def kinds_of(password: str) -> int:
    """Of how many of the four kinds there are characters."""
    tests: tuple[Callable[[str], bool], ...] = (str.islower, str.isupper, str.isdigit, _other)
    return sum(any(map(test, password)) for test in tests)


def _other(letter: str) -> bool:
    return not letter.isalnum()


def _contains(password: str, words: Words, names: Names) -> bool:
    if words is Words.PARTS:
        text = password.casefold()
        parts = [names.login, *_SPLIT.split(names.display_name)]
        return any(len(part) >= 3 and part.casefold() in text for part in parts)
    if words is Words.PLAIN:
        text = password.casefold().translate(_PLAIN)
        login = names.login.partition("@")[0]
        parts = [login, names.given_name, names.surname]
        return any(len(part) >= 4 and part.casefold().translate(_PLAIN) in text for part in parts)
    return False


def readable(length: int, *, choose: Callable[[str], str]) -> str:
    """Syllables, a hyphen and digits: ``Tadeke-Romena-479``-like, exactly ``length`` (at least 12) characters.

    ``choose`` takes one letter of a text at random, by the operating system's randomness.
    """
    if length < READABLE:
        raise ValueError(f"a password must have at least {READABLE} characters")
    digits = "".join(choose(DIGITS) for _ in range(3))
    letters = length - len(digits) - 2
    first = letters // 2
    return f"{_word(first, choose)}-{_word(letters - first, choose)}-{digits}"


def _word(length: int, choose: Callable[[str], str]) -> str:
    """Consonants and vowels in turn, a capital first."""
    return "".join(choose(VOWELS if place % 2 else CONSONANTS) for place in range(length)).capitalize()


def readable_for(
    rules: Mapping[Side, Rules], names: Mapping[Side, Names], *, choose: Callable[[str], str], length: int = 16
) -> str:
    """A readable password that both sides take; ValueError where none does (rules that exclude each other)."""
    shortest = max([READABLE, *(one.shortest for one in rules.values())])
    longest = min([one.longest for one in rules.values()], default=length)
    if shortest > longest:
        raise ValueError(f"no password fits both: at least {shortest} characters, and at most {longest}")
    wanted = min(max(length, shortest), longest)
    for _ in range(_TRIES):  # a short name may stand in one by chance
        password = readable(wanted, choose=choose)
        if not faults(password, rules, names):
            return password
    raise ValueError("no readable password fits the rules of both sides")


_ENGLISH: Mapping[Broken, str] = {
    Broken.SHORT: "at least {} characters",
    Broken.LONG: "at most {} characters",
    Broken.SIMPLE: "{} of these four: small letters, capital letters, digits, other characters",
    Broken.LETTERS: "only letters a to z without umlauts or accents, digits and the signs of a US keyboard",
    Broken.NAMED: "no part of the person's name or login",
}
_GERMAN: Mapping[Broken, str] = {
    Broken.SHORT: "mindestens {} Zeichen",
    Broken.LONG: "höchstens {} Zeichen",
    Broken.SIMPLE: "{} von diesen vier: Kleinbuchstaben, Großbuchstaben, Ziffern, andere Zeichen",
    Broken.LETTERS: "nur Buchstaben a bis z ohne Umlaute und Akzente, Ziffern und die Zeichen einer US-Tastatur",
    Broken.NAMED: "kein Teil des Namens oder Anmeldenamens",
}


def said(found: Sequence[Fault], language: str = "en") -> tuple[str, ...]:
    """What the password must be like, for a person: each rule once, ``de`` or ``en``."""
    words = _GERMAN if language == "de" else _ENGLISH
    strictest: dict[Broken, int] = {}
    for one in found:
        before = strictest.get(one.broken, one.number)
        strictest[one.broken] = min(before, one.number) if one.broken is Broken.LONG else max(before, one.number)
    return tuple(words[broken].format(number) for broken, number in strictest.items())
