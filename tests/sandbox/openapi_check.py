"""Every answer of the sandbox against Microsoft's own description of Graph.

The subset (``graph-v1.0-subset.yaml``, MIT, made from Microsoft's published metadata) is compiled once: ``allOf``
is flattened, ``nullable`` becomes a type, and a property that the description does not have is an error, so that a
misspelt name is found. The compiled check is an observer of the sandbox's service: it sees every answer and each part
of a batch, and finds the path by itself, independently of the sandbox's own routes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.protocols import Validator

from connectors.sandbox import Reply, Sandbox

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SUBSET = Path(__file__).with_name("graph-v1.0-subset.yaml")
_REF = "#/components/schemas/"
_ODATA_ERROR = "microsoft.graph.ODataErrors.ODataError"
_FORMATS = FormatChecker(formats=())
_KEYWORDS = ("type", "enum", "pattern", "minimum", "maximum", "maxItems", "const")


def _pattern(name: str, expression: str) -> None:
    compiled = re.compile(expression)
    _FORMATS.checks(name)(lambda value: not isinstance(value, str) or bool(compiled.fullmatch(value)))


_pattern("date-time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
_pattern("date", r"\d{4}-\d\d-\d\d")
_pattern("uuid", r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Subset:
    """The compiled description."""

    def __init__(self, path: Path = SUBSET) -> None:
        source = yaml.load(path.read_text(), Loader=_LOADER)  # noqa: S506 - a safe loader
        self._schemas: dict[str, Any] = source["components"]["schemas"]
        self._paths: list[tuple[re.Pattern[str], str]] = []
        self._operations: dict[str, dict[str, Any]] = source["paths"]
        # More literal text first, so that `/users/delta()` is not taken for `/users/{user-id}`.
        for template in sorted(source["paths"], key=lambda text: -len(re.sub(r"\{[^}]*\}", "", text))):
            self._paths.append((re.compile(_expression(template), re.IGNORECASE), template))
        definitions = {name: self._flat(schema) for name, schema in self._schemas.items()}
        definitions["microsoft.graph.directoryObject"] = self._by_type(definitions["microsoft.graph.directoryObject"])
        self._definitions = definitions
        self._validators: dict[str, Validator] = {}
        self._templates: dict[str, str | None] = {}

    def operations(self) -> list[tuple[str, str]]:
        """Every described ``(method, path)``."""
        verbs = ("get", "post", "put", "patch", "delete")
        return [(verb.upper(), path) for path, methods in self._operations.items() for verb in methods if verb in verbs]

    def template(self, path: str) -> str | None:
        """The described path that a request path is an instance of."""
        path = normal(path)
        key = re.sub(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "0", path)
        if key not in self._templates:
            candidates = (path, _drive_path(path), _by_id(_drive_path(path)))
            found = (template for one in candidates for pattern, template in self._paths if pattern.fullmatch(one))
            self._templates[key] = next(found, None)
        return self._templates[key]

    def problems(self, method: str, target: str, reply: Reply) -> list[str]:
        """What is wrong with an answer, empty when it is as described."""
        if method == "HEAD":
            return []
        path = target.split("?", 1)[0]
        template = self.template(path)
        if template is None and reply.status < 400:
            return [f"{method} {path}: the subset does not describe this path"]
        if template is not None and template.endswith("/oauth2/v2.0/token") and reply.status >= 400:
            return self._against(method, path, reply, "tokenError")
        if reply.status >= 400:
            return self._against(method, path, reply, _ODATA_ERROR)
        operation = self._operations[template or ""].get(method.lower())
        if operation is None:
            return [f"{method} {template}: the subset does not describe this method"]
        described = operation["responses"].get(str(reply.status))
        if described is None and (method, template, reply.status) == ("PATCH", _UPSERT, 201):
            described = self._operations["/groups"]["post"]["responses"]["201"]
        if described is None:
            return [f"{method} {template}: the subset does not describe status {reply.status}"]
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return [] if reply.body is None else [f"{method} {template}: a body where none is described"]
        if reply.body is None:
            return [f"{method} {template}: no body where one is described"]
        name = f"{method} {template} {reply.status}"
        if name not in self._validators:
            self._validators[name] = self._compile(self._flat(schema))
        return self._errors(f"{method} {path}", reply, self._validators[name])

    def _against(self, method: str, path: str, reply: Reply, schema: str) -> list[str]:
        if schema not in self._validators:
            self._validators[schema] = self._compile({"$ref": f"#/$defs/{schema}"})
        return self._errors(f"{method} {path}", reply, self._validators[schema])

    def _errors(self, where: str, reply: Reply, validator: Validator) -> list[str]:
        return [
            f"{where} -> {reply.status}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in validator.iter_errors(reply.body)
        ]

    def _compile(self, schema: dict[str, Any]) -> Validator:
        return Draft202012Validator({**schema, "$defs": self._definitions}, format_checker=_FORMATS)

    def _flat(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema of the subset as plain JSON Schema: own properties and inherited ones in one closed object."""
        if "$ref" in schema:
            return {"$ref": f"#/$defs/{schema['$ref'].removeprefix(_REF)}"}
        parts = schema.get("allOf", ())
        if len(parts) == 1 and "$ref" in parts[0] and "properties" not in schema:
            return _nullable(self._flat(parts[0]), schema)
        result: dict[str, Any] = {key: schema[key] for key in _KEYWORDS if key in schema}
        if isinstance(schema.get("format"), str):
            result["format"] = schema["format"]
        if "items" in schema:
            result["items"] = self._flat(schema["items"])
        properties, required = self._members(schema)
        if properties:
            # An open type (identitySet) may hold more: a library's owner is a `group`.
            extra = bool(schema.get("x-odata-openType"))
            result |= {"type": "object", "properties": properties, "additionalProperties": extra}
            result["patternProperties"] = {r"^@odata\.|@odata\.(type|context|nextLink|count)$": {}}
        if required:
            result["required"] = sorted(required)
        if isinstance(schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self._flat(schema["additionalProperties"])
        return _nullable(result, schema)

    def _members(self, schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        if "$ref" in schema:
            return self._members(self._schemas[schema["$ref"].removeprefix(_REF)])
        properties: dict[str, Any] = {}
        required: set[str] = set(schema.get("required", ()))
        for part in schema.get("allOf", ()):
            inherited, needed = self._members(part)
            properties |= inherited
            required |= needed
        properties |= {name: self._flat(value) for name, value in schema.get("properties", {}).items()}
        return properties, required

    def _by_type(self, base: dict[str, Any]) -> dict[str, Any]:
        """A directoryObject is judged as what its ``@odata.type`` says it is."""
        schema = base
        for kind in ("user", "group"):
            named = {"properties": {"@odata.type": {"const": f"#microsoft.graph.{kind}"}}, "required": ["@odata.type"]}
            schema = {"if": named, "then": {"$ref": f"#/$defs/microsoft.graph.{kind}"}, "else": schema}
        return schema


_UPSERT = "/groups(uniqueName='{uniqueName}')"


def _nullable(result: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.get("nullable"):
        return result
    if isinstance(result.get("type"), str) and "enum" not in result and "$ref" not in result:
        return {**result, "type": [result["type"], "null"]}
    return {"anyOf": [result, {"type": "null"}]}


_PARAMETERS = {"{item-path}": "[^:]+", "{driveItem-id}": "[^/:]+", "{token}": "[^/]*"}


def _expression(template: str) -> str:
    pieces = re.split(r"(\{[^}]*\})", re.sub(r"/delta$", "/delta()", template))
    return "".join(_PARAMETERS.get(piece, "[^/]+") if piece[:1] == "{" else re.escape(piece) for piece in pieces)


def _drive_path(path: str) -> str:
    """A drive by its owner as a drive by id: the subset describes most operations once."""
    path = re.sub(r"^/(?:users|groups|sites)/([^/]+)/drive/", r"/drives/\1/", path)
    return re.sub(r"^(/drives/[^/]+)/items/root(?=$|:|/)", r"\1/root", path)


def _by_id(path: str) -> str:
    """A path-addressed item as one by id, and the root as the item that it is."""
    path = re.sub(r"^(/drives/[^/]+)/(?:root|items/[^/:]+):/[^:]*", r"\1/items/0", path)
    path = path.replace("/items/0:/", "/items/0/")
    return re.sub(r"^(/drives/[^/]+)/root(?=/|$)", r"\1/items/root", path)


def normal(path: str) -> str:
    """A request path as the subset writes it: one slash, ``delta()``, keys in parentheses as segments."""
    path = re.sub(r"/{2,}", "/", unquote(path))
    path = re.sub(r"/(?:microsoft\.graph\.)?delta(\(\))?(?=/|$)", "/delta()", path)
    path = re.sub(r"/microsoft\.graph\.", "/graph.", path)
    path = re.sub(r"\('([^']*)'\)", r"/\1", path)
    return path.rstrip("/").rstrip(":") if len(path) > 1 else path


@cache
def subset() -> Subset:
    """The compiled description, once a process."""
    return Subset()


@dataclass(slots=True)
class Checker:
    """An observer that collects what is wrong; ``seen`` counts the answers that it judged."""

    subset: Subset = field(default_factory=subset)
    seen: int = 0
    violations: list[str] = field(default_factory=list)

    def __call__(self, method: str, target: str, reply: Reply) -> None:
        """Judge one answer."""
        self.seen += 1
        if len(self.violations) < 20:
            self.violations += self.subset.problems(method, target, reply)[:5]

    def attach(self, sandbox: Sandbox) -> Checker:
        """Judge every answer of a sandbox from now on."""
        sandbox.service.observers.append(self)
        return self

    def verify(self) -> None:
        """Fail unless all answers were as described.

        Raises:
            AssertionError: with the first twenty violations.
        """
        assert not self.violations, "answers that Graph would not give:\n" + "\n".join(self.violations)
