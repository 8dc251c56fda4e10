"""What has to be said of a site before anything that it told is believed. Pure.

| what is known | colour |
|---|---|
| it was revoked | red |
| enrolled, never heard | amber; red once it is silent for so long |
| not heard for ``silence.amber`` / ``silence.red`` | amber / red, and no school of it is better than that |
| more than ``EPOCHS`` new epochs within an hour: two machines speak for it | red |
| its clock is more than ``CLOCK`` off | amber |
| messages were lost on the way, within the last ``MISSED`` | amber |
| the school's journal was written anew at the site | red |
| something was asked of it and is not answered yet | green; amber where it is silent |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.api.models import Cause, Colour
from bridge.settings.hub import Silence

#: A clock that is off by more makes times of the site wrong by as much.
CLOCK = timedelta(minutes=5)
#: A site begins a new epoch when its state was put back; a few times an hour is no accident any more.
EPOCHS, EPOCHS_WITHIN = 2, timedelta(hours=1)
#: How long it is shown that messages were lost: what can be done about it is done, or won't be.
MISSED = timedelta(days=30)
WORST: tuple[Colour, ...] = ("red", "amber", "green")


@dataclass(frozen=True, slots=True)
class Site:
    """A site as the hub knows it. ``ahead``: seconds; ``missing``: messages that never came, the last
    of them noticed when ``missed``."""

    name: str
    schools: tuple[str, ...]
    made: datetime
    label: str = ""
    heard: datetime | None = None
    ahead: float = 0.0
    missing: int = 0
    epoch: int = 0
    revoked: datetime | None = None
    version: str = ""
    missed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that a site has not answered."""

    id: str
    site: str
    school: str
    action: str
    actor: str
    at: datetime
    expires: datetime


def silence_of(site: Site, silence: Silence, now: datetime) -> Colour:
    """How bad it is that nothing was heard of a site for so long."""
    away = now - (site.heard or site.made)
    if away >= silence.red:
        return "red"
    return "amber" if away >= silence.amber or site.heard is None else "green"


def of_site(site: Site, silence: Silence, *, now: datetime, epochs: int = 0) -> tuple[Cause, ...]:
    """What is true of every school of a site, the worst first. ``epochs``: how many it began within the hour."""
    return tuple(sorted(_of_site(site, silence, now, epochs), key=lambda one: WORST.index(one.colour)))


def _of_site(site: Site, silence: Silence, now: datetime, epochs: int) -> Iterator[Cause]:
    if site.revoked is not None:
        text = (
            f"the site {site.name} was revoked: nothing that it says is heard any more. When its machine is in order "
            f"again: schoolbridge hub enrol {site.name}"
        )
        yield Cause(colour="red", text=text, since=site.revoked)
        return
    colour = silence_of(site, silence, now)
    if site.heard is None:
        text = f"the site {site.name} is enrolled and was never heard; on its machine: schoolbridge uplink show"
        yield Cause(colour=colour, text=text, since=site.made)
    elif colour != "green":
        text = (
            f"nothing heard from the site {site.name} since {_at(site.heard)}; what is shown is from then. Look "
            f"whether its machine runs and its line is up; on it, schoolbridge status says why"
        )
        yield Cause(colour=colour, text=text, since=site.heard)
    if epochs > EPOCHS:
        text = (
            f"two machines speak for the site {site.name}: it began {epochs} times anew within an hour. Find the copy "
            f"(a machine restored beside the old one?), stop it, then: schoolbridge hub revoke {site.name}, and enrol "
            f"the right one"
        )
        yield Cause(colour="red", text=text)
    if abs(site.ahead) > CLOCK.total_seconds():
        text = (
            f"the clock of the site {site.name} is {_span(site.ahead)}: its times are wrong by as much, and orders may "
            f"not be good there. Set it (timedatectl)"
        )
        yield Cause(colour="amber", text=text)
    if site.missed is not None and now - site.missed < MISSED:
        text = (
            f"{site.missing} messages of the site {site.name} never came: what happened then is in its own journal "
            f"only; how it is now was told anew"
        )
        yield Cause(colour="amber", text=text, since=site.missed)


def of_asked(asked: Sequence[Asked], colour: Colour) -> tuple[Cause, ...]:
    """What waits for a site, the oldest first. ``colour``: how silent it is."""
    return tuple(
        Cause(
            colour="green" if colour == "green" else "amber",
            text=f"asked: {one.action}, by {one.actor}; waits for the site since {_at(one.at)}, "
            f"expires {_at(one.expires)}",
            since=one.at,
        )
        for one in sorted(asked, key=lambda one: (one.at, one.id))
    )


def anew(site: str, at: datetime, change: str) -> Cause:
    """The journal of the school is not what was told before; ``change`` says how."""
    text = (
        f"the journal of this school at the site {site}: {change}. Compare with what was printed or mailed: "
        f"schoolbridge journal verify --against"
    )
    return Cause(colour="red", text=text, since=at)


def elsewhere(told_by: str, site: str) -> Cause:
    """The school was given to another site, which has not told of it yet."""
    text = f"what is shown was told by the site {told_by}; the site {site}, which looks after it now, has told nothing"
    return Cause(colour="amber", text=text)


def worst(*colours: Colour) -> Colour:
    """The worst of them; green where there is none."""
    return min(colours, key=WORST.index, default="green")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} {moment:%Z}"


def _span(ahead: float) -> str:
    return f"{round(abs(ahead) / 60)} minutes {'fast' if ahead > 0 else 'slow'}"
