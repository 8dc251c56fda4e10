"""What a school's YAML says about writing its directory: where new people and groups go, and where retired ones lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from connectors.active_directory.terms import AttributeName, ExpressionText, Place, Strict
from connectors.expression import ExpressionError, compile_expression

#: Attributes that give power, or that the connector writes by itself: no rule may name them.
NEVER_BY_RULE = frozenset({
    "admincount", "altsecurityidentities", "extensionname", "grouptype", "member", "memberof",
    "msds-allowedtoactonbehalfofotheridentity", "msds-allowedtodelegateto", "msds-keycredentiallink",
    "ntsecuritydescriptor", "objectclass", "objectguid", "objectsid", "primarygroupid", "pwdlastset",
    "samaccountname", "serviceprincipalname", "sidhistory", "unicodepwd", "useraccountcontrol", "userpassword",
})  # fmt: skip


def _harmless(name: str) -> str:
    if name.lower() in NEVER_BY_RULE:
        raise ValueError(f"{name} is never written by a rule")
    return name


Writable = Annotated[AttributeName, AfterValidator(_harmless)]


def _about(*names: str) -> AfterValidator:
    def compiles(text: str) -> str:
        try:
            compile_expression(text, names)
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(compiles)


AboutUser = Annotated[ExpressionText, _about("user", "school")]
AboutGroup = Annotated[ExpressionText, _about("group", "school")]


class PersonPlace(Strict):
    """Where a new person's account is made; the first rule that matches wins."""

    when: AboutUser | None = Field(
        None, description="Expression over `user` (its fields, `upn` and `login` too) and `school`; left out: always."
    )
    ou: Place = Field(description="The OU; held by its objectGUID.")
    groups: tuple[Place, ...] = Field((), description="Groups that the new account is put into.")
    attributes: dict[Writable, AboutUser] = Field(
        default_factory=dict, description="Attribute → expression, written once, when the account is made."
    )


class GroupPlace(Strict):
    """Where a new group is made; the first rule that matches wins."""

    when: AboutGroup | None = Field(
        None, description="Expression over `group` (its fields, `login` too) and `school`; left out: always."
    )
    ou: Place = Field(description="The OU; held by its objectGUID.")
    attributes: dict[Writable, AboutGroup] = Field(
        default_factory=dict, description="Attribute → expression, written once, when the group is made."
    )


class ClassPlace(Strict):
    """People live in the OU that is named as their class: who is put into such a group is moved there first."""

    role: Literal["class", "course", "working_group", "staff"] = Field("class", description="The kind of group.")
    people: tuple[str, ...] = Field(("pupil",), description="Roles of those members who are moved.")
    parent: Place = Field(description="The OU above the OUs of the classes; held by its objectGUID.")
    name: AboutGroup = Field("group.display_name", description="The name of the class's OU, as an expression.")
    create: bool = Field(False, description="Whether an OU that is not there yet is made.")


class Writeback(Strict):
    """How people and groups of the cloud are written into the directory."""

    limbo: Place = Field(
        description="The OU in which retired people and groups lie until they are purged. Whatever lies in it counts "
        "as deleted; nobody else may be there."
    )
    people: tuple[PersonPlace, ...] = Field((), description="Where new accounts are made; none: no account is made.")
    groups: tuple[GroupPlace, ...] = Field((), description="Where new groups are made; none: no group is made.")
    members_of: tuple[ClassPlace, ...] = Field(
        (), description="Groups whose members live in an OU of that group, such as classes."
    )
    attributes: dict[str, Writable] = Field(
        default_factory=dict,
        description="Field of people → attribute that it is written to; needed only where it is read by an expression "
        "that can't be turned round.",
    )
    group_attributes: dict[str, Writable] = Field(default_factory=dict, description="The same for groups.")
    read_only: bool = Field(False, description="Writes nothing, while what lies in the limbo still counts as deleted.")

    @model_validator(mode="after")
    def _apart(self) -> Writeback:
        if self.limbo in self.ous()[1:]:
            raise ValueError("a rule makes new accounts or groups in `limbo`, where all counts as deleted")
        return self

    def ous(self) -> list[str]:
        """All OUs that are named here."""
        places = [*(rule.ou for rule in self.people), *(rule.ou for rule in self.groups)]
        return [self.limbo, *places, *(rule.parent for rule in self.members_of)]
