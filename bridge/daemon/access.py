"""The rights of a share's root, carried over to the drive: before anything is placed there, and whenever they change.

read      what the school grants, at most once an hour
match     accounts and groups of the directory -> people and groups in the cloud; what can't be matched is said
decide    ``core.access``
carry out one by one: what is intended is remembered before it is asked for, so that nobody else's is ever taken back
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.core.access import Change, Given, Role, Standing, Step, decide
from bridge.core.kinds import Kind
from bridge.core.model import Side
from bridge.core.unsaid import Cause, Unsaid
from bridge.engine.bridged import Bridged
from bridge.ports import Refused, Rights, Sharing
from bridge.settings.effective import ShareSettings
from bridge.state import access as memory
from bridge.state.access import Access, Principal
from bridge.state.database import Database
from bridge.state.journal import Entry

if TYPE_CHECKING:
    from bridge.daemon.roots import Root
    from bridge.daemon.shares import Ground

#: How long what was read counts as true; a full compare reads again all the same. Where it is for a report only, as for
#: thousands of homes, the school's server is not asked that often.
READ_AGAIN = {"mirror": timedelta(hours=1), "report": timedelta(days=7)}
#: How long the list of people and groups is used for the roots that follow.
_KEPT = timedelta(minutes=10)
#: Of the whole system, and the last part of those of a domain (MS-DTYP 2.4.2.4): everybody, and the administrators.
_EVERYBODY = frozenset({"S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-5-7", "S-1-5-2", "S-1-5-4"})
_EVERYBODY_OF_A_DOMAIN = ("-513", "-514", "-515")
_SYSTEM = frozenset({"S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-32-544", "S-1-22-1-0", "S-1-22-2-0"})
_ADMINISTRATORS = ("-500", "-512", "-516", "-518", "-519", "-520")


@dataclass(slots=True)
class Everybody:
    """People and groups of a school by what an access control list may call them; read again after ten minutes."""

    until: datetime | None = None
    by_name: Mapping[str, Sequence[Principal]] = field(default_factory=dict)

    def read(self, database: Database, code: str, now: datetime) -> Mapping[str, Sequence[Principal]]:
        """SID or name, casefolded -> who it may be."""
        if self.until is None or now >= self.until:
            by_name: dict[str, list[Principal]] = {}
            for one in memory.principals(database, code):
                for name in {one.sid, *one.names} - {""}:
                    by_name.setdefault(name.casefold(), []).append(one)
            self.by_name, self.until = by_name, now + _KEPT
        return self.by_name


def matched(
    rights: Rights, everybody: Mapping[str, Sequence[Principal]], *, owner: str, group: bool
) -> tuple[dict[str, Role], tuple[Unsaid, ...]]:
    """Principal -> role, and what can't be carried over.

    ``owner`` is the cloud id of whose drive it is: they need no role. ``group``: it is a group's library, in which its
    members write whatever the school's folder says.
    """
    wanted: dict[str, Role] = {}
    unsaid = list(rights.unsaid)
    mine: Role | None = None
    for trustee, role in sorted(rights.roles.items()):
        if _is(trustee, _SYSTEM, _ADMINISTRATORS):
            continue
        found = everybody.get(trustee.casefold(), ())
        if _is(trustee, _EVERYBODY, _EVERYBODY_OF_A_DOMAIN):
            unsaid.append(Unsaid(Cause.EVERYBODY, who=trustee, detail=role))
        elif len(found) != 1:
            unsaid.append(Unsaid(Cause.SEVERAL if found else Cause.UNKNOWN, who=trustee, detail=role))
        elif found[0].id == owner:
            mine = role
        else:
            wanted[found[0].id] = Role.WRITE if Role.WRITE in (role, wanted.get(found[0].id)) else role
    if group and mine is not Role.WRITE:
        unsaid.append(Unsaid(Cause.GROUP_READS if mine else Cause.GROUP_NOTHING))
    return wanted, tuple(dict.fromkeys(unsaid))


def _is(trustee: str, whole: frozenset[str], ends: tuple[str, ...]) -> bool:
    return trustee in whole or (trustee.startswith("S-1-5-21-") and trustee.endswith(ends))


async def intended(ground: Ground, root: Root, bridged: Bridged, known: Access) -> Access:
    """What the school's folder grants now, beside what is known. Raises Unreachable; what it refuses is noted."""
    told = bridged.connectors[Side.SCHOOL].capabilities.rights
    share, now = _share(ground, root), bridged.clock()
    if told is None:
        return known
    try:
        rights = await told.rights()
    except Refused as error:
        return replace(known, unsaid=(Unsaid(Cause.REFUSED, detail=str(error)),), read_at=now)
    everybody = await asyncio.to_thread(ground.everybody.read, ground.database, ground.school.code, now)
    wanted, unsaid = matched(rights, everybody, owner=root.cloud_id, group=share.owner == "group")
    return replace(known, wanted=wanted, unsaid=unsaid, read_at=now)


