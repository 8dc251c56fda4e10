"""One spelling for every value, so that equal records are equal text.

Nothing, the empty string and the empty set are the same (``bridge.core.kinds.equal``) and are left out. References are
not part of the text: they are rows, and ``refs`` is the sum of their hashes modulo 2**128, which can follow a change of
one member without reading the other 4,999.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from bridge.core.kinds import Kind, Shape
from bridge.core.model import Digest, Fields, Value

References = Mapping[str, frozenset[str]]

NOTHING = 0

#: Between parent and name of a stored place; the port's NUL can't be stored in PostgreSQL.
BETWEEN = "\x1f"
_MODULUS = 1 << 128
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def dump(value: Any) -> str:
    """Canonical JSON: sorted keys, no blanks, ASCII (file names may hold what no database takes: NUL, half pairs)."""
    return _CANONICAL.encode(value)


def _plain(value: Value) -> Any:
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    if isinstance(value, Digest):
        return {"digest": [value.algorithm, value.value, value.size]}
    return value


def _value(plain: Any) -> Value:
    if isinstance(plain, dict):
        return frozenset(plain["set"]) if "set" in plain else Digest(*plain["digest"])
    return plain  # type: ignore[no-any-return]


def encode(fields: Fields) -> str:
    """Fields as canonical text; empty ones are left out."""
    return dump({name: _plain(value) for name, value in fields.items() if value not in (None, "", frozenset())})


def decode(text: str) -> dict[str, Value]:
    """The reverse of ``encode``."""
    return {name: _value(plain) for name, plain in json.loads(text).items()} if text != "{}" else {}


def split(kind: Kind, fields: Fields) -> tuple[dict[str, Value], dict[str, frozenset[str]]]:
    """Fields as plain ones and references, the latter as sets whatever their shape."""
    names = {column.name for column in kind.references}
    plain = {name: value for name, value in fields.items() if name not in names}
    return plain, {name: as_set(fields[name]) for name in names if name in fields}


def as_set(value: Value) -> frozenset[str]:
    """A reference or a set of them as a set."""
    if isinstance(value, frozenset):
        return value
    return frozenset({str(value)}) if value not in (None, "") else frozenset()


def shaped(kind: Kind, field: str, targets: Iterable[str]) -> Value:
    """A set of references in the shape of its column: one string for a REF."""
    if kind.field(field).shape is Shape.REF:
        return min(targets, default=None)
    return frozenset(targets)


def element(field: str, target: str) -> int:
    """The hash of one reference."""
    return int.from_bytes(hashlib.blake2b(f"{field}\0{target}".encode(), digest_size=16).digest(), "big")


def refs_of(references: References) -> int:
    """The hash of a set of references."""
    return sum(element(field, target) for field, targets in references.items() for target in targets) % _MODULUS


def shift(refs: int, *, added: Iterable[tuple[str, str]], removed: Iterable[tuple[str, str]]) -> int:
    """``refs`` after rows were added and removed."""
    more = sum(element(field, target) for field, target in added)
    less = sum(element(field, target) for field, target in removed)
    return (refs + more - less) % _MODULUS


def to_hex(refs: int) -> str:
    """``refs`` as it is stored."""
    return f"{refs:032x}"


def digest(*, kind: str, fields: str, refs: int, gone: str | None) -> str:
    """The digest of everything that makes a record's state, its version aside."""
    return hashlib.sha256(dump([kind, fields, to_hex(refs), gone]).encode()).hexdigest()


def folded(text: str) -> str:
    """A name as it is compared: case and Unicode form ignored, and only what every database takes."""
    plain = unicodedata.normalize("NFC", text.casefold())
    return plain.replace("\0", "").encode(errors="backslashreplace").decode()


def keys_of(kind: Kind, fields: Fields, *, parent: str | None = None) -> dict[str, str]:
    """Key field -> value as compared; for a tree kind its ``place`` below the anchor (or link) ``parent``."""
    if kind.parent is not None:
        return {"place": f"{parent or ''}{BETWEEN}{folded(str(fields.get(kind.label) or ''))}"}
    return {name: folded(str(fields[name])) for name in kind.keys if fields.get(name) not in (None, "")}
