"""Ids sort by the time at which they were made, whatever the clock does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from bridge.daemon.ids import TimeOrdered


def test_later_ids_sort_after_earlier_ones() -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)
    make = TimeOrdered(lambda: now, lambda bits: (1 << bits) - 1)
    made = [make() for _ in range(5000)]
    now -= timedelta(hours=2)
    made.append(make())
    now += timedelta(hours=3)
    made.append(make())
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {32}
    last = uuid.UUID(made[-1])
    assert (last.version, last.variant) == (7, uuid.RFC_4122)
    assert last.int >> 80 == int(now.timestamp() * 1000)
