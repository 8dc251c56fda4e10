"""The configuration reference in Markdown, drawn from the JSON Schema: one table for each block of keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "nothing",
}


def reference(bridge: Mapping[str, Any], school: Mapping[str, Any], hub: Mapping[str, Any]) -> str:
    """The whole reference: ``bridge.yaml``, the schools' files, the options of each connector, ``hub.yaml``."""
    parts = [
        "# Configuration reference",
        "",
        "Drawn from the models by `make schema`. Secrets are named, never written: `credential:NAME` (systemd),",
        "`file:PATH` or `env:NAME`. Durations are written in words: `30s`, `5m`, `10 days`.",
        "",
        "## `bridge.yaml`",
        *_block(bridge, bridge, ""),
        "## `schools/*.yaml`",
        *_block(school, school, ""),
    ]
    for choice in school["properties"]["school_side"]["oneOf"]:
        connector = _resolved(school, choice)
        name = connector["properties"]["connector"]["const"]
        parts += [f"## Options of the connector `{name}`", *_block(school, connector, "")]
    parts += ["## `hub.yaml`", *_block(hub, hub, "")]
    return "\n".join(parts).rstrip() + "\n"


def _block(schema: Mapping[str, Any], block: Mapping[str, Any], path: str) -> Iterator[str]:
    """A table of a mapping's keys, then the blocks below them."""
    yield ""
    if block.get("description"):
        yield _line(block["description"])
        yield ""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    below = []
    for key, place in block.get("properties", {}).items():
        needed = key in block.get("required", ())
        default = "**required**" if needed else f"`{json.dumps(place['default'])}`" if "default" in place else "–"
        meaning = _line(place.get("description", ""))
        yield f"| `{key}` | {_kind(schema, place)} | {default} | {meaning} |"
        inner = _inner(schema, place)
        if inner is not None and "oneOf" not in place:
            below.append((f"{path}.{key}" if path else key, inner))
    yield ""
    for name, inner in below:
        yield f"### `{name}`"
        yield from _block(schema, inner, name)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _resolved(schema: Mapping[str, Any], place: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(place.get("$ref", "")).rpartition("/")[2]
    return {**schema["$defs"][name], **{key: one for key, one in place.items() if key != "$ref"}} if name else place


def _inner(schema: Mapping[str, Any], place: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mapping with keys of its own that a place holds, also inside lists and maps."""
    found = _resolved(schema, place)
    if "properties" in found:
        return found
    for one in [found.get("items"), _values(found), *found.get("anyOf", ())]:
        inner = _inner(schema, one) if isinstance(one, Mapping) else None
        if inner is not None:
            return inner
    return None


def _values(place: Mapping[str, Any]) -> Any:
    """What the values of a mapping with free keys are."""
    return next(iter(place.get("patternProperties", {}).values()), place.get("additionalProperties"))


def _kind(schema: Mapping[str, Any], place: Mapping[str, Any]) -> str:
    found = _resolved(schema, place)
    if "oneOf" in found:
        return "options of a connector"
    if "anyOf" in found:
        kinds = [_kind(schema, one) for one in found["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in found:
        return f"`{json.dumps(found['const'])}`"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if found.get("type") == "array":
        return f"list of {_kind(schema, found['items'])}" if isinstance(found.get("items"), Mapping) else "list"
    if found.get("type") == "object":
        inside = _values(found)
        return f"mapping to {_kind(schema, inside)}" if isinstance(inside, Mapping) else "block"
    examples = found.get("examples")
    kind = _NAMES.get(str(found.get("type")), "anything")
    return f"{kind}, like `{examples[0]}`" if examples else kind
