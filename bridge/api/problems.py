"""Every error is ``application/problem+json`` (RFC 9457): what was expected, what was found, what to do.

Nothing of what was sent is repeated, no traceback leaves; an internal error has an id that also stands in the log.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from bridge.api.answers import Fault, Problem
from bridge.api.source import Away, Denied, Unknown
from bridge.daemon.trouble import place

Proceed = Callable[[web.Request], Awaitable[web.StreamResponse]]

MEDIA = "application/problem+json"
#: Seconds after which a site that is away may be asked again.
AGAIN = "30"
#: What a status means where nothing more is known, and what to do.
_TEXTS: Mapping[int, str] = {
    400: "the request is not well formed",
    404: "nothing is here; the document is at /api/v1/openapi.json",
    405: "this address does not know the method; see the header Allow",
    408: "the request did not come to its end in time",
    413: "the request is larger than is taken here (64 KiB)",
    415: "send JSON, with Content-Type: application/json",
    431: "the header fields are too large",
}


class Refused(Exception):
    """A request that is answered by an error."""

    def __init__(
        self, status: int, detail: str, *, faults: tuple[Fault, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, faults, dict(headers or {})


def answer(
    status: int,
    detail: str,
    *,
    faults: tuple[Fault, ...] = (),
    instance: str = "",
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A problem as a response."""
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance, faults=list(faults)
    )
    body = problem.model_dump_json().encode()
    return web.Response(status=status, body=body, content_type=MEDIA, headers=dict(headers or {}))


def of_validation(error: ValidationError) -> Refused:
    """What does not fit the model, field by field, without the values."""
    faults = tuple(
        Fault(where="/".join(map(str, one["loc"])), what=one["msg"])
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    )
    broken = any(one["type"] == "json_invalid" for one in error.errors(include_context=False, include_input=False))
    if broken:
        return Refused(400, "the body is no JSON")
    return Refused(422, "the request does not fit the document; see `faults`", faults=faults)


@web.middleware
async def problems(request: web.Request, **given: Proceed) -> web.StreamResponse:
    """Turn whatever goes wrong into a problem."""
    try:
        return await given["handler"](request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return answer(error.status, _TEXTS.get(error.status, error.reason), headers=kept)
    except (Refused, Unknown, Denied, Away) as error:
        return of(error)
    except ConnectionError:
        raise  # the client is gone
    except (SQLAlchemyError, OSError) as error:
        return _unusable(error, acted=request.method == "POST")
    except Exception as error:  # noqa: BLE001 - the last net: a bug, told as one
        return _internal(error)


def of(error: Refused | Unknown | Denied | Away) -> web.Response:
    """The problem of a request that can't be answered otherwise: nothing was done."""
    if isinstance(error, Away):
        return answer(503, str(error), headers={"Retry-After": AGAIN})
    if isinstance(error, Refused):
        return answer(error.status, error.detail, faults=error.faults, headers=error.headers)
    return answer(404 if isinstance(error, Unknown) else 409, str(error))


def _unusable(error: Exception, *, acted: bool) -> web.Response:
    """The state can't be used. Of an action nobody knows whether it failed before it was done or after."""
    text = "the bridge's state can't be used now. Try again; see the log and /readyz"
    if acted:
        text = (
            "the bridge's state can't be used now; whether it was done is not known. Look at the school and its "
            "journal before you ask for it again; see the log and /readyz"
        )
    structlog.get_logger().warning("status API: the state can't be used", error=type(error).__name__)
    return answer(503, text, headers={} if acted else {"Retry-After": "5"})


def _internal(error: Exception) -> web.Response:
    instance = secrets.token_hex(8)
    structlog.get_logger().error(
        "status API: internal error", id=instance, error=type(error).__name__, place=place(error)
    )
    return answer(500, f"internal error; the log has more under {instance}", instance=instance)
