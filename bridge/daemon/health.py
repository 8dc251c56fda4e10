"""Is a school healthy? Only if each side went through a whole cycle within its period; else what is wrong, since when.

| seen | colour |
|---|---|
| no daemon, or its status is old | red |
| a side's last whole cycle is older than twice its period (and a minute) | amber; five times: red |
| an error stops the cycles | amber; for more than ten minutes: red |
| a folder of a share stands still, or an owner has none | amber; all folders of the share: red |
| a folder lies at another place than its owner's class leads to | amber |
| the folder of an owner is not there yet (nobody logged in) | nothing wrong; not one of the share's: amber |
| the cycle under way gets no further for a minute: a side doesn't answer | amber; for more than ten minutes: red |
| something is held or in quarantine; a side warns; the configuration on disk is wrong | amber |
| the cloud has what a roll back gave back to the school, for more than a minute | amber |
| another daemon looks after it, and its lease lives | green: this one stands by |
| none of it | green |

Pure: the status file's tree and the time come in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bridge.daemon.board import BEAT, PATIENCE
from bridge.settings.words import in_words

_GRACE = timedelta(minutes=1)


class Colour(StrEnum):
    """Green, amber, red; they compare by how bad they are."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


_ORDER = list(Colour)
#: The kind of the one cause that is no trouble.
STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong. ``since`` is None when nobody knows.

    ``kind``, ``subject`` (a side, a share) and ``count`` say the same as ``text`` for those who may read no names.
    """

    colour: Colour
    text: str
    since: datetime | None = None
    kind: str = ""
    subject: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on a school, its causes the worst first."""

    colour: Colour
    causes: tuple[Cause, ...] = ()


def judge(
    tree: Mapping[str, Any] | None,
    code: str,
    now: datetime,
    *,
    running: bool = True,
    held: int = 0,
    held_since: datetime | None = None,
    owed: int = 0,
    owed_since: datetime | None = None,
    warnings: Sequence[str] = (),
) -> Health:
    """The health of one school. ``running`` False: the daemon of that status is known to be dead.

    ``owed``: how many people and groups the cloud still has of those that a roll back made the school's again.
    """
    causes = list(_daemon(tree, code, now, running=running))
    if tree is not None and not causes:
        row = tree["schools"][code]
        causes += _school(row, now, started=moment_of(row.get("since")) or now)
        if tree.get("configuration_error"):
            text = f"the configuration on disk is wrong, the older one goes on: {tree['configuration_error']}"
            causes.append(Cause(Colour.AMBER, text, moment_of(tree.get("configuration_since")), "configuration"))
        causes += _telling(tree.get("telling", {}))
    if held:
        causes.append(
            Cause(Colour.AMBER, f"{held} held or in quarantine; see: schoolbridge quarantine", held_since, "held")
        )
    if owed and overdue(owed_since, now):
        why = str((tree or {}).get("schools", {}).get(code, {}).get("owing") or _OWING)
        whom = f"{owed} {'person or group' if owed == 1 else 'people and groups'}"
        text = f"the cloud still masters {whom} that the roll back made the directory's again: {why}"
        causes.append(Cause(Colour.AMBER, text, owed_since, "authority", count=owed))
    causes += [Cause(Colour.AMBER, text, kind="warning") for text in warnings]
    causes.sort(key=lambda cause: -_ORDER.index(cause.colour))
    return Health(causes[0].colour if causes else Colour.GREEN, tuple(causes))


def _daemon(tree: Mapping[str, Any] | None, code: str, now: datetime, *, running: bool) -> list[Cause]:
    if tree is None:
        return [Cause(Colour.RED, "the daemon is not running: start it (systemctl start schoolbridge)", kind="daemon")]
    beat = moment_of(tree.get("beat"))
    if not running or beat is None or now - beat > timedelta(seconds=6 * BEAT):
        text = "the daemon is not running any more: start it (systemctl start schoolbridge)"
        return [Cause(Colour.RED, text, beat, "daemon")]
    if code not in tree.get("schools", {}):
        text = "the daemon does not know this school: reload it (systemctl reload schoolbridge)"
        return [Cause(Colour.RED, text, kind="unknown")]
    return []


