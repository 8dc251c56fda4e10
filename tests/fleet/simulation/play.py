"""A whole run from one seed: sites, a hub, bad lines, crashes and backups; then all heals, and the laws are checked.

1. In each epoch the events of a site lie in the hub in the order in which they happened, each once, none left out.
2. No state older than one that was applied takes its place.
3. No order is carried out twice in one life of a machine, nor after it expired by the clock of who carries it out.
4. Once the lines are whole for a while, nothing waits anywhere, and the hub shows what is.

Where a machine or the hub was put back from a backup, what lies in between may be told again in a new epoch, and what
only the lost days knew is lost: it is counted, and all else holds.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field

from tests.fleet.simulation.clockwork import Clockwork, Weather, Wire
from tests.fleet.simulation.hub import Hub
from tests.fleet.simulation.site import Site

#: Seconds of trouble, and of quiet after it.
TROUBLE, QUIET = 1800.0, 1500.0
_EXPIRY = 120.0


@dataclass
class Plan:
    """What may happen in a run."""

    seed: int
    sites: int = 3
    events: int = 40
    orders: int = 6
    crashes: int = 3
    cuts: int = 3
    site_backups: bool = False
    hub_backups: bool = False
    url: str = ""


@dataclass
class Run:
    """A run of a plan; ``play`` plays it, ``check`` raises AssertionError with the seed in front."""

    plan: Plan
    sites: list[Site] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)
        self.clock = Clockwork(self.chance)
        self.hub = Hub(self.clock, self.plan.url)
        for number in range(self.plan.sites):
            wire = Wire(self.clock, Weather.drawn(self.chance))
            ahead = self.chance.choice((0.0, 0.0, 90.0, -90.0, 1500.0, -1500.0))
            name, code = f"site-{number}", f"{number:04}"
            site = Site(name, code, self.clock, wire, self.hub.public, ahead=ahead, crashing=0.2)
            self.hub.knows(site)
            self.sites.append(site)

    # -- what happens

    def play(self) -> Run:
        """Trouble, then quiet."""
        self._trouble()
        self.clock.run(TROUBLE)
        for site in self.sites:
            site.wire.weather, site.wire.whole, site.crashing = Weather(), True, 0.0
        self.hub.up = True
        self.clock.run(TROUBLE + QUIET)
        return self

    def _sometime(self) -> float:
        return self.chance.random() * TROUBLE

    def _trouble(self) -> None:
        plan, clock, chance = self.plan, self.clock, self.chance
        for site in self.sites:
            clock.after(chance.random() * site.every, site.tick)
            for _ in range(plan.events):
                clock.after(self._sometime(), chance.choice((site.happens, site.changes)))
            for _ in range(plan.orders):
                good = chance.choice((20.0, 120.0, 900.0))
                clock.after(self._sometime(), lambda site=site, good=good: self._ask(site, good))  # type: ignore[misc]
            for _ in range(plan.crashes):
                clock.after(self._sometime(), site.restart)
            for _ in range(plan.cuts):
                self._cut(site)
            if plan.site_backups:
                self._backup(site.backup, site.put_back)
        for _ in range(plan.cuts):
            begins = self._sometime()
            clock.after(begins, self.hub.fall)
            clock.after(begins + chance.random() * 300, lambda: setattr(self.hub, "up", True))
        if plan.hub_backups:
            self._backup(self.hub.backup, self.hub.put_back)
        for number in range(int((TROUBLE + QUIET) / _EXPIRY)):
            clock.after(number * _EXPIRY, self.hub.expire)

    def _ask(self, site: Site, good: float) -> None:
        if self.hub.up:
            self.hub.ask(site, good)

    def _cut(self, site: Site) -> None:
        begins = self._sometime()
        self.clock.after(begins, lambda: setattr(site.wire, "whole", False))
        self.clock.after(begins + self.chance.random() * 600, lambda: setattr(site.wire, "whole", True))

    def _backup(self, take, put_back) -> None:  # type: ignore[no-untyped-def]
        kept: list[bytes] = []
        begins = self._sometime()
        self.clock.after(begins, lambda: kept.append(take()))
        self.clock.after(begins + self.chance.random() * 900, lambda: put_back(kept[0]))

    # -- the laws

    def check(self) -> None:
        """All of them."""
        try:
            for site in self.sites:
                self._events(site)
                self._states(site)
                self._orders(site)
                self._drained(site)
            self._answered()
        except AssertionError as error:
            raise AssertionError(f"seed {self.plan.seed}: {error}\nagain: {self.plan}") from error

    def _events(self, site: Site) -> None:
        witness = self.hub.witness[site.name]
        marks = [(one.epoch, one.seq) for one in witness]
        if not self.plan.hub_backups:
            assert marks == sorted(set(marks)), f"{site.name}: applied twice or out of order: {marks}"
        for epoch in {one.epoch for one in witness}:
            seen = [one.body["n"] for one in witness if one.epoch == epoch and one.kind == "stage"]
            if not self.plan.hub_backups:
                assert seen == sorted(set(seen)), f"{site.name}: events of epoch {epoch} are not in order: {seen}"
        kept = [(epoch, seq) for epoch, seq, _ in self.hub.events(site)]
        if self.plan.hub_backups:
            return
        assert kept == [(one.epoch, one.seq) for one in witness if one.kind in ("stage", "answer")], site.name
        told = {one.body["n"] for one in witness if one.kind == "stage"}
        lost = {number for number, life in enumerate(site.lives, 1) if life == site.wire.life} - told
        assert not lost, f"{site.name}: events of this machine are lost: {sorted(lost)}"
        assert self.hub.missing == 0 or self.plan.site_backups, f"{self.hub.missing} are counted as missing"

    def _states(self, site: Site) -> None:
        versions = [one.body["v"] for one in self.hub.witness[site.name] if one.kind == "school"]
        if not self.plan.hub_backups:
            assert versions == sorted(versions), (
                f"{site.name}: an older state took the place of a newer one: {versions}"
            )
        shown = json.loads(self.hub.state(site))["v"]
        assert shown == site.version, f"{site.name}: the hub shows {shown}, it is {site.version}"

    def _orders(self, site: Site) -> None:
        done = Counter((one.order, one.life) for one in site.carried)
        twice = [key for key, count in done.items() if count > 1]
        assert not twice, f"{site.name}: carried out twice: {twice}"
        for one in site.carried:
            ends = self.hub.asked[one.order]
            assert one.here < ends, f"{site.name}: {one.order} was carried out {one.here - ends:.0f} s after its end"

    def _drained(self, site: Site) -> None:
        assert site.waiting == 0, f"{site.name}: {site.waiting} messages wait for ever"

    def _answered(self) -> None:
        """Whatever was carried out is known at the hub, unless the machine or the hub forgot it."""
        if self.plan.site_backups or self.plan.hub_backups:
            return
        states = self.hub.commands()
        waiting = [name for name, state in states.items() if state in ("waiting", "sent")]
        assert not waiting, f"orders are open for ever: {waiting}"
        # One that was cut off in the middle is answered when it comes again; if it expired first nobody ever answers.
        wrong = [
            one.order
            for site in self.sites
            for one in site.carried
            if states[one.order] not in ("done", "refused") and not (one.cut and states[one.order] == "expired")
        ]
        assert not wrong, f"carried out, and the hub does not know: {wrong}"
