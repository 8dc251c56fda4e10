"""Why a link is as it is: where it was found, how it was correlated, what becomes of every field. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.core.fate import Fate, fate
from bridge.core.kinds import Authority, Kind, Where, equal
from bridge.core.merge import merge
from bridge.core.model import Hold, Link, Operation, Side, Value
from bridge.core.plan import Anchored, references_of
from bridge.core.reconcile import reconcile
from bridge.engine.bridged import Bridged


@dataclass(frozen=True, slots=True)
class FieldStory:
    """One field: what each side has, what was agreed, whose value counts and what follows."""

    name: str
    school: Value
    cloud: Value
    agreed: Value
    owner: str
    outcome: str


@dataclass(slots=True)
class Story:
    """Everything there is to say about one link."""

    link: Link
    fate: Fate
    fields: list[FieldStory] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    again: str = ""


async def explain(bridged: Bridged, link_id: str) -> Story:
    """Tell a link's story from the state as last observed; KeyError when there is no such link."""
    found = await bridged.remember(bridged.store.links, [link_id])
    if not found:
        raise KeyError(link_id)
    link = found[0]
    kind = bridged.kinds[link.kind]
    ends = [end.record.fields for end in (link.school, link.cloud) if end.record]
    referred = frozenset[str]().union(*(references_of(kind, fields) for fields in ends))
    anchors = await bridged.remember(bridged.store.anchors, referred)

    def anchored(one: str, side: Side) -> bool:
        return anchors.get(one, (None, None))[0 if side is Side.SCHOOL else 1] is not None

    reconciled = reconcile(
        found,
        kinds=bridged.kinds,
        policy=bridged.policy,
        now=bridged.clock(),
        anchored=anchored,
    )
    again = reconciled.again.get(link_id)
    return Story(
        link=link,
        fate=fate(link, kind, bridged.policy),
        fields=_fields(bridged, link, kind, anchored),
        operations=reconciled.operations,
        holds=reconciled.holds,
        again=again.isoformat() if again else "",
    )


def _fields(bridged: Bridged, link: Link, kind: Kind, anchored: Anchored) -> list[FieldStory]:
    school = link.school.record.fields if link.school.record else {}
    cloud = link.cloud.record.fields if link.cloud.record else {}
    both = link.school.record is not None and link.cloud.record is not None
    merged = merge(link, kind, bridged.policy, anchored) if both else None
    stories = []
    for column in kind.fields:
        s, c = school.get(column.name), cloud.get(column.name)
        owner = bridged.policy.owner(kind, column)
        if column.where is not Where.BOTH:
            outcome = f"exists only at the {column.where}" if column.where is Where.SCHOOL else "kept by the cloud"
            if column.assigned_from:
                outcome = f"assigned once from {column.assigned_from}"
        elif column.once:
            outcome = "written at creation, not compared"
        elif merged is None:
            outcome = "one side only"
        elif all(
            equal(column, merged.wanted[side].get(column.name), value) for side, value in zip(Side, (s, c), strict=True)
        ):
            outcome = "as wanted"
        else:
            clash = any(conflict.field == column.name for conflict in merged.conflicts)
            target = Side.SCHOOL if owner is Authority.CLOUD else Side.CLOUD
            outcome = "conflict" if clash else f"{target} gets the other's value"
        agreed = (link.agreed or {}).get(column.name)
        stories.append(FieldStory(column.name, s, c, agreed, owner.value, outcome))
    return stories
