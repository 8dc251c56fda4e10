"""Who is told at the hub, and of what: sites that are silent, waves that are stopped.

The same law, the same memory and the same sending as a bridge's own notices; only what is wrong is another thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select, type_coerce

from bridge.core.notices import Concern, Notice, Severity, step
from bridge.core.waves import THROUGH
from bridge.daemon.board import Board
from bridge.daemon.notices import Teller, concerns_target
from bridge.daemon.threads import aside
from bridge.hub import wave_rows as rows
from bridge.hub.known import known
from bridge.settings.hub import HubFile
from bridge.settings.notify import Target
from bridge.state import notices as state
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_certificate, hub_site
from bridge.state.lease import Lease
from bridge.state.lock import Busy
from bridge.state.notices import News

if TYPE_CHECKING:
    from bridge.hub.settings import HubSettings
    from bridge.settings import Settings


#: The lock under which one process tells; no school can be called so.
_LOCK = "hub telling"


@dataclass(frozen=True)
class _Told:
    """The hub's configuration, as far as telling is concerned, by the names that a bridge's has."""

    file: Path
    bridge: HubFile


class HubTeller(Teller):
    """Looks at sites and waves instead of schools. Of several processes of a hub one tells."""

    def __init__(self, *given: Any, **doors: Any) -> None:
        super().__init__(*given, **doors)
        self._lock: ExitStack | None = None
        self._lease: Lease | None = None

    async def stop(self) -> None:
        """End; another process may tell from now on."""
        await super().stop()
        if self._lock is not None:
            await aside(self._lock.close)

    async def look(self, now: datetime) -> None:
        """Once, where no other process does."""
        if await aside(self._mine):
            await super().look(now)

    def _mine(self) -> bool:
        if self._lock is not None and not (self._lease and self._lease.holds):
            self._lock.close()  # this process stood still, and another one may tell by now
            self._lock = None
        if self._lock is None:
            with ExitStack() as stack, suppress(Busy):
                self._lease = stack.enter_context(self.database.lock(_LOCK)).lease
                self._lock = stack.pop_all()
        return self._lock is not None

    def _remember(
        self, settings: Settings, targets: Sequence[Target], now: datetime
    ) -> list[tuple[list[Notice], list[News]]]:
        hub = cast("_Told", settings).bridge
        wrong = concerns(hub, self.database, now)
        troubles, _ = state.remembered(self.database)
        found: list[tuple[list[Notice], list[News]]] = []
        for target in targets:
            mine = [one for one in wrong if concerns_target(target, one)]
            before = troubles.get(target.name, [])
            after = step(before, mine, least=target.at_least, after=target.after, now=now)
            state.keep(self.database, target.name, before, after)
            found.append((after, []))
        return found


def concerns(hub: HubFile, database: Database, now: datetime) -> list[Concern]:
    """What is wrong now: a stopped wave with how many are not cut over, and each silent site, at its schools."""
    found: list[Concern] = []
    with database.read() as connection:
        for name, one in rows.all_begun(connection).items():
            if one.wave.state == "stopped":
                schools = known(connection, [part.code for part in one.wave.parts])
                left = sum(school.stage not in THROUGH for school in schools.values())
                found.append(Concern("", "wave", Severity.CRITICAL, one.changed, subject=name, count=left))
        of, paper = hub_site.c, hub_certificate.c
        # A site that enrolled and never said a word is as silent as one that stopped; one that was invited is not.
        enrolled = select(func.max(paper.made)).where(paper.site == of.site, paper.revoked.is_(None)).scalar_subquery()
        last = func.coalesce(of.heard, enrolled)
        silence = select(of.site, of.schools, type_coerce(last, of.heard.type).label("since"))
        for row in connection.execute(silence.where(of.revoked.is_(None), last < now - hub.silence.red)):
            silent = Concern("", "silent", Severity.WARNING, row.since, subject=row.site)
            found += [replace(silent, school=code) for code in row.schools.split()]
    return found


def teller(settings: Callable[[], HubSettings], database: Database, **doors: Any) -> HubTeller:
    """A teller for the targets of ``hub.yaml``."""
    made: list[tuple[HubSettings, _Told]] = []

    def now_in_force() -> Settings:
        current = settings()
        if not made or made[0][0] is not current:
            made[:] = [(current, _Told(current.file, current.hub))]
        return cast("Settings", made[0][1])

    return HubTeller(now_in_force, database, Board(Path("hub"), 0, ""), **doors)
