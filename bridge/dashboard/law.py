"""What the law of the gates says of each: what has to be so, and what a person may say instead."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.api.models import GateView
from bridge.api.parts import part
from bridge.api.standings import NEXT
from bridge.core.cutover import Gate, Stage

#: What people do themselves: nobody can say that it was done.
_NEVER = frozenset({Gate.TWO_APPROVERS, Gate.CODE_TYPED})


@dataclass(frozen=True, slots=True)
class Ruled:
    """A gate with its meaning in one language, and whether it may be attested or waived."""

    view: GateView
    meaning: str
    attest: bool
    waive: bool


def ruled(view: GateView, *, stage: str, language: str) -> Ruled:
    """By the law; where this bridge measures no gates, a person may say so of all but what people do themselves."""
    law = part("core.gates")
    try:
        gate = Gate(view.gate)
    except ValueError:
        return Ruled(view, "", False, False)
    if law is None:
        return Ruled(view, "", view.human, gate not in _NEVER)
    early = NEXT.get(Stage(stage)) in law.EARLY
    attest, waive = (law.allowed(gate, how, early=early) for how in (law.ATTESTED, law.WAIVED))
    english, german = law.LAW[gate].meaning
    if view.expected == english:  # said already
        view = view.model_copy(update={"expected": ""})
    return Ruled(view, german if language == "de" else english, attest and view.result != "fail", waive)
