"""``verify``: both sides of a school's shares listed anew and compared by content, without believing the state.

1. both sides are listed in full, by connectors of their own with an index of their own, into a scratch database
2. ends are coupled by the state's links, what is left by its place
3. names, places and sizes of all are compared, contents of all or of tonight's sample: the school's bytes are read and
   hashed, the cloud's hash is the one that it shows (``download``: its bytes are read too)

Nothing is written to either side. What changes meanwhile is told as such, or looks like a difference: run it at night.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from bridge.core.model import Digest, Side
from bridge.daemon import whereabouts, wiring
from bridge.daemon.roots import Root
from bridge.daemon.scratch import scratch
from bridge.daemon.seen import Couple, End, Seen, same
from bridge.daemon.shares import Ground
from bridge.ports import QUICKXOR, Connector, Contents, Context, Page, Unreachable, chunks
from bridge.settings.effective import SideSettings
from bridge.state.linked import links, meant, rules

#: Differences of a root that the report names; all of them are counted.
NAMED = 1000
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """Which files' contents are compared: all, or those of one night of so many that together cover all."""

    nights: int
    night: int
    key: bytes

    @classmethod
    def of(cls, percent: float, today: date, key: bytes) -> Sample:
        """``percent`` of the files a night: after 100 / percent nights in a row everything was compared once."""
        nights = max(1, math.ceil(100 / percent))
        return cls(nights, today.toordinal() % nights, key)

    def takes(self, handle: str) -> bool:
        """Whether a file's turn is tonight."""
        number = hashlib.blake2b(handle.encode(errors="backslashreplace"), digest_size=8, key=self.key).digest()
        return int.from_bytes(number, "big") % self.nights == self.night


@dataclass(slots=True)
class Found:
    """What came of one root. ``counts`` by outcome, ``differences`` the first of them, by ids."""

    root: Root
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[dict[str, Any]] = field(default_factory=list)
    compared: int = 0

    def differ(self, what: str, couple: Couple, *, rule: str, paths: Mapping[str, str], **more: object) -> None:
        """Note a difference; ``rule`` says by what it is held."""
        self.counts["different"] += 1
        self.counts[f"different:{what}"] += 1
        self.counts["held"] += bool(rule)
        if len(self.differences) < NAMED:
            ends = {side.value: _end(end) for side, end in ((Side.SCHOOL, couple.school), (Side.CLOUD, couple.cloud))}
            told = {"what": what, "kind": couple.kind, "link": couple.link or None, "held": rule or None, **ends}
            self.differences.append({**told, **more, **({"paths": dict(paths)} if paths else {})})


@dataclass(frozen=True, slots=True)
class Task:
    """How roots are compared. ``names``: paths stand in the report, not only ids."""

    ground: Ground
    sample: Sample
    download: bool = False
    names: bool = False
    progress: Callable[[int], None] = lambda number: None


async def compare(task: Task, root: Root) -> Found:
    """Compare one root. Raises Unreachable, Refused, ConfigurationError; Waiting where there is no folder yet."""
    found = Found(root)
    place = task.ground.settings.indexes.parent
    with scratch(place, "verify") as own:
        async with _sides(task.ground, root, own) as sides:
            seen = Seen(own / "seen.db")
            try:
                for side in Side:
                    # How to find a folder that was renamed, nothing else.
                    recall = task.ground.store(root.code).recall(side)
                    await _listed(seen, side, root, sides[side].observe(None, recall=recall))
                seen.pair(links(task.ground.database, root.code))
                for some in chunks(seen.couples(), _BATCH):
                    await _Batch(task, found, seen, sides).compare(some)
                    task.progress(len(some))
            finally:
                seen.close()
    return found


@asynccontextmanager
async def _sides(ground: Ground, root: Root, own: Path) -> AsyncIterator[Mapping[Side, Connector]]:
    async with AsyncExitStack() as stack:
        sides: dict[Side, Connector] = {}
        for side in Side:
            directory = own / side.value
            directory.mkdir(mode=0o700)
            context = replace(wiring.context(ground.settings, ground.school), directory=directory)

            async def connect(one: SideSettings, context: Context = context) -> Connector:
                return await ground.catalog.connect(one.connector, one.options, context)

            if side is Side.SCHOOL:
                sides[side] = (await whereabouts.find(ground, root, connect)).connector
            else:
                sides[side] = await connect(root.sides[side])
            stack.push_async_callback(sides[side].close)
        yield sides


async def _listed(seen: Seen, side: Side, root: Root, pages: AsyncIterator[Page]) -> None:
    complete = False
    async for page in pages:
        seen.add(side, page)
        complete = page.complete
        warnings = "; ".join(page.warnings)
    if not complete:
        raise Unreachable(f"{root.code}: the {side} can't be read to its end: {warnings or 'see its status'}")


