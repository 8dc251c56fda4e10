"""When somebody is told of a trouble, reminded of it, and told that it is over. Pure; one target at a time.

``step`` puts what is wrong now beside what is remembered:

| remembered | wrong now | what becomes of it |
|---|---|---|
| nothing | yes | remembered |
| something | no, or never told and not bad enough any more | calm since now |
| calm | yes | goes on as if it had never stopped, one return more |
| calm for long enough, never told | no | forgotten |
| its end was told, long ago | no | forgotten |
| its end was told | yes | a new trouble, one return more |

``letters`` says what is due. A trouble is told once it lasted ``after``; again when it gets worse; then in growing
gaps. Its end is told when it was calm for ``after``, doubled with each return up to four hours: what comes and goes all
the time is one trouble. Three schools with the same trouble are one letter, and so is what comes to it later; it is
over for all of them with the last one.

A letter counts as tried before it is sent and as told afterwards. What was only tried may have arrived: so its end
is told, too, and by one that tells the beginning with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

#: So many schools with one trouble are told in one letter.
STORM = 3
#: An end that was told is remembered for so long, to notice what comes and goes.
MEMORY = timedelta(days=1)
_LONGEST_CALM = timedelta(hours=4)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Severity(StrEnum):
    """How bad something is."""

    NOTICE = "notice"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparing."""
        return list(Severity).index(self)


