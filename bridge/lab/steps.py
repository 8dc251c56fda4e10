"""How a part of the demo takes a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class TakeStep(Protocol):
    """``Demo.step``: wait until the probe gives what is expected."""

    def __call__(self, name: str, expected: Any, probe: Callable[[], Any], *, timeout: float = 20.0) -> None: ...
