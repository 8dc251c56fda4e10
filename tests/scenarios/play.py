"""Plays a scenario: given → sync → when → sync → then → sync again and expect nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from ruamel.yaml import YAML

from bridge.core.model import Side
from tests.machines.rig import Ends

Step = Mapping[str, Any]
Where = TypeVar("Where")


def scenarios(name: str) -> list[dict[str, Any]]:
    """The scenarios of a file."""
    return list(YAML(typ="safe").load(Path(__file__).with_name(name)))


def mirrored(step: Step) -> Step:
    """The same step with the sides exchanged."""
    swap = {"school": "cloud", "cloud": "school"}
    return {" ".join(swap.get(word, word) for word in key.split()): value for key, value in step.items()}


class Player(Generic[Where]):
    """A bridge and the words of a scenario. ``do_<verb>`` gets where it is done, the object's name and the value."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends

    def at(self, side: Side) -> Where:
        """Where people at one end work."""
        raise NotImplementedError

    def writes(self) -> object:
        """Equal before and after: nothing was written at either end."""
        raise NotImplementedError

    def see(self, side: Side, name: str, expected: Any) -> None:
        """Check an object at one end."""
        raise NotImplementedError

    async def play(self, scenario: Mapping[str, Any], *, mirror: bool = False) -> None:
        parts = {
            part: [mirrored(one) if mirror else one for one in scenario.get(part) or []]
            for part in ("given", "when", "then")
        }
        await self.do(parts["given"])
        await self.sync()
        self.mirrored()
        if parts["when"]:
            await self.do(parts["when"])
            await self.sync()
        await self.do(parts["then"])
        before = self.writes()
        await self.sync()
        assert self.writes() == before, "a second run wrote something"
        assert self.ends.store.verify().ok

    def mirrored(self) -> None:
        """What was given has been mirrored."""

    async def sync(self) -> None:
        """Cycles until quiet; an unreachable side is tried again, as the daemon does."""
        for _ in range(12):
            report = await self.ends.cycle()
            if not report.error and not (report.executed or report.noted):
                return
            self.ends.pass_(seconds=1)
        raise AssertionError(f"not quiet: {report.counts()} {report.error} {report.messages}")

    async def do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            key, value = next(iter(step.items()))
            words = key.split()
            if words[0] in {"school", "cloud"} and hasattr(self, f"do_{words[1]}"):
                getattr(self, f"do_{words[1]}")(self.at(Side(words[0])), " ".join(words[2:]), value)
            elif words[0] in {"school", "cloud"}:
                self.see(Side(words[0]), words[1], value)
            elif words[0] == "cycle":
                await self.ends.cycle()
                self.ends.pass_(hours=1)
            elif words[0] in {"wait", "sync"}:
                self.ends.pass_(days=value or 0)
                await self.sync()
            else:
                getattr(self, f"then_{words[0]}")(" ".join(words[1:]), value)
