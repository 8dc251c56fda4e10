"""The door to what the bridge remembers of a school year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.freeze import Phase
from bridge.core.year import Year
from bridge.core.year_steps import Step


@dataclass(frozen=True, slots=True)
class OpenYear:
    """A school year that is open or applied. ``last`` is how the school was when it was opened."""

    id: str
    phase: Phase
    at: datetime
    last: Year


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a plan means for the state.

    ``relinked``: link of a class -> anchor at the school of the group that it goes on as. ``archived``: links of groups
    that go on nowhere: they are let go of, and live on in the cloud as they are. ``anew``: anchors of groups of the
    school that begin anew. ``released``: links that may change once without the guard's counting.
    """

    relinked: Mapping[str, str] = field(default_factory=dict)
    archived: Sequence[str] = ()
    anew: Sequence[str] = ()
    released: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RosterApply:
    """The last roster that was carried out at the school, or begun to be.

    ``steps`` in the order of writing. ``approved``: cell of the guard -> number that a person let pass.
    """

    id: str
    phase: str
    at: datetime
    steps: Sequence[Step] = ()
    approved: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
