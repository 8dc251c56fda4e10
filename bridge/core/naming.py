"""Names in the cloud: which are valid, and the row of candidates for one that is taken.

Pure: who got which name is remembered by ``Store.reserve``, so that numbers never shuffle and a name is never given to
another person. Rules: userPrincipalName allows ``A-Z a-z 0-9 ' . - _ ! # ^ ~`` and neither begins nor ends with a dot;
mailNickname is ASCII without ``@ ( ) \\ [ ] " ; : . < > ,`` and space, both at most 64 characters (Graph resource types
user and group).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import overload

LONGEST = 64
#: Characters of a sAMAccountName (MS-ADA3 2.222 allows people 20).
LONGEST_LOGIN = 20
#: More people of the same name than this are a fault of the school's expression.
MOST = 10_000

_LOCAL_PART = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9'.\-_!#^~]{1,64}(?<!\.)")
_NICKNAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}")
_NOT_LOCAL = re.compile(r"[^A-Za-z0-9'.\-_!#^~]+")
_NOT_NICKNAME = re.compile(r"[^A-Za-z0-9_-]+")

#: Letters that Unicode does not take apart, and the German umlauts, which become two letters (DIN 5007-2).
LETTERS: Mapping[str, str] = {
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d",
    "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n", "ĸ": "k", "ŧ": "t", "ə": "e", "’": "'", "ʼ": "'", "‘": "'", "´": "'",
    "–": "-", "—": "-", "‐": "-", "‑": "-",
}  # fmt: skip


def ascii_letters(text: str, *, transliterate: Callable[[str], str] = str) -> str:
    """``text`` in ASCII: ``Özgür Łukasz Weiß`` becomes ``Oezguer Lukasz Weiss``.

    ``transliterate`` is asked for what is no Latin letter (Cyrillic, Arabic ...); what it leaves is dropped.
    """
    if text.isascii():
        return text
    return "".join(_ascii_letter(letter, transliterate) for letter in unicodedata.normalize("NFC", text))


def _ascii_letter(letter: str, transliterate: Callable[[str], str]) -> str:
    if letter.isascii():
        return letter
    known = LETTERS.get(letter) or LETTERS.get(letter.lower(), "").capitalize()
    if known:
        return known
    parts = unicodedata.normalize("NFKD", letter)
    base = "".join(LETTERS.get(part, part) for part in parts if not unicodedata.combining(part))
    if base.isascii():
        return base
    return "".join(part for part in transliterate(letter) if part.isascii())


def valid_local_part(text: str) -> bool:
    """Whether ``text`` may stand before the @ of a userPrincipalName."""
    return _LOCAL_PART.fullmatch(text) is not None


def valid_nickname(text: str) -> bool:
    """Whether ``text`` may be a mailNickname."""
    return _NICKNAME.fullmatch(text) is not None


def local_part(text: str, *, longest: int = LONGEST) -> str:
    """The valid local part nearest to ``text``, in lower case; empty when nothing of it can be used."""
    plain = _NOT_LOCAL.sub(".", ascii_letters(text).strip()).casefold()
    plain = re.sub(r"\.{2,}", ".", re.sub(r"\.*-\.*", "-", plain)).strip(".")
    return plain[:longest].rstrip(".") if any(map(str.isalnum, plain)) else ""


def nickname(text: str, *, longest: int = LONGEST) -> str:
    """The valid mailNickname nearest to ``text``; empty when nothing of it can be used."""
    plain = re.sub(r"-{2,}", "-", _NOT_NICKNAME.sub("-", ascii_letters(text).strip())).strip("-")
    return plain[:longest].rstrip("-") if any(map(str.isalnum, plain)) else ""


def fallback(anchor: str, *, prefix: str = "user") -> str:
    """A name for somebody of whom no letter can be used: made of the anchor, always the same for it."""
    return f"{prefix}-{hashlib.sha256(anchor.encode()).hexdigest()[:10]}"


def numbered(base: str, number: int, *, longest: int = LONGEST) -> str:
    """``base`` with a number after it, cut so that it fits; the first one bears none."""
    if number == 1:
        return base[:longest].rstrip(".-")
    suffix = str(number)
    return base[: longest - len(suffix)].rstrip(".-") + suffix


class Candidates(Sequence[str]):
    """``base``, ``base2``, ``base3`` ...: the first one that was never given to anybody else is taken.

    Deterministic, without repetition even where a short limit cuts the base. Names are made when they are asked for:
    nearly always the first one is free. ``last`` is one more, after ``most`` of them.
    """

    __slots__ = ("_known", "_length", "_names")

    def __init__(
        self, base: str, *, domain: str = "", longest: int = LONGEST, most: int = MOST, last: str = ""
    ) -> None:
        end = f"@{domain}" if domain else ""
        names = _unrepeated(numbered(base, number, longest=longest) + end for number in count(1))
        self._names = chain(islice(names, most), (last + end,)) if last else names
        self._known: list[str] = []
        self._length = most + bool(last)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._length))]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(index)
        if place >= len(self._known):
            self._known.extend(islice(self._names, place + 1 - len(self._known)))
        return self._known[place]


def _unrepeated(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name


def user_principal_names(
    base: str, *, domain: str, anchor: str, longest: int = LONGEST, most: int = MOST, ending: bool = False
) -> Sequence[str]:
    """The candidates for a person, best first. ``base`` is what the school's expression gave, ``anchor`` the person.

    ``ending``: after ``most`` of them comes the name made of the anchor, which nobody else can have.
    """
    start = local_part(base, longest=longest) or fallback(anchor)
    return Candidates(start, domain=domain, longest=longest, most=most, last=fallback(anchor) if ending else "")


def logins(base: str, *, anchor: str, most: int = MOST) -> Sequence[str]:
    """The candidates for a sAMAccountName, best first, from a login of the cloud or the nickname of a group.

    At most 20 characters of those that the cloud allows before the @ and a directory in a sAMAccountName
    (MS-SAMR 3.1.1.6; ``"/\\[]:;|=,+*?<>`` are refused), so no dot at the end. The last one is made of the anchor.
    """
    start = local_part(base.partition("@")[0], longest=LONGEST_LOGIN) or fallback(anchor)[:LONGEST_LOGIN]
    return Candidates(start, longest=LONGEST_LOGIN, most=most, last=fallback(anchor))


def mail_nicknames(
    base: str, *, anchor: str, prefix: str = "", longest: int = LONGEST, most: int = MOST, ending: bool = False
) -> Sequence[str]:
    """The candidates for a group, best first; ``prefix`` tells the schools of one tenant apart, ``ending`` as above."""
    last = fallback(anchor, prefix="group")
    start = nickname(prefix + (base if nickname(base) else last), longest=longest)
    return Candidates(start, longest=longest, most=most, last=last if ending else "")
