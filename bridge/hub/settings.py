"""Loads ``hub.yaml``: all its problems at once, each with its place, as those of ``bridge.yaml``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import make_url

from bridge.core.waves import Span, Wave
from bridge.ports import ConfigurationError
from bridge.settings import SettingsError, resolve
from bridge.settings.hub import HubFile
from bridge.settings.render import validate
from bridge.settings.secrets import masked
from bridge.settings.source import Source, read
from bridge.settings.waves import REST, spans_of, waves_of
from bridge.settings.waves import problems as wave_problems
from bridge.state.database import Database, open_database

#: Where it lies where nothing else is said.
DEFAULT = Path("/etc/schoolbridge/hub.yaml")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """``hub.yaml``, checked. ``file`` is absolute, and relative paths in it are taken from its directory."""

    file: Path
    hub: HubFile

    @property
    def state_url(self) -> str:
        """URL of the database, without its password."""
        url = self.hub.state.url
        scheme, _, path = url.partition(":///")
        if not scheme.startswith("sqlite") or not path or path.startswith(("/", ":memory:")):
            return url
        return f"{scheme}:///{(self.file.parent / path).absolute()}"

    @property
    def kept(self) -> Path:
        """Where the authority's keys lie."""
        return (self.file.parent / self.hub.kept).absolute()

    @property
    def zone(self) -> ZoneInfo:
        """Of waves and blackouts."""
        return ZoneInfo(self.hub.time_zone)

    @property
    def spans(self) -> tuple[Span, ...]:
        """When no cutover begins anywhere, the first one first."""
        return spans_of(self.hub.blackouts, self.zone)

    def waves(self, codes: Sequence[str]) -> tuple[Wave, ...]:
        """The waves in their order; ``codes``: all schools that the hub knows, for ``rest``."""
        return waves_of(self.hub.waves, codes, self.zone)

    def secret(self, reference: str) -> bytes:
        """What a reference of this file names; a relative ``file:`` is taken from its directory."""
        scheme, _, path = reference.partition(":")
        if scheme == "file" and not Path(path).is_absolute():
            reference = f"file:{self.file.parent / path}"
        return resolve(reference)


def load_hub(path: Path) -> HubSettings:
    """Read and check ``hub.yaml``. Raises SettingsError with all problems, sorted by place."""
    source = read(path)
    said = validate(HubFile, source, source.tree) if source.readable else None
    if isinstance(said, HubFile):
        _waves(source, said)
        _budgets(source, said)
    if source.problems or not isinstance(said, HubFile):
        raise SettingsError(source.problems)
    return HubSettings(path.absolute(), said)


def _waves(source: Source, said: HubFile) -> None:
    """Which schools there are stands in the database; that a code is named twice can be seen here."""
    codes = sorted({code for one in said.waves if one.schools != REST for code in one.schools})
    for way, wrong, right in wave_problems(said.waves, codes):
        source.add(way, wrong, right)


def _budgets(source: Source, said: HubFile) -> None:
    for tenant in said.budgets:
        if not tenant.strip():
            source.add(("budgets", tenant), "no id of a tenant", "write the tenant's id or domain", key=True)


def shown(settings: HubSettings) -> dict[str, Any]:
    """What is in force, as a plain tree, secrets masked."""
    tree = settings.hub.model_dump(mode="json", by_alias=True)
    tree["state"]["url"], tree["kept"] = settings.state_url, str(settings.kept)
    return dict(masked(tree))


def now() -> datetime:
    """The hub's clock."""
    return datetime.now(UTC)


@contextmanager
def database(settings: HubSettings, *, create: bool = False) -> Iterator[Database]:
    """The hub's database, open and up to date.

    ``create`` False: ConfigurationError where there is none, so that looking leaves no trace.
    """
    url = make_url(settings.state_url)
    if settings.hub.state.password is not None:
        url = url.set(password=settings.secret(settings.hub.state.password).decode())
    path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    if path is not None and not create and not path.exists():
        raise ConfigurationError(f"{path} does not exist: this hub was never set up. Run: schoolbridge hub init")
    if path is not None and path.exists() and path.stat().st_uid != os.geteuid():
        raise ConfigurationError(f"{path} belongs to another account; run this as that account (sudo -u ...)")
    opened = open_database(url.render_as_string(hide_password=False), clock=now)
    try:
        yield opened
    finally:
        opened.close()