#: Gaps between one message and the next while a trouble lasts; the last one is repeated.
GAPS: Mapping[Severity, tuple[timedelta, ...]] = {
    Severity.NOTICE: (7 * _DAY,),
    Severity.WARNING: (_DAY, 3 * _DAY, 7 * _DAY),
    Severity.CRITICAL: (_HOUR, 4 * _HOUR, 12 * _HOUR, _DAY),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that is wrong now. ``kind`` and ``subject`` are words of the bridge or its configuration."""

    school: str
    kind: str
    severity: Severity
    since: datetime
    subject: str = ""
    count: int = 0

    @property
    def name(self) -> tuple[str, str, str]:
        """What it is remembered by."""
        return self.school, self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Notice:
    """A trouble as it is remembered for one target.

    ``seen``: since when it was noticed, from which it has to last; ``said``: the severity that was told; ``calm``:
    since when it is gone; ``ended``: when its end was told; ``thread``: the key of its letters.
    """

    concern: Concern
    seen: datetime
    tried: datetime | None = None
    told: datetime | None = None
    times: int = 0
    said: Severity | None = None
    calm: datetime | None = None
    ended: datetime | None = None
    returns: int = 0
    thread: str = ""

    def patience(self, after: timedelta) -> timedelta:
        """How long it has to be calm before its end is told."""
        doubled: timedelta = after * (1 << min(self.returns, 20))
        return max(after, min(doubled, _LONGEST_CALM))


class What(StrEnum):
    """What a letter says."""

    BEGUN = "begun"
    WORSE = "worse"
    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: of one trouble, or of the same one at several schools. ``left``: others that it goes on at."""

    what: What
    thread: str
    notices: tuple[Notice, ...]
    left: int = 0

    @property
    def severity(self) -> Severity:
        """That of its worst trouble."""
        found = (max(one.concern.severity, one.said or one.concern.severity, key=_rank) for one in self.notices)
        return max(found, key=_rank)


def step(
    known: Iterable[Notice], concerns: Iterable[Concern], *, least: Severity, after: timedelta, now: datetime
) -> list[Notice]:
    """What is remembered now; what is not in it any more is forgotten."""
    wrong = {one.name: one for one in concerns}
    found: list[Notice] = []
    for notice in known:
        present = wrong.pop(notice.concern.name, None)
        if present is not None and notice.tried is None and present.severity.rank < least.rank:
            present = None  # it got better before anybody was told: not theirs any more
        kept = _gone(notice, after, now) if present is None else _present(notice, present, least, now)
        if kept is not None:
            found.append(kept)
    found += [Notice(one, seen=now) for one in wrong.values() if one.severity.rank >= least.rank]
    return found


def _gone(notice: Notice, after: timedelta, now: datetime) -> Notice | None:
    if notice.ended is not None:
        return notice if now - notice.ended < MEMORY else None
    if notice.calm is None:
        return replace(notice, calm=now)
    forgotten = notice.tried is None and now - notice.calm >= notice.patience(after)
    return None if forgotten else notice


def _present(notice: Notice, concern: Concern, least: Severity, now: datetime) -> Notice | None:
    if notice.ended is not None:
        if concern.severity.rank < least.rank:
            return notice if now - notice.ended < MEMORY else None
        return Notice(concern, seen=now, returns=notice.returns + 1)
    same = replace(concern, since=min(concern.since, notice.concern.since))
    back = notice.returns + (notice.calm is not None)
    return replace(notice, concern=same, calm=None, returns=back)


def letters(
    known: Sequence[Notice], *, after: timedelta, quiet: bool, now: datetime, digest: datetime | None = None
) -> list[Letter]:
    """What is due to be sent now, the worst first. ``quiet``: only critical beginnings and reminders are.

    ``digest``: what is not critical was collected up to this moment, and is due if it was due then.
    """
    due: dict[What, list[Notice]] = {what: [] for what in What}
    for notice in known:
        loud = Severity.CRITICAL in (notice.concern.severity, notice.said)
        what = _due(notice, after, now if loud or digest is None else digest)
        if what is not None and not (quiet and (what is What.OVER or notice.concern.severity is not Severity.CRITICAL)):
            due[what].append(notice)
    found = _begun(due[What.BEGUN], known)
    for what in (What.WORSE, What.LASTS, What.OVER):
        for thread in dict.fromkeys(one.thread for one in due[what]):
            mine = tuple(one for one in due[what] if one.thread == thread)
            going = sum(one.thread == thread and one.ended is None for one in known)
            found.append(Letter(what, thread, mine, left=going - len(mine)))
    return sorted(found, key=lambda one: (-one.severity.rank, one.what is What.OVER))


def _due(notice: Notice, after: timedelta, now: datetime) -> What | None:
    if notice.ended is not None:
        return None
    if notice.calm is not None:
        over = notice.tried is not None and now - notice.calm >= notice.patience(after)
        return What.OVER if over else None
    if notice.told is None:
        return What.BEGUN if notice.tried is not None or now - notice.seen >= after else None
    severity = notice.concern.severity
    if notice.said is not None and severity.rank > notice.said.rank:
        return What.WORSE
    gaps = GAPS[severity]
    return What.LASTS if now - notice.told >= gaps[min(notice.times, len(gaps)) - 1] else None


def _begun(due: Sequence[Notice], known: Sequence[Notice]) -> list[Letter]:
    """One letter a trouble; where many schools have the same one, or had when it was told, one for all of them."""
    found: list[Letter] = []
    for sort in dict.fromkeys(_sort(one) for one in due):
        mine = [one for one in due if _sort(one) == sort]
        open_ = [one for one in known if _sort(one) == sort and one.calm is None and one.ended is None]
        storm = next((one.thread for one in open_ if one.thread.endswith(_SEVERAL)), "")
        waiting = [one for one in open_ if one.told is None]
        if storm or len({one.concern.school for one in waiting}) >= STORM:
            thread = storm or _key(sort, min(one.seen for one in waiting)) + _SEVERAL
            found.append(Letter(What.BEGUN, thread, tuple(waiting)))
            continue
        found += [Letter(What.BEGUN, one.thread or _key(one.concern.name, one.seen), (one,)) for one in mine]
    return found


#: At the end of the key of a letter about several schools.
_SEVERAL = "-m"


def _sort(notice: Notice) -> tuple[str, str]:
    return notice.concern.kind, notice.concern.subject


def _key(of: Iterable[str], seen: datetime) -> str:
    """Short, and the same for all letters of one trouble."""
    return "SB-" + hashlib.sha256("\n".join((*of, seen.isoformat())).encode()).hexdigest()[:10]


def tried(letter: Letter, now: datetime) -> list[Notice]:
    """What to remember before a letter is sent."""
    return [replace(one, tried=one.tried or now, thread=letter.thread) for one in letter.notices]


def told(letter: Letter, now: datetime) -> list[Notice]:
    """What to remember once it arrived."""
    if letter.what is What.OVER:
        return [replace(one, ended=now, thread=letter.thread) for one in letter.notices]
    return [
        replace(
            one, tried=one.tried or now, told=now, times=one.times + 1, thread=letter.thread,
            said=max(one.concern.severity, one.said or one.concern.severity, key=_rank),
        )
        for one in letter.notices
    ]  # fmt: skip


def _rank(severity: Severity) -> int:
    return severity.rank
