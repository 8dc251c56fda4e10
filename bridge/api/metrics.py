"""Metrics for Prometheus: of each school and of the API itself. No name of anybody is a label.

Freshness is a time, not an age: ``time() - schoolbridge_last_success_timestamp_seconds`` goes on growing when the
bridge is dead, and an alert on it needs nobody who is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.api.models import SchoolView
from bridge.core.cutover import Stage

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_COLOURS = ("green", "amber", "red")


class Metrics:
    """Counts requests; draws schools."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "schoolbridge_api_request_seconds",
            "Time that requests took.",
            ("route", "status"),
            registry=self._registry,
            buckets=_SECONDS,
        )

    def note(self, route: str, status: int, seconds: float) -> None:
        """One request; the status by its hundred."""
        self._seconds.labels(route, f"{status // 100}xx").observe(seconds)

    def render(self, figures: Collector) -> bytes:
        """The text format. Takes a while: in a thread."""
        beside = CollectorRegistry(auto_describe=False)
        beside.register(figures)
        return generate_latest(beside) + generate_latest(self._registry)


class Schools(Collector):
    """The schools of one bridge."""

    def __init__(self, schools: Sequence[SchoolView]) -> None:
        self._schools = schools

    def collect(self) -> Iterable[GaugeMetricFamily | InfoMetricFamily]:
        yield InfoMetricFamily("schoolbridge_build", "This program.", value={"version": __version__})
        yield from _plain(self._schools)
        yield from _parted(self._schools)


def _plain(schools: Sequence[SchoolView]) -> Iterator[GaugeMetricFamily]:
    """One number a school."""
    numbers: Mapping[str, tuple[str, Callable[[SchoolView], float]]] = {
        "held": ("Operations held or in quarantine.", lambda one: one.held),
        "conflicts": ("Files of which both versions were kept, undecided.", lambda one: one.conflicts),
        "drift": ("Fields changed on the side that does not own them, undecided.", lambda one: one.drift),
        "gates_failed": ("Gates of the next step to the cloud that do not hold.", lambda one: one.gates_failed),
        "files_done": ("Files sent of those of this round.", lambda one: one.amounts.files),
        "files_expected": ("Files of this round.", lambda one: one.amounts.files_total),
        "bytes_done": ("Bytes sent of those of this round.", lambda one: one.amounts.bytes),
        "bytes_expected": ("Bytes of this round.", lambda one: one.amounts.bytes_total),
        "last_cycle_timestamp_seconds": (
            "When the last cycle of its people began.",
            lambda one: one.last_cycle.timestamp() if one.last_cycle else 0,
        ),
    }
    for name, (text, number) in numbers.items():
        family = GaugeMetricFamily(f"schoolbridge_{name}", text, labels=("school",))
        for one in schools:
            family.add_metric((one.code,), number(one))
        yield family


def _parted(schools: Sequence[SchoolView]) -> Iterator[GaugeMetricFamily]:
    """Several numbers a school."""
    success = GaugeMetricFamily(
        "schoolbridge_last_success_timestamp_seconds",
        "When a side was last read from beginning to end; 0: never.",
        labels=("school", "side"),
    )
    stage = GaugeMetricFamily("schoolbridge_stage", "1 for the stage of the school.", labels=("school", "stage"))
    health = GaugeMetricFamily("schoolbridge_health", "1 for the health of the school.", labels=("school", "colour"))
    records = GaugeMetricFamily("schoolbridge_records", "Records that are there.", labels=("school", "side", "kind"))
    for one in schools:
        for fresh in one.freshness:
            at = fresh.complete.timestamp() if fresh.complete else 0
            success.add_metric((one.code, fresh.side), at)
        for name in Stage:
            stage.add_metric((one.code, name.value), one.stage == name.value)
        for colour in _COLOURS:
            health.add_metric((one.code, colour), one.health == colour)
        for key, number in one.records.items():
            side, _, kind = key.partition(":")
            records.add_metric((one.code, side, kind), number)
    yield from (success, stage, health, records)
