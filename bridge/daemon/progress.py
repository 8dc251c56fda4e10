"""How far the files of a share are: noted at each beat of the daemon, told in the status file, read by the commands.

The daemon writes numbers and windows of what it saw; the range is made of them when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.filesize import decimal

from bridge.daemon.estimate import NOT_READ, Estimate, Window, estimate, in_words
from bridge.engine.load import NOTHING, Amount, total
from bridge.settings.line import Calendar

#: Seconds that a window has at least, and how many are kept: then the older half becomes half as many.
WINDOW, MOST = 30.0, 24


@dataclass(frozen=True, slots=True)
class Standing:
    """How far something is now. ``complete``: the plan of all of it was counted; ``still``: what of ``left`` is stuck.

    ``sent`` and ``moved`` (with parts of files) only grow.
    """

    sent: Amount = NOTHING
    parts: Amount = NOTHING
    left: Amount = NOTHING
    still: Amount = NOTHING
    moved: Amount = NOTHING
    complete: bool = True


def together(standings: Iterable[Standing]) -> Standing:
    """All of them as one."""
    some = list(standings)
    return Standing(
        sent=total(one.sent for one in some),
        parts=total(one.parts for one in some),
        left=total(one.left for one in some),
        still=total(one.still for one in some),
        moved=total(one.moved for one in some),
        complete=all(one.complete for one in some),
    )


@dataclass(slots=True)
class Meter:
    """What was seen of something since it last had nothing left."""

    since: Amount = NOTHING
    windows: list[Window] = field(default_factory=list)
    _begun: datetime | None = None
    _moved: Amount = NOTHING

    def look(self, now: datetime, standing: Standing) -> dict[str, Any]:
        """Note how it stands now; the answer is for the status file."""
        if standing.complete and standing.left.files <= 0:
            self.since, self.windows, self._begun = standing.sent, [], None
        else:
            self._note(now, standing.moved)
        done, left, still = standing.sent.less(self.since) + standing.parts, standing.left, standing.still
        return {
            "files": int(done.files),
            "files_total": int(done.files + left.files),
            "bytes": done.bytes,
            "bytes_total": done.bytes + left.bytes,
            "complete": standing.complete,
            "left": [int(left.files), left.up, left.down],
            "still": [int(still.files), still.up, still.down],
            "windows": [
                [one.begun.isoformat(timespec="seconds"), round(one.seconds, 1), round(one.files, 3), one.up, one.down]
                for one in self.windows
            ],
        }

    def _note(self, now: datetime, moved: Amount) -> None:
        if self._begun is None or now < self._begun:
            self._begun, self._moved = now, moved
        seconds = (now - self._begun).total_seconds()
        if seconds < WINDOW:
            return
        more = moved.less(self._moved)
        self.windows.append(Window(self._begun, seconds, more.files, more.up, more.down))
        self._begun, self._moved = now, moved
        if len(self.windows) > MOST:
            older, self.windows = self.windows[: MOST // 2], self.windows[MOST // 2 :]
            self.windows[:0] = [_joined(*pair) for pair in zip(older[::2], older[1::2], strict=True)]


def _joined(one: Window, other: Window) -> Window:
    return Window(
        one.begun, one.seconds + other.seconds, one.files + other.files, one.up + other.up, one.down + other.down
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person reads. ``complete`` False: the totals are a lower bound. ``found``: when it will be done."""

    files: int = 0
    files_total: int = 0
    bytes: int = 0
    bytes_total: int = 0
    complete: bool = False
    found: Estimate = field(default_factory=lambda: Estimate(reason=NOT_READ))

    def tree(self, now: datetime) -> dict[str, Any]:
        """As JSON; ``text`` is what a person reads."""
        first, last = self.found.earliest, self.found.latest
        return {
            "files": self.files,
            "files_total": self.files_total,
            "bytes": self.bytes,
            "bytes_total": self.bytes_total,
            "complete": self.complete,
            "earliest": first.isoformat() if first else None,
            "latest": last.isoformat() if last else None,
            "reason": self.found.reason,
            "text": self.text(now),
        }

    def text(self, now: datetime) -> str:
        """One line; empty where nothing is to be sent."""
        if self.files >= self.files_total:
            return ""
        return f"{self.amounts()}; time left: {in_words(self.found, now)}"

    def amounts(self) -> str:
        """``sent 40 of at least 100 files, 1.2 MB of at least 3.4 MB``."""
        least = "" if self.complete else "at least "
        files = f"{self.files:,} of {least}{self.files_total:,} files"
        return f"sent {files}, {decimal(self.bytes)} of {least}{decimal(self.bytes_total)}"


def read(told: Mapping[str, Any] | None, now: datetime, calendar: Calendar, *, complete: bool = True) -> Progress:
    """What the status file tells of a share or a school; None of one that the daemon doesn't know yet.

    ``complete`` False: there is more than the daemon knows of.
    """
    if not told:
        return Progress()
    complete = complete and told["complete"]
    windows = [Window(datetime.fromisoformat(begun), *rest) for begun, *rest in told["windows"]]
    found = estimate(
        now,
        Amount(*told["left"]),
        windows,
        calendar=calendar,
        complete=complete,
        still=Amount(*told["still"]),
        most_files=told.get("most_files"),
    )
    numbers = {name: told[name] for name in ("files", "files_total", "bytes", "bytes_total")}
    return Progress(**numbers, complete=complete, found=found)
