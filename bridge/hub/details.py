"""One school in full, out of the newest states that its site told. Each function reads the state: in a thread."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from bridge.api import models
from bridge.api.answers import ProgressView
from bridge.core.cutover import STAGES, Stage
from bridge.hub.fit import drawable
from bridge.hub.fleet import Shot
from bridge.hub.honest import worst
from bridge.hub.told import SCHOOL, slots
from bridge.state.database import Database

M = TypeVar("M", bound=models.Model)
V = TypeVar("V", models.SchoolView, ProgressView)


def view(database: Database, shot: Shot, silent: models.Colour) -> models.SchoolView:
    """All of it: what was told, under what the hub says of it. A side is no fresher than its site: ``silent``."""
    with database.read() as connection:
        told = slots(connection, shot.row.code, (SCHOOL, "cutover"))
    ours = shot.row.model_dump()
    said = _known(models.SchoolView, _tree(told.get(SCHOOL)).get("view"))
    cutover = _cutover(shot, told.get("cutover"))
    found = _fit(models.SchoolView, {**said, **ours}) or models.SchoolView(**ours, meaning=_meaning(shot.row.stage))
    found.events, found.running = cutover.events, cutover.run is not None
    return _no_fresher(found, silent)


def _no_fresher(found: V, silent: models.Colour) -> V:
    for fresh in found.freshness:
        fresh.colour = worst(fresh.colour, silent)
    return found


def progress(database: Database, code: str, silent: models.Colour) -> ProgressView:
    """How far its files are. ``silent`` as for ``view``."""
    with database.read() as connection:
        told = slots(connection, code, (SCHOOL,))
    said = _known(ProgressView, _tree(told.get(SCHOOL)).get("progress"))
    return _no_fresher(_fit(ProgressView, {**said, "school": code}) or ProgressView(school=code), silent)


def cutover(database: Database, shot: Shot) -> models.CutoverView:
    """Its cutover."""
    with database.read() as connection:
        told = slots(connection, shot.row.code, ("cutover",))
    return _cutover(shot, told.get("cutover"))


def _cutover(shot: Shot, told: Any) -> models.CutoverView:
    mine = {"school": shot.row.code, "stage": shot.row.stage}
    found = _fit(models.CutoverView, {**mine, **_known(models.CutoverView, told), "school": shot.row.code})
    if found is None or found.stage not in set(Stage):
        return models.CutoverView.model_validate(mine)
    return found


def _fit(model: type[M], tree: dict[str, Any]) -> M | None:
    """What a newer site tells otherwise is not shown; the row says that the hub is to be updated."""
    try:
        found = model.model_validate(tree)
    except ValidationError:
        return None
    return found if drawable(found) else None


def _known(model: type[models.Model], tree: Any) -> dict[str, Any]:
    return {name: value for name, value in _tree(tree).items() if name in model.model_fields}


def _tree(tree: Any) -> dict[str, Any]:
    return tree if isinstance(tree, dict) else {}


def _meaning(stage: str) -> str:
    return STAGES[Stage(stage)].meaning if stage in set(Stage) else ""
