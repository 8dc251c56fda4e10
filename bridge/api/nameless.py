"""What the daemon tells of a school, without what may name somebody: the path of a home, an owner's link.

Texts that concern the school as a whole stay: by the bridge's own rule they hold ids, never names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = "see the log or schoolbridge shares"


def nameless(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A copy of the status tree for eyes that may not see names."""
    if told is None:
        return None
    return {**told, "schools": {code: _school(row) for code, row in told.get("schools", {}).items()}}


def _school(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "shares": {name: _share(share) for name, share in row.get("shares", {}).items()}}


def _share(share: Mapping[str, Any]) -> dict[str, Any]:
    errors = {str(place): {**one, "error": _TEXT} for place, one in enumerate(share.get("errors", {}).values())}
    kept = {name: value for name, value in share.items() if name not in {"away", "doing"}}
    return {**kept, "errors": errors, "places": _counted(share, "places"), "reasons": _counted(share, "reasons")}


def _counted(share: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(place): _TEXT for place, _ in enumerate(share.get(name, {}))}
