"""Pure: what the connector notes on an object it is in the middle of, or that lies in the limbo.

Each fact is one value of `extensionName` that begins with ``schoolbridge:``; values of others are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.active_directory.wire import Entry

ATTRIBUTE = "extensionName"
#: The account was made and has no password yet: it must not be enabled before it has one.
NEW = b"schoolbridge:new"
_PREFIX = "schoolbridge:"


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted. ``place``: its OU, ``groups``: those it is in, by objectGUID; ``name``: a CN that had to go."""

    place: str = ""
    name: str = ""
    enabled: bool = False
    security: bool = False
    groups: tuple[str, ...] = ()

    def values(self) -> list[bytes]:
        """The same as values of the attribute."""
        told = [f"{word}:{text}" for word, text in (("from", self.place), ("cn", self.name)) if text]
        told += [f"in:{guid}" for guid in self.groups]
        told += [word for word, holds in (("enabled", self.enabled), ("security", self.security)) if holds]
        return [f"{_PREFIX}{one}".encode() for one in told]


def ours(entry: Entry) -> list[bytes]:
    """All notes of the connector on an object."""
    return [value for value in entry.values.get(ATTRIBUTE.lower(), ()) if value.startswith(_PREFIX.encode())]


def is_new(entry: Entry) -> bool:
    """Whether it was made and never finished."""
    return NEW in ours(entry)


def notes_of(entry: Entry) -> Notes:
    """What is noted on an object."""
    told = [value.decode("utf-8", "replace").removeprefix(_PREFIX).partition(":") for value in ours(entry)]
    said = {word: rest for word, _, rest in told}
    groups = tuple(sorted(rest for word, _, rest in told if word == "in"))
    return Notes(said.get("from", ""), said.get("cn", ""), "enabled" in said, "security" in said, groups)
