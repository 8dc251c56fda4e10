"""Which configuration of a school is in force, by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bridge.settings import Settings, shown


def configurations(settings: Settings) -> dict[str, dict[str, Any]]:
    """Code -> body of a message ``configuration``, but for what is wrong with a newer one."""
    hub = settings.bridge.hub
    source = hub.configuration if hub is not None else "site"
    return {
        one["school"]: {"digest": _digest(one), "source": source, "version": 0, "problem": ""}
        for one in shown(settings)["schools"]
    }


def _digest(one: Mapping[str, Any]) -> str:
    """Of what holds in the end, wherever it was written."""
    tree = {name: value for name, value in one.items() if name != "file"}
    return hashlib.sha256(json.dumps(tree, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
