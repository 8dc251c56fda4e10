"""Sets the stage of the fleet demo: a hub, and a city of sites, each with its own line to it.

Sites are built by two threads, one after the other: a daemon takes three seconds of a processor to start, and next to
nothing afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bridge.lab.building_site import Site
from bridge.lab.city import Building, draw_city
from bridge.lab.hub_server import HubServer
from bridge.lab.line import Line, Lines
from bridge.lab.processes import ProcessTree

_BUILDERS = 2


class FleetStage:
    """Everything that runs during the fleet demo, below one directory; ``stop`` ends and removes all of it."""

    def __init__(
        self, *, sites: int, seed: int, waves: Callable[[Sequence[Building]], Sequence[dict[str, Any]]],
        postgresql: bool = True,
    ) -> None:  # fmt: skip
        self.root = Path(tempfile.mkdtemp(prefix="schoolbridge-city-"))
        # Names and secrets lie below it: it goes also when this process is killed and can remove nothing any more.
        self._keeper = ProcessTree.start(["sleep", "infinity"], log=self.root / "keeper.log", scratch=self.root)
        self.city = draw_city(sites, seed)
        self.sites: dict[str, Site] = {}
        self.lines: dict[str, Line] = {}
        self._lines = Lines()
        try:
            self.hub = HubServer(self.root / "hub", waves(self.city), postgresql=postgresql)
        except BaseException:
            self._lines.stop()
            self._keeper.stop()
            raise

    def build(self, told: Callable[[str], None]) -> None:
        """Invite, enrol and start all sites; ``told`` hears of each. Raises LookupError with what a command said."""
        with ThreadPoolExecutor(_BUILDERS, "builder") as builders:
            works = [builders.submit(self._build, one) for one in self.city]
            try:
                for work in works:
                    told(work.result())
            except BaseException:
                builders.shutdown(wait=False, cancel_futures=True)
                raise

    def _build(self, building: Building) -> str:
        line = self._lines.open("127.0.0.1", self.hub.door)
        site = Site(building, self.root / building.site)
        self.lines[site.code], self.sites[site.code] = line, site
        site.build(hub=f"https://127.0.0.1:{line.port}")
        ticket = site.root / "ticket"
        invited = self.hub.hub(
            "enrol", site.name, "--school", site.code, "--label", building.name, "--file", str(ticket)
        )
        if invited.returncode:
            raise LookupError(f"{site.name}: hub enrol: {invited.stderr}")
        enrolled = site.bridge("uplink", "enrol", "--ticket-file", str(ticket))
        if enrolled.returncode:
            raise LookupError(f"{site.name}: uplink enrol: {enrolled.stderr}")
        site.start()
        return site.name

    def last_words(self) -> str:
        """The end of the hub's log, for a step that failed."""
        return self.hub.last_words()

    def stop(self) -> None:
        """End all processes and remove everything."""
        with ThreadPoolExecutor(8) as enders:
            list(enders.map(Site.stop, self.sites.values()))
        self.hub.stop()
        self._lines.stop()
        self._keeper.stop()
