"""Units spent in the last 24 hours, kept over a restart: a bridge that restarts at noon must not spend the day twice.

One small SQLite file for each application and tenant, in the directory that all connectors of a machine share. Other
processes (``verify`` beside the daemon) count into the same file. What was spent is written every ``FLUSH`` seconds
at most, so that much is forgotten by a crash. The file can be deleted at any time: then the day begins anew.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

DAY = 86_400.0
#: The day is counted in slots of so many seconds.
SLOT = 300.0
#: Seconds between two writes.
FLUSH = 5.0

log = structlog.get_logger(__name__)


class Day:
    """A sliding day in slots. Times inside are monotonic; on disk they are Unix time, as a restart begins at 0.

    ``scale``: how much faster the day passes (a sandbox's).
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        scale: float = 1.0,
        monotonic: Callable[[], float],
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._path = path if clock is not None else None
        self._now = monotonic
        self._clock = clock
        self._length, self._slot = DAY / scale, SLOT / scale
        self._slots: deque[tuple[float, int]] = deque()
        self._unwritten: dict[float, int] = {}
        self._written_at = -FLUSH
        self._db: sqlite3.Connection | None = None
        self.spent = 0
        """Units in the last day."""
        self._exchange()

    def add(self, units: int) -> None:
        """So many units are spent now."""
        now = self._now()
        end = now // self._slot * self._slot + self._slot
        self.spent += units
        if self._slots and self._slots[-1][0] == end:
            self._slots[-1] = (end, self._slots[-1][1] + units)
        else:
            self._slots.append((end, units))
        if self._path is not None:
            self._unwritten[end] = self._unwritten.get(end, 0) + units
            if now - self._written_at >= FLUSH:
                self._exchange()

    def wait(self, units: int, limit: float) -> float:
        """Seconds until so many more units fit; 0 when they do. They always fit when nothing else was spent."""
        now = self._now()
        while self._slots and self._slots[0][0] <= now - self._length:
            self.spent -= self._slots.popleft()[1]
        excess = self.spent + units - limit
        if excess <= 0 or not self._slots:
            return 0.0
        for end, freed in self._slots:
            excess -= freed
            if excess <= 0:
                return end + self._length - now
        return self._slots[-1][0] + self._length - now

    def close(self) -> None:
        """Write what was not written yet. May be called twice."""
        if self._unwritten:
            self._exchange()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _exchange(self) -> None:
        """Add ours to the file and take what all processes have spent; without it when the disk is full or worse."""
        if self._path is None or self._clock is None:
            return
        self._written_at, unix = self._now(), self._clock().timestamp()
        ahead = unix - self._written_at
        try:
            rows = self._traded(self._path, ahead, unix)
        except sqlite3.OperationalError as error:  # locked, or the disk is full: next time
            log.debug("the day's file budget is not written now", error=str(error))
            return
        except (sqlite3.Error, OSError) as error:
            log.warning("the day's file budget is kept in memory only; delete its file", error=type(error).__name__)
            self._path = None
            return
        self._unwritten = {}
        self._slots = deque((end - ahead, units) for end, units in rows)
        self.spent = sum(units for _, units in self._slots)

    def _traded(self, path: Path, ahead: float, unix: float) -> list[tuple[float, int]]:
        db = self._db = self._db or _opened(path)
        whole = [(math.ceil((end + ahead) / self._slot) * self._slot, units) for end, units in self._unwritten.items()]
        # Slots of the future come from a clock that was wrong then: they would never end.
        bounds = (unix - self._length, unix + 2 * self._slot)
        db.execute("begin immediate")
        try:
            db.execute("delete from spent where until <= ? or until > ?", bounds)
            db.executemany(
                "insert into spent values (?, ?) on conflict (until) do update set units = units + excluded.units",
                whole,
            )
            rows = db.execute("select until, units from spent order by until").fetchall()
        except BaseException:
            db.execute("rollback")
            raise
        db.execute("commit")
        return rows


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=0.2)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.execute("create table if not exists spent (until real primary key, units integer not null) without rowid")
    return db
