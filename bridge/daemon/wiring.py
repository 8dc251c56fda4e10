"""Puts a school together: settings in, a ``Bridged`` for the engine out. The only place that knows all the parts.

secret      what the settings only name
database    the state, with its password
connected   one side, through the catalog
bridged     both sides, the memory, the kinds and the policy of one school
"""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from anyascii import anyascii
from pydantic import BaseModel
from sqlalchemy import make_url

from bridge.core import naming
from bridge.core.cutover import STAGES, Stage
from bridge.core.kinds import Authority
from bridge.core.model import Action, Side
from bridge.daemon.catalog import Catalog
from bridge.daemon.ids import TimeOrdered
from bridge.daemon.purses import PURSES
from bridge.engine.bridged import Bridged, Naming, Progress, silent
from bridge.engine.wrap import Leased, ReadOnly
from bridge.ports import ConfigurationError, Connector, Context, permitted
from bridge.settings import School, Settings, resolve
from bridge.settings.line import limit_of
from bridge.settings.secrets import REFERENCE
from bridge.state.database import Database, open_database
from bridge.state.store import SchoolStore

#: Numbered names tried for one person; after them comes one made of the person's anchor.
_NAMES = 30


def now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


def secret(settings: Settings, reference: str) -> bytes:
    """The secret behind a reference; ``file:`` is relative to the directory of ``bridge.yaml``."""
    scheme, _, path = reference.partition(":")
    if scheme == "file" and not Path(path).is_absolute():
        reference = f"file:{settings.file.parent / path}"
    return resolve(reference)


def references(options: BaseModel) -> Sequence[str]:
    """All references to secrets that a connector's options hold, however deep, sorted."""
    found: set[str] = set()
    rest: list[Any] = [options.model_dump(mode="json")]
    while rest:
        one = rest.pop()
        if isinstance(one, Mapping):
            rest += one.values()
        elif isinstance(one, list | tuple):
            rest += one
        elif isinstance(one, str) and REFERENCE.fullmatch(one):
            found.add(one)
    return sorted(found)


@contextmanager
def database(settings: Settings, *, create: bool) -> Iterator[Database]:
    """The state, open. ``create`` False: ConfigurationError where there is none, so that looking leaves no trace."""
    url = make_url(settings.state_url)
    if settings.bridge.state.password is not None:
        url = url.set(password=secret(settings, settings.bridge.state.password).decode())
    path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    if path is not None:
        _mine(path)
        if not create and not path.exists():
            raise ConfigurationError(f"{path} does not exist: the bridge has never run. Start it, or run sync once")
    opened = open_database(
        url.render_as_string(hide_password=False), clock=now, lasts=settings.bridge.state.lease_seconds
    )
    try:
        yield opened
    finally:
        opened.close()


def has_state(settings: Settings) -> bool:
    """Whether there is a state already. A PostgreSQL database always counts as one."""
    url = make_url(settings.state_url)
    return url.get_backend_name() != "sqlite" or bool(url.database and Path(url.database).exists())


def _mine(path: Path) -> None:
    """Files that another account makes beside the database would lock the daemon out of it."""
    place = path if path.exists() else path.parent
    if not place.exists():
        raise ConfigurationError(f"the directory {path.parent} does not exist; create it for the bridge's account")
    owner = place.stat().st_uid
    if path.exists() and owner != os.geteuid():
        raise ConfigurationError(f"{path} belongs to {_account(owner)}; run this as that account (sudo -u ...)")


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def context(settings: Settings, school: School, *, permit: Callable[[], None] = permitted) -> Context:
    """What the connectors of a school get."""
    return Context(
        school=school.code,
        secret=lambda reference: secret(settings, reference),
        clock=now,
        sleep=asyncio.sleep,
        monotonic=time.monotonic,
        random=random.SystemRandom().random,
        purse=PURSES.purse,
        common=settings.indexes / "common",
        permit=permit,
        attributes={
            kind: {name: attribute.source for name, attribute in named.items()}
            for kind, named in school.attributes.items()
            if named
        },
    )


def limit_line(settings: Settings, catalog: Catalog, *, clock: Callable[[], datetime] = now) -> None:
    """Hold all transfers of this process to the ``bandwidth`` of these settings, from now on."""
    rules, zone = settings.bridge.bandwidth, ZoneInfo(settings.bridge.time_zone)
    catalog.limit(lambda direction: limit_of(rules, direction, clock().astimezone(zone)))


@asynccontextmanager
async def connected(
    settings: Settings, catalog: Catalog, school: School, side: Side, *, permit: Callable[[], None] | None = None
) -> AsyncIterator[Connector]:
    """One side of a school; closed at the end. With ``permit`` it is asked before anything is written there."""
    one = school.sides[side]
    connector = await catalog.connect(one.connector, one.options, context(settings, school, permit=permit or permitted))
    try:
        yield connector if permit is None else Leased(connector, permit)
    finally:
        await connector.close()


