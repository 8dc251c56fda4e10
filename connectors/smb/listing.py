"""One folder as the server lists it, in the terms of the index: what is mirrored, what is odd, and a fingerprint."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from connectors.folder.listing import Rules
from connectors.smb.wire import DIRECTORY, REPARSE_POINT, Node, Rows


@dataclass(slots=True)
class Listing:
    """``numbers``: as in ``Rows``, of each file. ``odd``: (name, why) of what is there and not mirrored."""

    names: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    folders: dict[str, Node] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)

    def files(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, id, mtime, ctime, size of each file."""
        every = self.numbers
        for place, name in enumerate(self.names):
            start = place * 6
            yield name, every[start], every[start + 2], every[start + 3], every[start + 4]

    def nodes(self) -> dict[str, Node]:
        """The files by name."""
        every = self.numbers
        return {name: Node(*every[place * 6 : place * 6 + 6]) for place, name in enumerate(self.names)}

    @property
    def digest(self) -> bytes:
        """The fingerprint: the same as long as nothing in the folder changes."""
        digest = blake2b("\0".join(self.names).encode(errors="surrogatepass"), digest_size=16)
        digest.update(self.numbers)
        digest.update("\0".join(f"{name}\0{node.anchor}" for name, node in self.folders.items()).encode())
        return digest.digest()


def sorted_out(rows: Rows, path: str, rules: Rules) -> Listing:
    """What of a listing is mirrored."""
    found = Listing()
    names, numbers, every = found.names, found.numbers, rows.numbers
    excluded, by_path = rules.excludes_name, rules.by_path
    for place, name in enumerate(rows.names):
        start = place * 6
        attributes = every[start + 5]
        if excluded(name) or (by_path and rules.ignores(path, name, is_folder=bool(attributes & DIRECTORY))):
            continue
        if attributes & REPARSE_POINT:
            found.odd.append((name, "link or reparse point"))
        elif not _readable(name):
            found.odd.append((name, "name is not Unicode"))
        elif attributes & DIRECTORY:
            found.folders[name] = Node(*every[start : start + 6])
        else:
            names.append(name)
            numbers.extend(every[start : start + 6])
    return found


def _readable(name: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in name)
