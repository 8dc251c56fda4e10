"""A school between a real Samba and the sandbox, people at work on both sides, and the real engine between them.

After the cutover the cloud owns people. ``Both.step`` does one thing at random, on either side; ``Both.wrong`` says
what does not hold once all is quiet.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import aiohttp
from ldap3.core.exceptions import LDAPException

from bridge.core import naming as names
from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.policy import UNLIMITED, Tally, policy_for
from bridge.engine.bridged import Bridged, Report
from bridge.lab.school_server import SchoolServer
from connectors.active_directory.connector import ActiveDirectory
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.conftest import context
from tests.connectors.active_directory.writing import limbo_of, writing_options
from tests.connectors.graph.kit import DOMAIN, SCHOOL, application, connector
from tests.machines.rig import Ends
from tests.sandbox.client import Client
from tests.sandbox.plugin import MakeSandbox

#: Cloud property -> attribute of the directory, of what has to look alike.
ALIKE = {"displayName": "displayName", "givenName": "givenName", "surname": "sn"}
_LETTERS = "äößüÉłşabcdefgh"
FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "throttle", "path": ".*", "count": 2, "retry_after": 1},
    {"kind": "unavailable", "path": ".*", "count": 2, "where": "request"},
    {"kind": "drop-after", "path": ".*batch.*", "count": 1, "where": "request"},
    {"kind": "drop-before", "path": ".*", "count": 1, "where": "request"},
    {"kind": "replay-delta", "path": ".*delta.*", "count": 1},
    {"kind": "duplicate-delta", "path": ".*delta.*", "count": 1},
    {"kind": "shuffle-delta", "path": ".*delta.*", "count": 1},
    {"kind": "expire-delta", "path": ".*delta.*", "count": 1},
)


def naming(kind: str, column: str, base: str, anchor: str) -> tuple[str, Sequence[str]]:
    if column == "upn":
        return column, names.user_principal_names(base, domain=DOMAIN, anchor=anchor, ending=True)
    if column == "login":
        return column, names.logins(base, anchor=anchor)
    return column, names.mail_nicknames(base, anchor=anchor, ending=True)


class Engine(Ends):
    """The engine with names of the sandbox's domain; no threshold stands in the way."""

    def __init__(self, connectors: Any) -> None:
        super().__init__(connectors, policy=free(Stage.HYBRID))

    def bridged(self) -> Bridged:
        return replace(super().bridged(), naming=naming)


def free(stage: Stage) -> Any:
    return policy_for(stage, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})


