"""What the law says to a person: of each gate, what has to be so and what may be said instead; what releasing frees."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.api.models import GateView
from bridge.core.cutover import Gate, Stage
from bridge.core.freeze import RULE
from bridge.core.gates import ATTESTED, EARLY, LAW, WAIVED, allowed
from bridge.core.model import Evidence
from bridge.daemon.readiness import next_event


@dataclass(frozen=True, slots=True)
class Ruled:
    """A gate with its meaning in one language, and whether it may be attested or waived."""

    view: GateView
    meaning: str
    attest: bool
    waive: bool


def frees(rule: str) -> bool:
    """Whether a release lets pass what this rule holds; whatever else is held goes on once its cause is gone."""
    return rule == RULE or rule.startswith(("guard:", *(f"{one}-" for one in (Evidence.LEFT, Evidence.MISSING))))


def ruled(view: GateView, *, stage: str, language: str) -> Ruled:
    """By the law."""
    try:
        gate = Gate(view.gate)
    except ValueError:
        return Ruled(view, "", False, False)
    early = next_event(Stage(stage)) in EARLY
    attest, waive = (allowed(gate, how, early=early) for how in (ATTESTED, WAIVED))
    english, german = LAW[gate].meaning
    if view.expected == english:  # said already
        view = view.model_copy(update={"expected": ""})
    return Ruled(view, german if language == "de" else english, attest and view.result != "fail", waive)
