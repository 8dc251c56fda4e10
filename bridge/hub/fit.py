"""What the models can't say of a report: whether its numbers and times can be kept. Checked before it is believed."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise

from bridge.fleet.messages import BODY, Report

#: A database keeps numbers up to here.
_MOST = 2**31 - 1


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
    if not all(_aware(one) for one in (report.now, *(message.at for message in messages))):
        return "a time has no zone"
    if not report.version.isprintable():
        return "the version holds what can't be printed"
    for message in messages:
        if message.body and len(json.dumps(message.body, separators=(",", ":"))) > BODY:
            return f"the body of the message {message.seq} is larger than {BODY} bytes"
    return ""


def _aware(moment: datetime) -> bool:
    return moment.tzinfo is not None


def protocol(raw: bytes) -> object:
    """Which version of the protocol a body says that it speaks, whatever else is in it; None: it says none."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return 1  # no JSON at all: that is what is said of it
    return tree.get("protocol", 1) if isinstance(tree, dict) else 1