def names_of(school: School) -> Naming:
    """How the names of this school's people and groups are made that are assigned once."""
    rules = school.naming

    def make(kind: str, field: str, base: str, anchor: str) -> tuple[str, Sequence[str]]:
        plain = naming.ascii_letters(base, transliterate=anyascii)
        if field == "login":
            return field, naming.logins(plain, anchor=anchor, most=_NAMES)
        if kind == "user":
            names = naming.user_principal_names(
                plain, domain=rules.domain, anchor=anchor, longest=rules.longest, most=_NAMES, ending=True
            )
            return f"{field}@{rules.domain}", names
        return field, naming.mail_nicknames(
            plain, anchor=anchor, prefix=rules.group_prefix, longest=rules.longest, most=_NAMES, ending=True
        )

    return make


def first_met(store: SchoolStore) -> bool:
    """Whether the bridge knows the school only by its configuration: nothing ever happened to it."""
    return store.stage() == Stage.CLASSIC and store.checkpoint().seq == 0


def meet(store: SchoolStore, school: School) -> None:
    """Put a school into its first stage."""
    if school.initial_stage is not Stage.CLASSIC:
        why = "initial_stage of the configuration"
        store.move_stage(school.initial_stage.value, event="meet", actor="bridge", reason=why)


def enter_stage(bridged: Bridged, school: School, store: SchoolStore) -> Stage:
    """Take the policy from the stage that the school is in now."""
    stage = Stage(store.stage())
    recovery = store.recovery(bridged.code)
    bridged.policy = replace(school.policy(stage), year=store.year_phase(), recovery=recovery)
    bridged.observed = STAGES[stage].observed
    return stage


@asynccontextmanager
async def bridged(
    settings: Settings, catalog: Catalog, school: School, store: SchoolStore, *, progress: Progress = silent
) -> AsyncIterator[Bridged]:
    """A school with both sides connected, in its present stage."""
    async with AsyncExitStack() as stack:
        permit = store.database.permit if store.database.lease is not None else None
        sides = {
            side: await stack.enter_async_context(connected(settings, catalog, school, side, permit=permit))
            for side in Side
        }
        _can_give_back(school, sides[Side.SCHOOL])
        one = Bridged(
            code=school.code,
            name=school.name,
            store=store,
            connectors=sides,
            kinds=school.kinds(),
            policy=school.policy(Stage.CLASSIC),
            naming=names_of(school),
            clock=now,
            new_id=TimeOrdered(now, secrets.randbits),
            progress=progress,
        )
        enter_stage(one, school, store)
        yield one


def _can_give_back(school: School, connector: Connector) -> None:
    """A field that the cloud may change must be writable at the school, or every other change of that person waits."""
    for name, kind in school.kinds().items():
        policy = school.policy(Stage.HYBRID)
        given = [one.name for one in kind.compared if policy.owner(kind, one) is not Authority.SCHOOL]
        writable = Action.UPDATE in connector.capabilities.writes.get(name, frozenset())
        if given and name in connector.capabilities.kinds and not writable:
            raise ConfigurationError(
                f"{school.code}: authority of {name} {', '.join(given)} is not the school's, but its directory "
                f"is only read. Expected: `school` for all of them. Remove them from `authority`"
            )


@contextmanager
def scratch_store(settings: Settings, school: School) -> Iterator[SchoolStore]:
    """A copy of a school's state in memory: what is done to it leaves no trace."""
    scratch = open_database("sqlite://", clock=now)
    try:
        if has_state(settings):
            with database(settings, create=False) as real:
                known = school.code in real.schools()
                store = real.school(school.code, school.kinds()) if known else None
                fresh = store is None or first_met(store)
                copy = store.copy_to(scratch) if store else scratch.school(school.code, school.kinds())
        else:
            fresh, copy = True, scratch.school(school.code, school.kinds())
        if fresh:
            meet(copy, school)
        yield copy
    finally:
        scratch.close()


def read_only(one: Bridged) -> Bridged:
    """The same school, its connectors refusing every write."""
    return replace(one, connectors={side: ReadOnly(connector) for side, connector in one.connectors.items()})


def offline(school: School, store: SchoolStore) -> Bridged:
    """A school without its sides, for what is answered from the state alone."""
    stage = Stage(store.stage())
    return Bridged(
        code=school.code,
        name=school.name,
        store=store,
        connectors={},
        kinds=school.kinds(),
        policy=school.policy(stage),
        naming=names_of(school),
        clock=now,
        new_id=TimeOrdered(now, secrets.randbits),
        observed=False,
    )
