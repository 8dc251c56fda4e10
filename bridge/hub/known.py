"""What the hub was told of its schools, as far as waves, forecasts and reports need it.

Times of a site stand on its clock. How far that is ahead is known from its last report, and taken off here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from bridge.core.cutover import Stage
from bridge.core.wave_run import SWITCHED, Run
from bridge.core.waves import THROUGH, Place
from bridge.state.fleet_tables import hub_school, hub_site
from bridge.state.transaction import BATCH

_SLOTS = ("school", "cutover")
_STAGES = frozenset(stage.value for stage in Stage)
#: Nobody has more files: what is told beyond it is no number.
_MOST = 1e15


@dataclass(frozen=True, slots=True)
class Known:
    """One school. ``view``: its SchoolView as it was told, empty before, and ``at`` when.

    ``site`` empty: no site speaks for it.
    """

    school: str
    site: str = ""
    heard: datetime | None = None
    view: Mapping[str, Any] = field(default_factory=dict)
    cutover: Mapping[str, Any] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    ahead: timedelta = timedelta(0)
    stage: Stage = Stage.CLASSIC
    at: datetime | None = None

    @property
    def name(self) -> str:
        """Of the school, as its site calls it."""
        return str(self.view.get("name") or self.school)

    @property
    def amounts(self) -> Mapping[str, Any]:
        """How far its files are, as it was told."""
        return _part(self.view, "amounts")

    @property
    def appointment(self) -> datetime | None:
        """When its cutover is to begin, as it was told."""
        at = read_time(self.view.get("appointment") or self.cutover.get("appointment"))
        return at - self.ahead if at else None

    @property
    def place(self) -> Place:
        """Where it stands in the order of waves. What failed is counted of the wave under way: it says nothing here."""
        if self.stage not in THROUGH:
            return Place(self.stage)
        switched = max((one.ended for one in self.runs if one.outcome == SWITCHED and one.ended), default=None)
        since = read_time(self.view.get("stage_since"))
        return Place(self.stage, moved=switched or (since - self.ahead if since else None))


def schools_of(connection: Connection) -> dict[str, str]:
    """School -> its site, of all sites that are not revoked."""
    rows = connection.execute(select(hub_site.c.site, hub_site.c.schools).where(hub_site.c.revoked.is_(None)))
    return {code: row.site for row in rows for code in row.schools.split()}


def known(connection: Connection, codes: Iterable[str] | None = None) -> dict[str, Known]:
    """School -> what is known; without ``codes`` all schools that a site speaks for."""
    sites = schools_of(connection)
    wanted = sorted(sites if codes is None else set(codes))
    heard = {
        row.site: (row.heard, timedelta(seconds=row.ahead or 0))
        for row in connection.execute(select(hub_site.c.site, hub_site.c.heard, hub_site.c.ahead))
    }
    told: dict[str, dict[str, Mapping[str, Any]]] = {}
    columns = (hub_school.c.school, hub_school.c.slot, hub_school.c.at, hub_school.c.body)
    stages: dict[str, Stage] = {}
    times: dict[str, datetime] = {}
    for start in range(0, len(wanted), BATCH):
        mine = hub_school.c.school.in_(wanted[start : start + BATCH])
        query = select(*columns).where(mine, hub_school.c.slot.in_(_SLOTS)).order_by(hub_school.c.at)
        for row in connection.execute(query):
            told.setdefault(row.school, {})[row.slot] = body = _tree(row.body)
            times |= {row.school: row.at} if row.slot == "school" else {}
            said = _part(body, "view").get("stage") if row.slot == "school" else body.get("stage")
            if isinstance(said, str) and said in _STAGES:  # what was told last counts
                stages[row.school] = Stage(said)
    nothing = (None, timedelta(0))
    return {
        code: replace(
            _known(code, sites.get(code, ""), told.get(code, {}), *heard.get(sites.get(code, ""), nothing)),
            stage=stages.get(code, Stage.CLASSIC),
            at=times.get(code),
        )
        for code in wanted
    }


def _known(
    code: str, site: str, told: Mapping[str, Mapping[str, Any]], heard: datetime | None, ahead: timedelta
) -> Known:
    cutover = told.get("cutover", {})
    past = cutover.get("past")
    said = [one for one in (cutover.get("run"), *(past if isinstance(past, list) else ())) if isinstance(one, Mapping)]
    runs = tuple(run for one in said if (run := _run(one, ahead)))
    return Known(code, site, heard, _part(told.get("school", {}), "view"), cutover, runs, ahead)


def _run(said: Mapping[str, Any], ahead: timedelta) -> Run | None:
    """A run as it was told; None where it says nothing of when it began."""
    began, deadline, ended = (read_time(said.get(name)) for name in ("started", "deadline", "ended"))
    if began is None:
        return None
    return Run(
        str(said.get("id", "")),
        began - ahead,
        deadline=deadline - ahead if deadline else None,
        ended=ended - ahead if ended else None,
        outcome=str(said.get("outcome") or ""),
    )


def read_time(said: Any) -> datetime | None:
    """A time as it stands in a message; None where there is none, or no zone."""
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None


def amount(tree: Mapping[str, Any], name: str) -> float:
    """A number as it stands in a message; 0 where there is none."""
    said = tree.get(name)
    return float(said) if isinstance(said, int | float) and 0 <= said < _MOST else 0.0


def _part(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What is told there; nothing where it is told in another way than this version knows."""
    said = tree.get(name)
    return said if isinstance(said, Mapping) else {}


def _tree(text: str) -> Mapping[str, Any]:
    tree = json.loads(text)
    return tree if isinstance(tree, Mapping) else {}