def expected(ground: Ground, root: Root, known: Access) -> Sequence[Change]:
    """What would be done at the drive if nobody changed anything there by hand; for ``plan``."""
    if _share(ground, root).permissions != "mirror":
        return ()
    standing = [Standing(one.id, of, one.role) for of, one in known.given.items() if one.id]
    return decide(known.wanted, known.given, standing).changes


async def carry_over(ground: Ground, root: Root, bridged: Bridged, *, full: bool = False) -> None:
    """Let into the drive whom the school's folder lets in, and note what of it can't be carried over.

    What the sides refuse is noted and keeps no file from being mirrored. Raises Unreachable, also Spent.
    """
    how = _share(ground, root).permissions
    if how == "off" or not bridged.observed:
        return
    known = await asyncio.to_thread(memory.recall, ground.database, root.code)
    if not full and known.read_at is not None and bridged.clock() - known.read_at < READ_AGAIN[how]:
        return
    found = await intended(ground, root, bridged, known)
    sharing = bridged.connectors[Side.CLOUD].capabilities.sharing
    writes = how == "mirror" and Side.CLOUD in bridged.policy.writable
    same = {of: one.role for of, one in found.given.items() if one.id} == found.wanted
    if writes and sharing is not None and (full or not same or len(found.given) != len(found.wanted)):
        # Read only now, until all of it is carried out: who dies in between reads again.
        carrying = _Carrying(ground, root.code, bridged, sharing, replace(found, read_at=known.read_at))
        try:
            unsaid = await carrying.out()
        except Refused as error:
            unsaid = (Unsaid(Cause.REFUSED, detail=str(error)),)
        found = replace(found, given=carrying.known.given, unsaid=(*found.unsaid, *unsaid))
    await _keep(ground, root.code, bridged, found)


def _share(ground: Ground, root: Root) -> ShareSettings:
    return next(one for one in ground.school.shares if one.name == root.share)


async def _keep(ground: Ground, code: str, bridged: Bridged, now: Access, entries: Iterable[Entry] = ()) -> None:
    kinds: Mapping[str, Kind] = bridged.kinds
    await asyncio.to_thread(memory.keep, ground.database, code, kinds, now, list(entries))


@dataclass(slots=True)
class _Carrying:
    """One round of changes. ``known`` is what the state holds at each moment."""

    ground: Ground
    code: str
    bridged: Bridged
    sharing: Sharing
    known: Access

    async def out(self) -> tuple[Unsaid, ...]:
        """Carry out what is decided, and tell what was left to those who gave it by hand."""
        decision = decide(self.known.wanted, self.known.given, await self.sharing.standing())
        unsaid = [Unsaid(Cause.LESS, who=principal) for principal in decision.less]
        for change in decision.changes:
            try:
                await self._one(change)
            except Refused as error:
                unsaid.append(Unsaid(Cause.REFUSED, who=change.principal, detail=str(error)))
        return tuple(unsaid)

    async def _one(self, change: Change) -> None:
        principal, role = change.principal, change.role
        if change.step is Step.GIVE and role is not None:
            given = change.id
            if not given:
                await self._note({**self.known.given, principal: Given(role)}, change, "intend")
                given = (await self.sharing.give(principal, role)).id
            await self._note({**self.known.given, principal: Given(role, given)}, change, "grant")
        elif change.step is Step.CHANGE and role is not None:
            await self.sharing.change(change.id, role)
            await self._note({**self.known.given, principal: Given(role, change.id)}, change, "grant")
        else:
            if change.step is Step.TAKE_BACK:
                await self.sharing.take_back(change.id)
            given_now = {of: one for of, one in self.known.given.items() if of != principal}
            await self._note(given_now, change, "revoke" if change.step is Step.TAKE_BACK else "forget")

    async def _note(self, given: Mapping[str, Given], change: Change, action: str) -> None:
        before = self.known.given.get(change.principal)
        self.known = replace(self.known, given=given)
        after = {"principal": change.principal, "role": change.role.value if change.role else None}
        entry = Entry(
            action, side=Side.CLOUD, kind="permission", anchor=change.id, reason="the rights of the school's folder",
            before={"role": before.role.value if before else None}, after=after, outcome="done",
        )  # fmt: skip
        await _keep(self.ground, self.code, self.bridged, self.known, [entry])
