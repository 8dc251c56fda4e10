"""The block ``api`` of ``bridge.yaml``: where the status API and the dashboard listen, and who may come in how."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bridge.settings.limits import Strict
from bridge.settings.words import Duration, SecretReference, matching

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
#: How long a token lasts at most.
LONGEST = timedelta(days=731)

HeaderName = Annotated[
    str, *matching(r"[A-Za-z][A-Za-z0-9-]{0,63}", "no name of an HTTP header", "write one like `X-Remote-User`")
]
HostName = Annotated[str, *matching(_HOST, "no name of a host", 'write it without port: "bridge.school.example"')]
Scope = Literal["read", "operate", "approve", "names", "passwords"]


def listening(text: str) -> str:
    """An address to listen on; ValueError for everything else."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            raise ValueError("the socket's path is not absolute|write `unix:/run/schoolbridge/api.sock`")
        return text
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        raise ValueError('no address to listen on|write "127.0.0.1:8078", "[::1]:8078" or "unix:/PATH"')
    return text


def _lifetime(length: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= length <= LONGEST:
        raise ValueError("no lifetime of a token|write one between `1 minute` and `731 days`")
    return length


class Tls(Strict):
    """Certificate and key in PEM; read again with each reload."""

    certificate: SecretReference = Field(description="The certificate with its chain.")
    key: SecretReference = Field(description="Its key, without a passphrase.")


class GroupRight(Strict):
    """What the members of a group may, as the proxy tells groups."""

    scopes: list[Scope] = Field(min_length=1, description="`read`, `operate`, `approve`, `names`, `passwords`.")
    schools: list[str] = Field(default_factory=list, description="Codes of schools; without any: all of them.")


class Proxied(Strict):
    """A proxy on this side of the network logs people in (OIDC) and tells who they are in headers."""

    secret: SecretReference = Field(
        description="What the proxy proves itself with, in the header `X-Schoolbridge-Proxy`: without it nobody's "
        "header is believed."
    )
    user_header: HeaderName = Field(default="X-Forwarded-User", description="Holds who it is.")
    groups_header: HeaderName = Field(default="X-Forwarded-Groups", description="Holds the groups, by commas.")
    groups: dict[str, GroupRight] = Field(
        default_factory=dict, description="Group -> what its members may. Who is in none of them may nothing."
    )


class Api(Strict):
    """The status API and the dashboard, served by the daemon."""

    enabled: bool = Field(default=True, description="`false`: nothing listens.")
    listen: Annotated[str, AfterValidator(listening)] = Field(
        default="127.0.0.1:8078",
        description="Address and port, or `unix:/PATH`. Other than loopback only with `tls` or `proxied`.",
    )
    tls: Tls | None = Field(default=None, description="Speak TLS; needed beyond this machine.")
    proxied: Proxied | None = Field(default=None, description="A proxy speaks TLS and logs people in.")
    allowed_hosts: list[HostName] = Field(
        default_factory=list,
        description="Names under which it may be asked for, beside this machine's own loopback names and `listen`.",
    )
    lifetime: Annotated[Duration, AfterValidator(_lifetime)] = Field(
        default=timedelta(days=90), description="Of a token, unless `--expires` says otherwise."
    )
    per_minute: int = Field(
        default=6000, ge=10, le=1_000_000, description="Requests of one token in a minute; more are refused (429)."
    )

    @model_validator(mode="after")
    def _not_in_the_clear(self) -> Api:
        if not self.loopback and self.tls is None and self.proxied is None:
            raise ValueError(
                f"{self.listen} can be reached from other machines, without encryption|set api.tls or api.proxied, "
                f"or listen on 127.0.0.1"
            )
        return self

    @property
    def socket(self) -> str:
        """Path of the socket; empty when it is an address."""
        return self.listen.removeprefix("unix:") if self.listen.startswith("unix:") else ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.socket:
            return True
        host = self.address[0]
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which it answers, lower case, without ports."""
        own = {"localhost", "127.0.0.1", "[::1]"}
        if not self.socket:
            host = self.address[0]
            own.add(f"[{host}]" if ":" in host else host)
        return frozenset(one.lower() for one in (*own, *self.allowed_hosts))
