"""What the hub was told of its schools, as far as waves, forecasts and reports need it.

Times of a site stand on its clock. How far that is ahead is known from its last report, and taken off here. What does
not fit is as if it had not been told: one site's nonsense must not end the plan of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, select

from bridge.core.cutover import Stage
from bridge.core.wave_run import SWITCHED, Run
from bridge.core.waves import THROUGH, Place
from bridge.hub.fit import NUMBER, YEARS
from bridge.state.fleet_tables import hub_school, hub_site
from bridge.state.transaction import BATCH

_SLOTS = ("school", "cutover")
_STAGES = frozenset(stage.value for stage in Stage)
_Number = Annotated[float, Field(ge=0, le=NUMBER, allow_inf_nan=False)]


class _Amounts(BaseModel):
    files: _Number = 0
    files_total: _Number = 0
    complete: bool = True
    earliest_end: str | None = None
    latest_end: str | None = None


class _View(BaseModel):
    """Of a SchoolView what is used here."""

    stage: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(max_length=300)] = ""
    appointment: str | None = None
    stage_since: str | None = None
    held: _Number = 0
    conflicts: _Number = 0
    gates_failed: _Number = 0
    amounts: _Amounts = _Amounts()


class _Body(BaseModel):
    view: _View


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

    def silent(self, now: datetime, *, longest: timedelta) -> bool:
        """Whether nothing was heard of its site for longer than that, or ever."""
        return self.heard is None or now - self.heard > longest

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
    """School -> its site; empty where that was revoked: the school is still there, and nobody speaks for it."""
    rows = connection.execute(select(hub_site.c.site, hub_site.c.schools, hub_site.c.revoked)).all()
    found = {code: "" for row in rows for code in row.schools.split()}
    return found | {code: row.site for row in rows if row.revoked is None for code in row.schools.split()}


def known(connection: Connection, codes: Iterable[str] | None = None) -> dict[str, Known]:
    """School -> what is known; without ``codes`` all schools of all sites."""
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
            body = _view(row.body) if row.slot == "school" else _tree(row.body)
            told.setdefault(row.school, {})[row.slot] = body
            times |= {row.school: row.at} if row.slot == "school" else {}
            if (said := body.get("stage")) in _STAGES:  # what was told last counts
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
    view, cutover = told.get("school", {}), told.get("cutover", {})
    past = cutover.get("past")
    said = [one for one in (cutover.get("run"), *(past if isinstance(past, list) else ())) if isinstance(one, Mapping)]
    runs = tuple(run for one in said if (run := _run(one, ahead)))
    return Known(code, site, heard, view, cutover, runs, ahead)


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
    """A time as it stands in a message; None where there is none, no zone, or it is of another age."""
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None and at.year in YEARS else None


def _view(text: str) -> Mapping[str, Any]:
    try:
        return _Body.model_validate_json(text).view.model_dump(mode="json")
    except ValidationError:
        return {}


def _tree(text: str) -> Mapping[str, Any]:
    """A cutover, with a stage that is a text."""
    tree = json.loads(text)
    return tree if isinstance(tree, Mapping) and isinstance(tree.get("stage", ""), str) else {}
