"""More of what goes over the wire: errors, the token that asks, how far the files are."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from bridge.api.models import Amounts, Freshness, Model, SchoolCode, Scope, ShareView


class ProgressView(Model):
    """How far the files of a school are, in all and by share."""

    school: SchoolCode
    doing: str = ""
    amounts: Amounts = Amounts()
    shares: list[ShareView] = Field(default=[])
    freshness: list[Freshness] = Field(default=[])


class TokenView(Model):
    """The token that asks. ``schools`` empty: all of them."""

    id: str
    label: str
    scopes: list[Scope]
    schools: list[str] = Field(default=[])
    made: datetime | None = None
    expires: datetime | None = None
    used: datetime | None = None


class Fault(Model):
    """One thing that is wrong with a request, and where; what was sent is not repeated."""

    where: str
    what: str


class Problem(Model):
    """An error (RFC 9457): ``detail`` says what was expected, what was found and what to do."""

    type: str = "about:blank"
    title: str
    status: int = Field(ge=100, le=599)
    detail: str = ""
    instance: str = Field(default="", description="An id that also stands in the log.")
    faults: list[Fault] = Field(default=[])
