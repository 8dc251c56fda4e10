"""What the daemon knows of the roots of a share, and what of it the status file says: counts, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.core.model import Side
from bridge.daemon.progress import Meter, Standing, together
from bridge.engine.load import NOTHING, Load

#: Roots with an error, and owners without a root, that the status file names; all of them are counted.
NAMED = 20
#: Why a folder that the bridge does not make is not there.
NOT_YET = "there is no folder yet (nobody logged in)"


@dataclass(slots=True)
class RootRow:
    """One root. ``complete`` says when each side was last read to its end, ``cycle`` what the last cycle counted.

    ``waiting``: its folder was never there yet, and ``absent`` why; ``made``: the bridge made it since it was started.
    ``load``: what it sends, kept up by the engine. ``elsewhere``: where it lies while it is not at its place.
    """

    error: str = ""
    error_since: str | None = None
    waiting: bool = False
    absent: str = NOT_YET
    made: bool = False
    elsewhere: str = ""
    doing: str = ""
    complete: dict[str, str] = field(default_factory=dict)
    cycle: Mapping[str, Any] = field(default_factory=dict)
    load: Load = field(default_factory=Load)

    def note(self, counts: Mapping[str, Any], sides: frozenset[Side], now: datetime) -> None:
        """A cycle over these sides went through."""
        self.error, self.error_since, self.waiting, self.cycle = "", None, False, counts
        for side in sides:
            self.complete[side.value] = now.isoformat()

    def wait(self, why: str = NOT_YET) -> None:
        """There is no folder yet: nothing is wrong, and there is nothing to mirror."""
        self.error, self.error_since, self.waiting, self.absent = "", None, True, why

    def fail(self, message: str, now: datetime) -> bool:
        """The root is stopped by an error; True when this is news."""
        news = self.error != message
        if not self.error:
            self.error_since = now.isoformat()
        self.error, self.waiting = message, False
        return news

    def standing(self) -> Standing:
        """How far it is; a folder that is not there yet sends nothing."""
        load = self.load
        left = load.left
        return Standing(
            sent=load.sent,
            parts=load.parts,
            left=left,
            still=left if self.error else NOTHING,
            moved=load.moved,
            complete=load.known or self.waiting,
        )


@dataclass(slots=True)
class ShareRow:
    """One share: its roots by owner's link, and by owner's link why there is no root.

    ``most_files``: a second, what the cloud lets through. ``gone``: what roots sent that are not there any more.
    """

    roots: dict[str, RootRow] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    most_files: float | None = None
    meter: Meter = field(default_factory=Meter)
    gone: Standing = field(default_factory=Standing)

    def drop(self, owner: str) -> None:
        """A root ends; what it sent stays counted."""
        row = self.roots.pop(owner, None)
        if row is not None:
            self.gone = together((self.gone, Standing(sent=row.load.sent, moved=row.load.moved)))

    def standing(self) -> Standing:
        """How far all roots are."""
        return together((self.gone, *(row.standing() for row in self.roots.values())))

    def summary(self) -> dict[str, Any]:
        """For the status file. ``oldest``: since when, per side, the root that waits longest was not read to its end.

        None in it: there is a root that was never read to its end. Those that wait for their folder don't count in it.
        """
        rows = [row for row in self.roots.values() if not row.waiting]
        stopped = {owner: row for owner, row in self.roots.items() if row.error}
        elsewhere = {owner: row.elsewhere for owner, row in self.roots.items() if row.elsewhere and not row.error}
        return {
            "roots": len(self.roots),
            "complete": sum(len(row.complete) == len(Side) for row in rows),
            "waiting": len(self.roots) - len(rows),
            "busy": sum(bool(row.doing) for row in rows),
            "doing": [row.doing for row in rows if row.doing][:NAMED],
            "oldest": {
                side.value: None
                if any(side.value not in row.complete for row in rows)
                else min((row.complete[side.value] for row in rows), default=None)
                for side in Side
            },
            "stopped": len(stopped),
            "errors": {
                owner: {"error": row.error, "since": row.error_since} for owner, row in sorted(stopped.items())[:NAMED]
            },
            "elsewhere": len(elsewhere),
            "places": dict(sorted(elsewhere.items())[:NAMED]),
            "unfit": len(self.unfit),
            "reasons": dict(sorted(self.unfit.items())[:NAMED]),
        }
