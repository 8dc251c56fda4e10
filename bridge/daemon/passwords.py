"""Sets a person's password on both sides as one operation, and says honestly what holds where afterwards.

ask      both sides: may the account be touched, what are the rules; a side that does not answer ends it here
check    the password against the rules of both; broken ones end it here, and nothing was written
cloud    first, because it is the likelier to refuse: it judges by lists and rights that nobody can read beforehand,
         at the other end of the line. While it refuses, nothing is changed anywhere
school   then: it stands in the same house, its rules were read, it answered a moment ago
Before each write the state says that this side is in doubt, after it what holds: a crash in between leaves no lie.
The secret is in this process only. What could not be set has to be set again by whoever knows it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import tenacity

from bridge.core.model import Side
from bridge.core.password_rules import Fault, Names, Rules, faults, readable_for, said
from bridge.ports import Asked, BridgeError, InDoubt, NotSet, Passwords, Refused, Unreachable
from bridge.state import passwords as books
from bridge.state.database import Database
from bridge.state.journal import Entry
from bridge.state.lock import Busy
from bridge.state.passwords import Holds, Kept, differ

Answer = TypeVar("Answer")
#: Seconds for which one side is tried again while it is only busy or does not answer.
PATIENCE = 30.0
_LOCKED = 60.0  # seconds to wait for somebody else who sets a password at this school
_ORDER = (Side.CLOUD, Side.SCHOOL)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose password: the link, and the anchor on each side where there is an account."""

    link: str
    anchors: Mapping[Side, str]


