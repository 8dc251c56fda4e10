"""Throttling of the identity service: token buckets of resource units and of writes, with the real headers.

Per application and tenant 3,500 / 5,000 / 8,000 resource units in 10 s (fewer than 50, up to 500, more users) and 3,000
writes in 150 s; per tenant 18,000 writes in 300 s (learn.microsoft.com/graph/throttling-limits). ``scale`` runs the
budgets' clock faster, so that a load that takes twenty minutes in truth can be tested in seconds; Retry-After is then
told in real seconds, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

WRITES, WRITE_SECONDS = 3000, 150.0
TENANT_WRITES, TENANT_WRITE_SECONDS = 18_000, 300.0
UNIT_SECONDS = 10.0
_COSTS = {
    ("GET", "/users"): 2,
    ("GET", "/groups/{id}/members"): 3,
    ("GET", "/groups/{id}/transitiveMembers"): 5,
    ("GET", "/users/{id}/memberOf"): 2,
    ("GET", "/groups/{id}/memberOf"): 2,
    ("POST", "/directoryObjects/getByIds"): 3,
    ("GET", "/subscribedSkus"): 3,
}
#: POST that reads.
_READING = frozenset({"/directoryObjects/getByIds"})


def cost(method: str, template: str, query: Mapping[str, str]) -> int:
    """Resource units of one request: $select saves one, $expand costs one, $top below 20 saves one, at least one."""
    if is_write(method, template):
        return 1
    units = _COSTS.get((method, template), 1)
    units += ("expand" in query) - ("select" in query)
    if (top := query.get("top", "")).isdigit() and int(top) < 20:
        units -= 1
    return max(units, 1)


def is_write(method: str, template: str) -> bool:
    """Whether a request counts against the write budget."""
    return method not in ("GET", "HEAD") and template not in _READING


def unit_limit(users: int) -> int:
    """Resource units per 10 s by the size of the tenant."""
    return 3500 if users < 50 else 5000 if users <= 500 else 8000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    over: float = 0.0

    def refill(self, now: float, capacity: float, seconds: float) -> None:
        self.level = min(capacity, self.level + (now - self.at) * capacity / seconds)
        self.at = now


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, with the headers that say so; ``retry_after`` in real seconds."""

    allowed: bool
    headers: dict[str, str]
    retry_after: int = 0


@dataclass(slots=True)
class Budgets:
    """The buckets of one tenant; switched off they only price requests."""

    enabled: bool = False
    scale: float = 1.0
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def charge(self, now: float, app_id: str, tenant_id: str, units: int, users: int, *, write: bool) -> Verdict:
        """Take a request's price from the buckets, or refuse it and take nothing. ``now`` in seconds."""
        headers = {"x-ms-resource-unit": str(units)}
        if not self.enabled:
            return Verdict(True, headers)
        wanted = [("Tenant_Application/ResourceUnit", app_id, float(units), float(unit_limit(users)), UNIT_SECONDS)]
        if write:
            wanted += [
                ("Tenant_Application/Write", app_id, 1.0, float(WRITES), WRITE_SECONDS),
                ("Tenant/Write", "", 1.0, float(TENANT_WRITES), TENANT_WRITE_SECONDS),
            ]
        clock, fullest = now * self.scale, 0.0
        taken = []
        for scope, owner, price, capacity, seconds in wanted:
            bucket = self._buckets.setdefault((scope, owner), _Bucket(capacity, clock))
            bucket.refill(clock, capacity, seconds)
            if bucket.level < price:
                bucket.over += price
                wait = (price - bucket.level) * seconds / capacity / self.scale
                return self._refused(headers, scope, app_id, tenant_id, bucket.over / capacity, wait)
            taken.append((bucket, price))
            fullest = max(fullest, 1 - (bucket.level - price) / capacity)
        for bucket, price in taken:
            bucket.level -= price
            bucket.over = 0.0
        if fullest >= 0.8:
            headers["x-ms-throttle-limit-percentage"] = f"{min(fullest, 1.0):.2f}"
        return Verdict(True, headers)

    def _refused(
        self, headers: dict[str, str], scope: str, app_id: str, tenant_id: str, over: float, wait: float
    ) -> Verdict:
        information = "WriteLimitExceeded" if scope.endswith("Write") else "CPULimitExceeded"
        owner = f"{app_id}/{tenant_id}" if scope.startswith("Tenant_Application") else tenant_id
        retry_after = max(1, math.ceil(wait))
        headers |= {
            "x-ms-throttle-limit-percentage": f"{min(1.8, 1.0 + over):.2f}",
            "x-ms-throttle-scope": f"{scope}/{owner}",
            "x-ms-throttle-information": information,
            "Retry-After": str(retry_after),
        }
        return Verdict(False, headers, retry_after)

    def reset(self) -> None:
        """Fill all buckets."""
        self._buckets.clear()
