"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def save(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write ``content`` to ``path`` with mode 0600; it is on the disk when this returns.

    Raises OSError, FileExistsError when something is there already and ``replace`` is False. Never follows a link at
    ``path`` and never leaves half a file: what was written so far is removed.
    """
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)  # made with mode 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
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
    """See that a file or a directory is on the disk; a name is there only with its directory (rename(2), fsync(2))."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
