"""What a failed restore proves: of a file that it has to be made anew, of an account nothing."""

from __future__ import annotations

from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig, rig
from tests.machines.test_fault_points import SHARE


def _gone(one: Rig, anchor: str) -> None:
    one.cloud_faults().failing = {anchor: ("gone", "it is not in the recycle bin any more")}


async def test_a_file_that_can_not_be_restored_is_made_anew_in_the_same_cycle() -> None:
    with rig(shows=SHARE) as one:
        file = new_file(one.school, {"name": "a.txt"}, b"one")
        await one.settle()
        (there,) = one.cloud.records("file")
        one.cloud.delete(there.anchor)
        write_body(one.school, file, b"two")
        _gone(one, there.anchor)
        report = await one.cycle()
        assert report.executed == {"file:create": 1}
        assert not one.store.troubles()
        (now,) = one.cloud.records("file")
        assert now.anchor != there.anchor
        assert one.cloud.bodies[now.anchor] == b"two"


async def test_nobody_gets_a_second_account_because_the_deleted_one_was_not_found() -> None:
    with rig() as one:
        fields = {"source_anchor": "anna", "display_name": "Anna", "enabled": True, "consent": True, "upn_base": "anna"}
        one.school.create("user", fields)
        await one.settle()
        (there,) = one.cloud.records("user")
        one.cloud.delete(there.anchor)
        _gone(one, there.anchor)
        report = await one.cycle()
        assert report.failed == {"user:gone": 1}
        assert not list(one.cloud.records("user"))
        one.calm()
        one.pass_(hours=1)
        await one.settle()
        assert [record.anchor for record in one.cloud.records("user")] == [there.anchor]
