"""Each verdict is a pure function of what was seen: tables of what passes, fails, and of what nobody knows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.gates import FAIL, PASS, UNKNOWN
from bridge.core.model import Side
from bridge.daemon.estimate import Estimate
from bridge.daemon.measuring import contents, devices, files, opened, people, sides
from bridge.daemon.measuring.files import Files
from bridge.daemon.measuring.opened import Open
from bridge.daemon.measuring.people import People
from bridge.daemon.measuring.sides import Demand, Probed, Told
from bridge.daemon.measuring.verdicts import hidden
from bridge.daemon.roots import Root
from bridge.engine.load import Amount
from bridge.ports import Device, Finding, Topic
from bridge.state.equality import Equality, Same

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
BOTH = frozenset(Side)
GIGA = 1_000_000_000


def told(
    side: Side, subject: str, ok: bool | None, topic: Topic = Topic.ACCESS, root: str = "", **numbers: float
) -> Told:
    place = f"share homes, folder of L1, {side} side" if root else f"{side} side"
    return Told(place, side, Finding(subject, ok, "found", "do this", topic, numbers), root)


def probed(*more: Told, of: int = 0) -> Probed:
    """Both sides let in, and what is told besides."""
    return Probed([*(told(side, "identity", True) for side in Side), *more], of=of)


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ([], PASS),
        ([told(Side.CLOUD, "fallback owner", None)], PASS),
        ([told(Side.CLOUD, "permissions", False)], FAIL),
        ([told(Side.CLOUD, "certificate", None, days_left=13)], FAIL),
        ([told(Side.CLOUD, "certificate", None, days_left=14)], PASS),
        ([told(Side.SCHOOL, "rights", False, root="0123/homes/L1")], FAIL),
        ([told(Side.CLOUD, "licence A", False, Topic.LICENCES)], PASS),
    ],
)
def test_credentials(more: list[Told], result: str) -> None:
    found = sides.credentials(probed(*more), NOW)
    assert found.result == result
    assert result == PASS or found.fix


def test_a_side_that_was_never_asked_lets_nobody_pass() -> None:
    assert sides.credentials(Probed([told(Side.SCHOOL, "identity", True)]), NOW).result == UNKNOWN
    assert sides.credentials(Probed(), NOW).result == UNKNOWN


@pytest.mark.parametrize(
    ("school", "cloud", "share", "result"),
    [
        (0, 3, None, PASS),
        (60, 60, 60, PASS),
        (61, 0, None, FAIL),
        (0, 301, None, FAIL),
        (0, 0, 61, FAIL),
        (0, None, None, UNKNOWN),
        (None, None, 0, UNKNOWN),
        (None, 61, None, FAIL),
    ],
)
def test_clock(school: float | None, cloud: float | None, share: float | None, result: str) -> None:
    rows = [
        told(side, "clock", None, Topic.CLOCK, root, **({} if seconds is None else {"seconds": seconds}))
        for side, root, seconds in (
            (Side.SCHOOL, "", school),
            (Side.CLOUD, "", cloud),
            (Side.SCHOOL, "0123/homes/L1", share),
        )
    ]
    assert sides.clock(probed(*rows), NOW).result == result


def room(side: Side, free: float, *, ok: bool | None = True, root: str = "r") -> Told:
    return told(side, "free space", ok, Topic.SPACE, root, free=free)


SILENT = Told("share projects", Side.SCHOOL, Finding("identity", True, "found"), "0123/projects/G1", "projects")


@pytest.mark.parametrize(
    ("more", "demand", "result"),
    [
        ([room(Side.SCHOOL, 2 * GIGA), room(Side.CLOUD, 0)], Demand(), PASS),
        ([room(Side.SCHOOL, GIGA)], Demand(), FAIL),  # the spare
        ([room(Side.SCHOOL, 2 * GIGA)], Demand(down=GIGA), FAIL),
        ([room(Side.SCHOOL, 9 * GIGA), room(Side.CLOUD, 4)], Demand(up={"r": 5}), FAIL),
        ([room(Side.SCHOOL, 9 * GIGA), room(Side.CLOUD, 5)], Demand(up={"r": 5, "other": 99}), PASS),
        ([room(Side.SCHOOL, 9 * GIGA), room(Side.CLOUD, 5, ok=False)], Demand(), FAIL),  # the service says: exceeded
        ([room(Side.SCHOOL, 9 * GIGA)], Demand(full=1), FAIL),
        ([room(Side.SCHOOL, 9 * GIGA)], Demand(without_licence=1), FAIL),
        ([], Demand(), UNKNOWN),
        ([room(Side.CLOUD, 9 * GIGA)], Demand(), UNKNOWN),
        ([room(Side.SCHOOL, 9 * GIGA)], Demand(up={"r": 5}), UNKNOWN),  # a drive that tells nothing
        ([room(Side.SCHOOL, 9 * GIGA), SILENT], Demand(), UNKNOWN),  # one share tells nothing of the other
        ([room(Side.SCHOOL, 9 * GIGA), SILENT], Demand(full=1), FAIL),
    ],
)
def test_room(more: list[Told], demand: Demand, result: str) -> None:
    assert sides.capacity(probed(*more, of=1), demand, NOW).result == result


@pytest.mark.parametrize(("left", "needed", "result"), [(3, 3, PASS), (2, 3, FAIL), (0, 0, PASS)])
def test_licences_are_counted_against_those_who_still_need_one(left: int, needed: int, result: str) -> None:
    stock = told(Side.CLOUD, "licence A", True, Topic.LICENCES, left=left)
    assert sides.capacity(probed(stock), Demand(accounts=needed), NOW).result == result
    unknown = told(Side.CLOUD, "licence B", False, Topic.LICENCES)
    assert sides.capacity(probed(unknown), Demand(), NOW).result == FAIL


@pytest.mark.parametrize(
    ("known", "percent", "result"),
    [(None, None, UNKNOWN), (0, None, UNKNOWN), (20, None, PASS), (19, None, UNKNOWN), (19, 95, PASS), (18, 95, FAIL)],
)
def test_devices_are_compared_and_what_is_left_is_for_a_person(
    known: int | None, percent: float | None, result: str
) -> None:
    computers = [Device(f"PC-{number:02}", f"S-1-5-21-{number}") for number in range(20)]
    missing = None if known is None else devices.absent(computers, computers[:known])
    found = devices.devices(devices.Compared(20, missing), percent, NOW)
    assert found.result == result
    assert found.names == (missing or ())
    assert "PC-" not in found.found + found.fix + found.expected + str(found.numbers)
    assert found.numbers["computers"] == 20


def test_a_device_is_the_same_by_identifier_serial_number_or_name() -> None:
    computers = [
        Device("PC-1", "S-1"),
        Device("PC-2", "S-2", "4711"),
        Device("PC-3"),
        Device("PC-4", "S-4"),
        Device(""),
    ]
    known = [Device("renamed", "s-1"), Device("other", "", "4711"), Device("pc-3.school.example"), Device("PC-44")]
    assert devices.absent(computers, known) == ("", "PC-4")


def test_without_computers_or_an_answer_nobody_knows() -> None:
    assert devices.devices(devices.Compared(), 95, NOW).numbers == {}
    assert devices.devices(devices.Compared(0, ()), 95, NOW).result == UNKNOWN


def read(**more: Any) -> People:
    return People(**{"listed": BOTH, "records": 8, **more})


@pytest.mark.parametrize(
    ("who", "what", "result"),
    [
        (read(), Files(), PASS),
        (read(), Files(roots=3, waiting=2), PASS),
        (read(listed=frozenset({Side.SCHOOL})), Files(), FAIL),
        (read(error="does not answer"), Files(), FAIL),
        (read(records=0), Files(), FAIL),
        (read(), Files(roots=3, unread=1), FAIL),
        (read(), Files(roots=3, stopped=1, reasons=["share homes: no"]), FAIL),
        (read(), Files(roots=3, unfit=1, reasons=["two owners of one folder"]), FAIL),
        (read(), Files(roots=3, waiting=3), FAIL),
        (read(), Files(roots=3, oldest=NOW - timedelta(hours=4)), PASS),
        (read(), Files(roots=3, oldest=NOW - timedelta(hours=4, seconds=1)), FAIL),
    ],
)
def test_complete_scan(who: People, what: Files, result: str) -> None:
    assert files.scanned(who, what, NOW).result == result


def left(number: int) -> Counter[tuple[Side, str, str]]:
    return Counter({(Side.CLOUD, "user", "create"): number})


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("who", "what", "frozen", "result"),
    [
        (read(), Files(), False, PASS),
        (read(), Files(), True, PASS),
        (read(left=left(1)), Files(), True, FAIL),
        (read(left=left(1)), Files(), False, PASS),
        (read(left=left(7200)), Files(), False, PASS),
        (read(left=left(7201)), Files(), False, FAIL),  # two hours of four
        (read(), Files(left=Amount(1, 5, 0)), True, FAIL),
        (read(), Files(left=Amount(1, 5, 0), found=Estimate(NOW, NOW + 2 * HOUR)), False, PASS),
        (read(), Files(left=Amount(1, 5, 0), found=Estimate(NOW, NOW + 3 * HOUR)), False, FAIL),
        (read(left=left(3600)), Files(left=Amount(1, 5, 0), found=Estimate(NOW, NOW + 2 * HOUR)), False, FAIL),
        (read(), Files(left=Amount(1, 5, 0), found=Estimate(NOW, None, "too little seen")), False, UNKNOWN),
        (read(), Files(complete=False), False, UNKNOWN),
        (read(), Files(complete=False), True, UNKNOWN),
        (read(error="cut off"), Files(), True, UNKNOWN),
        (read(error="cut off"), Files(left=Amount(1, 5, 0)), True, FAIL),
    ],
)
def test_backlog(who: People, what: Files, frozen: bool, result: str) -> None:
    assert files.backlog(who, what, NOW, budget=4 * HOUR, frozen=frozen).result == result


@pytest.mark.parametrize(
    ("who", "result"),
    [
        (read(equality=Equality({"user": Same(both=5, exempt=1, leaving=1)}, memberships=9)), PASS),
        (read(equality=Equality({"user": Same(both=5, only_school=1)})), FAIL),
        (read(equality=Equality({"user": Same(both=5, mastered=3), "group": Same(mastered=1)})), PASS),
        (read(equality=Equality({"user": Same(mastered=3)}, missing=1)), FAIL),
        (read(equality=Equality({"group": Same(both=5, only_cloud=1)})), FAIL),
        (read(equality=Equality({}, memberships=9, missing=1)), FAIL),
        (read(equality=Equality({}, memberships=9, extra=1)), FAIL),
        (read(error="cut off", equality=Equality()), UNKNOWN),
        (read(listed=frozenset({Side.CLOUD})), UNKNOWN),
    ],
)
def test_counts(who: People, result: str) -> None:
    assert people.counts(who, NOW).result == result


def test_who_is_there_by_another_synchronisation_is_told_by_number() -> None:
    kinds = {"user": Same(both=5, only_school=1, mastered=3), "group": Same(both=2)}
    found = people.counts(read(equality=Equality(kinds), unasked="Graph is busy"), NOW)
    assert "1 at the school only, 0 in the cloud only, 3 in the cloud by Entra Connect; groups" in found.found
    assert (found.numbers["users_mastered"], found.numbers["groups_mastered"]) == (3, 0)
    assert found.found.endswith("could not be asked: Graph is busy")


@pytest.mark.parametrize(
    ("seen", "result"),
    [
        (Open(), PASS),
        (Open(reading=3, folders=1), PASS),
        (Open(writing=1), FAIL),
        (Open(waits=1), FAIL),
        (Open(blind=["no way to know"]), UNKNOWN),
        (Open(writing=1, blind=["no way to know"]), FAIL),
    ],
)
def test_open_files(seen: Open, result: str) -> None:
    assert opened.verdict_on(seen, NOW).result == result


def report(compared: int, *, left: int = 0, errors: int = 0, **totals: int) -> dict[str, Any]:
    return {
        "contents_compared": compared,
        "totals": {"left_for_other_nights": left, **totals},
        "not_compared": {str(number): "no" for number in range(errors)},
        "roots": [{}],
    }


@pytest.mark.parametrize(
    ("tree", "frozen", "result"),
    [
        (report(100), True, PASS),
        (report(0), True, PASS),
        (report(100, different=1), False, FAIL),
        (report(100, different=2, held=2), False, PASS),
        (report(100, different=2, held=1), False, FAIL),
        (report(100, errors=1), False, FAIL),
        (report(1000, unread=10), False, PASS),
        (report(1000, unread=11), False, UNKNOWN),
        (report(1000, unread=1), True, FAIL),
        (report(10, left=99_990), False, UNKNOWN),
        (report(500, left=9_500), False, PASS),
        (report(0, left=100), False, UNKNOWN),
    ],
)
def test_contents(tree: dict[str, Any], frozen: bool, result: str) -> None:
    assert contents.verified(tree, NOW, frozen=frozen, shares=True).result == result


def test_no_folder_at_all_proves_nothing_of_a_school_with_shares() -> None:
    none = report(0) | {"roots": []}
    assert contents.verified(none, NOW, frozen=True, shares=True).result == UNKNOWN
    assert contents.verified(none, NOW, frozen=True, shares=False).result == PASS


@given(st.integers(1, 400), st.data())
def test_what_a_sample_says_of_the_rest_is_never_too_much(of: int, data: st.DataObject) -> None:
    """Against the exact chance, by counting: so many differing files would have shown with 95 % confidence."""
    compared = data.draw(st.integers(1, of))
    beyond = contents.fewer_than(compared, of)
    chance = 1.0
    for place in range(min(beyond, of)):
        chance *= max(0.0, (of - compared - place) / (of - place))
    assert beyond > of or chance <= 0.05 + 1e-9
    assert contents.fewer_than(of, of) == 1


def test_no_login_of_an_owner_is_told() -> None:
    root = Root("0123/homes/L1", "homes", "L1", {}, "c1", {"login": "anna.lang", "class": "5a"})
    text = hidden("directory /srv/5a/anna.lang can't be opened", root)
    assert text == "directory /srv/…/… can't be opened"


def test_of_many_folders_a_few_are_asked_and_all_that_are_sent_to() -> None:
    roots = [Root(f"0123/homes/L{number:03}", "homes", f"L{number:03}", {}, "") for number in range(500)]
    chosen = {one.owner for one in sides.chosen(roots, ["L007", "L499"])}
    assert {"L000", "L007", "L499"} <= chosen
    assert len(chosen) == sides.ASKED + 2
    assert len(sides.chosen(roots, [f"L{number:03}" for number in range(400)])) <= sides.ASKED + sides.SENDING
