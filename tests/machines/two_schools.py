"""Two schools of one authority on one tenant, each with a bridge and a state of its own, unknown to each other.

The tenant is a sandbox behind real HTTP. A bridge can be killed at any writing call of its store (``Dying``) and before
or after any request that changes the tenant (``Fuse``); afterwards it starts anew with nothing but its state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from bridge.core import naming as names
from bridge.core.cutover import Stage
from bridge.core.model import Side, Value
from bridge.core.policy import UNLIMITED, Tally, policy_for
from bridge.engine.bridged import Bridged, Report
from bridge.ports import Trouble
from connectors.graph import GraphConnector
from connectors.graph.connector import build
from connectors.memory import MemoryConnector, MemorySide, Options
from connectors.sandbox import Sandbox
from tests.conformance.base import context as plain_context
from tests.connectors.graph.kit import DOMAIN, Timeline, context, options
from tests.machines.rig import Ends
from tests.machines.test_bridge import Dying, Killed

FREE = policy_for(Stage.HYBRID, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})
OLD, NEW = "0123", "0456"
_EXTENSIONS = "onPremisesExtensionAttributes"


def naming(kind: str, column: str, base: str, anchor: str) -> tuple[str, Sequence[str]]:
    if column == "upn":
        return column, names.user_principal_names(base, domain=DOMAIN, anchor=anchor, ending=True)
    if column == "login":
        return column, names.logins(base, anchor=anchor)
    return column, names.mail_nicknames(base, anchor=anchor, ending=True)


class Fuse:
    """Kills the bridge at its n-th changing request: before it is sent, or after it was answered and nobody heard."""

    def __init__(self, once: Callable[..., Awaitable[Any]], lives: int, *, after: bool) -> None:
        self._once, self.lives, self._after = once, lives, after

    async def __call__(self, method: str, path: str, **more: Any) -> Any:
        parts = (more.get("body") or {}).get("requests") or () if path == "/$batch" else ()
        if method == "GET" or (parts and all(part["method"] == "GET" for part in parts)):
            return await self._once(method, path, **more)
        self.lives -= 1
        if self.lives < 0 and not self._after:
            raise Killed
        answer = await self._once(method, path, **more)
        if self.lives < 0:
            raise Killed
        return answer


class School(Ends):
    """One school: its directory in memory, its bridge, its state."""

    def __init__(self, cloud: Sandbox, code: str, *, url: str = "sqlite://", **more: Any) -> None:
        self.code, self._cloud, self._more = code, cloud, more
        self.own = MemoryConnector(Options(name="school", kinds=("user", "group")), plain_context())
        self.graph = self._opened()
        super().__init__({Side.SCHOOL: self.own, Side.CLOUD: self.graph}, url=url, policy=FREE)
        self.threads = False

    def _opened(self) -> GraphConnector:
        chosen = options(self._cloud, take_over=True, licenses=[], fallback_owner=None, **self._more)
        return build(chosen, replace(context(Timeline()), school=self.code))

    def bridged(self) -> Bridged:
        return replace(super().bridged(), naming=naming)

    async def restart(self) -> None:
        """A new process: whatever the connector remembered is gone."""
        await self.graph.close()
        self.graph = self._opened()
        self.ends = {Side.SCHOOL: self.own, Side.CLOUD: self.graph}

    async def end(self) -> None:
        await self.graph.close()
        self.close()

    # --- the directory ----------------------------------------------------------------------------------------------

    @property
    def side(self) -> MemorySide:
        return self.own.side

    def enrol(self, key: str, **more: Value) -> str:
        """A person of the authority comes to this school; nothing happens if already there."""
        fields: dict[str, Value] = {
            "source_anchor": key, "display_name": f"Anna {key}", "given_name": "Anna", "surname": key,
            "enabled": True, "role": "pupil", "consent": True, "login": key, "upn_base": f"anna.{key}",
        }  # fmt: skip
        return self.side.named("user", "source_anchor", key) or self.side.create("user", {**fields, **more})

    def leave(self, key: str) -> None:
        if anchor := self.side.named("user", "source_anchor", key):
            self.side.delete(anchor)

    def put(self, name: str, *keys: str) -> None:
        """The members of a class are exactly these, as far as they are here."""
        found = (self.side.named("user", "source_anchor", key) for key in keys)
        members = {"members": frozenset(one for one in found if one)}
        if group := self.side.named("group", "source_anchor", name):
            self.side.change(group, members)
        else:
            fields = {"source_anchor": name, "display_name": name, "nickname_base": name, "role": "class"}
            self.side.create("group", {**fields, **members})

    def here(self) -> set[str]:
        """Source anchors of who is at this school and may have an account."""
        rows = [one.fields for one in self.side.records("user")]
        return {str(one["source_anchor"]) for one in rows if one.get("consent") and one.get("enabled")}

    # --- the bridge -------------------------------------------------------------------------------------------------

    async def killed(self, lives: int, *, where: str) -> bool:
        """A cycle that is killed ``where`` (store, before, after) for the n-th time; whether it came to that."""
        try:
            if where == "store":
                await self.cycle(Dying(self.bridged().store, lives))  # type: ignore[arg-type]
                return False
            client = self.graph._desk.client
            client.once = Fuse(client.once, lives, after=where == "after")  # type: ignore[method-assign]
            await self.cycle()
            return False
        except Killed:
            return True
        finally:
            await self.restart()

    def release_all(self) -> None:
        for trouble in self.store.troubles():
            self.store.release(trouble.link, actor="test", reason="checked")


class Town:
    """Both schools and their tenant."""

    def __init__(self, cloud: Sandbox, **more: Any) -> None:
        self.cloud = cloud
        self.old, self.new = School(cloud, OLD, **more), School(cloud, NEW, **more)
        self.schools = (self.old, self.new)

    async def end(self) -> None:
        for school in self.schools:
            await school.end()

    async def pass_(self, **span: float) -> None:
        """Time passes for all three. The bridges start anew: an access token lives for an hour."""
        for school in self.schools:
            school.pass_(**span)
            await school.restart()
        self.cloud.clock.advance(span.get("days", 0) * 86400 + span.get("hours", 0) * 3600)  # type: ignore[attr-defined]

    async def settle(self, *, within: int = 24) -> None:
        """Faults off, holds released, cycles in turn until no bridge has anything to do any more."""
        self.cloud.faults.rules.clear()
        quiet = 0
        reports: list[Report] = []
        for _ in range(within):
            reports = [await school.cycle() for school in self.schools]
            for school in self.schools:
                school.release_all()
            # Who waits for the other school is told at every try.
            busy = any(
                one.error or one.executed or one.noted or set(one.failed) - {"user:held_elsewhere"} for one in reports
            )
            quiet = 0 if busy else quiet + 1
            if quiet == 2:
                return
            await self.pass_(hours=1)
        told = [(one.counts(), one.error, one.messages[:5]) for one in reports]
        raise AssertionError(f"not quiet: {told}")

    async def at_once(self) -> None:
        await asyncio.gather(*(school.cycle() for school in self.schools))

    def troubles(self) -> list[Trouble]:
        return [one for school in self.schools for one in school.store.troubles()]

    def delete_orphans(self) -> set[str]:
        """Do what ``quarantine`` asks of a person: accounts of nobody, whose school never knew that they were made."""
        told = {orphan.anchor for school in self.schools for orphan in school.store.orphans()}
        tenant = self.cloud.service.tenant
        for entry in tenant.resolve(sorted(told), ("user",)):
            tenant.delete(entry)
        return told

    # --- the tenant -------------------------------------------------------------------------------------------------

    def accounts(self, key: str, state: str = "live") -> list[dict[str, Any]]:
        """The accounts with a source anchor, read past Graph."""
        users = [one for one in self.cloud.dump()["users"] if one["state"] == state]
        return [one for one in users if _extension(one, 15) == key]

    def account(self, key: str) -> tuple[str, str, bool]:
        """(id, mark, enabled) of the only living account. AssertionError when there are none or several."""
        found = [(one["id"], mark(one), one["accountEnabled"]) for one in self.accounts(key)]
        assert len(found) == 1, f"{key} has {found}"
        return found[0]

    def groups(self, key: str) -> set[str]:
        """Alternate keys of the groups of the tenant that a person is in."""
        account = self.account(key)[0]
        live = [one for one in self.cloud.dump()["groups"] if one["state"] == "live"]
        return {str(one["uniqueName"]) for one in live if account in one.get("members", ())}


def begun(user: Mapping[str, Any]) -> bool:
    """Whether an account is only claimed: never enabled."""
    return mark(user).startswith("claimed:")


def mark(user: Mapping[str, Any]) -> str:
    return _extension(user, 14)


def _extension(user: Mapping[str, Any], number: int) -> str:
    return str((user.get(_EXTENSIONS) or {}).get(f"extensionAttribute{number}") or "")


@asynccontextmanager
async def town(cloud: Sandbox, **more: Any) -> AsyncIterator[Town]:
    """Two schools that are connected; closed at the end."""
    one = Town(cloud, **more)
    try:
        yield one
    finally:
        await one.end()
