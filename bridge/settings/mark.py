"""One hash of the configuration that is in force for a school."""

from __future__ import annotations

import hashlib
import json

from bridge.settings.effective import Settings, shown


def mark(settings: Settings, code: str) -> str:
    """SHA-256 of what is in force for a school, secrets masked and wherever its files lie: tells a change."""
    tree = shown(settings)
    mine = [{name: value for name, value in one.items() if name != "file"} for one in tree["schools"]]
    said = {"bridge": tree["bridge"], "school": [one for one in mine if one["school"] == code]}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
