"""What service and root tell each other of a share of Samba: a request, an answer, and what root keeps meanwhile.

Each is one small JSON file named by its share, so that a newer request takes the place of an older one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from bridge.ports import ConfigurationError
from bridge.settings.share import SambaShareName
from bridge.settings.words import Strict
from bridge.state.private import save, sync

#: Where requests are, in the daemon's runtime directory.
REQUESTS = "samba"
#: How old the newest sign of a request may be, in seconds: the daemon repeats one as long as it waits for the answer.
#: An older one was left by a daemon that died, and nobody would ever thaw what it asked for.
FRESH = 60.0
#: No request is larger, in bytes.
MOST = 4096
_OURS = ".json"

T = TypeVar("T", bound=BaseModel)


class Request(Strict):
    """``path``: what has to lie in the share, as the bridge is configured; of no meaning where it is thawed."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    share: SambaShareName
    school: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")
    wanted: Literal["frozen", "writable"]
    path: str = Field("", max_length=2048)


class Answer(Strict):
    """To the request of this ``id``. ``text`` says why not, where it is not ``done``."""

    id: str
    share: str
    done: bool
    text: str = ""


class Kept(Strict):
    """A share's options in the registry as they were before it was frozen; None: it had none of this name.

    ``share`` as Samba writes it. ``closed``: whoever had it open was cut off since it is read-only.
    """

    share: str
    school: str
    options: dict[str, str | None]
    closed: bool = False


def name_of(share: str) -> str:
    """The name of a share's files. Samba does not tell upper from lower case."""
    return quote(share.lower(), safe="") + _OURS


def names(folder: Path | int) -> list[str]:
    """The names of all files of shares in a directory, sorted; none where there is no directory."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return sorted(one.name for one in entries if one.name.endswith(_OURS) and not one.name.startswith("."))
    return []


def read(folder: Path, share: str, kind: type[T]) -> T | None:
    """What stands in the file of a share; None where there is none. ConfigurationError where it makes no sense."""
    return read_named(folder, name_of(share), kind)


def read_named(folder: Path, name: str, kind: type[T]) -> T | None:
    """The same, by the name of the file."""
    file = folder / name
    try:
        return kind.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError:
        raise ConfigurationError(
            f"{file} can't be understood: it was changed by hand, or by another version. Expected: what "
            f"schoolbridge-samba wrote. Put it right, or remove it once the share is as it has to be (net conf list)"
        ) from None


def write(folder: Path, share: str, said: BaseModel, *, mode: int = 0o644) -> None:
    """Whole and on the disk when it returns."""
    save(folder / name_of(share), said.model_dump_json().encode() + b"\n", replace=True, mode=mode)


def remove(folder: Path, name: str) -> None:
    """Gone, and on the disk when it returns."""
    (folder / name).unlink(missing_ok=True)
    sync(folder)


@contextmanager
def alone(folder: int) -> Iterator[bool]:
    """Whether this process has the open directory of requests for itself now; it never waits.

    While root has it no request is written, and while the service has it none is read: what was asked for and is taken
    back before root began is never done.
    """
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A directory, itself and not where a link leads. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
