"""What says whose an object is: a group's alternate key, and the mark of an account that was parked. Pure."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[A-Za-z0-9.-]")
_ESCAPE = re.compile(r"_([0-9a-f]{2})")
LONGEST_UNIQUE = 120
#: Before a school's mark: the person left, and another school may take the account over.
PARKED = "parked:"
#: Before a school's mark: an account that is being made, not enabled before nobody else is seen to make one.
CLAIMED = "claimed:"
#: Before a school's mark: another school was first; never enabled, and without a source anchor.
ASIDE = "aside:"


def parked_by(mark: str) -> str | None:
    """The school that parked an account; None for one that is not parked."""
    return mark.removeprefix(PARKED) if mark.startswith(PARKED) else None


def school_of(mark: str) -> str:
    """The school in a mark, whatever stands before it."""
    return mark.removeprefix(PARKED).removeprefix(CLAIMED).removeprefix(ASIDE)


def unique_name(school: str, key: str) -> str:
    """The alternate key of a group: ASCII, reversible. ValueError for an anchor that is too long."""
    name = (
        "sb-"
        + school
        + "-"
        + "".join(
            character if _PLAIN.match(character) else "".join(f"_{byte:02x}" for byte in character.encode())
            for character in key
        )
    )
    if not key or len(name) > LONGEST_UNIQUE:
        raise ValueError(f"a group's source anchor must have 1 to about {LONGEST_UNIQUE - 4 - len(school)} characters")
    return name


def anchor_of(school: str, name: str | None) -> str | None:
    """The source anchor in a group's alternate key; None when it is not one of this school's."""
    prefix = f"sb-{school}-"
    if not name or not name.startswith(prefix) or len(name) == len(prefix):
        return None
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name[len(prefix) :])
    try:
        return raw.encode("latin-1").decode()
    except ValueError:
        return None
