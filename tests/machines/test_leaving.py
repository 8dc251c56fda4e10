"""A person leaves, whichever side loses them: every step in its time, back with everything, and purged only then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from bridge.core.cutover import Stage
from bridge.core.model import Action, Side
from bridge.core.policy import policy_for
from connectors.memory import MemorySide
from connectors.memory.side import State
from tests.machines.rig import Rig
from tests.machines.test_bridge import Dying, Killed

FIELDS = {"display_name": "Anna", "enabled": True, "role": "pupil", "consent": True, "upn_base": "anna", "login": "an"}


class Leaving:
    """A rig whose school keeps what is deleted; ``lost`` is the side that loses Anna, ``left`` the one that has her."""

    def __init__(self, stage: Stage) -> None:
        self.rig = Rig(policy=policy_for(stage))
        school = self.rig.connectors[Side.SCHOOL]
        school.options = school.options.model_copy(update={"limbo": True})
        self.lost = Side.SCHOOL if stage is Stage.HYBRID else Side.CLOUD
        self.left = self.lost.other
        self.anchors: dict[Side, str] = {}

    def side(self, side: Side) -> MemorySide:
        return self.rig.side(side)

    @property
    def gone(self) -> MemorySide:
        return self.side(self.lost)

    @property
    def there(self) -> MemorySide:
        return self.side(self.left)

    def state(self, side: Side) -> State | None:
        return self.side(side).state(self.anchors[side])

    @property
    def link(self) -> str:
        return self.rig.store.find("u1")[0].link or ""

    def enabled(self) -> bool | None:
        record = self.there.record(self.anchors[self.left])
        return None if record is None else bool(record.fields.get("enabled"))

    async def begin(self) -> None:
        """Anna and Ben on both sides, then Anna is gone on one of them."""
        for name in ("u1", "u2"):
            self.rig.school.create("user", {**FIELDS, "source_anchor": name, "upn_base": name, "login": name})
        self.rig.policy = policy_for(Stage.HYBRID)
        await self.rig.settle(step=timedelta(0))
        self.rig.policy = policy_for(Stage.HYBRID if self.lost is Side.SCHOOL else Stage.SOAKING)
        self.anchors = {side: self.side(side).named("user", "source_anchor", "u1") or "" for side in Side}
        self.gone.delete(self.anchors[self.lost])
        await self.wait(0)

    async def wait(self, days: float) -> None:
        self.rig.pass_(days=days)
        await self.rig.settle(step=timedelta(0))


@pytest.fixture(params=[Stage.HYBRID, Stage.SOAKING], ids=["lost at the school", "lost in the cloud"])
async def leaving(request: pytest.FixtureRequest) -> AsyncIterator[Leaving]:
    one = Leaving(request.param)
    await one.begin()
    yield one
    one.rig.close()


@pytest.fixture
def at_school() -> Iterator[Leaving]:
    one = Leaving(Stage.SOAKING)
    yield one
    one.rig.close()


async def test_disabled_then_deleted_after_the_period_on_either_side(leaving: Leaving) -> None:
    assert leaving.enabled() is False
    await leaving.wait(29)
    assert leaving.enabled() is False
    await leaving.wait(1)
    assert leaving.state(leaving.left) is State.DELETED
    # Somebody else is untouched by all of it.
    assert leaving.there.named("user", "source_anchor", "u2")


async def test_back_with_everything_before_the_purge_on_either_side(leaving: Leaving) -> None:
    await leaving.wait(31)
    await leaving.wait(20)
    leaving.gone.restore(leaving.anchors[leaving.lost])
    await leaving.wait(0)
    assert leaving.state(leaving.left) is State.ALIVE
    assert leaving.enabled() is True
    (link,) = leaving.rig.store.links([leaving.link])
    assert (link.retired_at, link.taken) == (None, None)
    await leaving.wait(60)
    assert leaving.enabled() is True


async def test_the_school_s_limbo_is_purged_after_the_full_period_and_then_nothing_is_left(at_school: Leaving) -> None:
    await at_school.begin()
    await at_school.wait(30)
    await at_school.wait(29)
    assert at_school.state(Side.SCHOOL) is State.DELETED
    await at_school.wait(1)
    assert at_school.state(Side.SCHOOL) is State.PURGED
    assert [one.link for one in at_school.rig.store.find("u1")] != []  # the cloud's recycle bin still has her
    at_school.rig.cloud.purge(at_school.anchors[Side.CLOUD])
    await at_school.wait(0)
    assert at_school.rig.store.find("u1") == []
    assert len(at_school.rig.store.tombstones()) == 1
    kinds = [one.entry.action for one in at_school.rig.store.journal() if one.entry.action in set(Action)]
    assert kinds[-5:] == ["disable", "retire", "delete", "purge", "forget"]


async def test_taken_out_of_the_limbo_meanwhile_is_not_purged(at_school: Leaving) -> None:
    await at_school.begin()
    await at_school.wait(30)
    school = at_school.rig.connectors[Side.SCHOOL]
    at_school.rig.school.restore(at_school.anchors[Side.SCHOOL])
    # As if nobody had told the bridge yet: the port itself has to refuse.
    assert school.capabilities.purge is not None
    (outcome,) = [one async for one in school.capabilities.purge([at_school.anchors[Side.SCHOOL]])]
    assert getattr(outcome, "cause", "") == "stale"
    await at_school.wait(31)
    assert at_school.state(Side.SCHOOL) is State.ALIVE
    assert at_school.enabled() is False  # and begins its way anew, with a whole period
    await at_school.wait(31)
    assert at_school.state(Side.SCHOOL) is State.DELETED


async def test_a_lost_answer_of_a_purge_is_no_second_one_and_a_side_that_can_t_is_never_asked(
    at_school: Leaving,
) -> None:
    await at_school.begin()
    await at_school.wait(30)
    school = at_school.rig.connectors[Side.SCHOOL]
    school.options = school.options.model_copy(update={"limbo": False})
    await at_school.wait(40)
    assert at_school.state(Side.SCHOOL) is State.DELETED
    school.options = school.options.model_copy(update={"limbo": True})
    school.faults.lost_responses = 1
    at_school.rig.store.touch([at_school.link])
    report = await at_school.rig.cycle()
    assert report.error
    await at_school.wait(0)
    assert at_school.state(Side.SCHOOL) is State.PURGED
    purges = [one.entry for one in at_school.rig.store.journal() if one.entry.action == "purge"]
    assert len(purges) <= 1


@pytest.mark.parametrize("lives", range(9))
async def test_killed_between_any_two_writes_no_period_is_shortened(at_school: Leaving, lives: int) -> None:
    await at_school.begin()
    reached: dict[State | None, float] = {}
    for day in range(66):
        # The daemon dies once a day at another place, and runs again; a person counts the days of each state.
        with suppress(Killed):
            await at_school.rig.cycle(Dying(at_school.rig.bridged().store, lives))  # type: ignore[arg-type]
        await at_school.wait(0)
        reached.setdefault(at_school.state(Side.SCHOOL), day)
        at_school.rig.pass_(days=1)
    assert at_school.state(Side.SCHOOL) is State.PURGED
    assert reached[State.DELETED] >= 30
    assert reached[State.PURGED] - reached[State.DELETED] >= 30
    assert reached[State.PURGED] <= 62
    assert at_school.rig.store.verify().ok


async def test_a_purge_counts_as_a_deletion_for_the_guard(at_school: Leaving) -> None:
    for number in range(30):
        name = f"p{number}"
        at_school.rig.school.create("user", {**FIELDS, "source_anchor": name, "upn_base": name, "login": name})
    await at_school.begin()
    everybody = [one.anchor for one in at_school.rig.cloud.records("user")]
    for anchor in everybody[:12]:
        at_school.rig.cloud.delete(anchor)
    await at_school.wait(0)
    for step in (Action.DISABLE, Action.DELETE):  # a person lets both waves pass
        held = [one for one in at_school.rig.store.troubles() if one.action is step]
        assert len(held) >= 12
        at_school.rig.store.release(*[one.link for one in held], actor="t", reason="checked")
        await at_school.wait(0)
        await at_school.wait(31)
    purged = [one for one in at_school.rig.school.entries.values() if one.state is State.PURGED]
    assert not purged
    held = {(one.rule, one.action) for one in at_school.rig.store.troubles()}
    assert held == {("guard:delete", Action.PURGE)}
