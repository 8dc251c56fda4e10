"""What holds in the end as a plain tree, for people and for who compares; and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from bridge.core.policy import Threshold
from bridge.settings.effective import School, Settings, SideSettings
from bridge.settings.plain import plain
from bridge.settings.secrets import masked
from bridge.settings.waves import shown_spans
from bridge.settings.words import in_words

#: The steps of ``leavers``; a group has no first one.
_STEPS = ("disable", "retire", "purge")


def shown(settings: Settings) -> dict[str, Any]:
    """The effective configuration as a plain tree, secrets masked: what ``check --json`` prints."""
    bridge = settings.bridge.model_dump(mode="json", exclude={"defaults"})
    bridge["state"]["url"] = settings.state_url
    return {
        "bridge": masked(bridge),
        "schools": [{"file": str(one.file), **effective(one)} for one in settings.schools],
    }


def effective(one: School) -> dict[str, Any]:
    """What holds for a school as a plain tree, secrets masked."""
    return dict(masked(_whole(one)))


def _whole(one: School) -> dict[str, Any]:
    """Of secrets it has references only, as the school's file has."""
    tree: dict[str, Any] = {
        "school": one.code,
        "name": one.name,
        "initial_stage": one.initial_stage.value,
        "language": one.language,
    }
    for side, settings in one.sides.items():
        tree[f"{side.value}_side"] = _shown_side(settings)
    tree["shares"] = [
        {
            "name": share.name,
            "for": share.owner,
            "roles": list(share.roles),
            "named": list(share.named),
            "make": share.make,
            "freeze": share.freeze,
            **({"samba_share": share.samba_share} if share.samba_share else {}),
            "permissions": share.permissions,
            **{side.value: _shown_side(settings) for side, settings in share.sides.items()},
        }
        for share in one.shares
    ]
    tree["attributes"] = {
        kind: {name: attribute.model_dump(mode="json", by_alias=True) for name, attribute in named.items()}
        for kind, named in one.attributes.items()
        if named
    }
    tree["authority"] = {f"{kind}.{name}": owner for (kind, name), owner in one.owners.items()}
    tree["drift"] = {f"{kind}.{name}": "hold" for kind, name in sorted(one.holding)}
    tree["naming"] = one.naming.model_dump(mode="json")
    tree["guard"] = {
        "window": in_words(one.window),
        "pause": in_words(one.pause),
        "thresholds": [
            {"side": key[0], "kind": key[1], "role": key[2], "tally": key[3].value, "limit": _limit(threshold)}
            for key, threshold in one.thresholds.items()
        ],
    }
    tree["leavers"] = {
        f"{kind}.{role}": dict(zip(_STEPS[-len(steps) :], map(in_words, steps), strict=True))
        for (kind, role), steps in one.periods.items()
    }
    times = one.timetable
    tree["schedule"] = {
        "school_poll": in_words(times.school_poll),
        "cloud_poll": in_words(times.cloud_poll),
        "full_compare": f"{times.full_compare:%H:%M}",
        "jitter": in_words(times.jitter),
    }
    tree["blackouts"] = shown_spans(one.calendar.spans)
    tree["cutover"] = {
        name: in_words(value) if isinstance(value, timedelta) else value for name, value in asdict(one.cutover).items()
    }
    return tree


def digest(one: School) -> str:
    """SHA-256 (hexadecimal) of what holds for a school, defaults of ``bridge.yaml`` included; its place is not."""
    return hashlib.sha256(json.dumps(_whole(one), sort_keys=True, default=str).encode()).hexdigest()


def _shown_side(settings: SideSettings) -> dict[str, Any]:
    return {"connector": settings.connector, **plain(settings.options)}


def _limit(threshold: Threshold) -> dict[str, float | None] | str:
    if threshold.count is None and threshold.percent is None:
        return "unlimited"
    return {"count": threshold.count, "percent": threshold.percent}
