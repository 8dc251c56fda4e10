"""What answers the status API and the dashboard: everything they read and ask goes through here.

A daemon answers for its own schools. Every method may be called from the event loop: whatever reads the state does so
in a thread. ``names`` is true only for a caller who may see the names of that school.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.api import asked, models
from bridge.api.answers import ProgressView


class Unknown(Exception):
    """There is no such school, conflict, gate …; ``str`` says which."""


class Denied(Exception):
    """It can't be done now: a gate does not hold, the stage does not know it; ``str`` says why and what to do."""


class Away(Exception):
    """The site that knows it does not answer now; ``str`` says since when and what to do. Nothing was done."""

    def __init__(self, site: str, heard: datetime | None, text: str) -> None:
        super().__init__(text)
        self.site, self.heard = site, heard


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. ``schools`` None: all of them. ``via``: through which door, for the journal: ``api:LABEL``.

    ``rights``: where not all scopes are good for all schools, which are for which; then they count alone.
    """

    label: str
    scopes: frozenset[models.Scope]
    schools: frozenset[str] | None = None
    rights: tuple[tuple[frozenset[models.Scope], frozenset[str] | None], ...] = ()
    via: str = "api"

    @property
    def actor(self) -> str:
        """As it stands in the journal."""
        return f"{self.via}:{self.label}"

    def may(self, scope: models.Scope, school: str | None = None) -> bool:
        """Whether a scope is given, for a school where one is named."""
        return any(
            scope in scopes and (school is None or schools is None or school in schools)
            for scopes, schools in self.rights or ((self.scopes, self.schools),)
        )

    def everywhere(self, scope: models.Scope) -> bool:
        """Whether a scope is given for all schools."""
        return any(
            scope in scopes and schools is None for scopes, schools in self.rights or ((self.scopes, self.schools),)
        )


#: Who asks, while a request is answered: what asks elsewhere in turn says for whom.
ASKING: ContextVar[Who] = ContextVar("asking")


class Source(Protocol):
    """One bridge, or a hub. Methods raise Unknown; ``act`` also Denied; what a hub has to ask of a site, Away."""

    async def board(self) -> Sequence[models.SchoolRow]:
        """All schools."""

    async def school(self, code: str) -> models.SchoolView:
        """One school."""

    async def progress(self, code: str) -> ProgressView:
        """How far its files are."""

    async def gates(self, code: str, event: models.EventName) -> models.EventView:
        """The gates of one event."""

    async def cutover(self, code: str, *, names: bool) -> models.CutoverView:
        """The cutover of a school."""

    async def cycles(self, code: str, *, before: str | None, limit: int) -> models.Page[models.CycleView]:
        """Its cycles, the newest first."""

    async def plan(self, code: str, *, names: bool, limit: int) -> Sequence[models.OperationView]:
        """What the next cycle would do, by the state alone."""

    async def held(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.OperationView]:
        """What waits for a person or is in quarantine, the oldest first."""

    async def conflicts(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.ConflictView]:
        """Files of which both versions were kept, open ones first."""

    async def drift(self, code: str, *, names: bool) -> Sequence[models.DriftView]:
        """What was changed on the side that does not own it."""

    async def journal(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.JournalRow]:
        """The journal, the newest first."""

    async def releases(self, code: str, *, names: bool) -> Sequence[models.ReleaseView]:
        """What was let pass."""

    async def reports(self, code: str) -> Sequence[models.ReportView]:
        """Reports that lie ready."""

    async def report(self, code: str, report: str, form: str) -> tuple[bytes, str]:
        """One report in one of its formats: its bytes and media type."""

    async def act(self, code: str, action: asked.Action, who: Who, *, key: str = "") -> asked.ActionAnswer:
        """Do what is asked. The caller has checked the scope already. ``key``: the same again is the same request."""

    async def set_password(self, code: str, wanted: asked.Password, who: Who) -> asked.PasswordAnswer:
        """Set one person's password on both sides. Raises Denied where nothing was changed."""

    def live(self, after: int | None) -> AsyncGenerator[models.LiveEvent, None]:
        """Events as they happen, those after an id first as far as they are remembered."""

    def ready(self) -> tuple[bool, str]:
        """Whether the bridge can do its work, and why not."""
