"""Who plays what in the fleet demo, and the plan of waves that follows from it; pure.

| who | what happens there | what the hub has to show |
|---|---|---|
| pilot | gates are attested, cut over by the wave | soaking; the wave is through |
| failing | nobody attests that people are informed | its order is refused; the next wave stops by itself |
| unplugged | its line is cut | silent; kept back when the wave stops; then all it has to tell, in order |
| killed | its daemon is killed, and started again | silent, then heard again |
| clock | its clock is 25 minutes behind | said so |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.lab.city import Building

#: Fewer schools have no room for a pilot, one that fails and one that is unplugged.
FEWEST = 3


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what, by the codes of schools; empty: nobody, the city is too small."""

    pilot: tuple[str, ...]
    failing: str
    unplugged: str
    good: str
    killed: str
    clock: str

    @classmethod
    def of(cls, city: Sequence[Building]) -> Cast:
        """Three pilots where the city is large."""
        codes = [one.code for one in city]
        pilots = 3 if len(codes) >= 10 else 1
        rest = [*codes[pilots:], "", "", ""]
        return cls(tuple(codes[:pilots]), *rest[:5])

    @property
    def second(self) -> tuple[str, ...]:
        """The wave after the pilot."""
        return tuple(filter(None, (self.failing, self.unplugged, self.good)))

    @property
    def troubled(self) -> tuple[str, ...]:
        """Who is not green in the middle of it all."""
        return tuple(filter(None, (self.unplugged, self.killed, self.clock)))


def waves(city: Sequence[Building]) -> list[dict[str, Any]]:
    """The plan of waves, as it stands in hub.yaml."""
    cast = Cast.of(city)
    office = "Schulamt, Abteilung IT"
    plan: list[dict[str, Any]] = [
        {"name": "Pilot", "schools": list(cast.pilot), "owner": office, "pause": "0s", "needs": ["Rat informiert"]},
        {"name": "Mitte", "schools": list(cast.second), "owner": office, "stop_after": 1},
    ]
    if len(city) > len(cast.pilot) + len(cast.second):
        plan.append({"name": "Alle anderen", "schools": "rest", "owner": office})
    return plan
