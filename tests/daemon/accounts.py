"""Accounts that only the processes of a test know, as a member of the domain knows those of the directory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bridge.lab.lent_server import wrapped

FIRST_UID = 20_000


def known(directory: Path, logins: Iterable[str]) -> dict[str, str]:
    """The environment of a process that knows these accounts, numbered from ``FIRST_UID`` on (nss_wrapper)."""
    for name in ("passwd", "group"):
        (directory / name).write_text(Path("/etc", name).read_text())
    with (directory / "passwd").open("a") as file:
        for number, login in enumerate(logins):
            file.write(f"{login}:x:{FIRST_UID + number}:65534::/nonexistent:/bin/false\n")
    names = {f"NSS_WRAPPER_{name.upper()}": str(directory / name) for name in ("passwd", "group")}
    return {name: one for name, one in wrapped(names, "libnss_wrapper.so").items() if os.environ.get(name) != one}
