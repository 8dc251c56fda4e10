"""A school's connector against a sandbox over real sockets, with a clock that runs faster than the wall's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.core.model import Action
from bridge.ports import Context, Outcome, Page, Write, Written
from connectors.graph import GraphConnector, Options
from connectors.graph.connector import build
from connectors.graph.permissions import BUNDLES
from connectors.sandbox import Application, Sandbox
from tests.conformance.base import LEASE
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET

SCHOOL = "lmg"
DOMAIN = "schule.example"
SPEED = 50.0  # seconds of the connector's clock in one of the wall's
STUDENT = {"skuId": "314c4481-f395-4525-be8b-2ec4bb1e9d91", "skuPartNumber": "STANDARDWOFFPACK_STUDENT"}
FACULTY = {"skuId": "94763226-9b3c-4e75-a931-5c89701abe66", "skuPartNumber": "STANDARDWOFFPACK_FACULTY"}


class Wall:
    """A clock that sleeping moves, or a test."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.at += seconds


class Timeline:
    """Time as the connector sees it, and what it waited."""

    def __init__(self, speed: float = SPEED) -> None:
        self.speed = speed
        self.slept: list[float] = []

    def now(self) -> float:
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds / self.speed)


def application(*permissions: str, **more: Any) -> Application:
    """The application with exactly the permissions of our roster bundle, or those given."""
    wanted = frozenset(permissions or BUNDLES["roster"])
    return Application(
        CLIENT_ID, secrets=(CLIENT_SECRET,), permissions=wanted, roles=frozenset({"User Administrator"}), **more
    )


def context(timeline: Timeline, secrets: Mapping[str, bytes] | None = None, **more: Any) -> Context:
    return Context(
        school=SCHOOL,
        secret=lambda reference: (secrets or {}).get(reference, CLIENT_SECRET.encode()),
        clock=lambda: datetime.now(UTC),
        sleep=timeline.sleep,
        monotonic=timeline.now,
        random=random.Random(1).random,
        **{"permit": LEASE, **more},
    )


def options(sandbox: Sandbox, **more: Any) -> Options:
    return Options.model_validate(
        {
            "tenant_id": sandbox.tenant.id,
            "client_id": CLIENT_ID,
            **({} if "certificate" in more else {"client_secret": "env:SECRET"}),
            "endpoint": sandbox.base_url,
            "authority": sandbox.base_url,
            "ca_file": sandbox.ca_file,
            "domains": [DOMAIN],
            "licenses": [STUDENT["skuPartNumber"]],
            **more,
        }
    )


def connector(sandbox: Sandbox, timeline: Timeline | None = None, **more: Any) -> GraphConnector:
    return build(options(sandbox, **more), context(timeline or Timeline()))


def new_user(number: int, **more: Any) -> Write:
    fields = {
        "source_anchor": f"key-{number}",
        "display_name": f"Łucja Müller {number}",
        "given_name": "Łucja",
        "surname": f"Müller {number}",
        "enabled": True,
        "upn": f"lucja.mueller{number}@{DOMAIN}",
        "usage_location": "DE",
    }
    return Write(f"u{number}", "user", Action.CREATE, None, {**fields, **more}, key=f"key-{number}")


def new_group(number: int, members: Iterable[str] = (), owners: Iterable[str] = (), **more: Any) -> Write:
    fields = {
        "source_anchor": f"class/5{number}",
        "display_name": f"Klasse 5{number}",
        "mail_nickname": f"klasse-5{number}",
        "unified": False,
    }
    added = {name: frozenset(keys) for name, keys in (("members", members), ("owners", owners)) if keys}
    return Write(f"g{number}", "group", Action.CREATE, None, {**fields, **more}, added=added, key=f"class/5{number}")


def change(kind: str, anchor: str, action: Action = Action.UPDATE, **more: Any) -> Write:
    return Write(f"c-{anchor}", kind, action, anchor, **more)


async def apply(connector: GraphConnector, *writes: Write) -> dict[str, Outcome]:
    outcomes = [outcome async for outcome in connector.apply(writes)]
    assert len(outcomes) == len({outcome.id for outcome in outcomes}), "one outcome for each write"
    return {outcome.id: outcome for outcome in outcomes}


async def done(connector: GraphConnector, *writes: Write) -> list[Written]:
    """Apply writes that all have to succeed; in the order of the writes."""
    outcomes = await apply(connector, *writes)
    found = [outcomes[write.id] for write in writes]
    for outcome in found:
        assert isinstance(outcome, Written), outcome
    return [outcome for outcome in found if isinstance(outcome, Written)]


async def observe(connector: GraphConnector, token: str | None = None) -> list[Page]:
    return [page async for page in connector.observe(token)]


def users(sandbox: Sandbox, state: str = "live") -> list[dict[str, Any]]:
    """The tenant's users, read past Graph."""
    return [user for user in sandbox.dump()["users"] if user["state"] == state]


def groups(sandbox: Sandbox, state: str = "live") -> list[dict[str, Any]]:
    return [group for group in sandbox.dump()["groups"] if group["state"] == state]


def trapped(sandbox: Sandbox) -> int:
    """How many users were deleted by a member URL without ``/$ref``: never any."""
    return int(sandbox.counters()["users deleted through a group"])


def seeds(count: int, **more: Any) -> Sequence[dict[str, Any]]:
    """Users that were in the tenant before us."""
    return [
        {
            "displayName": f"Alt {number}",
            "userPrincipalName": f"alt{number}@{DOMAIN}",
            "mailNickname": f"alt{number}",
            "accountEnabled": True,
            "userType": "Member",
            **more,
        }
        for number in range(count)
    ]
