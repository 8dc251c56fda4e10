"""What comes in by the sites' door: read as far as is taken and no further, then checked before it is believed."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from bridge.api.problems import Refused, of_validation
from bridge.fleet.messages import PROTOCOL, Report
from bridge.hub import fit

#: Seconds in which a body has to be here.
BODY_SECONDS = 30.0
#: Bytes of a body that is neither a report nor an answer; a report that is larger is looked at in a thread.
SMALL = 16 << 10
M = TypeVar("M", bound=BaseModel)


async def body(request: web.Request, most: int) -> bytes:
    """The body, of which no more is ever in memory than is taken."""
    if request.content_type != "application/json":
        raise Refused(415, "send JSON, with Content-Type: application/json")
    large = Refused(413, f"at most {most} bytes are taken here. Nothing of it was applied")
    if (request.content_length or 0) > most:
        raise large
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_any():
                raw += part
                if len(raw) > most:
                    raise large
    except TimeoutError:
        raise Refused(408, f"the body was not here within {BODY_SECONDS:g} seconds") from None
    return bytes(raw)


def parsed(model: type[M], raw: bytes) -> M:
    """A body as a model. Raises Refused."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise of_validation(error) from None


def report_of(raw: bytes) -> Report:
    """A report that can be kept. Raises Refused: another version is said before what does not fit."""
    try:
        report = Report.model_validate_json(raw)
    except ValidationError as error:
        raise of_validation(error) if (spoken := fit.protocol(raw)) == PROTOCOL else _other(spoken) from None
    if wrong := fit.wrong(report):
        raise Refused(422, wrong)
    return report


def _other(spoken: object) -> Refused:
    said = spoken if isinstance(spoken, int) else "another one"
    text = f"this site speaks version {said} of the protocol, this hub {PROTOCOL}. Update the older one of the two"
    return Refused(426, text, headers={"Upgrade": f"schoolbridge/{PROTOCOL}"})
