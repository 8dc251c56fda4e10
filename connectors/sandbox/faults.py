"""Faults on demand: rules that match requests by method and path, a number of times or with a (seeded) probability.

Kinds of a rule:
    ``throttle`` (429 with Retry-After) · ``unavailable`` (503) · ``error`` (status, code, message of your own)
    ``drop-before`` / ``drop-after`` (connection closed before / after the commit) · ``slow`` (``seconds``)
    ``expire-delta`` (410) · ``replay-delta`` (a later round starts over ``back`` changes earlier)
    ``duplicate-delta`` · ``shuffle-delta`` · ``empty-delta`` (a page without entries that carries a nextLink)
    ``missing`` (404 as from a replica that lags) · ``forbid`` (403 as for a privileged target)
    of files: ``cut-upload`` / ``cut-download`` (connection dropped once ``after`` bytes of the body have passed) ·
    ``slow-content`` (``rate`` bytes a second) · ``race-etag`` (a change by others just before an If-Match is judged)
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.errors import GraphError, denied, not_found

if TYPE_CHECKING:
    from connectors.sandbox.wire import Call

REFUSING = ("throttle", "unavailable", "error", "missing", "forbid")
KINDS = (*REFUSING, "drop-before", "drop-after", "slow", "expire-delta", "replay-delta", "duplicate-delta",
         "shuffle-delta", "empty-delta", "cut-upload", "cut-download", "slow-content", "race-etag")  # fmt: skip


@dataclass(slots=True)
class Fault:
    """One rule. ``count`` None means for ever; ``where`` is ``request`` (HTTP), ``part`` (of a batch) or ``any``."""

    kind: str
    method: str = ".*"
    path: str = ".*"
    count: int | None = None
    probability: float = 1.0
    where: str = "any"
    retry_after: int = 1
    seconds: float = 0.0
    status: int = 500
    code: str = "InternalServerError"
    message: str = "The service is unavailable for a while."
    back: int = 10
    after: int = 0
    rate: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault '{self.kind}'; known: {', '.join(KINDS)}")
        if self.where not in ("any", "request", "part"):
            raise ValueError(f"where is 'any', 'request' or 'part', not '{self.where}'")
        re.compile(self.path)
        re.compile(self.method)


@dataclass(slots=True)
class Faults:
    """The rules in force. A rule whose count is used up stays listed with what it did."""

    seed: int = 0
    rules: list[Fault] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - replayable, not a secret

    def add(self, kind: str, **options: Any) -> Fault:
        """Add a rule; options are the fields of :class:`Fault`."""
        fault = Fault(kind, **options)
        self.rules.append(fault)
        return fault

    def reseed(self, seed: int) -> None:
        """Make probabilities replay from a seed."""
        self.seed = seed
        self.rng.seed(seed)

    def fires(self, kinds: tuple[str, ...], method: str, path: str, *, part: bool) -> Fault | None:
        """The first rule of these kinds that matches now, counted as fired."""
        for fault in self.rules:
            if (
                fault.kind in kinds
                and (fault.count is None or fault.fired < fault.count)
                and fault.where in ("any", "part" if part else "request")
                and re.fullmatch(fault.method, method, re.IGNORECASE)
                and re.search(fault.path, path, re.IGNORECASE)
                and (fault.probability >= 1 or self.rng.random() < fault.probability)
            ):
                fault.fired += 1
                return fault
        return None

    def refuse(self, method: str, path: str, *, part: bool) -> None:
        """Raise what a rule asks for instead of an answer."""
        if not self.rules:
            return
        fault = self.fires(REFUSING, method, path, part=part)
        if fault is None:
            return
        match fault.kind:
            case "throttle":
                raise throttled({"Retry-After": str(fault.retry_after)})
            case "unavailable":
                raise GraphError(503, "serviceNotAvailable", "The service is temporarily unavailable.",
                                 headers={"Retry-After": str(fault.retry_after)})  # fmt: skip
            case "missing":
                raise not_found(path.rstrip("/").rsplit("/", 1)[-1])
            case "forbid":
                raise denied()
            case _:
                raise GraphError(fault.status, fault.code, fault.message)

    def expires(self, call: Call) -> bool:
        """Whether a delta token is to be refused as too old."""
        return bool(self.rules) and self.fires(("expire-delta",), call.method, call.path, part=False) is not None

    def replayed(self, call: Call, since: int) -> int:
        """Where a round starts: at its token, or earlier when a replay is due."""
        fault = self.fires(("replay-delta",), call.method, call.path, part=False) if self.rules else None
        return max(0, since - fault.back) if fault else since

    def disturb_delta(self, call: Call, values: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """Duplicate, reorder or hold back a page's entries; True means: held back, ask for the same page again."""
        if not self.rules or not values:
            return values, False
        if self.fires(("empty-delta",), call.method, call.path, part=False):
            return [], True
        if self.fires(("duplicate-delta",), call.method, call.path, part=False):
            values = [*values, *self.rng.sample(values, k=(len(values) + 1) // 2)]
        if self.fires(("shuffle-delta",), call.method, call.path, part=False):
            values = self.rng.sample(values, k=len(values))
        return values, False


def throttled(headers: dict[str, str]) -> GraphError:
    """429 as the identity service words it."""
    return GraphError(429, "TooManyRequests", "Too many requests. Please retry after the given time.", headers=headers)
