"""What the models can't say of what a site tells: whether it can be kept, shown and counted. Asked before it is.

A site speaks for its own schools; whatever it says of them, the pages and sums of all others must not fail by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from bridge.fleet.messages import BODY, Report

#: A database keeps numbers up to here.
_MOST = 2**31 - 1
#: Bytes of the body of an event: they are all kept, and one site must not fill the hub's disk with them.
EVENT = 16 << 10
_SMALL = frozenset({"stage", "run", "notice"})
#: What a browser counts with exactly; years that a clock may show; bytes of a school's line on the board.
NUMBER, YEARS, LINE = 2**53, range(1970, 2200), 32 << 10


def wrong(report: Report) -> str:
    """What is wrong with a report; empty where nothing is."""
    messages, largest = report.messages, max(report.epoch, report.last, report.oldest)
    if largest > _MOST:
        return f"the number {largest} is larger than any that can be kept ({_MOST})"
    if any(later.seq != one.seq + 1 for one, later in pairwise(messages)):
        return "the numbers of the messages don't follow each other without gaps"
    if messages and messages[-1].seq > report.last:
        return f"the message {messages[-1].seq} has a number that was not given out yet (`last` is {report.last})"
    if report.oldest > report.last + 1:
        return f"`oldest` is {report.oldest}, but only {report.last} numbers were given out"
    times = (report.now, *(message.at for message in messages))
    if not all(_aware(one) for one in times):
        return "a time has no zone"
    if not all(one.year in YEARS for one in times):
        return f"a time is not within the years {YEARS.start} to {YEARS.stop - 1}; see the clock of this site"
    if not report.version.isprintable():
        return "the version holds what can't be printed"
    for message in messages:
        try:
            size = len(json.dumps(message.body, separators=(",", ":"), allow_nan=False))
        except ValueError:
            return f"the body of the message {message.seq} holds a number that is none"
        if size > (most := EVENT if message.kind in _SMALL else BODY):
            return f"the body of the message {message.seq} ({message.kind}) is larger than {most} bytes"
    return ""


def drawable(model: BaseModel) -> bool:
    """Whether everything in it can be shown and counted: numbers, times with a zone, and letters that are whole."""
    return _drawable(model.model_dump())


def _drawable(value: Any) -> bool:
    """Of each school with each report: the usual ones first."""
    if value is None or value is True or value is False:
        return True
    if isinstance(value, str):
        return value.isascii() or value.isprintable() or not any("\ud800" <= one <= "\udfff" for one in value)
    if isinstance(value, int | float):
        return abs(value) <= NUMBER  # false of NaN, too
    if isinstance(value, datetime):
        return _aware(value) and value.year in YEARS
    if isinstance(value, Mapping):
        return all(map(_drawable, value)) and all(map(_drawable, value.values()))
    return all(map(_drawable, value)) if isinstance(value, list | tuple) else True


def _aware(moment: datetime) -> bool:
    return moment.tzinfo is not None


def protocol(raw: bytes) -> object:
    """Which version of the protocol a body says that it speaks, whatever else is in it; None: it says none."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return 1  # no JSON at all: that is what is said of it
    return tree.get("protocol", 1) if isinstance(tree, dict) else 1
