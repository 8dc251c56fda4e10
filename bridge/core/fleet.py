"""What a hub applies of what a site reports, and what a site concludes from the receipt. Pure.

The hub remembers one ``Mark`` a site. A report holds the epoch, the number given out last, and the messages from some
number on. The rows are asked from the top:

| epoch of the report | its numbers | verdict |
|---|---|---|
| older than the mark's | any | behind: the site's state is older than what it told; nothing is applied |
| the mark's | given out fewer than were applied | behind |
| the mark's | all applied before | applied again: nothing |
| the mark's | begin after the next one, which the site still has | hole: nothing is applied, send from there |
| the mark's | begin after the next one, which the site has no more | the missing are counted, the rest applied |
| the mark's | continue | what follows is applied |
| newer | any | as if nothing of it was applied yet |

A site that is behind begins a new epoch after the hub's and tells everything anew. In whatever order and however often
reports arrive: each message is applied at most once, in the order of its epoch and number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """How far a site's messages were applied: all up to ``seq`` of the epoch. Epochs count from 1; 0: never heard."""

    epoch: int = 0
    seq: int = 0


class Verdict(StrEnum):
    """What became of a report."""

    APPLIED = "applied"
    REPEATED = "repeated"
    HOLE = "hole"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Told:
    """A report without its content. ``last``: the number given out last; ``oldest``: the first that is still kept.

    ``numbers``: of the messages in this report, ascending without gaps. Numbers begin at 1. An empty outbox has
    ``oldest == last + 1``.
    """

    epoch: int
    last: int
    oldest: int
    numbers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What is done with a report: apply the messages from ``first`` on; the mark after it; messages that are lost."""

    verdict: Verdict
    mark: Mark
    first: int = 0
    missing: int = 0


def take(mark: Mark, told: Told) -> Taken:
    """The table above."""
    if told.epoch < mark.epoch or (told.epoch == mark.epoch and told.last < mark.seq):
        return Taken(Verdict.BEHIND, mark)
    known = mark.seq if told.epoch == mark.epoch else 0
    if not told.numbers:
        missing = max(0, told.oldest - known - 1)
        lost = missing if told.oldest > told.last else 0
        return Taken(Verdict.APPLIED if lost else Verdict.REPEATED, Mark(told.epoch, known + lost), missing=lost)
    if told.numbers[-1] <= known:
        return Taken(Verdict.REPEATED, mark)
    if told.numbers[0] > max(known + 1, told.oldest):
        return Taken(Verdict.HOLE, Mark(told.epoch, known))
    first = max(known + 1, told.numbers[0])
    return Taken(Verdict.APPLIED, Mark(told.epoch, told.numbers[-1]), first=first, missing=first - known - 1)


def answered(site: Mark, hub: Mark, verdict: Verdict) -> tuple[Mark, int]:
    """What a site does with a receipt: its epoch and last number from now on, and up to which number it may forget.

    ``site``: its epoch and the number given out last. Behind: a new epoch after the hub's, its numbers from 1.
    """
    if verdict is Verdict.BEHIND:
        return Mark(max(site.epoch, hub.epoch) + 1, 0), 0
    if hub.epoch != site.epoch:
        return site, 0  # a receipt for what was told in an older epoch
    return site, min(hub.seq, site.seq)
