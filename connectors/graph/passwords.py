"""First passwords: one nobody ever sees at creation, and a readable one to hand out.

Not from the injected randomness: a password must come from the operating system's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.ports import Failed

# What a child types from paper must not be ambiguous: no l I 1, no O 0, no u v w, no q y x.
CONSONANTS = "bdfghkmnprstz"
VOWELS = "aeo"
DIGITS = "23456789"


@dataclass(frozen=True, slots=True)
class Passwords:
    """New passwords by anchor, for the one who asked; never shown by ``repr``, never logged, stored nowhere."""

    given: Mapping[str, str] = field(repr=False)
    failed: tuple[Failed, ...] = ()
    """One for each anchor whose password was not changed; ``id`` is the anchor."""


def unseen() -> str:
    """A password that nobody ever sees, for an account that is handed out later. Meets every complexity rule."""
    return secrets.token_urlsafe(32) + "aA1!"


def readable(length: int = 16) -> str:
    """Syllables, a hyphen and digits: ``Tadeke-Romena-479``-like, exactly ``length`` (at least 12) characters."""
    if length < 12:
        raise ValueError("a password must have at least 12 characters")
    digits = "".join(secrets.choice(DIGITS) for _ in range(3))
    letters = length - len(digits) - 2
    first = letters // 2
    words = (_word(first), _word(letters - first))
    return f"{words[0]}-{words[1]}-{digits}"


def _word(length: int) -> str:
    """Consonants and vowels in turn, a capital first."""
    return "".join(secrets.choice(VOWELS if place % 2 else CONSONANTS) for place in range(length)).capitalize()
