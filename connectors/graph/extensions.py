"""Properties of users, of which the extension attributes lie in an object of their own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.graph.options import EXTENSIONS

EXTENSION = "onPremisesExtensionAttributes"


def put(properties: dict[str, Any], target: str, value: Any) -> None:
    """Set a property of a body, an extension attribute inside its own object."""
    if target in EXTENSIONS:
        properties.setdefault(EXTENSION, {})[target] = value
    else:
        properties[target] = value


def get(entity: Mapping[str, Any], target: str) -> Any:
    """A property of an answer; None where it is not there."""
    if target in EXTENSIONS:
        return (entity.get(EXTENSION) or {}).get(target)
    return entity.get(target)
