"""Throttling of SharePoint and OneDrive: resource units a minute and a day, and the sharing calls in five minutes.

Per application and tenant, by licences (sp-dev-docs: how to avoid getting throttled, 10/02/2025): get, download and
delta with a token cost 1 unit; list, delta without a token, create, update, delete and upload 2; permissions 5.
A throttled call counts as well. The headers RateLimit-* come from 80 % of the minute on. ``scale`` runs the clock
faster, as in :mod:`connectors.sandbox.budgets`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MINUTE, DAY, SHARING_WINDOW = 60.0, 86_400.0, 300.0
#: Licences up to -> units a minute, units a day.
LIMITS = (
    (1_000, 1_250, 1_200_000),
    (5_000, 2_500, 2_400_000),
    (15_000, 3_750, 3_600_000),
    (50_000, 5_000, 4_800_000),
    (math.inf, 6_250, 6_000_000),
)
SHARING_CALLS = 300
_FILES = re.compile(r"/drives/|/sites\b|/(?:users|groups)/\{id\}/drives?(?:/|$)")
_SHARING = re.compile(r"/(?:permissions|invite|createLink)\b")


def applies(template: str) -> bool:
    """Whether a route is SharePoint's."""
    return _FILES.match(template) is not None


def is_sharing(template: str) -> bool:
    """Whether a route is one of the specific sharing APIs."""
    return _SHARING.search(template) is not None


def cost(method: str, template: str, query: Mapping[str, str]) -> int:
    """Resource units of one request."""
    if is_sharing(template):
        return 5
    if method != "GET":
        return 2
    if "/delta" in template:
        token = "(token)" in template or any(query.get(name) for name in ("token", "skiptoken", "deltatoken"))
        return 1 if token else 2
    return 2 if template.endswith(("/children", "/drives", "/versions", "/sites", "/search(q)/{q}")) else 1


def limits(licences: int) -> tuple[int, int]:
    """Units a minute and a day of one application in a tenant of this size."""
    return next((minute, day) for most, minute, day in LIMITS if licences <= most)


@dataclass(slots=True)
class _Window:
    began: float
    taken: float = 0.0


@dataclass(slots=True)
class DriveBudgets:
    """The windows of one tenant; switched off they only price requests."""

    enabled: bool = False
    scale: float = 1.0
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)

    def charge(
        self, now: float, app_id: str, units: int, licences: int, *, sharing: bool
    ) -> tuple[bool, dict[str, str]]:
        """Whether a request may pass, with its headers; Retry-After and RateLimit-Reset are real seconds."""
        headers: dict[str, str] = {}
        if not self.enabled:
            return True, headers
        clock, (minute, day) = now * self.scale, limits(licences)
        wanted = [("minute", minute, MINUTE, units), ("day", day, DAY, units)]
        if sharing:
            wanted.append(("sharing", SHARING_CALLS, SHARING_WINDOW, 1))
        wait = 0.0
        for name, limit, seconds, price in wanted:
            window = self._windows.setdefault((app_id, name), _Window(clock))
            if clock - window.began >= seconds:
                window.began, window.taken = clock - (clock - window.began) % seconds, 0.0
            window.taken += price
            left = (window.began + seconds - clock) / self.scale
            if window.taken > limit:
                wait = max(wait, left)
            if name == "minute" and window.taken >= 0.8 * limit:
                headers |= {
                    "RateLimit-Limit": str(limit),
                    "RateLimit-Remaining": str(max(0, int(limit - window.taken))),
                    "RateLimit-Reset": str(max(1, math.ceil(left))),
                }
        if wait:
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return not wait, headers

    def reset(self) -> None:
        """Begin all windows anew."""
        self._windows.clear()
