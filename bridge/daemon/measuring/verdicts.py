"""What a verdict on a gate is made of, and how texts are told without a name in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from bridge.core.cutover import Gate
from bridge.core.gates import FAIL, PASS, UNKNOWN, Measured
from bridge.daemon.roots import Root

#: So many reasons are told, the others are counted.
TOLD = 5


def verdict(
    gate: Gate,
    at: datetime,
    *,
    ok: bool | None,
    expected: str,
    found: str,
    fix: str = "",
    numbers: Mapping[str, float | int | str] | None = None,
) -> Measured:
    """``ok`` None: nobody knows, and that never passes."""
    result = UNKNOWN if ok is None else PASS if ok else FAIL
    return Measured(gate, result, expected, found, "" if ok else fix, at, dict(numbers or {}))


def listed(reasons: list[str]) -> str:
    """The first of several reasons, and how many more there are."""
    several = list(dict.fromkeys(reasons))
    more = f" … and {len(several) - TOLD} more" if len(several) > TOLD else ""
    return "; ".join(several[:TOLD]) + more


def counted(number: float, one: str, many: str = "") -> str:
    """``1 folder``, ``3 folders``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def hidden(text: str, root: Root) -> str:
    """A text about a root without its owner's login, name or class."""
    for value in sorted(filter(None, root.filled.values()), key=len, reverse=True):
        text = text.replace(value, "…")
    return text


def place_of(root: Root) -> str:
    """How a root is called where names have no place."""
    return f"share {root.share}, folder of {root.owner}"


#: (phase, done, total or None), as everywhere.
Progress = Callable[[str, int, int | None], None]
