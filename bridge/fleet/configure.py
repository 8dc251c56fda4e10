"""How a school's file gets from the hub to its site: what an order to configure says, and what a check answers.

check   the site judges the text with its own catalog, secrets and files, and tells what would be others; writes nothing
apply   the site takes what it checked, if nothing is others meanwhile, and says so when its daemon runs it
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field

from bridge.fleet.messages import Spoken

#: Characters of a school's file, and of each diff in an answer: an order and a message have to hold them.
LONGEST, DIFF = 128 << 10, 24 << 10
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$", description="SHA-256, hexadecimal; empty: none.")]


class Configure(Spoken):
    """The ``action`` of an order. An empty text means that the site shall know the school no more.

    ``digest``: of the text that was checked. ``base``: of what was in force then, as the check told it. ``typed``: the
    school's code, typed again, where the school is taken away.
    """

    action: Literal["configure"]
    step: Literal["check", "apply"]
    version: int = Field(ge=1)
    text: str = Field(default="", max_length=LONGEST)
    digest: Digest = ""
    base: Digest = ""
    reason: str = Field(min_length=3, max_length=500)
    typed: str = Field(default="", max_length=32)


class Count(Spoken):
    """So many operations of a sort. ``rule``: what would hold them; empty: nothing."""

    side: str
    kind: str
    action: str
    count: int
    rule: str = ""


class Roots(Spoken):
    """Of one share: how many folders begin to be mirrored, end, or are mirrored with other options."""

    share: str
    begin: int = 0
    end: int = 0
    change: int = 0


class Foreseen(Spoken):
    """What would come of a configuration, by the site's state alone; no names. ``writes``: whether the stage writes.

    ``operations``: of people and groups, at most, if everything were looked at anew. ``too_much``: what the guard would
    say. ``sides``: the sides with other options, which connect anew. ``attributes``: ``kind.name``, those that begin
    (``+``) or end (``-``) to leave the school; they are read with the next full compare.
    """

    stage: str = ""
    writes: bool = False
    operations: tuple[Count, ...] = ()
    too_much: tuple[str, ...] = ()
    roots: tuple[Roots, ...] = ()
    sides: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


class Checked(Spoken):
    """The answer to a check that found no fault. ``diff``: of the file; ``effective``: of what would hold in the end.

    ``base``: digest of what is in force now (``bridge.settings.digest``), ``after``: of what would be.
    """

    version: int
    digest: Digest
    base: Digest
    after: Digest
    diff: str = Field(default="", max_length=DIFF + 100)
    effective: str = Field(default="", max_length=DIFF + 100)
    plan: Foreseen


def digest_of(text: str) -> str:
    """By which a text is known: SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()
