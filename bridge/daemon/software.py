"""Which program is running: its version, and one hash over the files of its packages.

The hash is the SHA-256 of the lines ``HASH  PATH`` (as sha256sum prints them) of all files but compiled ones, sorted
by path, so that anybody can compute it again from the published package.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from bridge import __version__

PACKAGES = ("bridge", "connectors")


@cache
def software() -> dict[str, Any]:
    """Version, hash and number of files; read once in the life of a process, because the files don't change in it."""
    above = Path(__file__).resolve().parents[2]
    return {"version": __version__, **hashed(above)}


def hashed(above: Path) -> dict[str, Any]:
    """The hash over the packages in a directory."""
    files = sorted(
        path.relative_to(above).as_posix()
        for package in PACKAGES
        for path in (above / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    listed = hashlib.sha256()
    for name in files:
        listed.update(f"{hashlib.sha256((above / name).read_bytes()).hexdigest()}  {name}\n".encode())
    return {"sha256": listed.hexdigest(), "files": len(files)}
