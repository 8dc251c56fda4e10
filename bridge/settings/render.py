"""Turns what pydantic finds into problems a person can act on: where, what is wrong, what would be right."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.settings.secrets import is_secret_name
from bridge.settings.source import Source, Way, shown

_LOGIN = re.compile(r"://[^/\s]*@")
_NAMES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (key: value lines)",
    "model_type": "a mapping (key: value lines)",
    "model_attributes_type": "a mapping (key: value lines)",
    "list_type": "a list (lines starting with -)",
    "tuple_type": "a list (lines starting with -)",
    "set_type": "a list (lines starting with -)",
    "frozen_set_type": "a list (lines starting with -)",
}


def guess(word: str, known: Iterable[str]) -> str:
    """``did you mean ...?`` when a known word is near, else which words there are."""
    names = sorted(known)
    near = difflib.get_close_matches(word.casefold(), [name.casefold() for name in names], n=1, cutoff=0.6)
    for name in names:
        if near and name.casefold() == near[0]:
            return f"did you mean {name}?"
    return "known here: " + ", ".join(names) if names else "remove it"


def validate(model: type[BaseModel], source: Source, tree: Any, *, under: Way = ()) -> BaseModel | None:
    """``tree`` as ``model``, or None with every problem noted in ``source``; ``under`` is the path of the tree."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _note(detail, source, under, model)
    except RecursionError:
        source.add(under, "nested too deeply", "write less")
    return None


def _note(detail: ErrorDetails, source: Source, under: Way, model: type[BaseModel]) -> None:
    way = _existing((*under, *(step for step in detail["loc"] if step != "[key]")), source)
    if source.trapped(way):
        return  # a trap or an inline secret was named here already
    kind = detail["type"]
    if kind == "missing":
        wanted = str(detail["loc"][-1])
        source.add((*way, wanted), "is missing", "add it", at=source.spot(way, key=True))
    elif kind == "extra_forbidden":
        known = _keys(model, tuple(detail["loc"][:-1]))
        source.add(way, "unknown key", guess(str(way[-1]), known), key=True)
    elif "[key]" in detail["loc"]:
        source.add(way, "not a key that can stand here", _right(detail), key=True)
    else:
        wrong, right = _words(detail, source, way)
        source.add(way, wrong, right)


def _existing(way: Way, source: Source) -> Way:
    """Drop the names of union members that pydantic puts between the keys of the file."""
    kept: Way = ()
    for step in way:
        if (*kept, step) in source.values or (*kept, step) in source.keys:
            kept = (*kept, step)
    return kept


def _keys(model: type[BaseModel], loc: Sequence[str | int]) -> set[str]:
    """The keys a model (or the model at ``loc`` inside of it) knows."""
    schema = model.model_json_schema(by_alias=True)
    place: Any = schema
    for step in loc:
        place = _down(schema, place, step)
    found: set[str] = set()
    for option in _options(schema, place):
        found.update(option.get("properties", {}))
    return found


def _down(schema: Mapping[str, Any], place: Any, step: str | int) -> Any:
    for option in _options(schema, place):
        if isinstance(step, int) and "items" in option:
            return option["items"]
        if step in option.get("properties", {}):
            return option["properties"][step]
        if isinstance(option.get("additionalProperties"), dict):
            return option["additionalProperties"]
        for pattern in option.get("patternProperties", {}).values():
            return pattern
    return place


def _options(schema: Mapping[str, Any], place: Any) -> list[dict[str, Any]]:
    """The schemas a place may follow: references resolved, unions opened."""
    if not isinstance(place, dict):
        return []
    if "$ref" in place:
        return _options(schema, schema.get("$defs", {}).get(str(place["$ref"]).rpartition("/")[2]))
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in place.get(key, [])]
    return [place] + [option for part in parts for option in _options(schema, part)]


def _words(detail: ErrorDetails, source: Source, way: Way) -> tuple[str, str]:
    kind, value, raw = detail["type"], detail.get("input"), source.plain.get(way)
    secret = any(isinstance(step, str) and is_secret_name(step) for step in way)
    if kind in {"value_error", "assertion_error"}:
        said = _LOGIN.sub("://…@", str(detail.get("ctx", {}).get("error", detail["msg"])))
        quoted = said.startswith("expression ")  # with either separator in it: it says all in one piece
        wrong, _, right = (said, "", "") if quoted else said.partition("|" if "|" in said else "; ")
        mute = quoted or secret or wrong.startswith("!") or not isinstance(value, str)
        text = "" if mute else f"{_show(value)} is "
        return text + shown(wrong.lstrip("!"), limit=400 if quoted else 200), shown(
            right, limit=200
        ) or "see the configuration reference"
    if kind == "string_type" and raw is not None and not isinstance(value, dict | list) and not secret:
        read = (
            "nothing (null)" if value is None else f"the number {value}" if not isinstance(value, bool) else str(value)
        )
        if not raw:
            return "has no value", "write text"
        return f"{shown(raw)} without quotes is read as {read.lower()}", f"quote it: {json.dumps(shown(raw))}"
    found = "found a secret" if secret else f"found {_show(value)}"
    return found, _right(detail)


def _right(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _NAMES:
        return f"write {_NAMES[kind]}"
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", "")).replace("'", "")
        value = detail.get("input")
        known = [word.strip() for word in expected.replace(" or ", ", ").split(",")]
        near = guess(value, known) if isinstance(value, str) else ""
        return near if near.startswith("did you mean") else f"write {expected}"
    if kind == "string_pattern_mismatch":
        return f"write text that matches {context.get('pattern')}"
    return shown("it should " + detail["msg"].rpartition(" should ")[2], limit=200)


def _show(value: Any) -> str:
    """A value from the file, short: what people wrote, never a whole structure."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return json.dumps(shown(_LOGIN.sub("://…@", value)), ensure_ascii=False)
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"
