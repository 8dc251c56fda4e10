"""Which names of a tree are mirrored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from bridge.ports import NOTICE

#: Everything of ours in a school's folder begins so: the trash and files that are being written.
OURS = ".schoolbridge-"
#: Files on their way in bear such names until they get their own.
PART = OURS + "part-"
#: Folders of the system in which nobody keeps anything: what is moved there counts as deleted, and they are not read.
_WASTE = (
    ".Trash*", "$RECYCLE.BIN", "RECYCLER", ".recycle", "#recycle", "@Recycle", ".snapshot*", "~snapshot", ".zfs",
    "#snapshot", "lost+found", "System Volume Information",
)  # fmt: skip
_PART = re.compile(re.escape(PART) + "[0-9a-f]{16}")


class Rules:
    """Which names are mirrored, from the patterns of the options; upper and lower case count as the same.

    A pattern with a slash is matched against the path below the root, else against the name alone. ``include`` holds
    for files only.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        by_name = [one for one in exclude if "/" not in one] + [OURS + "*", NOTICE]
        self._name = _any_of(by_name)
        self._path = _any_of([one.strip("/") for one in exclude if "/" in one])
        self._include = None if "*" in include else _any_of([one.strip("/") for one in include if "/" not in one])
        self._include_path = _any_of([one.strip("/") for one in include if "/" in one])
        self.excludes_name = self._name.match
        self.by_path = bool([one for one in exclude if "/" in one]) or self._include is not None

    def ignores(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Whether ``name`` in the folder at a path below the root is none of ours to mirror."""
        if self.excludes_name(name):
            return True
        if not self.by_path:
            return False
        path = f"{folder}/{name}" if folder else name
        if self._path.match(path):
            return True
        if is_folder or self._include is None:
            return False
        return not (self._include.match(name) or self._include_path.match(path))


def is_waste(name: str) -> bool:
    """Whether an excluded folder is a recycle bin or the like: who moves something there deletes it."""
    return name.startswith(OURS) or _IS_WASTE.match(name) is not None


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(one) for one in patterns) or r"(?!)", re.IGNORECASE)


_IS_WASTE = _any_of(_WASTE)


def join(folder: str, name: str) -> str:
    """The path of a name in the folder at a path below the root; the root's path is empty."""
    return f"{folder}/{name}" if folder else name


def part_name(token: str) -> str:
    """The name of a file on its way in; ``token`` is 16 random hexadecimal digits."""
    return PART + token


def is_part(name: str) -> bool:
    """Whether a name is one of ours exactly: what only looks like it is left alone."""
    return _PART.fullmatch(name) is not None
