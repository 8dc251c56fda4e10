"""Whether root does what the service asks of a share: the service says only which, and what becomes of it is root's.

| the share | then |
|---|---|
| stands for many (``homes``), or has another place for everybody (``%S``) | refused: its connections can't be cut |
| is not on root's list | refused |
| stands in smb.conf, or nowhere | refused: no command changes it there |
| shows another place than the bridge mirrors | refused: it would freeze the wrong thing |
| is not the only one that shows it and lets people write | refused: they would go on there |
| else | frozen |
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.ports import ConfigurationError, Refused
from bridge.samba.asked import Request
from bridge.samba.registry import Samba

_SPECIAL = frozenset({"global", "homes", "printers", "print$", "ipc$"})
_ELSE = "or write `freeze: permissions` for the share"


@dataclass(frozen=True, slots=True)
class Registered:
    """A share as Samba writes it, and its options in the registry."""

    name: str
    options: Mapping[str, str]


def judge(request: Request, samba: Samba, *, allowed: Path, others: Collection[str] = ()) -> Registered:
    """The share, if it may be frozen. ``others``: those that are frozen, too. Raises Refused, ConfigurationError."""
    name, where = request.share, f"{request.school}: the share {request.share} of Samba"
    if name.lower() in _SPECIAL:
        raise Refused(f"{where} stands for others. Expected one with a path of its own: name that one, {_ELSE}")
    if name.lower() not in permitted(allowed):
        raise Refused(
            f"{where} is not on the list of those that may be frozen. Expected a line `{name}` in {allowed}: write it "
            f"there as root, {_ELSE}"
        )
    found = samba.registered(name)
    path = samba.holds(name, "path")
    if found is None:
        raise Refused(_not_registered(where, name, path))
    if path is None:
        raise Refused(
            f"{where} stands in Samba's registry, but Samba does not read it. Expected `include = registry` in "
            f"[global] of smb.conf: write it there, then: smbcontrol smbd reload-config"
        )
    _is_the_place(where, request.path, path)
    _is_the_only_one(where, request.path, samba, others={name.lower(), *(one.lower() for one in others)})
    return Registered(*found)


def permitted(file: Path) -> frozenset[str]:
    """The names on root's list, in lower case. Raises ConfigurationError unless only root can write it."""
    wanted = f"Expected one that belongs to root and only root may write (chown root: {file}; chmod 644 {file})"
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(
            f"the list {file} can't be read ({os.strerror(error.errno or 0)}). Expected a file of root's with the "
            f"names of the shares of Samba that may be frozen, one a line: write it"
        ) from None
    with os.fdopen(descriptor, "rb") as stream:
        node = os.fstat(descriptor)
        mode = f"{stat.S_IMODE(node.st_mode):o}"
        if not stat.S_ISREG(node.st_mode) or node.st_uid != 0 or node.st_mode & 0o022:
            raise ConfigurationError(f"the list {file} belongs to account {node.st_uid} with mode {mode}. {wanted}")
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return frozenset(name.lower() for line in lines if (name := line.partition("#")[0].strip()))


def _not_registered(where: str, name: str, path: str | None) -> str:
    if path is None:
        return f"{where} is not there. Expected one of this name in `net conf list`: put the name right, {_ELSE}"
    return (
        f"{where} stands in smb.conf, which nobody but you edits. Expected it in Samba's registry: net conf import "
        f"/etc/samba/smb.conf {name}; then take [{name}] out of smb.conf, write `include = registry` into its "
        f"[global], and: smbcontrol smbd reload-config; {_ELSE}"
    )


def _is_the_place(where: str, wanted: str, path: str) -> None:
    if "%" in path:
        raise Refused(
            f"{where} shows {path}, for everybody another folder. Expected one path: name such a share, {_ELSE}"
        )
    if not wanted or not _below(wanted, path):
        raise Refused(
            f"{where} shows {path}. Expected {wanted or 'a folder'}, which the bridge mirrors, or a folder above it: "
            f"put `samba_share` right, {_ELSE}"
        )


def _is_the_only_one(where: str, wanted: str, samba: Samba, *, others: Collection[str]) -> None:
    for name, path in samba.writable().items():
        fixed = path.partition("%")[0]
        # Where everybody's own folder is, as `%H` says, can't be told: it may be just the one.
        meets = not fixed or _below(wanted, fixed) or _below(fixed, wanted)
        if path and name.lower() not in others and meets:
            raise Refused(
                f"{where} is not the only one for {wanted}: {name} shows {path}, and people can write there. Expected "
                f"nobody else who can: make {name} read-only while the school is frozen, {_ELSE}"
            )


def _below(path: str, above: str) -> bool:
    real, top = os.path.realpath(path), os.path.realpath(above)
    return real == top or real.startswith(top.rstrip("/") + "/")
