"""What a school's YAML may say about its Microsoft 365 tenant. Secrets are references, never values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.expression import ExpressionError, compile_expression

#: Cloud -> (Graph, login, scope). Tokens are not interchangeable (learn.microsoft.com/graph/deployments).
CLOUDS = {
    "global": ("https://graph.microsoft.com", "https://login.microsoftonline.com"),
    "us_l4": ("https://graph.microsoft.us", "https://login.microsoftonline.us"),
    "us_l5": ("https://dod-graph.microsoft.us", "https://login.microsoftonline.us"),
    "china": ("https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
}

EXTENSIONS = tuple(f"extensionAttribute{number}" for number in range(1, 16))
Mark = Literal[EXTENSIONS]  # type: ignore[valid-type]
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Secret = Annotated[str, Field(pattern=r"^(credential|env|file):.+$", description="A reference to a secret.")]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Timeouts(BaseModel):
    """Seconds that a single request may take. There is no total: a long answer that keeps coming is fine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect: Seconds = Field(10, description="To open a connection, TLS included.")
    read: Seconds = Field(60, description="Between two pieces of an answer.")
    retry: Seconds = Field(
        180, description="How long a call is repeated after its first failure, all retries together."
    )
    visible: Seconds = Field(60, description="How long to wait for an object just created to become visible.")


class Budgets(BaseModel):
    """What the tenant lets one application spend (Graph throttling limits, Identity). Obeyed before they are hit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    writes: int = Field(3000, ge=20, description="Writes per window that the service allows.")
    writes_window: Seconds = Field(150, description="Length of the window for writes, in seconds.")
    units: int = Field(8000, ge=20, description="Resource units per window: 3500 below 50 users, 5000 up to 500.")
    units_window: Seconds = Field(10, description="Length of the window for resource units, in seconds.")
    clock_scale: float = Field(1, ge=1, description="How much faster a sandbox's budgets run; 1 for the real service.")
    share: float = Field(0.8, gt=0, le=1, description="The part of both that this school's bridge may use.")


def _compiles(name: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            compile_expression(text, (name,))
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(check)


class Newcomers(BaseModel):
    """Who of the cloud belongs to this school beside those who carry its mark: they may be created at the school."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: Annotated[str, Field(max_length=2000), _compiles("user")] | None = Field(
        None,
        description="Expression over the fields of a `user`, such as `user.department == 'Gymnasium Nord'` "
        "(a field beside the basic ones has to stand under `attributes`).",
    )
    groups: Annotated[str, Field(max_length=2000), _compiles("group")] | None = Field(
        None,
        description="Expression over the fields of a `group`. Needs `candidates: users_and_groups`.",
    )


