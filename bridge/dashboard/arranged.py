"""The board in the order in which it is read: filtered, counted, in groups. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from bridge.api.models import Colour, SchoolRow
from bridge.core.cutover import Stage

COLOURS: tuple[Colour, ...] = ("red", "amber", "green")
_WORST = {colour: place for place, colour in enumerate(COLOURS)}
STAGES = tuple(stage.value for stage in Stage)
#: In place of a colour: those of whose site nothing is heard.
SILENT = "silent"
#: Schools on one page of the board.
MOST = 100
_USUAL = {("by", "wave"), ("page", "1")}
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
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """As an address says it; what makes no sense is left out."""
        by = "stage" if query.get("by") == "stage" else "wave"
        health = query.get("health", "")
        return cls(
            query.get("q", "").strip()[:100],
            query.get("stage", ""),
            query.get("wave", ""),
            health if health in (*COLOURS, SILENT) else "",
            by,
            int(page) if (page := query.get("page", "")).isascii() and page.isdigit() and 0 < len(page) < 5 else 1,
        )

    def fits(self, row: SchoolRow) -> bool:
        """Whether a school is among them."""
        text = self.text.casefold()
        return (
            (not text or text in row.code.casefold() or text in row.name.casefold() or text == row.site.casefold())
            and (not self.stage or (row.stage == self.stage and row.told))
            and (not self.wave or row.wave == self.wave)
            and (not self.health or (row.silent if self.health == SILENT else row.health == self.health))
        )

    @property
    def any(self) -> bool:
        """Whether something is left out."""
        return bool(self.text or self.stage or self.wave or self.health)

    def query(self, **other: str) -> str:
        """The address of the same with something changed, or without it where that is chosen already; its first page,
        unless one is named."""
        values = {"q": self.text, "stage": self.stage, "wave": self.wave, "health": self.health, "by": self.by}
        for key, value in other.items():
            values[key] = "" if values.get(key) == value and key != "by" else value
        kept = {key: value for key, value in values.items() if value and (key, value) not in _USUAL}
        return "/?" + urlencode(kept) if kept else "/"


@dataclass(frozen=True, slots=True)
class Group:
    """Schools under one heading; those of this page are ``rows``, ``total`` and ``over`` count all of them."""

    name: str
    rows: Sequence[SchoolRow]
    total: int
    over: int
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Arranged:
    """The board. ``stages`` and ``health`` count all schools, not only those shown; ``silent``: those of silent sites.

    ``shown``: how many fit what is wanted; ``page`` of ``pages`` is what ``groups`` hold.
    """

    groups: Sequence[Group]
    stages: Sequence[tuple[str, int]]
    health: Mapping[str, int]
    waves: Sequence[str]
    shown: int
    total: int
    silent: int
    page: int
    pages: int


class Key(NamedTuple):
    """What a school is sorted and counted by. The first three say where it stands."""

    rank: int
    heard: bool
    code: str
    stage: str
    told: bool
    wave: str
    order: int
    appointment: datetime | None

    @classmethod
    def of(cls, row: SchoolRow) -> Key:
        """Of one row."""
        return cls(
            _WORST[row.health], not row.silent, row.code, row.stage, row.told, row.wave, row.wave_order, row.appointment
        )  # fmt: skip


class Keys:
    """The keys of the board that was arranged last: asked are only rows that are others than then.

    Ten thousand rows lie all over the memory, and to fetch each of them takes longer than all else.
    """

    def __init__(self) -> None:
        self._rows: Sequence[SchoolRow] = ()
        self._keys: Sequence[Key] = ()

    def of(self, rows: Sequence[SchoolRow]) -> Sequence[Key]:
        """In the order of the rows."""
        if len(rows) == len(self._rows):
            three = zip(rows, self._rows, self._keys, strict=True)
            keys = [key if row is before else Key.of(row) for row, before, key in three]
        else:
            keys = [*map(Key.of, rows)]
        self._rows, self._keys = rows, keys
        return keys


@dataclass(slots=True)
class _Found:
    """One group while the schools are gone through: of each where it stands, and its place among the rows."""

    places: list[tuple[int, bool, str, int]] = field(default_factory=list)
    over: int = 0
    next: datetime | None = None


def arrange(
    rows: Sequence[SchoolRow], wanted: Wanted, most: int = MOST, *, keys: Sequence[Key] | None = None
) -> Arranged:
    """In groups: waves in their order, stages in that of a cutover. Worst first within each; of equally bad ones those
    first of whose site nothing is heard, because nobody knows how they are. So many on one page. ``keys``: of the rows.
    """
    keys = [*map(Key.of, rows)] if keys is None else keys
    found, waves, stages = dict[str, _Found](), dict[str, int](), dict[str, int]()
    ranks, silent, by_stage, some = [0, 0, 0], 0, wanted.by == "stage", wanted.any
    for number, (rank, heard, code, stage, told, wave, order, appointment) in enumerate(keys):
        ranks[rank] += 1
        silent += not heard
        if told:
            stages[stage] = stages.get(stage, 0) + 1
        if wave:
            waves[wave] = order
        if some and not wanted.fits(rows[number]):
            continue
        name = stage if by_stage else wave
        group = found.get(name) or found.setdefault(name, _Found())
        group.places.append((rank, heard, code, number))
        group.over += stage in OVER
        if appointment and (group.next is None or appointment < group.next):
            group.next = appointment
    names = sorted(found, key=lambda name: (place(name), 0, name) if by_stage else (not name, waves.get(name, 0), name))
    shown = sum(len(group.places) for group in found.values())
    pages = max(1, -(-shown // most))
    page = min(wanted.page, pages)
    return Arranged(
        groups=list(_groups(rows, [(name, found[name]) for name in names], (page - 1) * most, page * most)),
        stages=sorted(stages.items(), key=lambda one: place(one[0])),
        health=dict(zip(COLOURS, ranks, strict=True)),
        waves=sorted(waves, key=lambda name: (waves[name], name)),
        shown=shown,
        total=len(keys),
        silent=silent,
        page=page,
        pages=pages,
    )


def _groups(rows: Sequence[SchoolRow], found: Iterable[tuple[str, _Found]], first: int, last: int) -> Iterator[Group]:
    """Those that have a part between two places of the whole."""
    at = 0
    for name, group in found:
        begin, end, total = max(0, first - at), last - at, len(group.places)
        at += total
        if begin < total and end > 0:
            some = heapq.nsmallest(end, group.places)[begin:]
            yield Group(name, [rows[number] for *_, number in some], total, group.over, group.next)


def place(stage: str) -> int:
    """Where a stage stands on the way; a paused one beside that which it pauses."""
    name = stage.removeprefix("paused-")
    return STAGES.index(name) * 2 + (name != stage) if name in STAGES else 99
