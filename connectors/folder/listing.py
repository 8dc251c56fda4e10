"""One folder as the file system lists it, with a fingerprint: one scandir, one stat an entry, nothing else."""

from __future__ import annotations

import os
import stat
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from connectors.folder.parts import sweep
from connectors.folder.system import Node, look
from connectors.tree.index import Directory, Index
from connectors.tree.rules import Rules, is_part, is_waste


@dataclass(slots=True)
class Listing:
    """What is in the folder that is open as ``directory``; see ``connectors.tree.storage.Listed``.

    ``numbers``: inode, mtime, ctime (ns) and size of each name, one after the other.
    ``odd``: (name, why) of what is there and not mirrored: links, devices, other mounts, names that are no UTF-8.
    ``parts``: names of files that are being written, or were left so.
    """

    directory: int
    anchor: str
    names: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    folders: dict[str, Node] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    hidden: array[int] = field(default_factory=lambda: array("q"))
    shut: list[str] = field(default_factory=list)
    digest: bytes = b""

    def files(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, inode, mtime, ctime, size of each file."""
        every = self.numbers
        for place, name in enumerate(self.names):
            start = place * 4
            yield name, every[start], every[start + 1], every[start + 2], every[start + 3]

    def look(self, name: str) -> Node | None:
        try:
            node = look(self.directory, name)
        except FileNotFoundError:
            return None
        return node if node.is_file else None

    def sweep(self, name: str) -> bool:
        return sweep(self.directory, name, now=time.time_ns())

    def sort_out(self, index: Index, here: Directory) -> None:
        """A folder is at one place only: there are no links to folders but symbolic ones, which show as such."""

    def recognise(self, index: Index, here: Directory) -> None:
        """Nobody knows a file better than the file system."""


def read_folder(directory: int, path: str, *, rules: Rules, mount: tuple[int, int, int]) -> Listing:
    """List an open folder. Raises OSError; an entry that goes away meanwhile is left out."""
    found = Listing(directory, look(directory).anchor)
    names, numbers, excluded = found.names, found.numbers, rules.excludes_name
    by_path = rules.by_path
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if excluded(name):
                _left_out(found, entry)
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    _folder(found, directory, name, path=path, rules=rules, mount=mount)
                    continue
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if by_path and rules.ignores(path, name, is_folder=False):
                found.hidden.append(seen.st_ino)
                continue
            if seen.st_mode & 0o170000 != stat.S_IFREG:
                found.odd.append((name, what(seen.st_mode)))
                continue
            names.append(name)
            numbers.extend((seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size))
    _finish(found)
    return found


def _left_out(found: Listing, entry: os.DirEntry[str]) -> None:
    """What the patterns exclude, without a further look at it."""
    name = entry.name
    if is_part(name):
        found.parts.append(name)
    elif not is_waste(name):
        found.hidden.append(entry.inode())
        if entry.is_dir(follow_symlinks=False):
            found.shut.append(name)


def _folder(found: Listing, directory: int, name: str, *, path: str, rules: Rules, mount: tuple[int, int, int]) -> None:
    node = look(directory, name)
    if not node.is_folder:
        return
    if rules.by_path and rules.ignores(path, name, is_folder=True):
        found.hidden.append(node.ino)
        found.shut.append(name)
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
