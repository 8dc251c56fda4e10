"""One folder as the file system lists it, with a fingerprint: one scandir, one stat an entry, nothing else."""

from __future__ import annotations

import os
import re
import stat
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from hashlib import blake2b

from connectors.folder.system import Node, look

#: Everything of ours in a school's folder begins so: the trash and files that are being written.
OURS = ".schoolbridge-"


class Rules:
    """Which names are mirrored, from the patterns of the options; upper and lower case count as the same.

    A pattern with a slash is matched against the path below the root, else against the name alone. ``include`` holds
    for files only.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        by_name = [one for one in exclude if "/" not in one] + [OURS + "*"]
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


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(one) for one in patterns) or r"(?!)", re.IGNORECASE)


@dataclass(slots=True)
class Listing:
    """What is in a folder. ``numbers``: inode, mtime, ctime (ns) and size of each name, one after the other.

    ``odd``: (name, why) of what is there and not mirrored: links, devices, other mounts, names that are no UTF-8.
    """

    names: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    folders: dict[str, Node] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)
    digest: bytes = b""

    def files(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, inode, mtime, ctime, size of each file."""
        every = self.numbers
        for place, name in enumerate(self.names):
            start = place * 4
            yield name, every[start], every[start + 1], every[start + 2], every[start + 3]


def read_folder(directory: int, path: str, *, rules: Rules, mount: tuple[int, int, int]) -> Listing:
    """List an open folder. Raises OSError; an entry that goes away meanwhile is left out."""
    found = Listing()
    names, numbers, excluded = found.names, found.numbers, rules.excludes_name
    by_path = rules.by_path
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if excluded(name):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    _folder(found, directory, name, path=path, rules=rules, mount=mount)
                    continue
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if by_path and rules.ignores(path, name, is_folder=False):
                continue
            if seen.st_mode & 0o170000 != stat.S_IFREG:
                found.odd.append((name, what(seen.st_mode)))
                continue
            names.append(name)
            numbers.extend((seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size))
    _finish(found)
    return found


def _folder(found: Listing, directory: int, name: str, *, path: str, rules: Rules, mount: tuple[int, int, int]) -> None:
    if rules.by_path and rules.ignores(path, name, is_folder=True):
        return
    node = look(directory, name)
    if not node.is_directory:
        return
    if node.mount != mount:
        found.odd.append((name, "another mount"))
        return
    found.folders[name] = node


def _finish(found: Listing) -> None:
    try:
        text = "\0".join(found.names).encode()
        folders = "\0".join(f"{name}\0{node.anchor}" for name, node in found.folders.items()).encode()
    except UnicodeEncodeError:
        _leave_out_unreadable(found)
        _finish(found)
        return
    digest = blake2b(text, digest_size=16)
    digest.update(found.numbers)
    digest.update(folders)
    found.digest = digest.digest()


def _leave_out_unreadable(found: Listing) -> None:
    names, numbers = found.names, found.numbers
    found.names, found.numbers = [], array("q")
    for place, name in enumerate(names):
        if _readable(name):
            found.names.append(name)
            found.numbers.extend(numbers[place * 4 : place * 4 + 4])
        else:
            found.odd.append((name, "name is not UTF-8"))
    for name in [name for name in found.folders if not _readable(name)]:
        del found.folders[name]
        found.odd.append((name, "name is not UTF-8"))


def _readable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def what(mode: int) -> str:
    """What an entry is that is no file and no folder."""
    kinds = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")
