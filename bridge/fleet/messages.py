"""The messages as pydantic models: JSON over HTTPS, times UTC with their zone. What holds names of people says so.

Everything that comes from the other end is checked by these models before anything of it is believed; a report is at
most ``LARGEST`` bytes, a message's body at most ``BODY``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Version of what is spoken. A hub refuses another one with what to update.
PROTOCOL = 1
#: Bytes of a report, and of one message's body; messages in a report.
LARGEST, BODY, MOST = 4 << 20, 512 << 10, 500

SchoolCode = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,31})?$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Spoken(BaseModel):
    """What all of them share: nothing unknown is taken, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(Spoken):
    """One message out of a site's outbox. Its body is what ``kind`` says, never with a name of a person.

    school         a state (slot ``school``): {"view": SchoolView, "progress": ProgressView}
    cutover        a state (slot ``cutover``): CutoverView without names
    configuration  a state (slot ``configuration``): {"digest", "source": "site" | "hub", "version", "problem"}
    head           a state (slot ``head``): {"seq", "hash"} of the school's journal
    stage          an event: {"stage", "before"}
    run            an event: {"id", "step", "outcome", "problem"}: a cutover's run began, moved or ended
    notice         an event: {"severity", "text", "over", "key"}; ``key`` is the same from beginning to end
    answer         an event: {"command", "state": "done" | "refused" | "expired", "text", "stage"}
    """

    seq: int = Field(ge=1)
    at: datetime
    school: SchoolCode = ""
    kind: Literal["school", "cutover", "configuration", "head", "stage", "run", "notice", "answer"]
    body: dict[str, Any] = {}


class Demand(Spoken):
    """What a site would use of a budget that the whole tenant shares, units a minute; ``tenant`` is its id, hashed."""

    tenant: Id
    budget: Literal["directory", "writes", "files"]
    wanted: float = Field(ge=0, le=1e9)
    holds: datetime | None = Field(default=None, description="`until` of the allowance that the site got last.")


class Report(Spoken):
    """What a site says. ``oldest``, ``last``: see ``bridge.core.fleet.Told``; ``now``: the site's clock."""

    protocol: int = PROTOCOL
    epoch: int = Field(ge=1)
    last: int = Field(ge=0)
    oldest: int = Field(ge=1)
    now: datetime
    version: str = Field(default="", max_length=40)
    messages: list[Message] = Field(default=[], max_length=MOST)
    demands: list[Demand] = Field(default=[], max_length=100)


class Signed(Spoken):
    """An order of the hub as it was signed: ``text`` is JSON of an ``Order``, ``value`` the Ed25519 signature (base64).

    Signed by the hub's key, which the site learned when it enrolled: who can write the hub's database alone can't ask.
    """

    text: str = Field(max_length=BODY * 2)
    value: str = Field(max_length=200)


class Order(Spoken):
    """A command (``action``) or a question (``look``) to one site. Good from ``issued`` to ``expires``, once."""

    id: Id
    site: Name
    school: SchoolCode = ""
    actor: str = Field(max_length=100, description="Label of the token that asked; journaled as hub:LABEL.")
    scopes: list[Literal["read", "operate", "approve", "names"]] = []
    issued: datetime
    expires: datetime
    action: dict[str, Any] | None = Field(default=None, description="An `Action` of the status API, or `configure`.")
    look: Look | None = None


class Look(Spoken):
    """A question; ``names`` where names are asked for and the asker may see them. ``key``: seal the answer for it."""

    what: Literal[
        "cycles", "plan", "operations", "conflicts", "drift", "journal", "releases", "reports", "report"
    ]  # fmt: skip
    names: bool = False
    before: str | None = Field(default=None, max_length=1000)
    limit: int = Field(default=100, ge=1, le=1000)
    report: str = Field(default="", max_length=120)
    form: str = Field(default="", max_length=40)
    key: str = Field(max_length=64, description="X25519 public key, base64.")


class Allowance(Spoken):
    """What a site may use of a tenant's budget, units a minute: for ``seconds`` from when it made its report.

    ``until`` is the end on the hub's clock; by it the site says which allowance it goes by.
    """

    tenant: Id
    budget: Literal["directory", "writes", "files"]
    given: float = Field(ge=0)
    until: datetime
    seconds: float = Field(default=0, ge=0, le=3600)


class Receipt(Spoken):
    """The hub's answer. ``epoch``, ``seq``: its mark of this site; ``verdict``: ``bridge.core.fleet.Verdict``."""

    verdict: Literal["applied", "repeated", "hole", "behind", "none"]
    epoch: int = Field(ge=0)
    seq: int = Field(ge=0)
    now: datetime
    commands: list[Signed] = []
    questions: list[Signed] = []
    allowances: list[Allowance] = []
    missing: int = Field(
        default=0, ge=0, description="Messages of this site that this hub never got, ever. Where it is another "
        "number than in the receipt before, all states are told anew: so the loss of one receipt loses nothing.",
    )  # fmt: skip
    renew: bool = Field(default=False, description="The certificate should be renewed now.")


class Answer(Spoken):
    """The answer to a question, sealed for who asked: see ``bridge.fleet.sealed``. Or why there is none.

    Sealed is JSON: {"rows": [...]} of a list (plan, drift, releases, reports), {"page": {"rows": [...], "next": ...}}
    of a page (cycles, operations, conflicts, journal), {"bytes": base64, "media": ...} of a report's file.
    """

    id: Id
    sealed: str = Field(default="", max_length=LARGEST)
    problem: str = Field(default="", max_length=500)


class Enrolment(Spoken):
    """A new site asks for its certificate, with the ticket that ``schoolbridge hub enrol`` printed."""

    site: Name
    ticket: str = Field(max_length=200, description="The whole ticket, or its secret alone.")
    request: str = Field(max_length=8000, description="PKCS #10 in PEM.")


class Enrolled(Spoken):
    """What a site gets: its certificate, the authority's, and the key with which the hub signs (base64)."""

    certificate: str
    authority: str
    key: str
    schools: list[SchoolCode]


Order.model_rebuild()
