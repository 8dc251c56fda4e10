"""What a school's YAML says about its directory. Drawn into the configuration reference and the JSON schema."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.active_directory.terms import ExpressionText, Place, Strict, compile_rule
from connectors.active_directory.writeback import Writeback
from connectors.expression import ExpressionError

USER_DEFAULTS = {
    "display_name": "attr.displayName or ((attr.givenName ~ ' ' ~ attr.sn) | trim) or attr.cn",
    "given_name": "attr.givenName",
    "surname": "attr.sn",
    "login": "attr.sAMAccountName",
    "upn_base": "((attr.givenName ~ '.' ~ attr.sn) | translit) or (attr.sAMAccountName | translit)",
}
GROUP_DEFAULTS = {
    "display_name": "attr.displayName or attr.cn",
    "description": "attr.description",
    "login": "attr.sAMAccountName",
    "nickname_base": "(school ~ '-' ~ attr.cn) | translit",
}

_REFERENCE = re.compile(r"(credential|env|file):.+")


def _expression(text: str) -> str:
    try:
        compile_rule(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return text


class Rule(Strict):
    """When a rule matches: all conditions given must hold."""

    when: ExpressionText | None = Field(
        None,
        description="Expression over `attr`, `values`, `ou`, `dn` and `school`; the rule matches where it is true.",
    )
    ou: Place | None = Field(None, description="The rule matches only below this OU; held by its objectGUID.")
    group: Place | None = Field(
        None, description="The rule matches only members, also nested ones, of this group; held by its objectGUID."
    )

    @field_validator("when")
    @classmethod
    def _compiles(cls, text: str | None) -> str | None:
        return text if text is None else _expression(text)


class RoleRule(Rule):
    """Who has a role. All conditions given must hold; the first rule that matches wins."""

    role: str = Field(
        pattern=r"^[a-z][a-z_]*$", description="`pupil`, `teacher`, `staff` or another role of the school."
    )
    licenses: tuple[str, ...] = Field((), description="SKU part numbers of the licences that people of this role get.")


class GroupRule(Rule):
    """What kind of group a group is. All conditions given must hold; the first rule that matches wins."""

    role: Literal["class", "course", "working_group", "staff", "none"] = Field(
        description="The kind of group; `none` is not mirrored."
    )
    unified: bool = Field(
        False, description="A Microsoft 365 group (with mailbox and site) instead of a security group."
    )
    owners: tuple[Literal["members", "managed_by"], ...] = Field(
        ("members", "managed_by"),
        description="Where owners come from, the first that yields one: `members` are those direct members who have "
        "one of `owner_roles`, `managed_by` is the attribute managedBy.",
    )
    owner_roles: tuple[str, ...] = Field(("teacher",), description="Roles whose members own the group.")
    fallback_owner: Place | None = Field(
        None, description="The account that owns the group where nobody else does: distinguished name or objectGUID."
    )


class Consent(Rule):
    """Who may have an account in the cloud: no consent, no account."""

    roles: tuple[str, ...] = Field(
        ("pupil",), description="Roles that need consent; all others count as having given it."
    )

    @model_validator(mode="after")
    def _asks(self) -> Consent:
        if self.when is None and self.group is None and self.ou is None:
            raise ValueError("consent needs `when`, `group` or `ou`: what says that consent was given?")
        return self


class Scope(Strict):
    """Who and what is mirrored. With both given, people must be below an OU and in a group."""

    ous: tuple[Place, ...] = Field((), description="OUs whose people and groups are mirrored, with all below them.")
    exclude_ous: tuple[Place, ...] = Field((), description="OUs below them that are left out.")
    groups: tuple[Place, ...] = Field(
        (), description="Groups whose members, also nested ones, are mirrored; nobody else is."
    )

    @model_validator(mode="after")
    def _something(self) -> Scope:
        if not self.ous and not self.groups:
            raise ValueError("a scope needs `ous` or `groups`: nothing would be mirrored")
        return self


class Options(Strict):
    """An Active Directory, Windows or Samba, over LDAPS."""

    servers: tuple[str, ...] = Field(
        min_length=1,
        description="The domain controllers, tried in this order: `ldaps://dc1.school.example`, port 636 unless given. "
        "The name must be in the server's certificate.",
    )
    authentication: Literal["simple", "gssapi"] = Field(
        "simple",
        description="`simple`: account and password inside TLS. `gssapi`: Kerberos inside TLS (extra `kerberos`).",
    )
    account: str | None = Field(
        None, description="The bridge's own account: `name@domain`, `DOMAIN\\name` or its distinguished name."
    )
    password: str | None = Field(
        None, description="Where its password is: `credential:NAME`, `env:NAME` or `file:PATH`."
    )
    keytab: str | None = Field(None, description="Path of the client keytab for `gssapi`; else the system's default.")
    ca_file: str | None = Field(
        None,
        description="PEM file of the authority that issued the servers' certificates; else the system's authorities.",
    )
    connect_seconds: float = Field(5.0, gt=0, le=60, description="How long a server may take to accept a connection.")
    answer_seconds: int = Field(60, gt=0, le=600, description="How long a server may take to answer.")
    page_size: int = Field(1000, ge=10, le=1000, description="Objects a page; Windows allows 1,000.")
    scope: Scope = Field(description="Who and what is mirrored.")
    computers: tuple[Place, ...] = Field(
        (), description="OUs whose computers are the school's, with all below them; without any: the whole domain."
    )
    roles: tuple[RoleRule, ...] = Field(
        min_length=1, description="Who is pupil, teacher, staff; the first rule that matches wins."
    )
    default_role: str | None = Field(
        None, description="The role of people whom no rule matches; if left out they are not mirrored."
    )
    groups: tuple[GroupRule, ...] = Field(
        (), description="Which groups are classes, courses, ...; a group that no rule matches is not mirrored."
    )
    consent: Consent | None = Field(None, description="What says that consent was given; if left out nobody needs it.")
    reference_attribute: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The attribute that holds the school's reference id, the source anchor; where empty: objectGUID.",
    )
    usage_location: str = Field("DE", pattern=r"^[A-Z]{2}$", description="Country of use of licences (ISO 3166).")
    user_fields: dict[str, ExpressionText] = Field(
        default_factory=dict,
        description="Other expressions for "
        + ", ".join(f"`{name}` (`{text}`)" for name, text in USER_DEFAULTS.items())
        + ".",
    )
    group_fields: dict[str, ExpressionText] = Field(
        default_factory=dict,
        description="Other expressions for "
        + ", ".join(f"`{name}` (`{text}`)" for name, text in GROUP_DEFAULTS.items())
        + ".",
    )
    poll_seconds: float = Field(
        1.0, ge=0.1, le=3600, description="How often the server is asked whether anything changed."
    )
    notifications: bool = Field(
        True,
        description="Whether the server is also asked to tell of changes at once, on a connection of its own; where it "
        "does not, the poll goes on alone.",
    )
    writeback: Writeback | None = Field(
        None, description="How people and groups of the cloud are written here; if left out the connector only reads."
    )
    missing_days: int | None = Field(
        None,
        ge=1,
        description="After how many days away the bridge compares in full; if left out the directory's tombstone "
        "lifetime less seven days.",
    )

    @field_validator("servers")
    @classmethod
    def _only_ldaps(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            if not re.fullmatch(r"ldaps://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?/?", server):
                plain = server.lower().startswith("ldap://") or "://" not in server
                why = "plain LDAP shows passwords and names to the network and is refused" if plain else "is no address"
                raise ValueError(f"{server!r}: {why}; expected ldaps://NAME or ldaps://NAME:PORT")
        return servers

    @field_validator("password")
    @classmethod
    def _only_references(cls, password: str | None) -> str | None:
        if password is not None and not _REFERENCE.fullmatch(password):
            # The value itself must not be shown: it may be the password.
            raise ValueError("expected where the password is, not the password: credential:NAME, env:NAME or file:PATH")
        return password

    @field_validator("user_fields", "group_fields")
    @classmethod
    def _compile(cls, fields: dict[str, str]) -> dict[str, str]:
        for text in fields.values():
            _expression(text)
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> Options:
        for given, known, name in (
            (self.user_fields, USER_DEFAULTS, "user_fields"),
            (self.group_fields, GROUP_DEFAULTS, "group_fields"),
        ):
            for unknown in given.keys() - known.keys():
                raise ValueError(f"{name}: there is no field {unknown!r}; there are {', '.join(known)}")
        if self.authentication == "simple" and not (self.account and self.password):
            raise ValueError("authentication `simple` needs `account` and `password`")
        if self.authentication == "gssapi" and self.password:
            raise ValueError("authentication `gssapi` takes no `password`; its key comes from `keytab`")
        if self.authentication == "gssapi" and re.search(r"[\\=]", self.account or ""):
            raise ValueError("authentication `gssapi` needs `account` as name@domain, the domain's own DNS name")
        if self.authentication == "simple" and self.keytab:
            raise ValueError("`keytab` is for authentication `gssapi`; `simple` takes `password`")
        if self.writeback and self.writeback.limbo in self.scope.ous:
            raise ValueError("`writeback.limbo` is one of `scope.ous`: give it an OU of its own, where nobody else is")
        return self
