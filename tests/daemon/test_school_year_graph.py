"""A school year against a real Graph counterparty: its groups have a key that can't be changed, which is what makes a
group of the directory that begins anew dangerous: its creation would find last year's group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridge.core.model import Side
from bridge.daemon import school_year
from bridge.engine.wanted import carry_out
from connectors.memory import MemoryConnector, Options
from connectors.sandbox import Sandbox
from tests.conformance.base import context
from tests.connectors.graph.kit import application, connector
from tests.machines.rig import Ends
from tests.sandbox.plugin import MakeSandbox
from tests.school_years import person_fields

CLASSES = {"5a": range(6), "6a": range(6, 12), "7a": range(12, 18)}


def groups(sandbox: Sandbox) -> dict[str, tuple[str, int]]:
    """Name -> id and number of members, from the tenant itself."""
    live = [one for one in sandbox.tenant.entries.values() if one.kind == "group" and one.state == "live"]
    return {str(one.properties["displayName"]): (one.id, len(one.linked("members"))) for one in live}


async def cycled(one: Ends) -> None:
    for _ in range(4):
        one.policy = replace(one.policy, year=one.store.year_phase())
        report = await one.cycle()
        assert not report.error, report.error
        one.pass_(hours=1)


def fill(school: MemoryConnector, people: list[str], classes: Mapping[str, list[str]]) -> None:
    for name, members in classes.items():
        fields = {"source_anchor": f"G{name}", "display_name": name, "nickname_base": name, "role": "class"}
        inside = {"members": frozenset(members)}
        if school.side.record(f"G{name}") is None:
            school.side.create("group", {**fields, **inside}, anchor=f"G{name}")
        else:
            school.side.change(f"G{name}", inside)


async def test_groups_that_are_refilled_keep_to_their_pupils(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()], domains=["hfg.example"])
    school = MemoryConnector(Options(name="school", kinds=("user", "group")), context())
    graph = connector(sandbox, domains=["hfg.example"])
    one = Ends({Side.SCHOOL: school, Side.CLOUD: graph})
    try:
        people = [school.side.create("user", person_fields(f"r{number}")) for number in range(18)]
        fill(school, people, {name: [people[number] for number in numbers] for name, numbers in CLASSES.items()})
        await cycled(one)
        before = groups(sandbox)
        assert {name: row[1] for name, row in before.items()} == {"5a": 6, "6a": 6, "7a": 6}
        one.store.open_year("Y0", actor="test", reason="August")
        new = [school.side.create("user", person_fields(f"n{number}")) for number in range(5)]
        for anchor in people[12:]:
            school.side.delete(anchor)
        fill(school, people, {"5a": new, "6a": people[:6], "7a": people[6:12]})
        await cycled(one)
        # Leavers are held, not deleted; classes have not moved.
        assert {name: row[0] for name, row in groups(sandbox).items()} == {name: row[0] for name, row in before.items()}
        planned = school_year.plan(one.store)
        one.store.apply_year("Y1", school_year.settlement(planned), actor="test", reason="August")
        assert not (await carry_out(one.bridged(), school_year.unnamed(one.store), cycle="Y1")).failed
        await cycled(one)
        now = groups(sandbox)
        assert now["6a"] == (before["5a"][0], 6)
        assert now["7a"] == (before["6a"][0], 6)
        assert now["2025-26 7a"][0] == before["7a"][0]
        assert now["5a"][0] not in {row[0] for row in before.values()}
        assert now["5a"][1] == 5
        assert sandbox.counters().get("groups deleted", 0) == 0
        assert {trouble.rule for trouble in one.store.troubles()} <= {"year"}
        await cycled(one)
        assert groups(sandbox) == now
    finally:
        one.close()
        await graph.close()
