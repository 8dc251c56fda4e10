"""The door to what the bridge remembers: observations, links, agreements, holds, names and the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bridge.core.model import Action, Drift, Fields, Link, Operation, Side
from bridge.ports.side import Identity, Page, Written
from bridge.ports.trees import Trees


@dataclass(frozen=True, slots=True)
class Loose:
    """An observed, touched, in-scope record that is not paired: its link (if any) has no other end."""

    side: Side
    kind: str
    anchor: str
    link: str | None
    keys: Mapping[str, str]
    """Key field -> value, casefolded, empty ones left out. Tree kinds have ``place``: parent link id, NUL, name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record of the other side that carries a wanted key value. ``paired``: its link already has both ends.

    ``gone``: it is in the recycle bin; its link waits there for somebody who comes back.
    """

    anchor: str
    link: str | None
    paired: bool
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A decision of correlate: ``link`` is the link to keep or (with ``absorbs`` None) to create."""

    link: str
    kind: str
    school: str | None
    cloud: str | None
    absorbs: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that was carried out. ``written`` is None for AGREE, RETIRE and FORGET.

    ``agree`` is what is agreed now, in link space: the operation's own, less what the side refused.
    ``again`` is when the link is to be looked at again (a next retirement step, a refused field), None for never.
    """

    operation: Operation
    agree: Fields
    written: Written | None = None
    again: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A link that is held by a rule or in quarantine. ``retry_at`` None: only a person or a change frees it."""

    link: str
    kind: str
    side: Side
    action: Action
    role: str
    rule: str
    message: str
    since: datetime
    attempts: int = 0
    retry_at: datetime | None = None


#: (side, kind, role, tally) -> number of objects, see ``bridge.core.guard``.
Tallies = Mapping[tuple[str, str, str, str], int]


class Store(Trees, Protocol):
    """What the bridge remembers of its schools. Synchronous; every method is one transaction; all times are aware UTC.

    Everything is keyed by school. ``kinds`` (the school's kind table) is given at construction of the school's view.
    """

    # what a school is
    def bind(self, side: Side, identity: Identity) -> None:
        """Remember the endpoint's identity; ConfigurationError when another one was bound before."""
        ...

    def stage(self) -> str: ...
    def move_stage(self, stage: str, *, event: str, actor: str, reason: str) -> None: ...

    # observe
    def token(self, side: Side) -> str | None: ...
    def drop_token(self, side: Side) -> None: ...
    def recall(self, side: Side) -> str | None:
        """What the side's last token was, also after it was dropped; for a full listing, see ``Connector.observe``."""
        ...

    def fold(self, side: Side, page: Page, *, now: datetime) -> int:
        """Fold a page and its token; returns how many records changed. Equal records touch no row.

        A changed record marks its link (or itself, when loose) as touched, and what refers to it where its presence
        changed. During a listing what was seen is remembered outside the observations; the complete page turns
        what is left into MISSING.
        """
        ...

    # correlate
    def loose(self, after: str | None, limit: int) -> Sequence[Loose]: ...
    def candidates(
        self, side: Side, kind: str, key: str, values: Sequence[str]
    ) -> Mapping[str, Sequence[Candidate]]: ...

    def pair(self, pairs: Sequence[Pair]) -> None:
        """Create or complete links and mark them, and what refers to them, as touched."""
        ...

    # reconcile
    def due(self, now: datetime, after: tuple[int, str] | None, limit: int) -> Sequence[Link]:
        """Touched links that are not held and whose time has come, in link space, after the given (rank, id).

        By (rank, id); of kinds with content, whose ranks are the highest, the latest ids come first.
        """
        ...

    def links(self, ids: Iterable[str]) -> Sequence[Link]: ...
    def anchors(self, ids: Iterable[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Link -> (school anchor, cloud anchor) of living endpoints; None where there is no record."""
        ...

    def population(self) -> Mapping[tuple[str, str, str], int]:
        """(side, kind, role) -> number of linked living records; role comes from the school side's record."""
        ...

    def tallies(self, since: datetime) -> Tallies:
        """What was written since then, plus what is held now: the guard's other half of the count."""
        ...

    def released(self) -> frozenset[str]:
        """Links that a person let through the guard, until they are written."""
        ...

    def empty(self) -> frozenset[Side]:
        """Sides that show no living record at all although some were agreed on."""
        ...

    # execute
    def reserve(self, space: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> Mapping[str, str]:
        """Link -> the first of its candidate names that was never given to another link in this space; kept forever.

        A link that already holds a name in the space gets the same one again.
        """
        ...

    def spoil(self, link: str) -> None:
        """The names reserved for a link turned out to belong to somebody else: block them, so that it gets others."""
        ...

    def drifted(self, drifts: Sequence[Drift], *, now: datetime) -> None:
        """Remember values that were changed on the side that does not own them, before they are put right."""
        ...

    def intend(self, operations: Sequence[Operation], *, cycle: str, now: datetime) -> None:
        """Journal that these writes are about to be sent."""
        ...

    def record(self, done: Sequence[Done], *, cycle: str, now: datetime) -> None:
        """Journal the writes, fold them into the observations, store the agreements, and untouch the links."""
        ...

    def trouble(self, troubles: Sequence[Trouble]) -> None:
        """Mark links as held or quarantined; they are not due again before ``retry_at``, a release or a change."""
        ...

    def quiet(self, ids: Iterable[str]) -> None:
        """Nothing to do for these links: untouch them."""
        ...

    def postpone(self, until: Mapping[str, datetime]) -> None:
        """Nothing to do for these links before a time: the next step of a retirement."""
        ...


def chunks(rows: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Cut an iterable into lists of at most ``size``."""
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
