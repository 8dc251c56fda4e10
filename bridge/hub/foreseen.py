"""The forecast of the fleet, out of what sites told: when schools are ready, when waves begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from bridge.core.fair import tenant_key
from bridge.core.forecast import ASSUMED, Bottleneck, Range, Ready, Told, WaveAhead, ready, simulate
from bridge.core.wave_run import SWITCHED
from bridge.hub.known import Known, known, read_time
from bridge.hub.wave_plan import plan_of
from bridge.settings.hub import HubFile
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_demand

#: So many cutovers have to be measured before their length is taken from them.
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Foreseen:
    """``runs``: how long a cutover takes at least and at most; ``measured``: out of how many, 0: assumed."""

    made: datetime
    schools: Mapping[str, Ready]
    waves: Sequence[WaveAhead]
    runs: tuple[timedelta, timedelta]
    measured: int

    def tree(self) -> dict[str, Any]:
        """As one answer in JSON."""
        return {
            "made": self.made.isoformat(),
            "cutover_hours": [one.total_seconds() / 3600 for one in self.runs],
            "cutovers_measured": self.measured,
            "waves": [
                {
                    "name": one.name,
                    "begins": _range(one.begins),
                    "ends": _range(one.ends),
                    "last": one.last,
                    "waits_for": one.why.value,
                }
                for one in self.waves
            ],
            "schools": {
                code: {
                    **_range(one.when),
                    "waits_for": one.bottleneck.value,
                    "people": one.people,
                    "gates": one.gates,
                }
                for code, one in sorted(self.schools.items())
            },
        }


def foresee(hub: HubFile, database: Database, schools: Mapping[str, Known] | None = None) -> Foreseen:
    """Now, out of what was told up to now; ``schools``: where it was read a moment ago."""
    now = database.clock()
    with database.read() as connection:
        schools = known(connection) if schools is None else schools
        tenants = _tenants(connection)
    limits = {tenant_key(name): one.files for name, one in hub.budgets.items() if one.files > 0}
    # With one shared tenant it is everybody's, also of those who have not spent anything yet.
    only = next(iter(limits)) if len(limits) == 1 else ""
    told = {code: told_of(one, hub, now, tenant=tenants.get(one.site, only)) for code, one in schools.items()}
    found = {code: _not_before(one, schools[code].appointment) for code, one in ready(told, limits, now).items()}
    plan = plan_of(hub, sorted(schools))
    runs, measured = _runs(schools.values())
    waves = simulate(plan.waves, found, plan.calendar, now, runs=runs)
    return Foreseen(now, found, waves, runs, measured)


def told_of(one: Known, hub: HubFile, now: datetime, *, tenant: str = "") -> Told:
    """What the law needs of a school. Its pace: what is left, by when its site says that it will be through."""
    amounts: Mapping[str, Any] = one.view.get("amounts") or {}
    files: float | None = None
    if one.view:
        files = max(0.0, float(amounts.get("files_total") or 0) - float(amounts.get("files") or 0))
    said = one.at or now
    return Told(
        stage=one.stage,
        files=files,
        slow=_pace(files, said, amounts.get("latest_end")),
        fast=_pace(files, said, amounts.get("earliest_end")),
        complete=bool(amounts.get("complete", True)),
        silent=one.silent(now, longest=hub.silence.red),
        people=int(one.view.get("held") or 0) + int(one.view.get("conflicts") or 0),
        gates=int(one.view.get("gates_failed") or 0),
        tenant=tenant,
        moved=one.place.moved,
    )


def _not_before(one: Ready, appointment: datetime | None) -> Ready:
    """Nobody begins before its appointment."""
    if appointment is None or one.bottleneck is Bottleneck.THROUGH:
        return one
    times = [None if at is None else max(at, appointment) for at in (one.when.earliest, one.when.latest)]
    return replace(one, when=Range(*times))


def _pace(files: float | None, said: datetime, end: Any) -> float | None:
    """Files a minute; both times stand on the site's clock."""
    at = read_time(end)
    if not files or at is None:
        return None
    return files / max(1.0, (at - said).total_seconds() / 60)


def _tenants(connection: Connection) -> dict[str, str]:
    """Site -> the tenant whose files it mirrors, as it is called on the way."""
    query = select(hub_demand.c.site, hub_demand.c.tenant).where(hub_demand.c.budget == "files")
    return {row.site: row.tenant for row in connection.execute(query.order_by(hub_demand.c.tenant))}


def _runs(schools: Any) -> tuple[tuple[timedelta, timedelta], int]:
    """How long the cutovers took that were through."""
    took = [run.ended - run.began for one in schools for run in one.runs if run.outcome == SWITCHED and run.ended]
    if len(took) < _FEWEST:
        return ASSUMED, 0
    return (max(timedelta(0), min(took)), max(took)), len(took)


def _range(one: Range) -> dict[str, str | None]:
    return {
        "earliest": one.earliest.isoformat(timespec="minutes") if one.earliest else None,
        "latest": one.latest.isoformat(timespec="minutes") if one.latest else None,
    }
