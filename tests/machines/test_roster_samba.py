"""A school year by a roster, on a real Samba with the sandbox behind it: planned, applied, mirrored, applied again,
taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.units import Unit, unit
from bridge.daemon import roster_year, school_year
from bridge.daemon.roster_year import Asked, Carried
from bridge.lab.school_server import SchoolServer
from connectors.roster import Options, connect
from tests.conformance.base import context
from tests.connectors.active_directory.writing import limbo_of
from tests.machines.both_ways import Both, both_ways
from tests.machines.test_both_ways import school, usn
from tests.sandbox.plugin import MakeSandbox

pytestmark = pytest.mark.samba
_HEAD = "Vorname;Nachname;Referenz-ID;Gruppen#Klasse;Gruppen#Kurs\n"
_PEOPLE = ("employeeNumber", "givenName", "sn", "memberOf", "userAccountControl", "sAMAccountName", "displayName")


def pupils(server: SchoolServer) -> dict[str, tuple[str, str, str]]:
    """Reference -> (first name, last name, class) of everybody who is in exactly one class and enabled."""
    classes = {one.dn: one.text("displayName") for one in server.find("(cn=klasse-*)", ("displayName",))}
    found = {}
    for one in server.find("(&(sAMAccountType=805306368)(employeeNumber=*)(department=*))", _PEOPLE):
        inside = [classes[dn.decode()] for dn in one.attributes.get("memberOf", ()) if dn.decode() in classes]
        if len(inside) == 1 and not int(one.text("userAccountControl") or 0) & 2:
            reference = str(one.text("employeeNumber"))
            found[reference] = (str(one.text("givenName")), str(one.text("sn")), str(inside[0]))
    return found


def next_year(name: str) -> str | None:
    """Klasse 5a -> 6a, as the roster calls it; None for the highest."""
    told = unit(name)
    if told is None or told.year > 11:
        return None
    return str(Unit(told.year + 1, told.letter if told.year < 9 else ""))


def csv(people: dict[str, tuple[str, str, str]]) -> str:
    return _HEAD + "".join(f"{given};{last};{key};{name};\n" for key, (given, last, name) in sorted(people.items()))


async def told(path: Path, text: str) -> school_year.Roster:
    path.write_text(text)  # noqa: ASYNC240
    return await school_year.read_roster(await connect(Options(path=path), context()))


def shown(server: SchoolServer) -> dict[str, Any]:
    """The school as it is, outside of the limbo: names, switches, members; without anything that counts."""
    rows: dict[str, Any] = {}
    for one in server.find("(&(sAMAccountType=805306368)(employeeNumber=*))", _PEOPLE):
        if not one.dn.endswith(limbo_of(server)):
            names = [one.text(name) for name in ("displayName", "sAMAccountName", "givenName", "sn")]
            rows[str(one.text("employeeNumber"))] = [*names, int(one.text("userAccountControl") or 0) & 2]
    for one in server.find("(&(objectClass=group)(cn=klasse-*))", ("displayName", "member", "cn")):
        if not one.dn.endswith(limbo_of(server)):
            members = sorted(dn.decode().split(",")[0] for dn in one.attributes.get("member", ()))
            rows[str(one.text("cn"))] = [one.text("displayName"), members]
    return rows


async def apply(both: Both, roster: school_year.Roster, before: school_year.Roster | None) -> Carried:
    bridged = both.engine.bridged()
    return await roster_year.apply(bridged, both.engine.store, Asked(roster, before, actor="t", reason="August"))


def names(both: Both) -> dict[str, str]:
    """Name of a class -> id of its group in the cloud."""
    return {one["displayName"]: one["id"] for one in both.groups() if str(one["displayName"]).startswith("Klasse ")}


async def test_a_school_year_by_a_roster(
    samba_dc: Callable[..., SchoolServer], make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    server = school(samba_dc)
    async with both_ways(server, make_sandbox, seed=3) as both:
        await both.settle()
        last = pupils(server)
        assert len(last) > 30
        assert {row[2] for row in last.values()} >= {"Klasse 5a", "Klasse 6a"}
        now = {key: (*row[:2], up) for key, row in last.items() if (up := next_year(row[2])) is not None}
        leaver, wed = sorted(now)[:2]
        del now[leaver]
        now[wed] = (now[wed][0], "Ölberg-Neu", now[wed][2])
        new = {f"NEU{number}": ("Zoë", f"Öztürk{number}", "5a") for number in range(4)}
        roster = await told(tmp_path / "now.csv", csv({**now, **new}))
        before = await told(
            tmp_path / "last.csv", csv({key: (*row[:2], row[2].split()[-1]) for key, row in last.items()})
        )
        clouds, users, was = names(both), {one["id"] for one in both.users()}, shown(server)
        groups = {one["id"] for one in both.groups()}
        gone = last.keys() - now.keys()

        carried = await apply(both, roster, before)
        assert carried.failed == []
        assert carried.written["user:create"] == 4
        assert carried.written["user:disable"] == len(gone)
        await both.settle()
        after = names(both)
        for name, id_ in clouds.items():
            if (up := next_year(name)) is not None:
                assert after[f"Klasse {up}"] == id_, f"{name} keeps its group"
        assert after["Klasse 5a"] not in groups
        assert users <= {one["id"] for one in both.users()}, "0 accounts deleted or made anew"
        accounts = {both._key(one): one for one in both.users()}
        assert {accounts[key.casefold()]["accountEnabled"] for key in gone} == {False}
        inside = next(one["members"] for one in both.groups() if one["displayName"] == "Klasse 5a")
        assert {accounts[key.casefold()]["id"] for key in new} <= set(inside)
        there = shown(server)
        assert len({there[key][1] for key in new}) == 4, "newcomers have logins of their own"
        assert there[wed][3] == "Ölberg-Neu"
        assert there[wed][1] == was[wed][1], "who was here keeps the login"
        assert both.engine.store.troubles() == []

        newest = usn(server)
        again = await apply(both, roster, None)
        assert (again.written, again.failed) == ({}, [])
        assert usn(server) == newest, "a second apply writes nothing"

        both.engine.pass_(hours=1)
        undone = await roster_year.undo(both.engine.bridged(), both.engine.store, actor="t", reason="wrong list")
        assert (undone.failed, undone.against) == ([], [])
        assert shown(server) == was
        await both.settle()
        # The class that was made for it waits in the cloud for the end of its period, beside the old one.
        called = {one["id"]: one["displayName"] for one in both.groups()}
        assert {called[id_]: id_ for id_ in clouds.values()} == clouds
        assert users <= {one["id"] for one in both.users()}
        assert both.engine.store.verify().ok

        both.engine.pass_(hours=1)
        anew = await apply(both, roster, before)
        assert (anew.failed, anew.written["user:restore"]) == ([], 4), "they get the accounts that they had"
        await both.settle()
        back = shown(server)
        assert {key: back[key] for key in new} == {key: there[key] for key in new}
        assert {row[0] for key, row in back.items() if key.startswith("klasse-")} == {
            row[0] for key, row in there.items() if key.startswith("klasse-")
        }
        assert {both._key(one) for one in both.users()} == accounts.keys()
        assert users <= {one["id"] for one in both.users()}
