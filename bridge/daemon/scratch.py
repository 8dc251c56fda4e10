"""Directories for the length of one command; what a killed one left goes with the next.

Whoever uses one holds a lock on it (flock(2)), which the kernel takes back when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: What commands make, and the eight characters that ``tempfile`` adds.
_OURS = re.compile(r"\.(plan|restore|verify)-[a-z0-9_]{8}")


@contextmanager
def scratch(place: Path, purpose: str) -> Iterator[Path]:
    """A directory of its own below ``place``, gone afterwards; ``purpose`` is ``plan``, ``restore`` or ``verify``."""
    _sweep(place)
    made, held = _made(place, purpose)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(held)


def _made(place: Path, purpose: str) -> tuple[Path, int]:
    while True:
        made = Path(tempfile.mkdtemp(prefix=f".{purpose}-", dir=place))
        with suppress(FileNotFoundError):
            held = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # Until it is locked another command may take it for one that was left: that one is waited for.
            with suppress(OSError):
                fcntl.flock(held, fcntl.LOCK_EX)
            if made.exists():
                return made, held
            os.close(held)


def _sweep(place: Path) -> None:
    for one in place.iterdir():
        if _OURS.fullmatch(one.name) and one.is_dir() and not one.is_symlink():
            with suppress(OSError):
                held = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    if _locked(held):
                        shutil.rmtree(one)
                finally:
                    os.close(held)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
