"""The board in the order in which it is read: filtered, counted, in groups. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from bridge.api.models import Colour, SchoolRow
from bridge.core.cutover import Stage

COLOURS: tuple[Colour, ...] = ("red", "amber", "green")
STAGES = tuple(stage.value for stage in Stage)
#: Stages after which a school is over: they count as cut over on the board.
OVER = frozenset(
    {Stage.SOAKING.value, Stage.PAUSED_SOAKING.value, Stage.CLOUD.value, Stage.PAUSED_CLOUD.value, Stage.RETIRED.value}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which schools are to be shown; empty: all."""

    text: str = ""
    stage: str = ""
    wave: str = ""
    health: str = ""
    by: str = "wave"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """As an address says it; what makes no sense is left out."""
        by = "stage" if query.get("by") == "stage" else "wave"
        health = query.get("health", "")
        return cls(
            query.get("q", "").strip()[:100],
            query.get("stage", ""),
            query.get("wave", ""),
            health if health in COLOURS else "",
            by,
        )

    def fits(self, row: SchoolRow) -> bool:
        """Whether a school is among them."""
        text = self.text.casefold()
        return (
            (not text or text in row.code.casefold() or text in row.name.casefold())
            and (not self.stage or row.stage == self.stage)
            and (not self.wave or row.wave == self.wave)
            and (not self.health or row.health == self.health)
        )

    @property
    def any(self) -> bool:
        """Whether something is left out."""
        return bool(self.text or self.stage or self.wave or self.health)

    def query(self, **other: str) -> str:
        """The address of the same with something changed, or without it where that is chosen already."""
        values = {"q": self.text, "stage": self.stage, "wave": self.wave, "health": self.health, "by": self.by}
        for key, value in other.items():
            values[key] = "" if values[key] == value and key != "by" else value
        kept = {key: value for key, value in values.items() if value and (key, value) != ("by", "wave")}
        return "/?" + urlencode(kept) if kept else "/"


@dataclass(frozen=True, slots=True)
class Group:
    """Schools under one heading."""

    name: str
    rows: Sequence[SchoolRow]
    over: int
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Arranged:
    """The whole board. ``stages`` and ``health`` count all schools, not only those shown."""

    groups: Sequence[Group]
    stages: Sequence[tuple[str, int]]
    health: Mapping[str, int]
    waves: Sequence[str]
    shown: int
    total: int


def arrange(rows: Iterable[SchoolRow], wanted: Wanted) -> Arranged:
    """Worst first within each group; waves in their order, stages in that of a cutover."""
    every = list(rows)
    shown = sorted(filter(wanted.fits, every), key=lambda row: (COLOURS.index(row.health), row.code))
    waves = {row.wave: row.wave_order for row in every if row.wave}
    order: dict[str, tuple[int, int | str]]
    if wanted.by == "stage":
        order = {row.stage: (place(row.stage), row.stage) for row in shown}
        found = {name: [row for row in shown if row.stage == name] for name in sorted(order, key=order.__getitem__)}
    else:
        names = sorted({row.wave for row in shown}, key=lambda name: (not name, waves.get(name, 0), name))
        found = {name: [row for row in shown if row.wave == name] for name in names}
    stages = Counter(row.stage for row in every)
    return Arranged(
        groups=[_group(name, rows) for name, rows in found.items()],
        stages=sorted(stages.items(), key=lambda one: place(one[0])),
        health={colour: sum(row.health == colour for row in every) for colour in COLOURS},
        waves=sorted(waves, key=lambda name: (waves[name], name)),
        shown=len(shown),
        total=len(every),
    )


def place(stage: str) -> int:
    """Where a stage stands on the way; a paused one beside that which it pauses."""
    name = stage.removeprefix("paused-")
    return STAGES.index(name) * 2 + (name != stage) if name in STAGES else 99


def _group(name: str, rows: Sequence[SchoolRow]) -> Group:
    next_one = min((row.appointment for row in rows if row.appointment), default=None)
    return Group(name, rows, sum(row.stage in OVER for row in rows), next_one)