class _Batch:
    """Some couples of one root."""

    def __init__(self, task: Task, found: Found, seen: Seen, sides: Mapping[Side, Connector]) -> None:
        self._task, self._found, self._seen = task, found, seen
        self._contents: Mapping[Side, Contents | None] = {
            side: one.capabilities.contents for side, one in sides.items()
        }
        self._rules: Mapping[str, str] = {}

    async def compare(self, couples: list[Couple]) -> None:
        """Count them, and note what differs."""
        database, code = self._task.ground.database, self._found.root.code
        self._rules = rules(database, code, [one.link for one in couples if one.link])
        alike = [one for one in couples if self._same_place(one) and one.kind == "file"]
        mine = [one for one in alike if one.school and self._task.sample.takes(one.school.anchor)]
        self._found.counts["left_for_other_nights"] += len(alike) - len(mine)
        hashes = {side: await self._hashes(side, mine) for side in Side}
        agreed = {
            side: meant(database, code, side, {end.anchor: end.content for end in _ends(side, mine) if end.content})
            for side in Side
        }
        for one in mine:
            self._judge(one, hashes, agreed)

    def _same_place(self, one: Couple) -> bool:
        """Whether both sides show it, at the same place; notes it where they don't."""
        counts = self._found.counts
        for side, end in ((Side.SCHOOL, one.school), (Side.CLOUD, one.cloud)):
            counts[f"{side}:{one.kind}"] += end is not None
        if one.school is None or one.cloud is None:
            if self._seen.untold(one):
                counts["unread"] += 1
            else:
                self._differ(f"missing in the {Side.SCHOOL if one.school is None else Side.CLOUD}", one)
            return False
        if same(one.school.name) != same(one.cloud.name):
            self._differ("name", one)
        elif not self._seen.together(one.school.parent, one.cloud.parent):
            self._differ("place", one)
        elif one.kind != "file":
            counts["equal"] += 1
        else:
            return True
        return False

    async def _hashes(self, side: Side, couples: list[Couple]) -> Mapping[str, Digest]:
        """Anchor -> hash of the bytes: read, or as the side shows it."""
        ends = _ends(side, couples)
        read = [end for end in ends if side is Side.SCHOOL or self._task.download or not _told(end)]
        contents = self._contents[side]
        found = {end.anchor: end.content for end in ends if end not in read and end.content is not None}
        if contents is None:
            return {end.anchor: end.content for end in ends if end.content is not None and _told(end)}
        async for anchor, digest in contents.digests([(end.anchor, end.version) for end in read]):
            found[anchor] = digest
            self._found.counts[f"bytes_read:{side}"] += digest.size
        return found

    def _judge(
        self, one: Couple, hashes: Mapping[Side, Mapping[str, Digest]], agreed: Mapping[Side, Mapping[str, Digest]]
    ) -> None:
        school, cloud = one.school, one.cloud
        if school is None or cloud is None:
            return
        here, there = hashes[Side.SCHOOL].get(school.anchor), hashes[Side.CLOUD].get(cloud.anchor)
        if here is None or there is None:
            # Open, being written, or changed since it was listed: nothing can be said of it tonight.
            self._found.counts["unread"] += school.content is not None or cloud.content is not None
            self._found.counts["equal"] += school.content is None and cloud.content is None
            return
        self._found.compared += 1
        if _told(cloud) and cloud.content not in (None, there):
            self._differ("bytes are not those of the hash", one, read=_digest(there))
        elif here == there:
            self._found.counts["equal"] += 1
        elif self._rewritten(one, here, there, agreed):
            self._found.counts["equal"] += 1
            self._found.counts["rewritten"] += 1
        else:
            self._differ("content", one, hashes={"school": _digest(here), "cloud": _digest(there)})

    @staticmethod
    def _rewritten(one: Couple, here: Digest, there: Digest, agreed: Mapping[Side, Mapping[str, Digest]]) -> bool:
        """Whether a side shows other bytes for those that were agreed on, as SharePoint does after an upload.

        Only a hash that the side shows can mean other bytes; a version means nothing here: the bytes were read.
        """
        if one.cloud and _told(one.cloud) and agreed[Side.CLOUD].get(one.cloud.anchor) == here:
            return True
        return bool(one.school and _told(one.school) and agreed[Side.SCHOOL].get(one.school.anchor) == there)

    def _differ(self, what: str, one: Couple, **more: object) -> None:
        paths = {}
        if self._task.names:
            for side, end in ((Side.SCHOOL, one.school), (Side.CLOUD, one.cloud)):
                if end is not None:
                    paths[side.value] = self._seen.path(side, end)
        self._found.differ(what, one, rule=self._rules.get(one.link, ""), paths=paths, **more)


def _ends(side: Side, couples: list[Couple]) -> list[End]:
    ends = (one.school if side is Side.SCHOOL else one.cloud for one in couples)
    return [end for end in ends if end is not None]


def _told(end: End) -> bool:
    """Whether the side itself shows the hash of the bytes."""
    return end.content is not None and end.content.algorithm == QUICKXOR


def _digest(digest: Digest) -> str:
    return f"{digest.algorithm}:{digest.value}:{digest.size}"


def _end(end: End | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {"anchor": end.anchor, "shown": _digest(end.content) if end.content else None}