class Access(BaseModel):
    """How to get into a tenant: what every connector to it has to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: str = Field(
        pattern=r"^[A-Za-z0-9.-]+$", description="Directory (tenant) id, a GUID; never `common` or `organizations`."
    )
    client_id: str = Field(min_length=1, description="Application (client) id of the app registration.")
    certificate: Secret | None = Field(
        None, description="Reference to a PEM with the certificate and its private key. Preferred over a secret."
    )
    private_key: Secret | None = Field(
        None, description="Reference to the private key, where it isn't in the same PEM as the certificate."
    )
    client_secret: Secret | None = Field(
        None, description="Reference to a client secret, where no certificate is used."
    )

    cloud: Literal["global", "us_l4", "us_l5", "china"] = Field("global", description="Which Microsoft cloud.")
    endpoint: str | None = Field(None, description="Root URL of Graph instead of the cloud's own, without the version.")
    authority: str | None = Field(None, description="Root URL of the login service instead of the cloud's own.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="More host names that may be sent the token. The endpoint's own is always allowed."
    )
    proxy: str | None = Field(
        None, description="Proxy URL. Without it HTTPS_PROXY and NO_PROXY of the environment count."
    )

    congestion_control: str = Field(
        "bbr", pattern=r"^[a-z0-9_]{0,15}$",
        description="Congestion control of TCP where the kernel has it, else the machine's own. Empty: always that.",
    )  # fmt: skip
    timeouts: Timeouts = Field(default_factory=lambda: Timeouts.model_validate({}), description="Time limits.")
    parallel: int = Field(4, ge=1, le=16, description="Requests in flight at the same time.")
    poll_seconds: Seconds = Field(60, description="How often the cloud is asked for changes.")
    read_only: bool = Field(False, description="Refuse every write, whatever the stage of the school allows.")

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        """Exactly one way to get in, and no token in the clear."""
        if (self.certificate is None) == (self.client_secret is None):
            raise ValueError("give either `certificate` or `client_secret`, and only one of them")
        if self.private_key is not None and self.certificate is None:
            raise ValueError("`private_key` belongs to a `certificate`")
        if self.tenant_id in {"common", "organizations", "consumers"}:
            raise ValueError("`tenant_id` must name one tenant")
        for name, url in (("endpoint", self.endpoint), ("authority", self.authority)):
            if url is not None and not safe(url):
                raise ValueError(f"`{name}` must be an https URL (http only on this machine): {url}")
        return self

    @property
    def graph_url(self) -> str:
        """Root URL with the version, no slash at the end."""
        return (self.endpoint or CLOUDS[self.cloud][0]).rstrip("/") + "/v1.0"

    @property
    def authority_url(self) -> str:
        """The tenant's authority."""
        return f"{(self.authority or CLOUDS[self.cloud][1]).rstrip('/')}/{self.tenant_id}"

    @property
    def scope(self) -> str:
        """All application permissions that an administrator consented to. The cloud's own, also for a sandbox."""
        return f"{CLOUDS[self.cloud][0]}/.default"

    @property
    def hosts(self) -> frozenset[str]:
        """Host names, in lower case, that may see the token."""
        own = urlsplit(self.graph_url).hostname or ""
        return frozenset(host.lower() for host in (own, *self.allowed_hosts))


class Options(Access):
    """The cloud side of one school: which tenant, how to get in, and what marks an object as this school's."""

    domains: tuple[str, ...] = Field(min_length=1, description="Verified domains in which this school's logins end.")
    school_code: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{1,40}$", description="The mark's value. Without it the code of the school."
    )
    mark: Mark = Field("extensionAttribute14", description="Property that says which school a user belongs to.")
    anchor: Mark | Literal["employeeId"] = Field(
        "extensionAttribute15",
        description="Property that holds the source anchor. `employeeId` only for anchors of at most 16 characters.",
    )
    take_over: bool = Field(
        False,
        description="Whether people keep their account when they change schools inside the tenant. Only where the "
        "source anchors of all its schools are of one kind (the state's reference id), and then for all of them.",
    )
    candidates: Literal["none", "users", "users_and_groups"] = Field(
        "users",
        description="What without a mark may be proposed for linking: users whose login is in our domains, groups too.",
    )
    newcomers: Newcomers = Field(
        default_factory=lambda: Newcomers.model_validate({}),
        description="Who was made in the cloud and belongs to this school, beside those who carry its mark.",
    )
    properties: dict[str, str] = Field(
        default_factory=dict,
        description="Attribute of the school's YAML -> Graph user property. Without it `job_title` means `jobTitle`.",
    )
    licenses: frozenset[str] = Field(
        frozenset(),
        description="SKU part numbers that the bridge may assign and take away. All others are never touched.",
    )
    fallback_owner: str | None = Field(
        None, description="Login or object id of the owner of Microsoft 365 groups that have no owner of their own."
    )
    password_length: int = Field(16, ge=12, le=64, description="Length of the readable first passwords.")

    budgets: Budgets = Field(default_factory=lambda: Budgets.model_validate({}), description="What may be spent.")

    @model_validator(mode="after")
    def _marks(self) -> Self:
        """Two things can't be kept in one property."""
        if self.mark == self.anchor:
            raise ValueError("`mark` and `anchor` must be different properties")
        if self.newcomers.groups and self.candidates != "users_and_groups":
            raise ValueError("`newcomers.groups` names groups that nobody looks at: set `candidates: users_and_groups`")
        return self


def safe(url: str) -> bool:
    """Whether a token may travel to this URL as far as the line goes: TLS, or this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
