"""Names that stay reserved after their person was erased: only a keyed hash is left of them.

The key lies in a file of its own beside the state, not in it: whoever reads the database can't try names against the
hashes. Without the key nobody could tell any more whether a name was given before, so a lost one is an error.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from bridge.ports import ConfigurationError
from bridge.state.private import save

FILE = "names.key"
#: How a hash begins in the column of a folded name; no name does.
MARK = "hmac:"


class Key:
    """The key in a file; read (or, to ``hash_name`` only, made) when it is needed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._key: bytes | None = None

    @property
    def path(self) -> Path | None:
        """Where the key lies; None for a database in memory."""
        return self._path

    def hash_name(self, space: str, folded: str) -> str:
        """What stands in place of a name from now on."""
        return self._hashed(space, folded, self._read(make=True))

    def known(self, space: str, candidates: Iterable[str], hashed: Sequence[str]) -> set[str]:
        """Those candidates (folded) of which a hash is among ``hashed``. Raises ConfigurationError without the key."""
        if not hashed:
            return set()
        key = self._read(make=False)
        marks = {one.split(":")[1] for one in hashed}
        if marks != {_mark(key)}:
            raise ConfigurationError(self._lost("is another one than that of the names it has to tell"))
        there = set(hashed)
        return {one for one in candidates if self._hashed(space, one, key) in there}

    def expect(self, marks: Iterable[str]) -> None:
        """Raise ConfigurationError unless these marks, of all that was hashed so far, are of this key.

        Daemons that share a state on PostgreSQL have a file each: all of them have to be the same.
        """
        for mark in marks:
            there = self._path is not None and self._path.exists()
            if not there or _mark(self._read(make=False)) != mark:
                raise ConfigurationError(
                    f"the key {self._path} of this machine is {'another one' if there else 'missing'}. Expected: the "
                    f"one ({mark}) by which the state knows the names of people who were erased. Copy the file from "
                    f"the machine where that was done, or from its backup (mode 0600, owned by the bridge's account)"
                )

    @staticmethod
    def _hashed(space: str, folded: str, key: bytes) -> str:
        value = hashlib.blake2b(f"{space}\0{folded}".encode(), key=key, digest_size=24).hexdigest()
        return f"{MARK}{_mark(key)}:{value}"

    def _lost(self, what: str) -> str:
        return (
            f"the key {self._path} {what}. Expected: the key that was there when people were erased. Without it a "
            f"login could be given twice, so no new one is given. Put the file back from the backup"
        )

    def _read(self, *, make: bool) -> bytes:
        if self._key is None:
            path = self._path
            if path is None:
                raise ConfigurationError("a state in memory has no key for names of people who were erased")
            if make and not path.exists():
                _make(path)
            try:
                key = path.read_bytes()
            except OSError as error:
                raise ConfigurationError(self._lost(f"can't be read ({error.strerror})")) from None
            if len(key) != 32:
                raise ConfigurationError(self._lost("is broken"))
            self._key = key
        return self._key


def _mark(key: bytes) -> str:
    """Tells keys apart."""
    return hashlib.blake2b(key, digest_size=4, person=b"key id").hexdigest()


def _make(path: Path) -> None:
    """Write a whole key under the name or none; it is on the disk before anything is hashed with it."""
    try:
        save(path, secrets.token_bytes(32))
    except FileExistsError:
        pass  # somebody else was first
    except OSError as error:
        raise ConfigurationError(
            f"the key {path} can't be made ({error.strerror}); run this as the bridge's account"
        ) from None
