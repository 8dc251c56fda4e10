"""The terms that options are written in: places, expressions, and nothing that was not meant."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from connectors.expression import Expression, ExpressionError, compile_expression

#: Names that every expression that reads the directory may use.
USER_NAMES = ("attr", "values", "ou", "dn", "school", "role")
#: Back links: a change of them does not change the object that carries them, so it would never be noticed.
BACK_LINKS = frozenset({"memberof", "directreports", "managedobjects", "msds-memberoftransitive", "tokengroups"})


class Strict(BaseModel):
    """Part of the options: a name that is unknown is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ExpressionText = Annotated[str, Field(min_length=1, max_length=2000)]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
Place = Annotated[
    str,
    Field(
        min_length=3,
        description="A distinguished name (the domain's part may be left out) or an objectGUID.",
    ),
]


def compile_rule(text: str) -> Expression:
    """Compile an expression of this connector. Raises ExpressionError, also where it could never follow a change."""
    compiled = compile_expression(text, USER_NAMES)
    for name in sorted(compiled.read_from("attr") | compiled.read_from("values")):
        if name.lower() in BACK_LINKS:
            raise ExpressionError(
                f"{name} can't be used in an expression: the directory does not report its changes. "
                f"Use a rule's `group:` instead, which follows memberships."
            )
    return compiled


def is_guid(place: str) -> bool:
    """Whether a place is given by objectGUID."""
    try:
        UUID(place)
    except ValueError:
        return False
    return True
