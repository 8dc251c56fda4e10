"""The manifest of a school: one line a mirrored object, and one hash (a Merkle root) that stands for all of them.

head       format, school and salt
people     users and groups by link: both ends' ids; then each membership
shares     root by root, folders and files by link: both ends' ids, size and hash of the bytes as agreed

No line holds a name. Paths and what was agreed of people are there as HMAC-SHA256 with the salt: whoever has the
manifest and knows a path can find its line. The salt is in the manifest only, so that the report alone lets nobody
try names. Each line is a leaf of the tree, the head too. Lines are streamed; nothing grows with the number of files.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from bridge.core.merkle import Tree
from bridge.core.model import Digest
from bridge.ports import ConfigurationError
from bridge.state import mirrored
from bridge.state.canonical import decode, dump
from bridge.state.roots import BETWEEN, roots_of

FORMAT = "schoolbridge-manifest/1"
#: Folders whose paths are remembered while the files in them go by.
_REMEMBERED = 50_000
#: A tree deeper than this is broken.
_DEPTH = 400
_LONGEST_LINE = 64 * 1024


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: bytes, /) -> object: ...


@dataclass(slots=True)
class Summary:
    """What the manifest holds in numbers: objects by kind, and by share folders, files and bytes."""

    tree: Tree = field(default_factory=Tree)
    kinds: Counter[str] = field(default_factory=Counter)
    shares: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, code: str, kind: str, size: int) -> None:
        """Count one object."""
        self.kinds[kind] += 1
        _, _, rest = code.partition(BETWEEN)
        if rest:
            share = self.shares.setdefault(rest.partition(BETWEEN)[0], Counter())
            share[kind] += 1
            share["bytes"] += size


def write(connection: Connection, code: str, *, salt: str, out: Sink | None = None) -> Summary:
    """Walk all that is mirrored of a school; the lines go to ``out`` as they come."""
    summary = Summary()
    for leaf in _leaves(connection, code, salt, summary):
        summary.tree.add(leaf)
        if out is not None:
            out.write(leaf + b"\n")
    return summary


def _leaves(connection: Connection, code: str, salt: str, summary: Summary) -> Iterator[bytes]:
    yield _line({"format": FORMAT, "school": code, "salt": salt})
    for one in mirrored.objects(connection, code):
        summary.count(code, one.kind, 0)
        yield _line({**_ends(one), "fields": keyed(salt, one.fields)})
    for of, name, target in mirrored.memberships(connection, code):
        summary.count(code, name, 0)
        yield _line({"kind": name, "link": of, "to": target})
    for root in roots_of(connection, code):
        places = _Places(connection, root)
        for one in mirrored.objects(connection, root):
            fields = decode(one.fields)
            content = fields.get("content")
            size = content.size if isinstance(content, Digest) else 0
            summary.count(root, one.kind, size)
            line = {**_ends(one), "root": root, "path": keyed(salt, places.path(str(fields.get("name")), one.parent))}
            if isinstance(content, Digest):
                line |= {"content": f"{content.algorithm}:{content.value}", "size": size}
            yield _line(line)


def _ends(one: mirrored.Mirrored) -> dict[str, Any]:
    return {"kind": one.kind, "link": one.link, "school": one.school, "cloud": one.cloud}


def _line(line: dict[str, Any]) -> bytes:
    return dump(line).encode()


def keyed(salt: str, text: str) -> str:
    """What stands for a path or for the fields of a person: HMAC-SHA256 with the salt's letters as key."""
    plain = unicodedata.normalize("NFC", text).encode(errors="backslashreplace")
    return hmac.new(salt.encode(), plain, hashlib.sha256).hexdigest()


class _Places:
    """The agreed paths of a root's folders; those used last are remembered."""

    def __init__(self, connection: Connection, root: str) -> None:
        self._connection, self._root = connection, root
        self._folder = lru_cache(_REMEMBERED)(self._read)

    def path(self, name: str, parent: str | None) -> str:
        """The path below the root, with slashes."""
        names = [name]
        while parent is not None and len(names) < _DEPTH:
            above, parent = self._folder(parent)
            names.append(above)
        return "/".join(reversed(names))

    def _read(self, link: str) -> tuple[str, str | None]:
        found = mirrored.place(self._connection, self._root, link)
        return ("", None) if found is None else (str(decode(found[0]).get("name") or ""), found[1])


@dataclass(frozen=True, slots=True)
class Read:
    """What a manifest says of itself, read anew from its lines."""

    school: str
    salt: str
    root: str
    leaves: int


def read(path: Path) -> Read:
    """Hash the lines of a manifest (gzip) again. Raises ConfigurationError where it is none."""
    tree = Tree()
    head: dict[str, Any] = {}
    try:
        for line in lines(path):
            head = head or json.loads(line)
            tree.add(line)
        if head.get("format") != FORMAT:
            raise ValueError(head)
        return Read(str(head["school"]), str(head["salt"]), tree.root.hex(), tree.size)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{path} can't be read to its end ({error}); copy it again") from None
    except (ValueError, KeyError, AttributeError):
        raise ConfigurationError(
            f"{path} is no manifest of this program: expected {FORMAT} in its first line"
        ) from None


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a manifest as they were written, without their ends. Raises OSError, EOFError, zlib.error."""
    with gzip.open(path, "rb") as stream:
        while line := stream.readline(_LONGEST_LINE):
            if not line.endswith(b"\n"):
                raise EOFError("a line without an end")
            yield line[:-1]
