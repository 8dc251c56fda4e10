"""The block ``hub`` of ``bridge.yaml`` (a site that reports to a hub), and ``hub.yaml`` (the hub itself)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bridge.settings.api import Api, HostName, listening
from bridge.settings.limits import Strict
from bridge.settings.notify import Target
from bridge.settings.waves import Blackout, WaveFile
from bridge.settings.words import Duration, SecretReference, StateUrl, TimeZone, matching

SiteName = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", "no name of a site", 'write 1 to 32 letters and digits: "school-0123"'
    ),
]
_URL = re.compile(r"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?/?")


def _address(url: str) -> str:
    if _URL.fullmatch(url) is None:
        raise ValueError('not the address of a hub|write "https://hub.city.example:8443"')
    return url.rstrip("/")


def _between(low: timedelta, high: timedelta, text: str) -> AfterValidator:
    def check(length: timedelta) -> timedelta:
        if not low <= length <= high:
            raise ValueError(f"too short or too long|{text}")
        return length

    return AfterValidator(check)


class Uplink(Strict):
    """A site reports to a hub. Its key and certificate lie beside the state; `schoolbridge uplink enrol` makes them."""

    url: Annotated[str, AfterValidator(_address)] = Field(description="Where the hub listens for sites.")
    every: Annotated[
        Duration, _between(timedelta(seconds=1), timedelta(hours=1), "write one between `1s` and `1h`")
    ] = Field(default=timedelta(minutes=1), description="How often the site reports at least; news goes at once.")
    allow: list[Literal["operate", "approve"]] = Field(
        default=["operate", "approve"],
        description="What the hub may ask for, by the scopes of the status API; everything else is refused here.",
    )
    names: bool = Field(default=True, description="Whether the hub's users with that right may see names of people.")
    configuration: Literal["site", "hub"] = Field(
        default="site",
        description="Where the schools' files come from: `site`, the directory `schools`; `hub`, the hub alone.",
    )


class Silence(Strict):
    """When the hub says that a site is silent."""

    amber: Annotated[Duration, _between(timedelta(seconds=3), timedelta(days=7), "write one like `3 minutes`")] = Field(
        default=timedelta(minutes=3), description="Nothing heard for so long: amber."
    )
    red: Annotated[Duration, _between(timedelta(seconds=5), timedelta(days=30), "write one like `15 minutes`")] = Field(
        default=timedelta(minutes=15), description="And so long: red, and people are told."
    )


class SitesDoor(Strict):
    """Where sites report, by mutual TLS with certificates of the hub's own authority."""

    listen: Annotated[str, AfterValidator(listening)] = Field(
        default="0.0.0.0:8443", description="Address and port. TLS always."
    )
    names: list[HostName] = Field(
        min_length=1, description="Under which names and addresses sites reach the hub: they stand in its certificate."
    )
    certificate_days: int = Field(default=90, ge=1, le=825, description="How long a site's certificate lasts.")


class TenantBudget(Strict):
    """What all schools of a tenant may use together, units a minute; without it each site uses its own `share`."""

    directory: float = Field(
        default=0, ge=0, strict=False, description="Resource units of users and groups; 0: not shared."
    )
    writes: float = Field(default=0, ge=0, strict=False, description="Writes of users and groups; 0: not shared.")
    files: float = Field(default=0, ge=0, strict=False, description="Units of files; 0: not shared.")


class WavePlan(WaveFile):
    """A wave of the whole fleet."""

    owner: str = Field(default="", max_length=100, description="Who is in charge of it: a role or an office.")
    needs: list[str] = Field(
        default_factory=list, max_length=20, description="What has to be true before, for people: shown, and attested."
    )


class HubState(Strict):
    """Where the hub remembers; the same as a bridge's `state`."""

    url: StateUrl = Field(
        default="sqlite:////var/lib/schoolbridge-hub/hub.db",
        description="`postgresql://USER@HOST/NAME` for a fleet, `sqlite:///PATH` for a handful of sites.",
    )
    password: SecretReference | None = Field(
        default=None, description="Reference to the password of the PostgreSQL role."
    )


class HubFile(Strict):
    """`hub.yaml`: the hub of a fleet."""

    version: Literal[1] = Field(description="Version of the format.")
    state: HubState = Field(default_factory=HubState)
    kept: str = Field(
        default="/var/lib/schoolbridge-hub", min_length=1,
        description="Directory of the authority's keys: the same content for every process of one hub.",
    )  # fmt: skip
    sites: SitesDoor
    api: Api = Field(default_factory=Api)
    silence: Silence = Field(default_factory=Silence)
    language: Literal["de", "en"] = Field(
        default="en", description="Of printed reports, and where a browser says none."
    )
    time_zone: TimeZone = Field(default="Europe/Berlin", description="Of waves and blackouts.")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged.")
    waves: list[WavePlan] = Field(default_factory=list, description="In which order schools are cut over.")
    blackouts: list[Blackout] = Field(default_factory=list, description="When no cutover begins anywhere.")
    budgets: dict[str, TenantBudget] = Field(
        default_factory=dict, description="By the id of the tenant: what its schools share, wherever their daemons run."
    )
    notify: list[Target] = Field(default_factory=list, description="Who is told of silent sites and stopped waves.")

    @model_validator(mode="after")
    def _in_order(self) -> HubFile:
        if self.silence.red <= self.silence.amber:
            raise ValueError("silence.red comes before silence.amber|make `red` the longer one")
        if self.sites.listen.startswith("unix:"):
            raise ValueError("sites.listen is a socket of this machine|write an address and a port")
        return self
