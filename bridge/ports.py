"""The doors: what the engine asks of a connector and of the state store. The comments are the contract.

An error's class says what the caller does next. Connectors translate their vendors' errors into these at the border.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bridge.core.model import Action, Elements, Evidence, Fields, Link, Operation, Side

# --- errors ---------------------------------------------------------------------------------------------------------


class BridgeError(Exception):
    """Base of all errors a person may see: ``str(error)`` says what was expected, what was found, what to do next."""


class ConfigurationError(BridgeError):
    """The configuration can't work as it stands (plain LDAP, unknown OU ...). A person has to change it."""


class Unreachable(BridgeError):
    """The side does not answer or is overloaded. Try the whole cycle again later, with back-off."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the side asked us to wait, or None."""


class Refused(BridgeError):
    """The side answers but does not let us in: credentials, rights, certificate. A person has to act."""


class TokenLost(BridgeError):
    """The side no longer knows the token: observe again with ``token=None``."""


# --- observing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observation:
    """What a connector saw of one object, references as anchors of its own side.

    ``whole``: ``fields`` is everything there is, an absent field is empty. Otherwise absent fields are unchanged, and
    ``added`` and ``removed`` change set fields element by element. ``in_scope`` False: the object exists outside the
    configured scope; the engine ignores it unless it knows its anchor.
    """

    kind: str
    anchor: str
    version: str
    fields: Fields
    whole: bool = True
    added: Elements = field(default_factory=dict)
    removed: Elements = field(default_factory=dict)
    in_scope: bool = True


@dataclass(frozen=True, slots=True)
class Removal:
    """An object that is gone, with the evidence. ``kind`` may be unknown to the side: None."""

    anchor: str
    evidence: Evidence
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what was observed, folded into the state in one transaction together with ``token``.

    ``token``: from where to go on after this page, None when this page can't be resumed from. ``listing`` True on all
    pages of a full listing. ``complete`` on the last page of a full listing only, and only if it was read to its end
    without an error: what was known of ``kinds`` and not seen in it is MISSING. ``warnings`` are shown to a person.
    """

    observations: tuple[Observation, ...] = ()
    removals: tuple[Removal, ...] = ()
    token: str | None = None
    listing: bool = False
    complete: bool = False
    warnings: tuple[str, ...] = ()


# --- writing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one side, references as anchors of that side.

    ``id`` is unique within a call and comes back in the outcome. ``fields`` hold the new values of the changed plain
    fields; set fields of references change by ``added`` and ``removed`` only (on CREATE ``added`` holds all).
    ``expected`` is the version that was read: the connector refuses (Stale) where the side can tell that it changed.

    """

    id: str
    kind: str
    action: Action
    anchor: str | None
    fields: Fields = field(default_factory=dict)
    added: Elements = field(default_factory=dict)
    removed: Elements = field(default_factory=dict)
    expected: str = ""
    key: str = ""
    """The source anchor. A CREATE that finds an object with this key already there adopts it instead."""


@dataclass(frozen=True, slots=True)
class Written:
    """A write that happened: what the object is now. ``fields`` as really written, in the connector's own terms.

    ``refused``: fields (or field elements) that the side did not take while it took the others, with the reason and
    the remedy for a person. ``adopted``: a CREATE found the object already there.
    """

    id: str
    anchor: str
    version: str
    refused: Mapping[str, str] = field(default_factory=dict)
    unknown: Elements = field(default_factory=dict)
    """Elements of ``added`` that the side does not know (yet); they were left out and are tried again."""
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A write that did not happen, or of which nobody knows. Only this one object is affected.

    ``cause`` is a short stable code (``name_taken``, ``licence_stock``, ``privileged``, ``stale``, ``invalid``,
    ``gone``, ``unknown_outcome`` ...), ``message`` is for a person. ``transient``: the same write may succeed later.
    """

    id: str
    cause: str
    message: str
    transient: bool = False


Outcome = Written | Failed


@dataclass(frozen=True, slots=True)
class Identity:
    """What an endpoint proves to be: AD domain GUID, tenant id, root marker. A changed ``id`` stops every cycle."""

    id: str
    description: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do, as values. ``writes``: actions per kind; ``chunk``: the best number of writes a call."""

    kinds: frozenset[str]
    writes: Mapping[str, frozenset[Action]]
    chunk: int = 20
    hints: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``check --online``: ``ok`` None is a warning. ``remedy`` says what to do where it isn't ok."""

    subject: str
    ok: bool | None
    found: str
    remedy: str = ""


class Connector(Protocol):
    """One side of one school, for some kinds. Not thread-safe; one per school and side; used from one event loop."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def identify(self) -> Identity:
        """Prove what this is; raises Unreachable or Refused."""
        ...

    def observe(self, token: str | None) -> AsyncIterator[Page]:
        """Yield what changed since ``token``, or a full listing when it is None.

        At least one page comes, the last one carries a token. Referenced objects need not come first. The same object
        may come repeatedly; the last one counts. Raises TokenLost before the first page; Unreachable or Refused at any
        time, after which nothing may be concluded from what did not come. A connector that finds by itself that the
        token proves nothing any more (restored server) raises TokenLost with the reason.
        """
        ...

    def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """Carry out independent writes of one kind and yield one outcome each, in any order, as soon as it is known.

        Never raises for a single object. Raises Unreachable or Refused when nothing more can be written; writes
        without an outcome by then are in doubt, and the next observation tells.
        """
        ...

    def hints(self) -> AsyncIterator[None]:
        """Yield whenever something may have changed; never ends by itself. Lossy: a hint is no datum."""
        ...

    async def check(self) -> Sequence[Finding]:
        """Probe read-only: certificates, rights, scope, clock, licences. Never raises for what it finds wrong."""
        ...

    async def close(self) -> None:
        """Give back connections. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What the daemon hands to a connector's ``connect(options, context)``.

    ``secret(reference)`` resolves ``credential:NAME``, ``env:NAME`` or ``file:PATH`` (ConfigurationError when it
    can't). ``clock`` is timezone-aware UTC; ``sleep`` and ``monotonic`` are injected so that tests need not wait.
    ``school`` is the school's code.
    """

    school: str
    secret: Callable[[str], bytes]
    clock: Callable[[], datetime]
    sleep: Callable[[float], Any]
    monotonic: Callable[[], float]
    random: Callable[[], float]
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind -> field -> expression: the attributes that the school's YAML adds to the kind by allow-list."""


# --- state ----------------------------------------------------------------------------------------------------------


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


class Store(Protocol):
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
        """Touched links that are not held and whose time has come, in link space, ordered by (rank, id)."""
        ...

    def links(self, ids: Iterable[str]) -> Sequence[Link]: ...
    def kin(self, ids: Iterable[str]) -> frozenset[str]:
        """Links of tree kinds next to these in either tree: parents, children."""
        ...

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
