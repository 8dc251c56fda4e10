"""What the next cycle would do to people and groups, by the state alone: nothing is asked of either side.

A file's content has to be read before it can be compared, so that files are left to ``schoolbridge plan``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api import models
from bridge.core.model import Hold, Operation
from bridge.daemon import wiring
from bridge.engine.derive import derive
from bridge.settings import School
from bridge.state.store import SchoolStore

#: Links looked at in one step.
_BATCH = 200


async def planned(school: School, store: SchoolStore, *, names: bool, limit: int) -> Sequence[models.OperationView]:
    """The first operations of the plan, those that a rule of the stage or of a field holds among them."""
    bridged = wiring.offline(school, store)
    released = await bridged.remember(store.released)
    now = bridged.clock()
    views: list[models.OperationView] = []
    after: tuple[int, str] | None = None
    while len(views) < limit:
        links = await bridged.remember(store.due, now, after, _BATCH)
        if not links:
            break
        after = (bridged.kinds[links[-1].kind].rank, links[-1].id)
        people = [one for one in links if not bridged.kinds[one.kind].parent]
        found = await derive(bridged, people, now=now, released=released)
        views += [_view(one, names=names) for one in found.operations if one.action.writes]
        views += [_held(one, names=names) for one in found.holds]
    return views[:limit]


def _view(one: Operation, *, names: bool) -> models.OperationView:
    shown = {}
    if names:
        fields = sorted({*one.before, *one.after})
        shown = {name: f"{_text(one.before.get(name))} → {_text(one.after.get(name))}" for name in fields}
    return models.OperationView(
        link=one.link, kind=one.kind, side=one.side.value, action=one.action.value, role=one.role, names=shown
    )


def _held(one: Hold, *, names: bool) -> models.OperationView:
    view = _view(one.operation, names=names)
    return view.model_copy(update={"rule": one.rule})


def _text(value: object) -> str:
    if isinstance(value, frozenset):
        return f"{len(value)} entries"
    return "" if value is None else str(value)
