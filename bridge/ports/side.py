"""The door to one side of a school: what a connector tells, what it is asked to write, what it has to promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bridge.core.model import Action, Digest, Elements, Evidence, Fields
from bridge.ports.authority import CloudAuthority
from bridge.ports.content import Contents, Source
from bridge.ports.devices import DevicesTold
from bridge.ports.foundation import Foundation
from bridge.ports.freezing import Freezing, KeptModes
from bridge.ports.open_files import OpenFiles
from bridge.ports.passwords import LogIn, Passwords
from bridge.ports.purse import BudgetName, Purse
from bridge.ports.rights import RightsTold, Sharing
from bridge.ports.trash import Trash
from bridge.ports.trees import Meaning


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
    without an error: what was known of ``kinds`` and not seen in it is MISSING. ``untold``, on pages of a listing, are
    anchors of objects that are there and of which the side says nothing: they stay as they are known, and are not
    MISSING. ``warnings`` are shown to a person. ``meanings``: what files of this page show is, as the side knows by
    itself, the same as other bytes (SharePoint's rewriting of what was sent); kept with the page, in one transaction.
    """

    observations: tuple[Observation, ...] = ()
    removals: tuple[Removal, ...] = ()
    token: str | None = None
    listing: bool = False
    complete: bool = False
    warnings: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    meanings: tuple[Meaning, ...] = ()


def never() -> bool:
    """Nobody waits."""
    return False


def permitted() -> None:
    """Nobody else could look after the school."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one side, references as anchors of that side.

    ``id`` is unique within a call, comes back in the outcome, and is the same when the write is tried again. ``fields``
    hold new values of changed plain fields; sets of references change by ``added`` (CREATE: all) and ``removed`` only.
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
    content: Source | None = None
    """The bytes that belong to a content field in ``fields``, streamed while the write is carried out."""
    pause: Callable[[], bool] = never
    """Asked where a long transfer could go on later: whether others wait. It then stops there, with ``unfinished``."""


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
    content: Digest | None = None
    """The ``quickxor`` digest of the bytes that were sent, computed on the way; None when none were."""
    shown: Digest | None = None
    """What the side shows for these bytes from now on, where it isn't ``content`` (SharePoint rewrites Office)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A write that did not happen, or of which nobody knows. Only this one object is affected.

    ``cause`` is a short stable code (``name_taken``, ``licence_stock``, ``privileged``, ``stale``, ``invalid``,
    ``gone``, ``unknown_outcome``, ``changed``, ``busy``, ``locked``, ``quota`` ...), ``message`` is for a person.
    ``transient``: the same write may succeed later.
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


class Purge(Protocol):
    """How a side forgets for good."""

    def __call__(self, anchors: Sequence[str]) -> AsyncIterator[Outcome]:
        """Really delete these, and yield an outcome each, its ``id`` the anchor.

        Only what lies in the side's limbo is deleted: what somebody took out of it meanwhile is Failed (``stale``).
        What is not there any more is Written. Raises Unreachable or Refused as ``Connector.apply``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do, as values. ``writes``: actions per kind; ``chunk``: the best number of writes a call."""

    kinds: frozenset[str]
    writes: Mapping[str, frozenset[Action]]
    chunk: int = 20
    hints: bool = False
    contents: Contents | None = None
    """Where the bytes of this side's files come from; None for a side without files."""
    trash: Trash | None = None
    """Where a person finds deleted and overwritten versions; None: only ``RESTORE`` by anchor, or nothing."""
    rights: RightsTold | None = None
    """Who may get at the root; None for a side that can't tell."""
    sharing: Sharing | None = None
    """How others are let in at the root; None for a side where that can't be changed."""
    purge: Purge | None = None
    """Deletes for good what lies in this side's limbo; None for a side that keeps nothing, or empties by itself."""
    passwords: Passwords | None = None
    """How one account's password is set; None for a side where the bridge can't."""
    log_in: LogIn | None = None
    """How people prove who they are; None for a side where they can't."""
    foundation: Foundation | None = None
    """How the root is made or moved to its place; None for a side where that can't be done."""
    authority: CloudAuthority | None = None
    """How the cloud's own source of authority is switched; None for a side that keeps none."""
    freezing: Freezing | None = None
    """How people are kept from changing the root; None for a side where only a person can do that."""
    open_files: OpenFiles | None = None
    """Which files are open now; None for a side that can't tell."""
    devices: DevicesTold | None = None
    """Which computers or devices there are; None for a side that can't tell."""
    most_files: float | None = None
    """Files a second that can be sent at most, for an estimate; None for a side without such a budget."""


class Topic(StrEnum):
    """What a finding is about, and which of its ``numbers`` count."""

    ACCESS = "access"  # days_left: until a certificate ends
    CLOCK = "clock"  # seconds: apart from this machine
    SPACE = "space"  # free: bytes
    LICENCES = "licences"  # left
    DEVICES = "devices"  # computers


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``check --online``: ``ok`` None is a warning. ``remedy`` says what to do where it isn't ok."""

    subject: str
    ok: bool | None
    found: str
    remedy: str = ""
    topic: Topic = Topic.ACCESS
    numbers: Mapping[str, float] = field(default_factory=dict)


class Connector(Protocol):
    """One side of one school, for some kinds. Not thread-safe; one per school and side; used from one event loop."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def identify(self) -> Identity:
        """Prove what this is; raises Unreachable or Refused."""
        ...

    def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """Yield what changed since ``token``, or a full listing when it is None.

        ``recall`` comes with a full listing: the side's last token, which was dropped or is not trusted any more. A
        connector may take from it only how to find what is configured (an OU by its objectGUID, a folder by its id),
        never anything for which an object would not be listed. It may be of another configuration, another version
        or None; most connectors need nothing of it.

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
    directory: Path | None = None
    """Where the connector may keep what it can make again (an index of what it saw), its own; None: nowhere."""
    common: Path | None = None
    """A directory that all connectors of this machine share, for what they spend together; None: nowhere."""
    modes: KeptModes | None = None
    """Where a root's permissions are remembered while it is frozen; None: it can't be frozen."""
    purse: Callable[[str, BudgetName], Purse] | None = None
    """Id of a tenant, name of a budget -> what this process may spend of it; None: nobody shares it out."""
    permit: Callable[[], None] = permitted
    """To be called right before each request that changes something is sent, from any thread; raises Fenced where this
    process does not look after the school any more: the connector lets it through, and sends nothing more."""
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind -> field -> expression: the attributes that the school's YAML adds to the kind by allow-list."""
