"""Files that only their owner may read unless said otherwise, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def save(path: Path, content: bytes, *, replace: bool = False, mode: int = 0o600) -> None:
    """Write ``content`` to ``path`` with this mode; it is on the disk when this returns.

    Raises OSError, FileExistsError when something is there already and ``replace`` is False. Never follows a link at
    ``path`` and never leaves half a file: what was written so far is removed.
    """
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)  # made with mode 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        if replace:
            part.replace(path)
        else:
            os.link(part, path)  # fails when it exists, which a rename would not
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    sync(path.parent)


def sync(path: Path) -> None:
    """A file, or the names in a directory, on the disk: a name is there only with its directory (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