class Both:
    """Both sides, people at work on them, and what the cloud's people wanted last."""

    def __init__(self, server: SchoolServer, cloud: Sandbox, admin: Client, engine: Engine, seed: int) -> None:
        self.server, self.cloud, self.admin, self.engine = server, cloud, admin, engine
        self.random = random.Random(seed)
        self.number = 0
        #: Cloud id -> what people set there last, which nothing but people may change.
        self.wanted: dict[str, dict[str, Any]] = {}

    # --- the bridge -------------------------------------------------------------------------------------------------

    async def cycle(self) -> Report:
        return await self.engine.cycle()

    async def settle(self, *, within: int = 40) -> None:
        """Faults off, holds released, cycles until nothing is left to do, twice with hours between.

        Hours, because a state that was there just before a write of ours may be a replica that lags: it is looked at
        again when none can lag any more.
        """
        self.cloud.faults.rules.clear()
        quiet = 0
        for _ in range(within):
            report = await self.engine.cycle()
            for trouble in self.engine.store.troubles():
                self.engine.store.release(trouble.link, actor="test", reason="checked")
            busy = report.error or report.executed or report.noted or report.failed or self.engine.store.troubles()
            quiet = 0 if busy else quiet + 1
            if quiet == 2:
                return
            self.engine.pass_(hours=2)
        raise AssertionError(f"not quiet: {report.counts()} {report.error} {report.messages[:5]}")

    async def cut_over(self) -> None:
        """The first mirror, then the cloud owns people."""
        await self.settle()
        self.engine.policy = free(Stage.SOAKING)
        await self.settle()
        self._learn(user["id"] for user in self.users())

    # --- people at work ---------------------------------------------------------------------------------------------

    def users(self) -> list[dict[str, Any]]:
        """Living accounts of this school."""
        mark = "onPremisesExtensionAttributes"
        live = [one for one in self.cloud.dump()["users"] if one["state"] == "live"]
        return [one for one in live if (one.get(mark) or {}).get("extensionAttribute14") == SCHOOL]

    def groups(self) -> list[dict[str, Any]]:
        return [one for one in self.cloud.dump()["groups"] if one["state"] == "live"]

    def word(self) -> str:
        return "".join(self.random.choice(_LETTERS) for _ in range(6)).title()

    async def step(self) -> str:
        """One thing at random; its name."""
        act = self.random.choices(
            [self.born, self.renamed, self.switched, self.left, self.member, self.back, self.drifted, self.meddled,
             self.trouble],
            weights=[3, 8, 3, 2, 8, 1, 4, 3, 2],
        )[0]  # fmt: skip
        with suppress(LDAPException):
            await act()
        return act.__name__

    def anybody(self) -> dict[str, Any] | None:
        users = self.users()
        return self.random.choice(users) if users else None

    async def born(self) -> None:
        self.number += 1
        given, surname = self.word(), self.word()
        body = {
            "displayName": f"{given} {surname}",
            "givenName": given,
            "surname": surname,
            "accountEnabled": self.random.random() > 0.1,
            "userPrincipalName": f"neu{self.random.choice(['', self.number])}.{self.number % 3}@{DOMAIN}",
            "mailNickname": f"neu{self.number}",
            "passwordProfile": {"password": "Kranich-7-Segel"},
            "usageLocation": "DE",
            "onPremisesExtensionAttributes": {"extensionAttribute14": SCHOOL},
        }
        await self._ask("POST", "/users", body)
        self._learn(one["id"] for one in self.users() if one["id"] not in self.wanted)

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        """As a person: a fault may hit it, done or not."""
        with suppress(aiohttp.ClientError):
            await self.admin.call(method, path, body)

    def _learn(self, ids: Iterable[str]) -> None:
        """What is there now is what people wanted."""
        users = {one["id"]: one for one in self.users()}
        for anchor in ids:
            if anchor in users:
                self.wanted[anchor] = {name: users[anchor].get(name) for name in (*ALIKE, "accountEnabled")}

    async def _change(self, **properties: Any) -> None:
        if one := self.anybody():
            await self._ask("PATCH", f"/users/{one['id']}", properties)
            self._learn([one["id"]])

    async def renamed(self) -> None:
        given, surname = self.word(), self.word()
        await self._change(displayName=f"{given} {surname}", givenName=given, surname=surname)

    async def switched(self) -> None:
        await self._change(accountEnabled=self.random.random() > 0.4)

    async def left(self) -> None:
        if (one := self.anybody()) and len(self.users()) > 20:
            await self._ask("DELETE", f"/users/{one['id']}")

    async def back(self) -> None:
        gone = [one for one in self.cloud.dump()["users"] if one["state"] != "live" and one["id"] in self.wanted]
        if gone:
            await self._ask("POST", f"/directory/deletedItems/{self.random.choice(gone)['id']}/restore")

    async def member(self) -> None:
        groups, one = self.groups(), self.anybody()
        if not groups or one is None:
            return
        group = self.random.choice(groups)
        if one["id"] in group.get("members", ()):
            await self._ask("DELETE", f"/groups/{group['id']}/members/{one['id']}/$ref")
        else:
            body = {"@odata.id": f"{self.cloud.graph_url}/directoryObjects/{one['id']}"}
            await self._ask("POST", f"/groups/{group['id']}/members/$ref", body)

    def _person(self) -> Any:
        people = self.server.find("(&(sAMAccountType=805306368)(employeeNumber=*)(department=*))", ("displayName",))
        living = [one for one in people if not one.dn.endswith(limbo_of(self.server))]
        return self.random.choice(living) if living else None

    async def drifted(self) -> None:
        """Somebody at the school changes what is not the school's to change."""
        if one := self._person():
            change: Callable[[], object] = self.random.choice([
                lambda: self.server.modify(one.dn, displayName=self.word()),
                lambda: self.server.modify(one.dn, sn=self.word()),
                lambda: self.server.disable(one.dn),
            ])  # fmt: skip
            change()

    async def meddled(self) -> None:
        """Somebody at the school takes people out of a group, or puts them in."""
        groups = self.server.find("(&(objectClass=group)(cn=klasse-*))", ("member",))
        one = self._person()
        if groups and one:
            group = self.random.choice(groups)
            act = self.random.choice([self.server.add_members, self.server.remove_members])
            act(group.dn, one.dn)

    async def trouble(self) -> None:
        fault = dict(self.random.choice(FAULTS))
        self.cloud.faults.add(fault.pop("kind"), **fault)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        """What does not hold: nothing, once all is quiet."""
        return [
            f"{one}\n{self.known(one.partition(':')[0])}" for one in (*self._people_wrong(), *self._members_wrong())
        ]

    def known(self, name: str) -> str:
        """What the bridge knows of somebody, for whoever reads a failure."""
        store = self.engine.store
        links = store.links({one.link for one in store.find(name) if one.link})
        rows = [
            f"  {link.id} agreed {link.agreed} retired {link.retired_at}\n"
            + "\n".join(
                f"    {side}: {link.end(side).anchor} {link.end(side).gone} {link.end(side).record}" for side in Side
            )
            for link in links
        ]
        return "\n".join([*rows, *(f"  {one}" for one in store.drifts() if one.link in {link.id for link in links})])

    def _accounts(self) -> dict[str, list[Any]]:
        """Reference -> accounts outside the limbo."""
        names = ("employeeNumber", "userAccountControl", "sAMAccountName", "objectGUID", *ALIKE.values())
        found: dict[str, list[Any]] = {}
        for one in self.server.find("(&(sAMAccountType=805306368)(employeeNumber=*))", names):
            if not one.dn.endswith(limbo_of(self.server)):
                found.setdefault(str(one.text("employeeNumber")).casefold(), []).append(one)
        return found

    def _key(self, user: Mapping[str, Any]) -> str:
        known = user.get("onPremisesExtensionAttributes") or {}
        return str(known.get("extensionAttribute15") or user["id"]).casefold()

    def _people_wrong(self) -> list[str]:
        wrong: list[str] = []
        accounts = self._accounts()
        wrong += [f"{key}: {len(found)} accounts at the school" for key, found in accounts.items() if len(found) > 1]
        for user in self.users():
            anchor = user["id"]
            for name, value in self.wanted.get(anchor, {}).items():
                if user.get(name) != value:
                    wrong.append(f"{anchor}: {name} of the cloud was written over")
            found = accounts.get(self._key(user), [])
            if not found:
                if user["accountEnabled"]:
                    wrong.append(f"{anchor}: has no account at the school")
                continue
            own = found[0]
            for name, attribute in ALIKE.items():
                if (own.text(attribute) or None) != (user.get(name) or None):
                    wrong.append(f"{anchor}: {attribute} at the school is not {name} of the cloud")
            if bool(int(own.text("userAccountControl") or 0) & 2) == user["accountEnabled"]:
                wrong.append(f"{anchor}: enabled on one side only")
        return wrong

    def _members_wrong(self) -> list[str]:
        """Classes: who has both accounts is in them on both sides or on neither."""
        by_dn = {found[0].dn: key for key, found in self._accounts().items()}
        keys = {user["id"]: self._key(user) for user in self.users()}
        here = {
            str(one.text("displayName") or one.text("cn")): {by_dn[dn] for dn in _texts(one, "member") if dn in by_dn}
            for one in self.server.find("(&(objectClass=group)(cn=klasse-*))", ("displayName", "cn", "member"))
        }
        both = set(by_dn.values()) & set(keys.values())
        wrong = []
        for group in self.groups():
            if group["displayName"] in here:
                there = {keys[one] for one in group.get("members", ()) if one in keys}
                if (there ^ here[group["displayName"]]) & both:
                    wrong.append(f"{group['displayName']}: members differ")
        return wrong


def _texts(found: Any, name: str) -> list[str]:
    return [value.decode() for value in found.attributes.get(name, ())]


@asynccontextmanager
async def both_ways(server: SchoolServer, make_sandbox: MakeSandbox, *, seed: int) -> AsyncIterator[Both]:
    """A delegated school on a Samba and an empty tenant; ``cut_over`` comes first."""
    cloud = await make_sandbox(tls=True, applications=[application()])
    root = server.layout.root.removesuffix(f",{server.base}")
    plain: dict[str, Any] = {
        "consent": None,
        "roles": [{"role": "teacher", "ou": f"OU=Lehrer,{root}"}, {"role": "pupil", "when": "attr.department"}],
        "groups": [{"role": "class", "when": "attr.cn | regex_match('^klasse-')"}],
    }
    directory = ActiveDirectory(writing_options(server, **plain), context(server))
    graph = connector(cloud, school_code=SCHOOL, licenses=[], fallback_owner=None)
    engine = Engine({Side.SCHOOL: directory, Side.CLOUD: graph})
    try:
        trusted = ssl.create_default_context(cafile=str(cloud.ca_file))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            yield Both(server, cloud, Client(cloud, session), engine, seed)
    finally:
        engine.close()
        await directory.close()
        await graph.close()
