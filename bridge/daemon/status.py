"""How a school is, out of its state and of what the daemon tells: for ``status`` and for the status API alike.

remembered  counts out of the state
verdict     the health: what the daemon tells, and what waits for a person
progress_of how far its files are, as the daemon told
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.core import recovery
from bridge.core.freeze import waiting
from bridge.daemon import turn
from bridge.daemon.health import Health, judge
from bridge.daemon.progress import Progress, read
from bridge.ports import Trouble
from bridge.settings import School, Settings
from bridge.settings.line import Calendar
from bridge.state import mastered
from bridge.state.books import Cycle
from bridge.state.database import Database
from bridge.state.doubts import doubts
from bridge.state.roots import WAITS, held_in_roots
from bridge.state.store import SchoolStore

#: More records than this, and more than this part of a side, are no delay of a replica.
_FEW_DOUBTS, _SHARE_OF_DOUBTS = 20, 0.05
#: Messages and links told of what is held; all of it is counted.
_MESSAGES, _LINKS = 20, 5


@dataclass(frozen=True, slots=True)
class Held:
    """What is held by one rule of one kind. ``links`` are the first of them."""

    rule: str
    kind: str
    count: int
    since: datetime
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the state knows of a school. ``deciding``: how much of ``held`` waits for a person, and since when.

    ``warnings``: (side, what it warns of). ``doubts``: by side, where it is more than a lagging replica explains.
    ``owed``: what a roll back made the directory's again and the cloud still has, and since when.
    """

    stage: str | None = None
    stage_since: datetime | None = None
    held: int = 0
    deciding: int = 0
    deciding_since: datetime | None = None
    groups: tuple[Held, ...] = ()
    messages: tuple[str, ...] = ()
    records: Mapping[str, int] = field(default_factory=dict)
    last: Cycle | None = None
    warnings: tuple[tuple[str, str], ...] = ()
    orphans: int = 0
    doubts: Mapping[str, int] = field(default_factory=dict)
    owed: int = 0
    owed_since: datetime | None = None

    @property
    def rules(self) -> dict[str, int]:
        """Rule -> how much it holds."""
        found: Counter[str] = Counter()
        for one in self.groups:
            found[one.rule] += one.count
        return dict(found)


def remembered(database: Database, store: SchoolStore) -> Remembered:
    """Read and count; writes nothing."""
    troubles = [*store.troubles(), *(one for _, one in held_in_roots(database, store.code))]
    # Who has given no consent is no trouble: that is how the school wants it. Nor is a file that is open.
    deciding = [one for one in troubles if one.rule != "consent" and not one.rule.startswith(WAITS)]
    last = store.cycles(limit=1)
    warned = turn.warnings_of(store)
    counts = store.counts()
    owed, owed_since = mastered.owed(database, store.code)
    return Remembered(
        stage=store.stage(),
        stage_since=store.stage_since(),
        held=len(troubles),
        deciding=len(deciding),
        deciding_since=min((one.since for one in deciding), default=None),
        groups=tuple(_grouped(troubles)),
        messages=tuple(sorted({one.message for one in troubles})[:_MESSAGES]),
        records={f"{side}:{kind}": number for (side, kind), number in sorted(counts.items())},
        last=last[0] if last else None,
        warnings=(
            *((side, text) for side in sorted(warned) for text in warned[side]),
            *(("school", text) for text in waiting(store.code, store.year_phase())),
            *(("school", text) for text in recovery.waiting(store.code, store.recovery(store.code))),
        ),
        orphans=len(store.orphans()),
        doubts=_doubts(database, store.code, counts),
        owed=owed,
        owed_since=owed_since,
    )


def _grouped(troubles: Sequence[Trouble]) -> Iterable[Held]:
    """By rule and kind, the most first."""
    groups: dict[tuple[str, str], list[Trouble]] = {}
    for one in troubles:
        groups.setdefault((one.rule, one.kind), []).append(one)
    for (rule, kind), some in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        links = tuple(one.link for one in some[:_LINKS])
        yield Held(rule, kind, len(some), min(one.since for one in some), links)


def _doubts(database: Database, code: str, counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Per side, where it is more than a lagging replica explains: all of a side may be gone without a green status."""
    found: dict[str, int] = {}
    for side, number in doubts(database, code).items():
        living = sum(count for (of, _), count in counts.items() if of == side)
        if number > max(_FEW_DOUBTS, living * _SHARE_OF_DOUBTS):
            found[side.value] = number
    return found


def verdict(
    found: Remembered, tree: Mapping[str, Any] | None, code: str, now: datetime, *, running: bool = True
) -> Health:
    """The health of a school. ``tree`` is what the daemon tells; ``running`` False: it is known to be dead."""
    return judge(
        tree,
        code,
        now,
        running=running,
        held=found.deciding,
        held_since=found.deciding_since,
        owed=found.owed,
        owed_since=found.owed_since,
        warnings=_texts(found),
    )


def _texts(found: Remembered) -> list[str]:
    """What a person should know although nothing is held up."""
    texts = [text for _, text in found.warnings]
    texts += [
        f"the {side} shows {number} records otherwise than the bridge wrote them minutes ago. Expected: a few, for "
        f"minutes. It is compared in full as soon as that can't be a delay any more; look what happened there"
        for side, number in found.doubts.items()
    ]
    if found.orphans:
        texts.append(
            f"{found.orphans} accounts in the cloud belong to nobody at the school; see: schoolbridge quarantine"
        )
    return texts


def calendar_of(settings: Settings) -> Calendar:
    """When how much of the line may be used."""
    bridge = settings.bridge
    return Calendar(tuple(bridge.bandwidth), ZoneInfo(bridge.time_zone))


def progress_of(
    settings: Settings, school: School, told: Mapping[str, Any], *, now: datetime
) -> tuple[Progress | None, dict[str, Progress]]:
    """The school's and each share's; None for a school without shares. ``told``: the school in the status file."""
    if not school.shares:
        return None, {}
    calendar, shown = calendar_of(settings), told.get("shares", {})
    shares = {one.name: read(shown.get(one.name, {}).get("progress"), now, calendar) for one in school.shares}
    everything = all(one.name in shown for one in school.shares)
    return read(told.get("progress"), now, calendar, complete=everything), shares
