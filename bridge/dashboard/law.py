"""What the law of the gates says of each: what has to be so, and what a person may say instead."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.api.models import GateView
from bridge.core.cutover import Gate, Stage
from bridge.core.gates import ATTESTED, EARLY, LAW, WAIVED, allowed
from bridge.daemon.evidence import NEXT


@dataclass(frozen=True, slots=True)
class Ruled:
    """A gate with its meaning in one language, and whether it may be attested or waived."""

    view: GateView
    meaning: str
    attest: bool
    waive: bool


def ruled(view: GateView, *, stage: str, language: str) -> Ruled:
    """By the law."""
    try:
        gate = Gate(view.gate)
    except ValueError:
        return Ruled(view, "", False, False)
    early = NEXT.get(Stage(stage)) in EARLY
    attest, waive = (allowed(gate, how, early=early) for how in (ATTESTED, WAIVED))
    english, german = LAW[gate].meaning
    if view.expected == english:  # said already
        view = view.model_copy(update={"expected": ""})
    return Ruled(view, german if language == "de" else english, attest and view.result != "fail", waive)
