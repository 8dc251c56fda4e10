"""The small expression language of the mapping rules: Jinja2's, sandboxed, without calls, loops or Python's objects.

    attr.displayName
    (attr.givenName ~ '.' ~ attr.sn) | translit
    'teacher' if attr.employeeType in ('L', 'LK') else ''

A dot or an index looks a name up in a mapping and nothing else; the only operations are operators, tests and the
filters below; powers, repetition and printf formatting are refused, lengths are bounded (an expression is written by a
school's administrator, and evaluated 20,000 times a cycle).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from anyascii import anyascii  # type: ignore[import-untyped, unused-ignore]
from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.ports import ConfigurationError

LONGEST_EXPRESSION = 2000  # characters
LONGEST_PATTERN = 200
LONGEST_TEXT = 4096  # of a value that goes into or comes out of a filter

_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_NESTED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*[+*}](?:[^()\\]|\\.)*\)[+*{]")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ẞ": "SS"})
_APOSTROPHES = re.compile(r"['’‘`´ʼʹʻ]")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else"})
_TESTS = ("defined", "undefined", "none", "string", "number", "in", "eq", "ne", "lt", "le", "gt", "ge", "==", "!=",
          "<", "<=", ">", ">=", "true", "false")  # fmt: skip


class ExpressionError(ConfigurationError):
    """An expression is wrong, or its value can't be had: names the expression, the position and what is unknown."""


def translit(value: object) -> str:
    """A name in lower-case ASCII letters, digits, ``.``, ``-`` and ``_``: Jörg Groß → joerg-gross, Łukasz → lukasz.

    German first (ä → ae, ß → ss), whatever script after it by the anyascii tables. Apostrophes are dropped (O'Neill →
    oneill), each run of other characters becomes one hyphen, and none stands at an end or beside a dot.
    """
    text = unicodedata.normalize("NFC", _text(value)).translate(_GERMAN)
    plain = _APOSTROPHES.sub("", anyascii(_APOSTROPHES.sub("", text))).lower()
    joined = re.sub(r"[^a-z0-9._-]+", "-", plain)
    joined = re.sub(r"-*\.[-.]*", ".", joined)
    return re.sub(r"-{2,}", "-", joined).strip(".-_")


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > LONGEST_TEXT:
        raise SecurityError(f"a text of {len(text)} characters is too long (at most {LONGEST_TEXT})")
    return text


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    if len(pattern) > LONGEST_PATTERN:
        raise SecurityError(f"a pattern of {len(pattern)} characters is too long (at most {LONGEST_PATTERN})")
    if _NESTED_REPEAT.search(pattern):
        raise SecurityError(f"the pattern {pattern!r} repeats a group that repeats: it may take for ever")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise SecurityError(f"the pattern {pattern!r} is not a regular expression: {error}") from None


def _regex_replace(value: object, pattern: str, replacement: str = "") -> str:
    return _text(_pattern(pattern).sub(_text(replacement), _text(value)))


def _split(value: object, separator: str | None = None) -> tuple[str, ...]:
    return tuple(_text(value).split(separator or None))


def _first(value: Any) -> Any:
    return next(iter(value), "")


def _default(value: Any, other: Any = "") -> Any:
    return other if isinstance(value, StrictUndefined) or value in (None, "", ()) else value


