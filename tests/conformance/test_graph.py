"""The Graph connector passes the suite of all connectors, against the sandbox over TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.core.model import Evidence, Fields
from connectors.graph.marks import unique_name
from connectors.sandbox import Sandbox
from tests.conformance.base import Bench, Conformance, watch
from tests.connectors.graph.kit import DOMAIN, SCHOOL, STUDENT, connector
from tests.sandbox.plugin import MakeSandbox

NAMES = {
    "display_name": "displayName",
    "given_name": "givenName",
    "surname": "surname",
    "enabled": "accountEnabled",
    "upn": "userPrincipalName",
    "description": "description",
    "mail_nickname": "mailNickname",
}


class GraphBench:
    """Reads and changes the sandbox's own state, never through Graph."""

    kinds = ("user", "group")
    label = {"user": "display_name", "group": "display_name"}  # noqa: RUF012
    lossless = True

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.connector = connector(sandbox)

    def sample(self, kind: str, number: int) -> Fields:
        if kind == "user":
            login = f"u{number}@{DOMAIN}"
            return {"source_anchor": f"u{number}", "display_name": f"Üser {number}", "enabled": True, "upn": login}
        name = f"g{number}"
        return {"source_anchor": name, "display_name": f"Gruppe {number}", "mail_nickname": name, "unified": False}

    def _entity(self, kind: str, fields: Fields) -> dict[str, Any]:
        entity = {NAMES[name]: value for name, value in fields.items() if name in NAMES}
        key = str(fields["source_anchor"])
        if kind == "user":
            extensions = {"extensionAttribute14": SCHOOL, "extensionAttribute15": key}
            return entity | {"onPremisesExtensionAttributes": extensions, "userType": "Member", "mailNickname": key}
        members = fields.get("members") or frozenset()
        assert isinstance(members, frozenset)
        own = {"groupTypes": [], "mailEnabled": False, "securityEnabled": True, "members": sorted(members)}
        return entity | own | {"uniqueName": unique_name(SCHOOL, key)}

    async def make(self, kind: str, fields: Fields) -> str:
        known = set(self.sandbox.tenant.entries)
        self.sandbox.load({f"{kind}s": [self._entity(kind, fields)]})
        return next(key for key in self.sandbox.tenant.entries if key not in known)

    async def change(self, anchor: str, fields: Fields) -> None:
        tenant = self.sandbox.tenant
        entry = tenant.entries[anchor]
        tenant.update(entry, {NAMES[name]: value for name, value in fields.items() if name in NAMES})
        wanted = fields.get("members")
        if isinstance(wanted, frozenset):
            for key in set(entry.linked("members")) - wanted:
                tenant.unlink(entry, "members", tenant.entries[key])
            for key in wanted - set(entry.linked("members")):
                tenant.link(entry, "members", tenant.entries[key])
        tenant.forget()

    async def delete(self, anchor: str) -> None:
        self.sandbox.tenant.delete(self.sandbox.tenant.entries[anchor])
        self.sandbox.tenant.forget()

    async def read(self, anchor: str) -> Fields | None:
        entry = self.sandbox.tenant.entries[anchor]
        if entry.state != "live":
            return None
        fields = {name: entry.properties[target] for name, target in NAMES.items() if target in entry.properties}
        return {**fields, "members": frozenset(entry.linked("members"))} if entry.kind == "group" else fields

    async def settle(self) -> None:
        return None


class TestGraph(Conformance):
    @pytest.fixture
    async def bench(self, make_sandbox: MakeSandbox) -> AsyncIterator[Bench]:
        sandbox = await make_sandbox(tls=True)
        sandbox.load({"skus": [{**STUDENT, "enabled": 100}]})
        bench = GraphBench(sandbox)
        yield bench
        await bench.connector.close()
        assert sandbox.counters()["users deleted through a group"] == 0

    async def test_delta_shows_new_changed_and_deleted(self, bench: Bench) -> None:
        """As in the suite, but without versions: directory objects of Graph have none, so they are empty."""
        for kind in bench.kinds:
            kept, going = [await bench.make(kind, bench.sample(kind, n)) for n in (1, 2)]
            seen = await watch(bench.connector)
            new = await bench.make(kind, bench.sample(kind, 3))
            await bench.change(kept, {bench.label[kind]: f"Geändert {kind}"})
            await bench.delete(going)
            await watch(bench.connector, seen.token, seen=seen)
            assert seen.records[kept][bench.label[kind]] == f"Geändert {kind}"
            assert new in seen.records
            assert going not in seen.records
            assert seen.gone[going] is Evidence.DELETED
            assert set(seen.versions.values()) == {""}
