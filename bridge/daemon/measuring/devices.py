"""Device readiness: computers of the school's directory against the devices that the cloud knows.

told      both sides say which they have; a side that can't, or may not, leaves it to a person
same      by the identifier at the school (SID), else by serial number, else by name
verdict   all are known, or as many percent as the school's YAML asks for; without a number a person judges the rest
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.cutover import Gate
from bridge.core.gates import Measured
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.measuring.verdicts import counted, verdict
from bridge.daemon.shares import Ground
from bridge.ports import Device, Refused

_EXPECTED = "every device is managed from the cloud, or does without the old server"
_ATTEST = "schoolbridge gate SCHOOL attest devices"


@dataclass(frozen=True, slots=True)
class Compared:
    """``computers`` None: the directory does not tell. ``missing``: names; None: the cloud does not, see ``why``."""

    computers: int | None = None
    missing: tuple[str, ...] | None = None
    why: str = "the cloud does not tell of its devices"


async def look(ground: Ground) -> Compared:
    """Ask both sides. Raises Unreachable; a right that is missing in the cloud is told in ``why``."""
    computers = await _told(ground, Side.SCHOOL)
    if computers is None:
        return Compared()
    try:
        known = await _told(ground, Side.CLOUD)
    except Refused as error:
        return Compared(len(computers), why=str(error))
    return Compared(len(computers)) if known is None else Compared(len(computers), absent(computers, known))


async def _told(ground: Ground, side: Side) -> Sequence[Device] | None:
    async with wiring.connected(ground.settings, ground.catalog, ground.school, side) as connector:
        port = connector.capabilities.devices
        return None if port is None else await port.devices()


def absent(computers: Iterable[Device], known: Iterable[Device]) -> tuple[str, ...]:
    """Names of the computers that are none of the known devices, sorted."""
    sids, serials, names = set[str](), set[str](), set[str]()
    for one in known:
        sids.add(one.sid.casefold())
        serials.add(one.serial.casefold())
        names.add(_plain(one.name))
    missing = (
        one.name
        for one in computers
        if not (one.sid and one.sid.casefold() in sids)
        and not (one.serial and one.serial.casefold() in serials)
        and _plain(one.name) not in names
    )
    return tuple(sorted(missing, key=str.casefold))


def _plain(name: str) -> str:
    """Without the domain that some devices carry in their name."""
    return name.partition(".")[0].casefold()


def devices(seen: Compared, percent: float | None, at: datetime) -> Measured:
    """The verdict; ``percent`` of them have to be known. The names are told beside it, to who may see names."""
    if not seen.computers:
        none = "the directory tells of no computers"
        return verdict(
            Gate.DEVICES, at, ok=None, expected=_EXPECTED, found=none, fix=f"look at the devices, then: {_ATTEST}",
            numbers={} if seen.computers is None else {"computers": 0},
        )  # fmt: skip
    if seen.missing is None:
        found = f"{counted(seen.computers, 'computer')} in the directory; {seen.why}"
        return verdict(
            Gate.DEVICES, at, ok=None, expected=_EXPECTED, found=found,
            fix=f"put that right and measure again, or compare by hand, then: {_ATTEST}",
            numbers={"computers": seen.computers},
        )  # fmt: skip
    known = seen.computers - len(seen.missing)
    share = 100 * known / seen.computers
    ok = True if not seen.missing else None if percent is None else share >= percent
    wanted = f"{percent:g} % of the computers are known to the cloud" if percent is not None else _EXPECTED
    measured = verdict(
        Gate.DEVICES, at, ok=ok, expected=wanted,
        found=f"{known} of {counted(seen.computers, 'computer')} are known to the cloud",
        fix=f"join the others to Microsoft Entra, or disable them in the directory (schoolbridge readiness SCHOOL "
        f"lists them); if they do without: {_ATTEST if percent is None else 'schoolbridge gate SCHOOL waive devices'}",
        numbers={"computers": seen.computers, "known": known},
    )  # fmt: skip
    return replace(measured, names=seen.missing)
