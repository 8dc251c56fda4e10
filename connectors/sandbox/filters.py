"""``$filter``: a small OData grammar, parsed to predicates, with indexed look-ups instead of scans.

    expression := term (or term)* · term := factor (and factor)* · factor := not factor | ( expression ) | comparison
    comparison := path op literal | path in (literal, ..) | startsWith(path, literal) | endsWith(..)
                | path/any(x:x op literal) | path/$count op number

Comparison of strings ignores case, as the directory does. ``advanced`` says that the query needs ``ConsistencyLevel:
eventual`` with ``$count=true`` (Graph: advanced query capabilities on directory objects).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.errors import GraphError, bad_request, unsupported_query
from connectors.sandbox.properties import Property

Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-"
    r"[0-9a-fA-F]{12}|-?\d+)|(?P<word>[A-Za-z_@$][\w.@$]*(?:/[A-Za-z_$][\w.$]*)*)|(?P<mark>[(),:]))"
)
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda left, right: left is not None and left >= right,
    "le": lambda left, right: left is not None and left <= right,
    "gt": lambda left, right: left is not None and left > right,
    "lt": lambda left, right: left is not None and left < right,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed ``$filter``. ``keys`` are ``(property, value)`` pairs one of which each match has; None: scan."""

    matches: Predicate
    keys: tuple[tuple[str, str], ...] | None
    advanced: bool
    names: frozenset[str]


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _reach(entry: Mapping[str, Any], path: str) -> Any:
    value: Any = entry
    for step in path.split("/"):
        value = value.get(step) if isinstance(value, Mapping) else None
    return _fold(value)


class _Parser:
    def __init__(self, text: str, properties: Mapping[str, Property], indexed: Iterable[str]) -> None:
        self.text = text
        self.properties = properties
        self.indexed = frozenset(indexed)
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if not match or match.lastgroup is None:
                raise _invalid(text, position)
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        if self.position >= len(self.tokens):
            raise _invalid(self.text, len(self.text))
        _, text = self.tokens[self.position]
        if expected and text not in expected:
            raise _invalid(self.text, self.text.find(text))
        self.position += 1
        return text

    def expression(self) -> Filter:
        result = self.term()
        while self.peek() == "or":
            self.take()
            result = _either(result, self.term())
        return result

    def term(self) -> Filter:
        result = self.factor()
        while self.peek() == "and":
            self.take()
            result = _both(result, self.factor())
        return result

    def factor(self) -> Filter:
        if self.peek() == "not":
            self.take()
            inner = self.factor()
            return Filter(lambda entry: not inner.matches(entry), None, True, inner.names)
        if self.peek() == "(":
            self.take()
            inner = self.expression()
            self.take(")")
            return inner
        if self.peek().lower() in ("startswith", "endswith"):
            return self.affix()
        return self.comparison()

    def affix(self) -> Filter:
        function = self.take().lower()
        self.take("(")
        path = self.path("startsWith" if function == "startswith" else "endsWith")
        self.take(",")
        value = _fold(self.literal())
        self.take(")")
        if self.peek() == "eq":  # `startsWith(x,'y') eq true`, as some clients write it
            self.take()
            self.take("true")
        test = str.startswith if function == "startswith" else str.endswith

        def matches(entry: Mapping[str, Any]) -> bool:
            found = _reach(entry, path)
            return any(test(text, value) for text in (_texts(found)))

        return Filter(matches, None, function == "endswith", frozenset({path.split("/")[0]}))

    def path(self, operator: str) -> str:
        path = self.take()
        name = path.split("/")[0]
        entry = self.properties.get(name)
        if entry is None and name != "id":
            raise bad_request(f"Invalid filter clause: Could not find a property named '{name}' on the resource type.")
        if entry is not None and operator not in entry.operators and not path.endswith("$count"):
            raise unsupported_query(f"Unsupported or invalid query filter clause specified for property '{name}'.")
        return path

    def comparison(self) -> Filter:
        word = self.peek()
        if word.endswith("/any"):
            return self.any_of()
        following = self.tokens[self.position + 1][1] if self.position + 1 < len(self.tokens) else ""
        path = self.path(following)
        name = path.split("/")[0]
        names = frozenset({name})
        operator = self.take("eq", "ne", "in", "ge", "le", "gt", "lt")
        if operator == "in":
            self.take("(")
            values = [self.literal()]
            while self.peek() == ",":
                self.take()
                values.append(self.literal())
            self.take(")")
            folded = {_fold(value) for value in values}
            return Filter(lambda entry: _reach(entry, path) in folded, self.keys(name, values), False, names)
        value = self.literal()
        wanted = _fold(value)
        if path.endswith("/$count"):
            return self.counted(name, operator, value)
        if operator == "eq":
            return Filter(lambda entry: _reach(entry, path) == wanted, self.keys(path, [value]), False, names)
        if operator == "ne":
            return Filter(lambda entry: _reach(entry, path) != wanted, None, True, names)
        test = _ORDERED[operator]
        return Filter(lambda entry: test(_reach(entry, path), wanted), None, False, names)

    def counted(self, name: str, operator: str, value: Any) -> Filter:
        equal = operator == "eq"
        return Filter(lambda entry: (len(entry.get(name) or ()) == value) is equal, None, True, frozenset({name}))

    def any_of(self) -> Filter:
        path = self.take().removesuffix("/any")
        if path not in self.properties:
            raise bad_request(f"Invalid filter clause: Could not find a property named '{path}' on the resource type.")
        self.take("(")
        variable = self.take()
        self.take(":")
        member = self.take()
        field = member.removeprefix(variable).removeprefix("/")
        self.take("eq")
        wanted = _fold(self.literal())
        self.take(")")

        def matches(entry: Mapping[str, Any]) -> bool:
            parts = entry.get(path) or ()
            return any((_fold(part.get(field)) if field else _fold(part)) == wanted for part in parts)

        return Filter(matches, None, False, frozenset({path}))

    def keys(self, path: str, values: list[Any]) -> tuple[tuple[str, str], ...] | None:
        if path not in self.indexed or not all(isinstance(value, str) for value in values):
            return None
        return tuple((path, value.lower()) for value in values)

    def literal(self) -> Any:
        kind, text = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")
        self.take()
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return int(text) if text.lstrip("-").isdigit() else text
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        raise _invalid(self.text, self.text.find(text))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [part.lower() for part in value if isinstance(part, str)] if isinstance(value, list) else []


def _both(one: Filter, other: Filter) -> Filter:
    return Filter(
        lambda entry: one.matches(entry) and other.matches(entry),
        one.keys if one.keys is not None else other.keys,
        one.advanced or other.advanced,
        one.names | other.names,
    )


def _either(one: Filter, other: Filter) -> Filter:
    keys = one.keys + other.keys if one.keys is not None and other.keys is not None else None
    return Filter(
        lambda entry: one.matches(entry) or other.matches(entry),
        keys,
        one.advanced or other.advanced,
        one.names | other.names,
    )


def _invalid(text: str, position: int) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid filter clause: Syntax error at position {position} in '{text}'.")


def parse_filter(text: str, properties: Mapping[str, Property], indexed: Iterable[str]) -> Filter:
    """Parse ``$filter``.

    Raises:
        GraphError: 400 for bad syntax, an unknown property, or an operator that the property does not take.
    """
    parser = _Parser(text, properties, indexed)
    result = parser.expression()
    if parser.position != len(parser.tokens):
        raise _invalid(text, text.find(parser.peek()))
    return result
