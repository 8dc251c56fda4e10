"""Metrics of a hub: its sites, and each school by its colour and stage. No name of anybody is a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.hub.fleet import Sight
from bridge.hub.honest import WORST


class Figures(Collector):
    """Draws what was seen last."""

    def __init__(self, sight: Callable[[], Sight | None]) -> None:
        self._sight = sight

    def collect(self) -> Iterable[GaugeMetricFamily | InfoMetricFamily]:
        """All of them."""
        yield InfoMetricFamily("schoolbridge_build", "This program.", value={"version": __version__})
        sight = self._sight()
        if sight is not None:
            yield from _sites(sight)
            yield from _schools(sight)


def _sites(sight: Sight) -> Iterator[GaugeMetricFamily]:
    living = [one for one in sight.sites.values() if one.revoked is None]
    number = {
        "sites": ("Sites that are enrolled.", len(living)),
        "sites_heard": ("Sites that were heard in time.", sum(sight.silent[one.name] == "green" for one in living)),
        "sites_silent": (
            "Sites of which nothing was heard for too long.",
            sum(sight.silent[one.name] != "green" for one in living),
        ),
        "commands_waiting": ("Commands that no site has answered yet.", len(sight.asked)),
        "messages_missing": ("Messages that never came.", sum(one.missing for one in living)),
    }
    for name, (text, value) in number.items():
        yield GaugeMetricFamily(f"schoolbridge_hub_{name}", text, value=value)
    heard = GaugeMetricFamily(
        "schoolbridge_hub_last_heard_timestamp_seconds", "When a site was heard last; 0: never.", labels=("site",)
    )
    for one in living:
        heard.add_metric((one.name,), one.heard.timestamp() if one.heard else 0)
    yield heard


def _schools(sight: Sight) -> Iterator[GaugeMetricFamily]:
    stages, colours = Counter(row.stage for row in sight.rows if row.told), Counter(row.health for row in sight.rows)
    stage = GaugeMetricFamily("schoolbridge_hub_schools", "Schools by stage.", labels=("stage",))
    for name, number in sorted(stages.items()):
        stage.add_metric((name,), number)
    colour = GaugeMetricFamily("schoolbridge_hub_health", "Schools by health.", labels=("colour",))
    for shade in WORST:
        colour.add_metric((shade,), colours[shade])
    held = GaugeMetricFamily("schoolbridge_held", "Operations held or in quarantine.", labels=("school",))
    for row in sight.rows:
        held.add_metric((row.code,), row.held)
    yield from (stage, colour, held)