#: The filters by name; those of Jinja2 itself are not there. A pattern matches from the start, not always to the end.
FILTERS: Mapping[str, Callable[..., Any]] = {
    "translit": translit,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "trim": lambda value: _text(value).strip(),
    "replace": lambda value, old, new: _text(_text(value).replace(old, new) if old else value),
    "split": _split,
    "join": lambda values, separator="": _text(_text(separator).join(_text(value) for value in values)),
    "first": _first,
    "last": lambda value: value[-1] if value else "",
    "length": lambda value: len(value),
    "default": _default,
    "regex_match": lambda value, pattern: _pattern(pattern).match(_text(value)) is not None,
    "regex_replace": _regex_replace,
}


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"**", "*", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False)
        self.filters = dict(FILTERS)
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str):
            try:
                return obj[argument]
            except KeyError:
                raise UndefinedError(f"unknown name {argument!r}{_meant(argument, obj)}") from None
        if isinstance(obj, (str, tuple, list)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                return ""
        raise SecurityError(
            f"{argument!r} can't be looked up in a {type(obj).__name__}; use a filter, as in: x | upper"
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "**" or not numbers:
            raise SecurityError(f"the operator {operator} is not allowed here")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        return False


_ENVIRONMENT = _Environment()


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: call it with a mapping of names. ``lookups`` are the dotted names it reads, sorted."""

    text: str
    lookups: tuple[str, ...]
    _evaluate: Callable[[Mapping[str, Any]], Any]

    def __call__(self, names: Mapping[str, Any]) -> Any:
        """The value. Raises ExpressionError."""
        return self._evaluate(names)

    def read_from(self, name: str) -> frozenset[str]:
        """What it reads directly of the mapping ``name``: ``{"sn"}`` for ``attr.sn | upper`` and ``attr``."""
        prefix = f"{name}."
        return frozenset(one.removeprefix(prefix).split(".")[0] for one in self.lookups if one.startswith(prefix))


def compile_expression(text: str, names: Collection[str] | None = None) -> Expression:
    """Compile ``text``. Where ``names`` is given, other top-level names are refused at once.

    Raises ExpressionError for what is wrong in the text itself: syntax, unknown filter, name or operation.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(f"expression of {len(text)} characters is too long (at most {LONGEST_EXPRESSION})")
    if _PLAIN.fullmatch(text.strip()) and text.strip() not in _WORDS:
        path = tuple(text.strip().split("."))
        _refuse_unknown(text, [path[0]], names)
        return Expression(text, (".".join(path),), lambda scope: _look_up(text, path, scope))
    tree = _parse(text)
    _refuse_unknown(text, [node.name for node in _walk(tree) if isinstance(node, nodes.Name)], names)
    try:
        compiled = _ENVIRONMENT.compile_expression(text, undefined_to_none=False)
    except TemplateError as error:
        raise _wrong(text, error) from None
    return Expression(text, _lookups(tree), lambda scope: _run(text, compiled, scope))


def _parse(text: str) -> nodes.Node:
    try:
        parser = Parser(_ENVIRONMENT, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise TemplateSyntaxError(f"unexpected {token.value!r}", token.lineno)
    except TemplateSyntaxError as error:
        raise _wrong(text, error, last=True) from None
    for node in _walk(tree):
        if isinstance(node, nodes.Call):
            raise ExpressionError(
                f"expression {_short(text)}{_where(text, '(')}: functions and methods can't be called here. "
                f"Use a filter, as in: attr.sn | upper. There are: {', '.join(sorted(FILTERS))}."
            )
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise ExpressionError(
                f"expression {_short(text)}{_where(text, node.name)}: unknown filter {node.name!r}"
                f"{_meant(node.name, FILTERS)} There are: {', '.join(sorted(FILTERS))}."
            )
        if isinstance(node, nodes.Pow):
            raise ExpressionError(f"expression {_short(text)}{_where(text, '**')}: the operator ** is not allowed here")
    return tree


def _walk(tree: nodes.Node) -> Iterable[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _walk(child)


def _lookups(tree: nodes.Node) -> tuple[str, ...]:
    return tuple(sorted({path for node in _walk(tree) if (path := _path(node))}))


def _path(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr) and (above := _path(node.node)):
        return f"{above}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and (above := _path(node.node)):
        return f"{above}.{node.arg.value}"
    return None


def _refuse_unknown(text: str, used: Iterable[str], names: Collection[str] | None) -> None:
    for name in used:
        if names is not None and name not in names and name not in _WORDS:
            raise ExpressionError(
                f"expression {_short(text)}{_where(text, name)}: unknown name {name!r}{_meant(name, names)} "
                f"Known here: {', '.join(sorted(names))}."
            )


def _look_up(text: str, path: tuple[str, ...], scope: Mapping[str, Any]) -> Any:
    found: Any = scope
    for name in path:
        try:
            found = found[name]
        except (KeyError, TypeError, IndexError):
            known = found if isinstance(found, Mapping) else ()
            unknown = f"unknown name {name!r}{_meant(name, known)}"
            raise ExpressionError(f"expression {_short(text)}{_where(text, name)}: {unknown}") from None
    return found


def _run(text: str, compiled: Callable[..., Any], scope: Mapping[str, Any]) -> Any:
    try:
        value = compiled(**scope)
        if isinstance(value, StrictUndefined):
            str(value)  # raises UndefinedError, with the name
        return value
    except UndefinedError as error:
        if match := re.match(r"'([^']+)' is undefined", str(error)):
            name = match[1]
            raise ExpressionError(
                f"expression {_short(text)}{_where(text, name)}: unknown name {name!r}{_meant(name, scope)}"
            ) from None
        raise _wrong(text, error) from None
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise _wrong(text, error) from None


def _wrong(text: str, error: Exception, *, last: bool = False) -> ExpressionError:
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    quoted = re.findall(r"'([^']+)'", message)
    return ExpressionError(
        f"expression {_short(text)}{_where(text, quoted[-1] if quoted else None, last=last)}: {message}"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


def _where(text: str, part: str | None, *, last: bool = False) -> str:
    """`` at position N`` (from 1) of ``part``; the end of the text where it is not found.

    Jinja2 says only the line. A syntax error is most likely at the last such token, an unknown name at the first.
    """
    found = list(re.finditer(rf"(?<!\w){re.escape(part)}", text)) if part else []
    start = found[-1 if last else 0].start() if found else len(text)
    return f" at position {start + 1}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
