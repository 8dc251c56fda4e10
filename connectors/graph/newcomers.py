"""Who of the cloud belongs to this school: whoever carries its mark, and whoever the school's own rule names.

Only these may come into being at the school. A login that ends in one of our domains is not enough: the tenant is
shared by all schools of the authority.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.core.model import Fields
from connectors.expression import Expression, ExpressionError, compile_expression
from connectors.graph.options import Options


class _Empty(Mapping[str, Any]):
    """Fields by name; empty where there is none."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        value = self._fields.get(name)
        return "" if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Newcomers:
    """The rules of the options, compiled once. ``failed``: what went wrong since the last listing began, by kind."""

    def __init__(self, options: Options) -> None:
        rules = options.newcomers
        self._rules: dict[str, Expression] = {
            kind: compile_expression(text, (kind,))
            for kind, text in (("user", rules.users), ("group", rules.groups))
            if text is not None
        }
        self.failed: dict[str, str] = {}

    def belongs(self, kind: str, fields: Fields, *, marked: bool) -> bool:
        """Whether an object of the cloud is this school's; False where the rule fails on it."""
        rule = self._rules.get(kind)
        if marked or rule is None:
            return marked
        try:
            return bool(rule({kind: _Empty(fields)}))
        except ExpressionError as error:
            self.failed[kind] = f"`newcomers` of {kind}s fails on some of them, who stay out: {error}"
            return False
