"""The door through which a side tells of its devices: computers of the directory, devices that the cloud knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Device:
    """One device. ``sid``: its identifier at the school, where the side knows it; ``serial`` likewise."""

    name: str
    sid: str = ""
    serial: str = ""


class DevicesTold(Protocol):
    """What a connector of people offers besides, where it can tell."""

    async def devices(self) -> Sequence[Device]:
        """All that are in use. Raises Unreachable; Refused where the bridge may not know, with the right to grant."""
        ...
