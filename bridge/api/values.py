"""What a request says beside its address: query, headers, body. What does not fit is refused, nothing is guessed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from aiohttp import web
from pydantic import ValidationError

from bridge.api.answers import Fault
from bridge.api.models import EventName, Model
from bridge.api.problems import Refused, of_validation

#: Rows of a page unless it is said otherwise, and at most.
LIMIT, MOST = 100, 1000
#: Bytes of a body.
LARGEST = 64 * 1024
#: Events that an address may name.
EVENTS = frozenset(get_args(EventName))
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_KEY = re.compile(r"[!-~]{1,100}")


def is_code(text: str) -> bool:
    """Whether a text can be a school's code."""
    return _CODE.fullmatch(text) is not None


def query(request: web.Request, known: Iterable[str]) -> Mapping[str, str]:
    """The query, each name once and none that means nothing here."""
    if not request.query_string:
        return {}
    allowed = sorted(known)
    faults = [
        Fault(where="query", what=f"known here: {', '.join(allowed) or 'nothing'}, each once")
        for name in set(request.query)
        if name not in allowed or len(request.query.getall(name)) > 1
    ]
    if faults:
        raise Refused(422, "the query holds what means nothing here", faults=tuple(faults[:1]))
    return request.query


def number(text: str | None, name: str, *, least: int, most: int) -> int | None:
    """A whole number between two others."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text) or not least <= int(text) <= most:
        fault = Fault(where=name, what=f"expected a whole number from {least} to {most}")
        raise Refused(422, f"`{name}` does not fit", faults=(fault,))
    return int(text)


def flag(text: str | None, name: str) -> bool:
    """``true`` or ``false``."""
    if text not in (None, "true", "false"):
        raise Refused(422, f"`{name}` does not fit", faults=(Fault(where=name, what="expected true or false"),))
    return text == "true"


async def body(request: web.Request, model: type[Model]) -> tuple[Model, str]:
    """The body as a model, and the hash of the request for its key."""
    if request.content_type != "application/json":
        raise Refused(415, "send JSON, with Content-Type: application/json")
    raw = await request.read()
    try:
        asked = model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise of_validation(error) from None
    tree = asked.model_dump(mode="json")
    for name, value in tree.items():
        if isinstance(value, str) and not _printable(value):
            raise Refused(422, "the request does not fit", faults=(Fault(where=name, what="holds control characters"),))
    return asked, hashlib.sha256(_one(request.path, tree).encode()).hexdigest()


def _printable(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def _one(path: str, tree: Mapping[str, Any]) -> str:
    return f"{path}\n{sorted((name, str(value)) for name, value in tree.items())}"


def key(request: web.Request) -> str:
    """The Idempotency-Key; empty when there is none."""
    text = request.headers.get("Idempotency-Key", "")
    if "Idempotency-Key" in request.headers and not _KEY.fullmatch(text):
        raise Refused(422, "Idempotency-Key: expected 1 to 100 printable ASCII characters without blanks")
    return text


def matches(header: str, tag: str, *, weak: bool = False) -> bool:
    """Whether a list of ETags names this one, or any (``*``). If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    names = [one.strip() for one in header.split(",")]
    return "*" in names or tag in names or (weak and f"W/{tag}" in names)


def takes_gzip(header: str) -> bool:
    """Whether Accept-Encoding asks for gzip (RFC 9110, 12.5.3); what is only not refused is not asked for."""
    for one in header.lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False
