"""Faults on demand: everything that a real side and the line to it do wrong, switched on by tests, lab and docs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Faults:
    """Counters count down and are over at 0; the others last until they are switched off.

    ``unreachable``: calls that fail at once. ``lost_token``: observations whose token is unknown.
    ``cut_pages``: pages that still come before the stream breaks off. ``incomplete``: full listings that leave out
    every second object and say that they are not complete. ``cut_writes``: writes that still happen before
    the line breaks. ``cut_answers``: writes that are still answered before one happens of which nobody hears.
    ``lost_responses``: writes that happen while nobody hears of it. ``stale``: writes refused as if
    somebody had just changed the object. ``replay``: older changes that a delta brings again first. ``duplicate``:
    every object comes twice. ``shuffle`` mixes the order of objects. ``slow``: seconds a call takes.
    ``refused``: (kind, field) -> why it is not taken. ``failing``: anchor or key -> (cause, message). ``licences``:
    name -> number of licences that exist; others are without limit. ``busy``: anchors of files that are being written.
    ``changing``: pieces of files after which somebody writes the file that is being read. ``rewrites``: files whose
    names end so are changed after an upload, as SharePoint does. ``full``: bytes that a file may have at most.
    """

    unreachable: int = 0
    lost_token: int = 0
    incomplete: int = 0
    cut_pages: int | None = None
    cut_writes: int | None = None
    cut_answers: int | None = None
    lost_responses: int = 0
    stale: int = 0
    replay: int = 0
    duplicate: bool = False
    shuffle: Random | None = None
    slow: float = 0
    changing: int = 0
    rewrites: tuple[str, ...] = ()
    busy: set[str] = field(default_factory=set)
    full: int | None = None
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    failing: dict[str, tuple[str, str]] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)

    def strikes(self, counter: str) -> bool:
        """Whether a counted fault happens now; counts it down."""
        remaining = int(getattr(self, counter))
        if remaining:
            setattr(self, counter, remaining - 1)
        return remaining > 0
