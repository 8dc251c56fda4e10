"""The status file: what the daemon knows of itself, for ``status`` and for whoever watches.

Times in it are ISO 8601, UTC. The daemon writes it after each cycle and every few seconds, so that an old one says by
itself that nobody is running.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.core.model import Side
from bridge.daemon.progress import Meter, together
from bridge.daemon.root_states import away
from bridge.daemon.share_rows import ShareRow
from bridge.ports import ConfigurationError

FILE = "status.json"
#: The daemon writes the file at least so often, in seconds.
BEAT = 10.0
#: How long a cycle may give no sign of life until its school counts as stuck.
PATIENCE = timedelta(minutes=10)
#: Locked as long as the daemon lives: the system gives the lock back even after SIGKILL.
LOCK = "daemon.lock"
_LOOKS, _LOOK_PAUSE = 10, 0.1


@dataclass(slots=True)
class SideRow:
    """One side: how often it should be read, in seconds, and when that last worked from beginning to end."""

    period: float
    complete: str | None = None


@dataclass(slots=True)
class SchoolRow:
    """One school as the daemon sees it. ``error`` is what stops it now, ``error_since`` since when.

    ``warned``: side -> what it warns of, until a cycle reads that side without it. ``owing``: why the cloud's own
    source of authority could not be given back after a roll back.
    """

    stage: str = ""
    observed: bool = True
    since: str = ""
    error: str = ""
    error_since: str | None = None
    doing: str = ""
    cycle: dict[str, Any] = field(default_factory=dict)
    warned: dict[str, list[str]] = field(default_factory=dict)
    owing: str = ""
    sides: dict[str, SideRow] = field(default_factory=dict)
    shares: dict[str, ShareRow] = field(default_factory=dict)
    #: Which machine looks after it, since when, while this daemon stands by.
    standby: dict[str, str] | None = None
    #: The last sign of life of the cycle under way; None while there is none.
    moved: str | None = None
    meter: Meter = field(default_factory=Meter)

    def hangs(self, now: datetime) -> bool:
        """Whether the cycle under way gave no sign of life for long."""
        return self.moved is not None and now - datetime.fromisoformat(self.moved) > PATIENCE


@dataclass(slots=True)
class Board:
    """The whole file."""

    path: Path
    pid: int
    started: str
    beat: str = ""
    configuration_error: str = ""
    configuration_since: str | None = None
    #: When the last loading of a configuration that is over began, by the machine's monotonic clock.
    loading_began: float | None = None
    #: Who can't be told of what is wrong: name in `notify` -> why, since when.
    telling: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Where the status API listens, or why it does not.
    api: str = ""
    api_error: str = ""
    #: The hub that this site reports to, empty without one: its url, the site's name, ``confirmed`` (when it was heard
    #: last), ``waiting`` messages, ``error`` and since when, ``clock`` (why it differs), ``certificate`` (its end).
    hub: dict[str, Any] = field(default_factory=dict)
    schools: dict[str, SchoolRow] = field(default_factory=dict)
    #: What was written last: for whoever asks inside the daemon. Never changed, only replaced.
    told: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def write(self, now: datetime) -> None:
        """Replace the file; raises OSError."""
        self.beat = now.isoformat()
        schools = {code: replace(row, shares={}, meter=Meter()) for code, row in self.schools.items()}
        tree = asdict(replace(self, schools=schools, told={}))
        del tree["path"], tree["told"]
        for code, row in self.schools.items():
            del tree["schools"][code]["meter"]
            tree["schools"][code] |= _shares(row, now)
        self.told = tree
        part = self.path.with_name(f".{self.path.name}.{self.pid}")
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), "w", encoding="utf-8") as stream:
            json.dump(tree, stream, ensure_ascii=False)
        part.replace(self.path)

    def fail(self, code: str, message: str, now: datetime) -> bool:
        """A school is stopped by an error; True when this is news."""
        row = self.schools[code]
        news = row.error != message
        if not row.error:
            row.error_since = now.isoformat()
        row.error = message
        return news

    def complete(self, code: str, sides: frozenset[Side], now: datetime) -> bool:
        """A cycle over these sides went through; True when an error ended with it."""
        row = self.schools[code]
        ended = bool(row.error)
        row.error, row.error_since = "", None
        for side in sides:
            row.sides[side.value].complete = now.isoformat()
        return ended


def _shares(row: SchoolRow, now: datetime) -> dict[str, Any]:
    """The shares of a school and how far they are, each and together."""
    standing = {name: share.standing() for name, share in row.shares.items()}
    most = [share.most_files for share in row.shares.values() if share.most_files is not None]
    return {
        "progress": {
            **row.meter.look(now, together(standing.values())),
            "most_files": sum(most) if len(most) == len(row.shares) and most else None,
        },
        "shares": {
            name: {
                **share.summary(),
                "progress": {**share.meter.look(now, standing[name]), "most_files": share.most_files},
                "away": away(share),
            }
            for name, share in row.shares.items()
        },
    }


def prepare(runtime: Path) -> None:
    """Make the runtime directory where systemd has not; raises ConfigurationError."""
    try:
        runtime.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the directory {runtime} can't be made ({error.strerror}); create it for the bridge's account, "
            f"or name another one as `runtime` in bridge.yaml"
        ) from None


@contextmanager
def occupied(runtime: Path) -> Iterator[None]:
    """Be the only daemon of a runtime directory; raises ConfigurationError when there is one already.

    Two would overwrite each other's status, and the first to end would take it away from the other.
    """
    try:
        descriptor = os.open(runtime / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"{runtime / LOCK} can't be written ({error.strerror}); run this as the bridge's account (sudo -u ...)"
        ) from None
    try:
        for _ in range(_LOOKS):  # who asks whether the daemon runs holds the lock for a moment
            if _locked(descriptor, fcntl.LOCK_EX):
                break
            time.sleep(_LOOK_PAUSE)
        else:
            raise ConfigurationError(
                f"another schoolbridge daemon runs already with {runtime}. Stop it first (systemctl stop schoolbridge)"
            )
        yield
    finally:
        os.close(descriptor)


def running(runtime: Path) -> bool:
    """Whether a daemon lives; True also where that can't be found out, and the age of its status has to tell."""
    try:
        descriptor = os.open(runtime / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(runtime: Path) -> Mapping[str, Any] | None:
    """The status file as a tree; None when there is none that can be read."""
    with suppress(OSError, ValueError):
        tree = json.loads((runtime / FILE).read_text(encoding="utf-8"))
        if isinstance(tree, dict):
            return tree
    return None
