"""Who of the cloud belongs to this school: whoever carries its mark, and whoever the school's own rule names.

Only these may come into being at the school. A login that ends in one of our domains is not enough: the tenant is
shared by all schools of the authority.
"""

from __future__ import annotations

from bridge.core.kinds import KINDS, Where
from bridge.core.model import Fields
from bridge.ports import ConfigurationError
from connectors.expression import Expression, ExpressionError, compile_expression
from connectors.graph.desk import Desk


class Newcomers:
    """The rules of the options, compiled once. ``failed``: what went wrong since the last listing began, by kind.

    Raises ConfigurationError for a rule that asks for a field that nobody has here: it would let nobody in.
    """

    def __init__(self, desk: Desk) -> None:
        rules, school = desk.options.newcomers, desk.context.school
        self._rules: dict[str, Expression] = {}
        self._empty: dict[str, dict[str, str]] = {}
        self.failed: dict[str, str] = {}
        for kind, text in (("user", rules.users), ("group", rules.groups)):
            if text is None:
                continue
            here = {column.name for column in KINDS[kind].fields if column.where is not Where.SCHOOL}
            names = here | set(desk.context.attributes.get(kind, ()))
            self._rules[kind] = compile_expression(text, (kind,))
            self._empty[kind] = dict.fromkeys(names, "")
            for name in sorted(self._rules[kind].read_from(kind) - names):
                raise ConfigurationError(
                    f"School {school}: `newcomers` asks for {kind}.{name}, which is no field of a {kind} in the cloud. "
                    f"There are: {', '.join(sorted(names))}. More come with `attributes`."
                )

    def belongs(self, kind: str, fields: Fields, *, marked: bool) -> bool:
        """Whether an object of the cloud is this school's; False where the rule fails on it."""
        rule = self._rules.get(kind)
        if marked or rule is None:
            return marked
        known = {name: value for name, value in fields.items() if value is not None}
        try:
            return bool(rule({kind: {**self._empty[kind], **known}}))
        except ExpressionError as error:
            self.failed[kind] = f"`newcomers` of {kind}s fails on some of them, who stay out: {error}"
            return False
