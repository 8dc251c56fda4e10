"""Active Directory passes the suite on a real Samba; made and changed there over the Administrator's own connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from bridge.core.model import Fields
from bridge.lab.school_server import Found, SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import Connector
from connectors.active_directory import connect
from connectors.active_directory.wire import guid_text
from tests.conformance.base import Bench, Conformance, elements
from tests.connectors.active_directory.conftest import SMALL, context, options_of

pytestmark = pytest.mark.samba
NAMES = {"display_name": "displayName", "source_anchor": "employeeNumber", "surname": "sn"}


class DirectoryBench:
    kinds = ("user", "group")
    label = {"user": "display_name", "group": "display_name"}  # noqa: RUF012
    lossless = True

    def __init__(self, connector: Connector, server: SchoolServer) -> None:
        self.connector = connector
        self.server = server

    def sample(self, kind: str, number: int) -> Fields:
        return {"display_name": f"{kind} {number} Jörg", "source_anchor": f"X{kind}{number}"}

    async def make(self, kind: str, fields: Fields) -> str:
        login = str(fields["source_anchor"]).lower()
        said = {NAMES[name]: str(value) for name, value in fields.items() if name in NAMES}
        if kind == "user":
            dn, own = f"CN={login},OU=5a,OU=Schueler,{self.server.layout.root}", {"userAccountControl": "544"}
            own |= {"department": "5a", "sn": login}
        else:
            dn, own = f"CN=kurs-{login},{self.server.layout.groups_ou}", {}
            said.pop("employeeNumber")
        members = [self.dn(one) for one in elements(fields.get("members"))]
        more = {"member": members} if members else {}
        self.server.add({"dn": dn, "objectClass": kind, "sAMAccountName": login, **said, **own, **more})
        return guid_text(self.found(dn).attributes["objectGUID"][0])

    def found(self, base: str) -> Found:
        (found,) = self.server.find("(objectClass=*)", ("objectGUID",), base)
        return found

    def dn(self, anchor: str) -> str:
        return self.server.find("(objectClass=*)", ("cn",), f"<GUID={anchor}>")[0].dn

    async def change(self, anchor: str, fields: Fields) -> None:
        said = {NAMES[name]: str(value) for name, value in fields.items() if name in NAMES}
        if "members" in fields:
            self.server.modify(self.dn(anchor), member=[self.dn(one) for one in elements(fields["members"])])
        if said:
            self.server.modify(self.dn(anchor), **said)

    async def delete(self, anchor: str) -> None:
        self.server.delete(self.dn(anchor))

    async def read(self, anchor: str) -> Fields | None:
        found = self.server.find("(objectClass=*)", ("displayName",), f"<GUID={anchor}>")
        return {"display_name": found[0].text("displayName")} if found else None

    async def settle(self) -> None:
        return None


class TestActiveDirectory(Conformance):
    @pytest.fixture
    async def bench(self, samba_dc: Callable[..., SchoolServer]) -> AsyncIterator[Bench]:
        server = samba_dc(school=draw_school(1, SMALL))
        connector = await connect(options_of(server), context(server))
        yield DirectoryBench(connector, server)
        await connector.close()
