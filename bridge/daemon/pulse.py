"""Whether the daemon does its work: what systemd's watchdog is fed by.

| seen at a beat | then |
|---|---|
| the loop hangs | there is no beat: systemd starts the daemon anew |
| the schedule stands still: its next time is over, also after it was woken | the same |
| the tasks of all schools died, also after they were begun anew | the same |
| the task of a school died | it is begun anew; that school's status says so, the others go on |
| a side hangs, a line is slow | the daemon is well: it is that school's trouble, and stands in its status |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

#: How late the schedule may be, beside a loop that is busy.
_LATE = timedelta(minutes=1)


class Living(Protocol):
    """A school's tasks."""

    def revive(self) -> bool:
        """Begin anew what died; whether that was the school's own task."""
        ...


@dataclass(slots=True)
class Pulse:
    """Looks at each beat. ``next_due``: when the schedule wakes somebody next; ``wake`` has it look at once."""

    next_due: Callable[[], datetime | None]
    wake: Callable[[], object]
    _all_died: bool = False
    _late: bool = False

    def trouble(self, schools: Mapping[str, Living], now: datetime) -> str:
        """Why nobody can trust this process any more; empty while it works."""
        died = sum(_revived(code, one) for code, one in schools.items())
        before, self._all_died = self._all_died, bool(died) and died == len(schools)
        if before and self._all_died:
            return "the task of every school ended, and again when it was begun anew"
        due = self.next_due()
        before, self._late = self._late, due is not None and now - due > _LATE
        if before and self._late:
            return f"the schedule stands still since {due}"
        if self._late:  # the clock was set, or the machine slept
            self.wake()
        return ""


def _revived(code: str, one: Living) -> bool:
    try:
        return one.revive()
    except Exception as error:  # noqa: BLE001 - a bug in one school must not end the others
        structlog.get_logger().error("a school can't be begun anew", school=code, error=type(error).__name__)
        return True