#: Where the daemon does not say why: it got no further than that, or a person paused it.
_OWING = "it is done by the next cycle that reaches the cloud, but not while paused; see: schoolbridge check --online"


def overdue(since: datetime | None, now: datetime) -> bool:
    """Whether what the cycle after a roll back does has not been done for too long."""
    return since is None or now - since > _GRACE


def _telling(targets: Mapping[str, Any]) -> Iterator[Cause]:
    """Who can't be told: what is wrong may go unnoticed."""
    for name, facts in targets.items():
        text = f"{name} (`notify`) can't be told what is wrong: {facts['why']}; try: schoolbridge notify test {name}"
        yield Cause(Colour.AMBER, text, moment_of(facts.get("since")), "telling", name)


def _school(row: Mapping[str, Any], now: datetime, *, started: datetime) -> list[Cause]:
    causes = []
    if other := row.get("standby"):
        since = moment_of(other.get("since"))
        return [Cause(Colour.GREEN, f"looked after by {other['host']}; this one stands by", since, STANDBY)]
    if row.get("error"):
        since = moment_of(row.get("error_since"))
        old = since is None or now - since > PATIENCE
        causes.append(Cause(Colour.RED if old else Colour.AMBER, str(row["error"]), since, "error"))
    moved = moment_of(row.get("moved"))
    if moved is not None and now - moved > _GRACE:
        text = "the cycle under way gets no further: a side does not answer, or asks to wait"
        colour = Colour.RED if now - moved > PATIENCE else Colour.AMBER
        causes.append(Cause(colour, text, moved, "stuck"))
    if not row.get("observed", True):
        return causes
    for side, facts in row.get("sides", {}).items():
        period = timedelta(seconds=float(facts["period"]))
        complete = moment_of(facts.get("complete"))
        colour = lateness(complete, now, period=period, started=started)
        if colour is Colour.GREEN:
            continue
        text = (
            f"the {side} side went through no whole cycle within its period ({in_words(period)})"
            if complete
            else f"the {side} side has not gone through a whole cycle yet"
        )
        causes.append(Cause(colour, text, complete or started, "late", side))
    for name, share in row.get("shares", {}).items():
        causes += _share(name, share)
    return causes


def lateness(complete: datetime | None, now: datetime, *, period: timedelta, started: datetime) -> Colour:
    """How bad it is that a side was last read to its end then, or never since ``started``."""
    late = now - (complete or started)
    if late > 5 * period + _GRACE:
        return Colour.RED
    return Colour.AMBER if late > 2 * period + _GRACE or complete is None else Colour.GREEN


def _share(name: str, share: Mapping[str, Any]) -> Iterator[Cause]:
    """A root that stands still makes the school amber; how late the sides are read is judged by ``_school``."""
    waiting = share.get("waiting", 0)
    if share["stopped"]:
        since = min(filter(None, (moment_of(one.get("since")) for one in share["errors"].values())), default=None)
        why = next((one["error"] for one in share["errors"].values()), "")
        text = f"share {name}: {share['stopped']} of {share['roots']} folders stand still, for instance: {why}"
        colour = Colour.RED if share["stopped"] == share["roots"] - waiting else Colour.AMBER
        yield Cause(colour, text, since, "stopped", name, share["stopped"])
    if waiting and waiting == share["roots"]:
        text = f"share {name}: none of {waiting} folders is there yet: see whether its place is right and mounted"
        yield Cause(Colour.AMBER, text, None, "absent", name, waiting)
    if share.get("elsewhere"):
        why = next(iter(share["places"].values()), "")
        text = f"share {name}: {share['elsewhere']} folders lie elsewhere than expected, for instance: {why}"
        yield Cause(Colour.AMBER, text, None, "elsewhere", name, share["elsewhere"])
    if share["unfit"]:
        why = next(iter(share["reasons"].values()), "")
        text = f"share {name}: {share['unfit']} owners have no folder, for instance: {why}"
        yield Cause(Colour.AMBER, text, None, "unfit", name, share["unfit"])


def moment_of(text: object) -> datetime | None:
    """A time of the status file; None for whatever is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
