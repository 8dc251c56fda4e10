"""One school between two connectors, with the real engine and store: what machines and scenarios play on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.model import Fields, Record, Side, Value
from bridge.core.naming import logins, mail_nicknames, user_principal_names
from bridge.core.policy import Policy, policy_for
from bridge.engine.bridged import Bridged, P, Report, T
from bridge.engine.cycle import cycle
from bridge.ports import Connector
from bridge.state import SchoolStore, open_database
from bridge.state.database import Database
from bridge.state.tables import metadata
from connectors.memory import Faults, MemoryConnector, MemorySide, Options
from tests.conformance.base import context
from tests.machines.hands import Hands, MemoryHands, Tree

CODE = "hfg"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def naming(kind: str, column: str, base: str, anchor: str) -> tuple[str, Sequence[str]]:
    """UPNs and nicknames as the daemon makes them."""
    if column == "upn":
        return "upn", user_principal_names(base, domain="hfg.example", anchor=anchor)
    if column == "login":
        return "login", logins(base, anchor=anchor)
    return "nickname", mail_nicknames(base, anchor=anchor)


class Quick(Bridged):
    """Calls the store where it stands: thousands of runs take a third of the time."""

    async def remember(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return method(*args, **kwargs)


#: Databases in memory that nobody uses, without a row: thousands of runs need neither migrate nor compile again.
_IDLE: list[Database] = []


def opened(url: str, clock: Clock) -> Database:
    """An open database; in memory an empty one."""
    if url != "sqlite://" or not _IDLE:
        return open_database(url, clock=clock)
    database = _IDLE.pop()
    database.clock = clock
    return database


def given_back(database: Database) -> None:
    """Empty a database in memory for the next one; close any other."""
    if database.path is not None or database.engine.dialect.name != "sqlite":
        database.close()
        return
    with database.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    _IDLE.append(database)


class Ends:
    """One school between two connectors, whichever they are."""

    def __init__(
        self, connectors: Mapping[Side, Connector], *, url: str = "sqlite://", policy: Policy | None = None
    ) -> None:
        self.clock = Clock()
        self.policy = policy or policy_for(Stage.HYBRID)
        self.ends = connectors
        self.database = opened(url, self.clock)
        self.store: SchoolStore = self.database.school(CODE, KINDS)
        self._ids = count(1)
        self.threads = True
        self.last: Report | None = None

    def close(self) -> None:
        given_back(self.database)

    def bridged(self) -> Bridged:
        """The school as a newly started bridge sees it: nothing is remembered but the store."""
        self.store = self.database.school(CODE, KINDS)
        return (Bridged if self.threads else Quick)(
            code=CODE,
            name="Hannah-Förster-Gymnasium",
            store=self.store,
            connectors=dict(self.ends),
            kinds=KINDS,
            policy=self.policy,
            naming=naming,
            clock=self.clock,
            new_id=lambda: f"{next(self._ids):06}",
        )

    async def cycle(self, store: SchoolStore | None = None) -> Report:
        """A cycle as the daemon runs it: a side whose last word is in doubt is listed in full."""
        bridged = self.bridged()
        if store is not None:
            bridged.store = store
        for side in bridged.store.doubtful():
            bridged.store.drop_token(side)
        self.last = await cycle(bridged)
        return self.last

    async def settle(self, *, within: int = 15, step: timedelta = timedelta(hours=1)) -> None:
        """Cycles until one writes nothing; AssertionError when that takes too long."""
        for _ in range(within):
            report = await self.cycle()
            assert not report.error, report.error
            if not report.executed and not report.noted and not report.failed:
                return
            self.clock.now += step
        raise AssertionError(f"not quiet after {within} cycles: {report.counts()} {report.messages}")

    def pass_(self, **span: float) -> None:
        self.clock.now += timedelta(**span)


class Rig(Ends):
    """Two sides in memory and the bridge between them."""

    def __init__(
        self,
        url: str = "sqlite://",
        *,
        policy: Policy | None = None,
        shows: Mapping[Side, str] | None = None,
        **options: object,
    ) -> None:
        """``shows``: how each side shows the bytes of its files; without it digests stand for them."""
        self.connectors = {
            side: MemoryConnector(
                Options(name=side.value, contents=(shows or {}).get(side, "none"), **options),  # type: ignore[arg-type]
                context(),
            )
            for side in Side
        }
        super().__init__(self.connectors, url=url, policy=policy)

    def side(self, side: Side) -> MemorySide:
        return self.connectors[side].side

    @property
    def school(self) -> MemorySide:
        return self.side(Side.SCHOOL)

    @property
    def cloud(self) -> MemorySide:
        return self.side(Side.CLOUD)

    def cloud_faults(self) -> Faults:
        return self.connectors[Side.CLOUD].faults

    def calm(self) -> None:
        """Switch every fault off."""
        for connector in self.connectors.values():
            connector.faults = Faults()

    def versions(self) -> dict[str, int]:
        """How many changes each side has seen: equal before and after means that nothing was written."""
        return {side.value: self.side(side).number for side in Side}

    def sent(self) -> int:
        """Bytes of files that have left either side so far."""
        return sum(connector.traffic.sent for connector in self.connectors.values())

    # --- what is there ----------------------------------------------------------------------------------------------

    def person(self, side: Side, source_anchor: str, *, kind: str = "user") -> Fields | None:
        record = self.record(side, source_anchor, kind=kind)
        return record.fields if record else None

    def record(self, side: Side, source_anchor: str, *, kind: str = "user") -> Record | None:
        found = self.side(side).named(kind, "source_anchor", source_anchor)
        return self.side(side).record(found) if found else None

    def people(self, side: Side, names: Sequence[str]) -> dict[str, dict[str, Value]]:
        """Source anchor -> the named fields, references as source anchors. AssertionError when one is there twice."""
        there: dict[str, dict[str, Value]] = {}
        for kind in ("user", "group"):
            for record in self.side(side).records(kind):
                anchor = str(record.fields.get("source_anchor"))
                assert anchor not in there, f"{anchor} is in the {side} twice"
                there[anchor] = {name: self._named(side, record.fields.get(name)) for name in names}
        return there

    def _named(self, side: Side, value: Value) -> Value:
        if not isinstance(value, frozenset):
            return value
        records = [(one, self.side(side).record(one)) for one in value]
        return frozenset(str(record.fields.get("source_anchor")) if record else one for one, record in records)

    @property
    def hands(self) -> Mapping[Side, Hands]:
        """People at both ends."""
        return {side: MemoryHands(self.side(side), bytes_=self.connectors[side].contents is not None) for side in Side}

    def tree(self, side: Side) -> Tree:
        """Path -> content (its bytes, without what the side added to them), None for a folder."""
        return self.hands[side].tree()


@contextmanager
def rig(url: str = "sqlite://", **settings: object) -> Iterator[Rig]:
    """A rig that is closed at the end."""
    one = Rig(url, **settings)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        one.close()


def limits(policy: Policy, thresholds: Mapping[object, object]) -> Policy:
    """The same policy with other thresholds."""
    return replace(policy, thresholds=dict(thresholds))  # type: ignore[arg-type]