@dataclass(slots=True)
class Outcome:
    """What holds on each side after the call: the new password, or the one before it, whatever that was.

    ``differs``: by all that is known the two have, or may have, different passwords. ``why``: side -> why it was not
    set. ``ended``: the side takes nobody's, so that no other person need be tried; ``refused``: it may be this person's
    alone that it does not take.
    """

    link: str
    sides: dict[Side, Holds] = field(default_factory=dict)
    differs: bool = False
    faults: tuple[Fault, ...] = ()
    why: dict[Side, str] = field(default_factory=dict)
    ended: bool = False
    refused: bool = False
    secret: str = field(default="", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the new password holds wherever there is an account."""
        there = [holds for holds in self.sides.values() if holds is not Holds.ABSENT]
        return bool(there) and all(holds is Holds.NEW for holds in there)

    def told(self) -> str:
        """One sentence for a person: ``school: new, cloud: old``, why, and what to do."""
        where = ", ".join(f"{side}: {self.sides.get(side, Holds.ABSENT)}" for side in Side)
        if self.faults:
            rules = "; ".join(said(self.faults))
            return f"{where}. The password breaks rules, so the bridge set it nowhere. Expected: {rules}"
        reasons = "; ".join(f"{side}: {why}" for side, why in self.why.items())
        if self.ok:
            return f"set ({where})"
        todo = "set it again, with this or another password" if self.differs else "nothing was changed"
        return f"{where}. {reasons}. {todo}" if reasons else f"{where}. {todo}"


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to set passwords of one school. ``reason`` and ``actor`` go into the journal."""

    database: Database
    code: str
    sides: Mapping[Side, Passwords]
    actor: str
    reason: str
    sleep: Callable[[float], Awaitable[Any]]
    patience: float = PATIENCE

    def entry(self, account: Account, side: Side, outcome: str) -> Entry:
        """A line of the journal: ids only."""
        return Entry(
            action="password", actor=self.actor, side=side.value, kind="user", link=account.link,
            anchor=account.anchors[side], reason=self.reason, outcome=outcome,
        )  # fmt: skip

    def before(self, account: Account) -> Kept:
        """What was known before."""
        found = books.kept(self.database, self.code, [account.link])
        return found[0] if found else Kept(account.link, {})


async def set_password(
    desk: Desk, account: Account, secret: str | None, *, must_change: bool, skip: frozenset[Side] = frozenset()
) -> Outcome:
    """Set ``secret``, or with None a readable one that both sides take, which is then in ``Outcome.secret``.

    ``skip``: sides that have this password already (it was changed there). Never raises for what a side does.
    """
    async with _alone(desk):
        work = _Work(desk, account, must_change=must_change, skip=skip)
        if await work.ask() and work.check(secret):
            await work.write()
        return work.ended()


class _Work:
    """One person's password on its way."""

    def __init__(self, desk: Desk, account: Account, *, must_change: bool, skip: frozenset[Side]) -> None:
        self.desk, self.account, self.must_change, self.skip = desk, account, must_change, skip
        self.before = desk.before(account)
        self.outcome = Outcome(account.link)
        for side in Side:
            holds = Holds.NEW if side in skip else Holds.OLD
            self.outcome.sides[side] = holds if side in account.anchors else Holds.ABSENT
        self.todo = [side for side in _ORDER if side in account.anchors and side not in skip]
        self.asked: dict[Side, Asked] = {}
        self.written = bool(skip)

    async def ask(self) -> bool:
        """Ask every side that is to be written; False where one of them will not have it."""
        for side in self.todo:
            port, anchor = self.desk.sides[side], self.account.anchors[side]
            try:
                self.asked[side] = await self._patiently(partial(port.ask, anchor))
            except (NotSet, BridgeError) as error:
                self._failed(side, error)
                return False
        return True

    def check(self, secret: str | None) -> bool:
        """Choose a password, or check the given one against the rules of all sides."""
        rules: dict[Side, Rules] = {side: self.asked[side].rules for side in self.todo}
        names: dict[Side, Names] = {side: one.names for side, one in self.asked.items()}
        if secret is None:
            try:
                secret = readable_for(rules, names, choose=secrets.choice)
            except ValueError as error:
                self.outcome.why = dict.fromkeys(self.todo, str(error))
                return False
        self.outcome.secret = secret
        self.outcome.faults = faults(secret, rules, names)
        if self.outcome.faults and self.written:
            for side in self.todo:
                self._note(side, Holds.OLD, "failed: rules")
        return not self.outcome.faults

    async def write(self) -> None:
        """One side after the other; the first that does not take it ends it."""
        for side in self.todo:
            self._note(side, Holds.UNKNOWN, "intended")
            doubt = False
            port, anchor = self.desk.sides[side], self.account.anchors[side]

            async def once(port: Passwords = port, anchor: str = anchor) -> None:
                nonlocal doubt
                try:
                    await port.set(anchor, self.outcome.secret, must_change=self.must_change)
                except InDoubt:
                    doubt = True
                    raise

            try:
                await self._patiently(once)
            except (NotSet, BridgeError) as error:
                self._failed(side, error, doubt=doubt)
                return
            self.written = True
            self._note(side, Holds.NEW, "done")

    def _failed(self, side: Side, error: NotSet | BridgeError, *, doubt: bool = False) -> None:
        self.outcome.why[side] = str(error)
        self.outcome.ended, self.outcome.refused = not isinstance(error, NotSet), isinstance(error, Refused)
        cause = error.cause if isinstance(error, NotSet) else type(error).__name__
        if doubt or self.written:
            self._note(
                side, Holds.UNKNOWN if doubt else Holds.OLD, f"unknown: {cause}" if doubt else f"failed: {cause}"
            )
        else:
            entry = self.desk.entry(self.account, side, f"failed: {cause}")
            books.put_back(self.desk.database, self.desk.code, [entry], before=self.before)
            self.outcome.sides[side] = Holds.OLD

    def _note(self, side: Side, holds: Holds, outcome: str) -> None:
        self.outcome.sides[side] = holds
        entry = self.desk.entry(self.account, side, outcome)
        books.note(self.desk.database, self.desk.code, [entry], link=self.account.link, sides=self.outcome.sides)

    def ended(self) -> Outcome:
        """What holds now; a secret that holds nowhere is not handed on."""
        after = self.desk.before(self.account)
        differs = differ(self.outcome.sides.values()) or after.differs
        used = any(holds in (Holds.NEW, Holds.UNKNOWN) for holds in self.outcome.sides.values())
        return replace(self.outcome, differs=differs, secret=self.outcome.secret if used else "")

    async def _patiently(self, job: Callable[[], Awaitable[Answer]]) -> Answer:
        """Repeat while the side is only busy or silent: waiting longer each time, and as long as it asks for."""
        waited = 0.0

        def wait(state: tenacity.RetryCallState) -> float:
            nonlocal waited
            error = state.outcome.exception() if state.outcome else None
            own = min(0.5 * 2.0 ** min(state.attempt_number - 1, 6), 8.0) * (0.5 + secrets.randbelow(500) / 1000)
            seconds = max(own, getattr(error, "retry_after", None) or 0.0)
            waited += seconds
            return seconds

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Unreachable),
            wait=wait,
            stop=lambda state: max(waited, state.seconds_since_start or 0) + _asked_for(state) > self.desk.patience,
            sleep=self.desk.sleep,
            reraise=True,
        )
        return await retrying(job)


def _asked_for(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return getattr(error, "retry_after", None) or 0.0


@asynccontextmanager
async def _alone(desk: Desk) -> AsyncIterator[None]:
    """Nobody else sets a password at this school meanwhile: two at once could leave a different one on each side."""
    waited = 0.0
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(desk.database.lock(f"{desk.code}.passwords"))
                break
            except Busy:
                if waited > _LOCKED:
                    raise Unreachable(
                        f"{desk.code}: another password is being set at this school for {_LOCKED:.0f} s now; "
                        f"nothing was changed. Try again"
                    ) from None
            await desk.sleep(0.1)
            waited += 0.1
        yield
