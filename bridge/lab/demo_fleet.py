"""The fleet demo: a city of schools, each with its own daemon and cloud, one hub, waves, and trouble at four of them.

Each step is found true on real processes: at the hub by its API and its commands, at a school in its own cloud.
Who plays what stands in ``demo_cast``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from bridge.lab import picture
from bridge.lab.building_site import Site, shifted
from bridge.lab.city import Building
from bridge.lab.demo_cast import Cast
from bridge.lab.fleet_stage import FleetStage
from bridge.lab.processes import Unavailable
from bridge.lab.steps import Told

_BEHIND = -1500.0  # seconds
_ATTESTED = ("configuration", "informed", "devices", "rollback-rehearsed")
_PATIENCE = 240.0
#: Of what a command prints.
_LINES = 16


class DemoFleet:
    """Plays the story. ``pictures``: directory for pictures of the board, where there is a browser."""

    def __init__(self, stage: FleetStage, console: Console, *, pictures: Path | None = None) -> None:
        self.stage, self.console, self.pictures = stage, console, pictures
        self.hub, self.cast = stage.hub, Cast.of(stage.city)
        self.told = Told(console, stage.last_words)
        self.step = self.told.step

    def run(self) -> bool:
        """All steps; whether everything was found true."""
        self._begin()
        if not self.told.ok:
            return False  # without a city the rest would only wait in vain
        self._trouble()
        self._pilot()
        self._second()
        self._look()
        self._heal()
        return self.told.ok

    def _site(self, code: str) -> Site:
        return self.stage.sites[code]

    # -- the city comes up

    def _begin(self) -> None:
        count = len(self.stage.city)
        self.step("the hub's keys and database are made", 0, lambda: self.hub.hub("init").returncode)
        self.hub.start()
        self.hub.let_in()
        self.step("the hub is whole", 0, lambda: self.hub.hub("check").returncode)
        begun = time.monotonic()
        number = 0

        def told(name: str) -> None:
            nonlocal number
            number += 1
            self.console.print(f"  {number} of {count}: {name}  [dim]({time.monotonic() - begun:.0f} s)[/dim]")

        self.stage.build(told)
        self.step("all sites are enrolled, each with a certificate of its own", {"enrolled": count}, self._enrolled)
        self.step("all are on the board, and green", {"green": count}, self._colours, timeout=_PATIENCE)
        people = {one.site: _mirrored(one) for one in self.stage.city[:: max(1, count // 8)]}
        self.step("everybody who may be is in the school's own cloud", people, lambda: self._people(people))

    def _enrolled(self) -> dict[str, int]:
        return Counter(one["state"] for one in self.hub.told("sites")["sites"])

    def _colours(self) -> dict[str, int]:
        return Counter(row["health"] for row in self.hub.board().values())

    def _people(self, wanted: dict[str, int]) -> dict[str, int]:
        clouds = {site.name: site.cloud for site in self.stage.sites.values()}
        return {name: len(cloud.accounts()) if (cloud := clouds[name]) else 0 for name in wanted}

    # -- trouble

    def _trouble(self) -> None:
        cast = self.cast
        self.stage.lines[cast.unplugged].cut()
        if cast.killed:
            self._site(cast.killed).kill()
        if cast.clock:
            self._set_back(self._site(cast.clock))
        expected = {cast.unplugged: "silent"} | ({cast.killed: "silent"} if cast.killed else {})
        self.step("one is unplugged, one is killed: the board says who is silent", expected, self._silent, timeout=90)
        if self.cast.clock:
            self.step("one has a wrong clock: the board says so", "clock", self._wrong_clock, timeout=90)
        rest = len(self.stage.city) - len(cast.troubled)
        self.step("nobody else is troubled by it", {"green": rest}, self._others, timeout=60)
        self._goes_on(self._site(cast.unplugged))

    def _set_back(self, site: Site) -> None:
        try:
            shifted(_BEHIND)
        except LookupError as error:
            self.console.print(f"[dim]Nobody's clock is wrong: {escape(str(error))}[/dim]")
            self.cast = replace(self.cast, clock="")
            return
        site.restart(ahead=_BEHIND)

    def _silent(self) -> dict[str, str]:
        return {code: "silent" for code, row in self.hub.board().items() if row["silent"]}

    def _wrong_clock(self) -> str:
        row = self.hub.board()[self.cast.clock]
        causes = [one["text"] for one in row["causes"]]
        return "clock" if any("clock" in text for text in causes) else f"{row['health']}: {causes}"

    def _others(self) -> dict[str, int]:
        rows = self.hub.board()
        return Counter(row["health"] for code, row in rows.items() if code not in self.cast.troubled)

    def _goes_on(self, site: Site) -> None:
        """What happens at the school is in its cloud, whether the hub hears of it or not."""
        pupil = next(one for one in site.building.school.people if one.role == "pupil" and one.consent)
        renamed = replace(pupil, surname="Özdemir-Weiß")
        site.directory.rename(pupil, renamed)

        def shown() -> Any:
            account = site.cloud.account(pupil.reference) if site.cloud else None
            return account and account.display_name

        self.step("the unplugged site works on alone", renamed.display, shown, timeout=120)

    # -- waves

    def _ready(self, code: str, *, attested: Sequence[str] = _ATTESTED) -> None:
        for gate in attested:
            self.hub.act(code, action="attest-gate", gate=gate, reason="Demo: in Ordnung")
        # The city's own IT account is in every tenant, and in no school.
        self.hub.act(code, action="waive-gate", gate="counts", reason="Demo: das Konto der IT")
        self.hub.act(code, action="measure-gates", event="freeze", reason="Demo: vor der Welle")

    def _open_gates(self, code: str) -> list[str]:
        """What does not hold of the gates of freezing."""
        events = self.hub.ask(f"/schools/{code}/cutover")["events"]
        gates = next(one["gates"] for one in events if one["event"] == "freeze")
        return [one["gate"] for one in gates if one["result"] not in ("pass", "waived")]

    def _pilot(self) -> None:
        for code in self.cast.pilot:
            self._ready(code)
        none: dict[str, list[str]] = {code: [] for code in self.cast.pilot}
        gates = lambda: {code: self._open_gates(code) for code in self.cast.pilot}  # noqa: E731
        self.step("pilot: asked through the hub, all gates hold", none, gates, timeout=_PATIENCE)
        self.step("the wave does not begin before what it needs is attested", False, lambda: self._start("Pilot"))
        self.hub.hub("wave", "attest", "Pilot", "Rat informiert", "--reason", "Sitzung vom Montag")
        self.step("the pilot wave begins", True, lambda: self._start("Pilot"))
        self.hub.kill()
        self.hub.start()
        self.console.print("  [dim]the hub was killed in the middle of it, and started again[/dim]")
        through = dict.fromkeys(self.cast.pilot, "through")
        self.step("the pilot is cut over as planned", ("through", through), lambda: self._wave("Pilot"), timeout=300)
        soaking = dict.fromkeys(self.cast.pilot, "soaking")
        self.step("the board shows it", soaking, lambda: self._stages(self.cast.pilot), timeout=60)

    def _start(self, name: str) -> bool:
        return self.hub.hub("wave", "start", name, "--reason", "wie geplant").returncode == 0

    def _wave(self, name: str) -> tuple[str, dict[str, str]]:
        wave = self.hub.told("wave", "show", name)["waves"][0]
        return wave["state"], {one["school"]: one["stand"] for one in wave["schools"]}

    def _stages(self, codes: Sequence[str]) -> dict[str, str]:
        rows = self.hub.board()
        return {code: rows[code]["stage"] for code in codes}

    def _second(self) -> None:
        cast = self.cast
        self._ready(cast.failing, attested=[one for one in _ATTESTED if one != "informed"])
        if cast.good:
            self._ready(cast.good)
            self.step(
                "one school of the next wave is ready", [], lambda: self._open_gates(cast.good), timeout=_PATIENCE
            )
        missing = ["people informed"]
        self.step("one is not: its gate stays shut", missing, lambda: self._open_gates(cast.failing), timeout=_PATIENCE)
        self.step("the next wave begins", True, lambda: self._start("Mitte"))
        stands = {cast.failing: "failed", cast.unplugged: "kept back"} | ({cast.good: "through"} if cast.good else {})
        self.step(
            "it stops by itself where a gate does not hold; who has not begun is kept back", ("stopped", stands),
            lambda: self._wave("Mitte"), timeout=300,
        )  # fmt: skip
        self.step("nothing was frozen there", "hybrid", lambda: self._stages([cast.failing])[cast.failing])

    # -- what people see

    def _look(self) -> None:
        for what in (("simulate",), ("report", "progress", "--language", "de")):
            answer = self.hub.hub(*what)
            lines = answer.stdout.splitlines()
            self.console.print(escape("\n".join([*lines[:_LINES], *(["  …"] if len(lines) > _LINES else [])])))
            self.step(f"hub {what[0]} says how it goes on", 0, partial(getattr, answer, "returncode"))
        if self.pictures is None:
            return
        try:
            self.pictures.mkdir(parents=True, exist_ok=True)
            root = f"http://127.0.0.1:{self.hub.people}"
            for name, page in (("fleet", "/"), ("waves", "/waves")):
                picture.take(root, self.hub.token, self.pictures / f"{name}.png", page=page)
        except Unavailable as error:
            self.console.print(f"[dim]No pictures: {escape(str(error))}[/dim]")

    # -- all is well again

    def _heal(self) -> None:
        cast = self.cast
        unplugged = self._site(cast.unplugged)
        self.step("what the unplugged site has to tell waits there", True, lambda: unplugged.waiting() > 0)
        self.stage.lines[cast.unplugged].mend()
        if cast.killed:
            self._site(cast.killed).start()
        if cast.clock:
            self._site(cast.clock).restart()
        # A site that was away comes back at a random moment within some minutes: not all of a city at once.
        self.step("plugged in again, it tells all of it", 0, unplugged.waiting, timeout=400)
        last = {"epoch": 1, "applied": unplugged.numbered(), "missing": 0}
        self.step("each message was applied once and in order, none is missing", last, lambda: self._applied(unplugged))
        self.step("nobody is silent any more", {}, self._silent, timeout=_PATIENCE)
        self.step("the order that was taken back was never carried out", "hybrid", lambda: self._stage_of(unplugged))
        self.step("the journals are whole", 0, lambda: unplugged.bridge("journal", "verify").returncode)

    def _applied(self, site: Site) -> dict[str, int]:
        """How far the hub got with a site's numbers; it goes from one to the next only."""
        row = next(one for one in self.hub.told("sites")["sites"] if one["site"] == site.name)
        return {name: row[name] for name in ("epoch", "applied", "missing")}

    def _stage_of(self, site: Site) -> str:
        return self._stages([site.code])[site.code]


def _mirrored(building: Building) -> int:
    """Accounts in the cloud: all whose consent is there, and the city's own."""
    return sum(one.consent or one.role != "pupil" for one in building.school.people) + 1
