"""A connector's options as a plain tree that is the same in every process: sets have no order of their own."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def plain(options: BaseModel) -> dict[str, Any]:
    """The options as JSON would have them, by their names in YAML, sets sorted."""
    tree: dict[str, Any] = _sorted(options.model_dump(mode="json", by_alias=True), options.model_dump(by_alias=True))
    return tree


def _sorted(shown: Any, real: Any) -> Any:
    if isinstance(real, set | frozenset):
        return sorted(shown, key=repr)
    if isinstance(shown, dict) and isinstance(real, dict):
        return {name: _sorted(value, one) for (name, value), one in zip(shown.items(), real.values(), strict=True)}
    if isinstance(shown, list) and isinstance(real, list | tuple):
        return [_sorted(value, one) for value, one in zip(shown, real, strict=True)]
    return shown
