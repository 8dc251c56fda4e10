"""A school year end to end: the real engine and state between two memory sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.model import Action
from connectors.memory import State
from tests.core.years import WAYS
from tests.machines.rig import Rig, rig
from tests.school_years import counting, drawn, least, settle_year, settled


async def cycled(one: Rig) -> None:
    """As the daemon: the policy knows where the year stands."""
    for _ in range(6):
        one.policy = replace(one.policy, year=one.store.year_phase())
        report = await one.cycle()
        assert not report.error, report.error
        one.pass_(hours=1)


@pytest.mark.parametrize("way", WAYS)
async def test_a_year_change_keeps_every_account_and_every_group(way: str) -> None:
    with rig() as one:
        year = await settled(one, drawn(3, way=way))
        accounts = {record.anchor for record in one.cloud.records("user")}
        one.store.open_year("Y1", actor="test", reason="August")
        counted = counting(one.connectors[list(one.connectors)[1]])
        year.rebuild()
        await cycled(one)
        assert counted.of("group", *Action) == [], "nothing happens to a class before it is known which it is"
        assert counted.of("user", Action.DELETE, Action.DISABLE) == []
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []
        assert counted.of("user", Action.DELETE, Action.DISABLE, Action.RESTORE) == []
        assert counted.of("group", Action.DELETE, Action.RESTORE) == []
        assert accounts <= {record.anchor for record in one.cloud.records("user")}
        assert all(one.cloud.state(anchor) is State.ALIVE for anchor in year.before.values()), "archived, never deleted"
        assert counted.requests() <= 1.1 * least(counted, year)
        assert one.sent() == 0
