"""What this site would use of the tenants' budgets, for its reports; what it may use, out of the receipts.

The length of an allowance counts from when the report was made that it answers: so it never lasts longer here than the
hub thinks it does, however late the receipt comes and whatever the clocks say.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.daemon.purses import PURSES, Allowed, Purses
from bridge.fleet.messages import Allowance, Demand


class Demands:
    """The demands of one process. Reports are sent one after the other."""

    def __init__(self, purses: Purses) -> None:
        self._purses = purses
        self._asked: float | None = None

    def current(self) -> list[Demand]:
        """For the report that is being made now."""
        self._asked = self._purses.monotonic()
        return [
            Demand(
                tenant=tenant,
                budget=budget,
                wanted=min(purse.wanted(), 1e9),
                holds=purse.allowed.until if purse.allowed is not None else None,
            )
            for (tenant, budget), purse in sorted(self._purses.in_use().items())
        ][:100]

    def allow(self, allowances: Iterable[Allowance]) -> None:
        """Out of the receipt for the report that was made last."""
        if self._asked is None:
            return
        for one in allowances:
            allowed = Allowed(one.given, self._asked + one.seconds, one.until)
            self._purses.allow(one.tenant, one.budget, allowed)


_MINE = Demands(PURSES)
current = _MINE.current
allow = _MINE.allow
