"""Who of a school's folder is let in at the drive: matched by SID or name, and carried over by the real daemon."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bridge.core.access import Role
from bridge.core.unsaid import Cause, Unsaid
from bridge.daemon.access import matched
from bridge.ports import Rights
from bridge.state.access import Principal
from connectors.rights import Ace, Descriptor
from tests.connectors.test_rights import packed
from tests.daemon.live import Live

READ, WRITE = Role.READ, Role.WRITE
DOMAIN = "S-1-5-21-1-2-3"
STAFF, CLASS, ANNA = f"{DOMAIN}-1104", f"{DOMAIN}-1105", f"{DOMAIN}-1106"


def everybody() -> Mapping[str, Sequence[Principal]]:
    staff = Principal("g1", "group", STAFF, ("Lehrer", "lehrer"))
    others = Principal("g2", "group", CLASS, ("5a",)), Principal("u1", "user", ANNA, ("anna0",))
    twin = Principal("u2", "user", "", ("5a",))
    return {STAFF.casefold(): [staff], "lehrer": [staff], CLASS.casefold(): [others[0]], "5a": [others[0], twin],
            ANNA.casefold(): [others[1]], "anna0": [others[1]]}  # fmt: skip


@pytest.mark.parametrize(
    ("roles", "owner", "group", "wanted", "unsaid"),
    [
        ({STAFF: WRITE, CLASS: WRITE}, "g2", True, {"g1": WRITE}, []),
        ({STAFF: READ, "LEHRER": WRITE, CLASS: WRITE}, "g2", True, {"g1": WRITE}, []),
        ({CLASS: READ}, "g2", True, {}, [(Cause.GROUP_READS, "")]),
        ({STAFF: WRITE}, "g2", True, {"g1": WRITE}, [(Cause.GROUP_NOTHING, "")]),
        ({ANNA: WRITE, f"{DOMAIN}-512": WRITE, "S-1-5-32-544": WRITE, "S-1-5-18": WRITE}, "u1", False, {}, []),
        ({"S-1-1-0": READ, f"{DOMAIN}-513": WRITE}, "u1", False, {},
         [(Cause.EVERYBODY, "S-1-1-0"), (Cause.EVERYBODY, f"{DOMAIN}-513")]),
        ({"5a": READ, "Putzdienst": READ}, "u1", False, {}, [(Cause.SEVERAL, "5a"), (Cause.UNKNOWN, "Putzdienst")]),
    ],
)  # fmt: skip
def test_trustees_become_people_and_groups_of_the_cloud(
    roles: Mapping[str, Role], owner: str, group: bool, wanted: Mapping[str, Role], unsaid: list[tuple[Cause, str]]
) -> None:
    found, others = matched(Rights(roles), everybody(), owner=owner, group=group)
    assert found == wanted
    assert [(one.cause, one.who) for one in others] == unsaid


def test_what_the_connector_could_not_express_is_kept() -> None:
    deny = Unsaid(Cause.DENY, "innen", STAFF, "0x2")
    assert matched(Rights({}, (deny,)), everybody(), owner="u1", group=False) == ({}, (deny,))
    assert deny.say("de", called=lambda _: "Lehrer").startswith("innen: Verweigern für Lehrer (Rechte 0x2)")


SHARE = """\
  - name: klassen
    for: group
    school: {{connector: folder, base: '{root}/klassen', root: "{{name}}", quiet_seconds: 0.3}}
    cloud: {{connector: graph_drive, drive: {{group: "{{cloud_id}}"}}, not_provisioned_seconds: 1,
             file_budgets: {{clock_scale: 100}}}}
"""


def protect(folder: Path, *aces: Ace) -> None:
    """As Samba keeps Windows permissions beside a folder (version 4 of its attribute, measured with 4.17)."""
    head = struct.pack("<HHI", 4, 4, 0x20000) + bytes(152)
    os.setxattr(folder, "security.NTACL", head + packed(Descriptor("S-1-5-32-544", aces)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write security.NTACL")
def test_the_daemon_lets_in_who_may_at_the_school_and_no_longer_who_may_not(tmp_path: Path) -> None:
    live = Live(tmp_path, people=2)
    try:
        with live.school.school.changing() as side:
            people = {one.fields["login"]: one.anchor for one in side.records("user")}
            side.change(people["anna1"], {"sid": ANNA})
            for name, sid in (("5a", CLASS), ("Lehrer", STAFF)):
                side.create("group", {
                    "source_anchor": f"G{name}", "display_name": name, "role": "class", "nickname_base": name.lower(),
                    "unified": True, "members": frozenset(people.values()), "owners": frozenset(people.values()),
                    "sid": sid,
                })  # fmt: skip
        school = live.school.school_file
        school.write_text(school.read_text() + SHARE.format(root=tmp_path))
        folder = tmp_path / "klassen" / "5a"
        folder.mkdir(parents=True)
        (folder / "Plan.txt").write_text("Stundenplan")
        allow = [Ace(0, 3, 0x1301BF, CLASS), Ace(0, 3, 0x1301BF, STAFF), Ace(0, 3, 0x1200A9, ANNA)]
        protect(folder, *allow, Ace(0, 3, 0x1F01FF, "S-1-1-0"))
        plan = live.school.start("plan", "--json")
        assert plan.code in {0, 2}, plan.err
        live.start()

        def let_in() -> dict[str, str]:
            return live.drives.shared_with(live.cloud.groups()["5a"])

        live.until(lambda: let_in() == {"Lehrer": "write", "Anna Lang": "read"}, seconds=60)
        live.until(lambda: "Plan.txt" in live.drives.library(live.cloud.groups()["5a"]))

        report = live.school.start("shares", "0123", "--share", "klassen", "--rights", "--json").json["rights"]
        (mine,) = (one for one in report if one["owner"] == "5a")
        assert {one["name"]: (one["school"], one["cloud"]) for one in mine["roles"]} == {
            "Lehrer": ("write", "write"), "anna1": ("read", "read"),
        }  # fmt: skip
        assert [(one["cause"], one["who"]) for one in mine["not_carried_over"]] == [("everybody", "S-1-1-0")]
        shown = live.school.start("shares", "0123", "--rights").out
        assert "Lehrer: may write (let in)" in shown
        assert "Everyone (S-1-1-0)" in shown

        protect(folder, Ace(0, 3, 0x1301BF, CLASS), Ace(0, 3, 0x1200A9, STAFF))
        planned = live.school.start("plan", "--json").json["schools"][0]["shares"]
        assert sorted(step["step"] for one in planned for step in one["rights"]) == ["change", "take back"]
        live.kill()
        live.daemon = None
        assert live.school.start("sync", "--full").code == 0
        assert let_in() == {"Lehrer": "read"}
    finally:
        live.stop()
