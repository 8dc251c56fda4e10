"""Requests and answers inside the sandbox, and the table of routes.

Routes are matched on the raw path, so that encoded slashes and colons stay inside their segment; each segment is
decoded afterwards. ``/users/delta``, ``/users/delta()`` and ``/users/microsoft.graph.delta()`` are one route, as are
``/users('id')`` and ``/users/id``; double slashes are collapsed (real clients send them).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from connectors.sandbox.drive_names import canonical
from connectors.sandbox.errors import GraphError, no_such_segment

if TYPE_CHECKING:
    from connectors.sandbox.service import Application, Service
    from connectors.sandbox.tenant import Tenant

_CALL = re.compile(r"(?P<name>[A-Za-z_.$]+)\((?P<arguments>.*)\)")
_NAMED = re.compile(r"(?P<name>\w+)\s*=\s*'(?P<value>(?:[^']|'')*)'")


@dataclass(slots=True)
class Call:
    """One request (or part of a batch) as a route sees it. ``query`` has its ``$`` signs stripped."""

    service: Service
    app: Application
    method: str
    path: str
    template: str
    params: dict[str, str]
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    base_url: str

    @property
    def tenant(self) -> Tenant:
        """The tenant this request is for."""
        return self.service.tenant

    @property
    def eventual(self) -> bool:
        """Whether the request carries ``ConsistencyLevel: eventual``."""
        return self.headers.get("consistencylevel", "").lower() == "eventual"

    def json_object(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            GraphError: 400 when there is none.
        """
        if not isinstance(self.body, dict):
            raise GraphError(
                400,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header "
                "is set and payload is of valid JSON format.",
            )
        return self.body

    def context(self, name: str) -> str:
        """The value of ``@odata.context``."""
        return f"{self.base_url}/v1.0/$metadata#{name}"

    def link(self, **query: str | None) -> str:
        """This request's URL with query options replaced; a value of None drops the option."""
        merged = {name: value for name, value in {**self.query, **query}.items() if value is not None}
        options = urlencode({f"${name}": value for name, value in merged.items()}, safe="$,'()", quote_via=quote)
        return f"{self.base_url}/v1.0{self.path}?{options}"


@dataclass(slots=True)
class Reply:
    """An answer: status, JSON body (None: no body) and extra headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Reply]
#: A part of the sandbox is a table of routes: ``("GET", "/users/{id}")`` to its function.
Routes = Mapping[tuple[str, str], Handler]


@lru_cache(maxsize=4096)
def segments(raw_path: str) -> tuple[str, ...]:
    """Split a raw path into decoded segments, keys in parentheses becoming segments of their own.

    ``/users(userPrincipalName='x')`` gives ``("users", "x")``; ``/groups(uniqueName='x')`` gives
    ``("groups(uniqueName)", "x")``; ``/users/delta()`` gives ``("users", "delta")``.
    """
    result: list[str] = []
    for raw in raw_path.split("?", 1)[0].split("/"):
        if not raw:
            continue
        text = unquote(raw)
        match = _CALL.fullmatch(text)
        if not match:
            result.append(text.removeprefix("microsoft.") if text.startswith("microsoft.graph.") else text)
            continue
        name, arguments = match["name"].removeprefix("microsoft.graph."), match["arguments"].strip()
        named = _NAMED.fullmatch(arguments)
        if not arguments:
            result.append(name)
        elif named and named["name"] not in ("id", "userPrincipalName"):
            result += [f"{name}({named['name']})", named["value"].replace("''", "'")]
        else:
            value = named["value"] if named else arguments.strip("'")
            result += [name, value.replace("''", "'")]
    return tuple("delta" if text == "graph.delta" else text for text in result)


def parse_query(text: str) -> dict[str, str]:
    """Query options by name without ``$``: clients send ``$select`` and bare ``select`` alike."""
    return {name.removeprefix("$"): value for name, value in parse_qsl(text, keep_blank_values=True)}


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    parameter: str = ""
    methods: dict[str, tuple[str, Handler]] = field(default_factory=dict)


class Router:
    """A tree of segments; a literal segment wins over a parameter."""

    def __init__(self, *tables: Routes) -> None:
        self._root = _Node()
        for table in tables:
            for (method, template), handler in table.items():
                self._add(method, template, handler)

    def _add(self, method: str, template: str, handler: Handler) -> None:
        node = self._root
        for segment in template.strip("/").split("/"):
            if segment.startswith("{"):
                child = node.children.setdefault("{}", _Node())
                child.parameter = segment[1:-1]
            else:
                child = node.children.setdefault(segment.lower(), _Node())
            node = child
        node.methods[method] = (template, handler)

    def find(self, method: str, raw_path: str) -> tuple[str, Handler, dict[str, str]]:
        """The route of a request: its template, its function and its parameters.

        Raises:
            GraphError: 400 for an unknown segment, 405 for a method that the resource does not have.
        """
        node = self._root
        params: dict[str, str] = {}
        parts = segments(canonical(raw_path))
        for segment in parts:
            child = node.children.get(segment.lower())
            if child is None and (child := node.children.get("{}")):
                params[child.parameter] = segment
            if child is None:
                raise no_such_segment(segment)
            node = child
        if not node.methods:
            raise no_such_segment(parts[-1] if parts else "")
        if method not in node.methods:
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        template, handler = node.methods[method]
        return template, handler, params
