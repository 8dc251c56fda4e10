"""Pure: in which OU a new person or group is made, what else it gets, and the OU of a class. Rules of `writeback`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.core.kinds import KINDS
from bridge.core.model import Fields
from bridge.ports import ConfigurationError
from connectors.active_directory.ways import encoded
from connectors.active_directory.writeback import ClassPlace, GroupPlace, PersonPlace, Writeback
from connectors.expression import Expression, compile_expression


class _Known(Mapping[str, Any]):
    """Fields by name for expressions; empty where there is none, so that a rule may ask for what nobody gave."""

    __slots__ = ("_fields", "_names")

    def __init__(self, fields: Fields, names: frozenset[str]) -> None:
        self._fields, self._names = fields, names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        value = self._fields.get(name)
        return "" if value is None else tuple(sorted(value)) if isinstance(value, frozenset) else value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


class Placement:
    """The rules, compiled once. Raises ConfigurationError for a field that the school's people or groups don't have."""

    def __init__(self, back: Writeback, school: str, extra: Mapping[str, Mapping[str, str]]) -> None:
        self._back = back
        self._school = school
        self._names = {
            kind: frozenset({column.name for column in KINDS[kind].fields} | set(extra.get(kind, ())) | {"login"})
            for kind in ("user", "group")
        }
        texts = {"user": list(_texts(back.people)), "group": list(_texts(back.groups))}
        texts["group"] += [rule.name for rule in back.members_of]
        self._compiled = {
            (kind, text): self._compile(kind, text) for kind, several in texts.items() for text in several
        }

    def _compile(self, kind: str, text: str) -> Expression:
        compiled = compile_expression(text, (kind, "school"))
        for name in sorted(compiled.read_from(kind) - self._names[kind]):
            raise ConfigurationError(
                f"School {self._school}: `writeback` asks for {kind}.{name}, which is no field of a {kind}. There are: "
                f"{', '.join(sorted(self._names[kind]))}."
            )
        return compiled

    def place(self, kind: str, fields: Fields) -> PersonPlace | GroupPlace | None:
        """The first rule that matches. Raises ExpressionError."""
        rules: Sequence[PersonPlace | GroupPlace] = self._back.people if kind == "user" else self._back.groups
        return next((rule for rule in rules if rule.when is None or self._told(kind, rule.when, fields)), None)

    def given(self, kind: str, rule: PersonPlace | GroupPlace, fields: Fields) -> dict[str, list[bytes]]:
        """Attribute → values that a rule gives to what is new. Raises ExpressionError."""
        told = {name: encoded(self._told(kind, text, fields)) for name, text in rule.attributes.items()}
        return {name: values for name, values in told.items() if values}

    def classes(self, fields: Fields) -> Iterator[tuple[ClassPlace, str]]:
        """The rules that a group's members live by, with the name of the OU. Raises ExpressionError."""
        for rule in self._back.members_of:
            if rule.role == fields.get("role") and (name := str(self._told("group", rule.name, fields)).strip()):
                yield rule, name

    def _told(self, kind: str, text: str, fields: Fields) -> Any:
        return self._compiled[kind, text]({kind: _Known(fields, self._names[kind]), "school": self._school})


def _texts(rules: Sequence[PersonPlace | GroupPlace]) -> Iterator[str]:
    for rule in rules:
        yield from (text for text in (rule.when, *rule.attributes.values()) if text)
