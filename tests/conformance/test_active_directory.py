"""Active Directory passes the suite on a real Samba; made and changed there over the Administrator's own connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from ldap3.core.exceptions import LDAPNoSuchObjectResult

from bridge.core.model import Fields
from bridge.lab.school_server import Found, SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import Connector
from connectors.active_directory import connect
from connectors.active_directory.wire import guid_text
from tests.conformance.base import LEASE, Bench, Conformance, elements
from tests.connectors.active_directory.conftest import SMALL, context, options_of
from tests.connectors.active_directory.writing import delegate, limbo_of, writing_options

pytestmark = pytest.mark.samba
NAMES = {"display_name": "displayName", "source_anchor": "employeeNumber", "surname": "sn"}
LEADS = {"user": "", "group": "kurs-"}
#: What the cloud makes itself is known by its GUID there; people have the school's reference.
KEYS: dict[str, Callable[[int], str]] = {"user": "X{}".format, "group": lambda number: str(UUID(int=number + 1))}


class DirectoryBench:
    kinds = ("user", "group")
    label = {"user": "display_name", "group": "display_name"}  # noqa: RUF012
    lossless = True

    def __init__(self, connector: Connector, server: SchoolServer) -> None:
        self.connector = connector
        self.server = server

    def sample(self, kind: str, number: int) -> Fields:
        login = f"x{kind}{number}"
        # A group's name says that it is a course; its login is what the engine has reserved.
        return {
            "display_name": f"{kind} {number} Jörg",
            "source_anchor": KEYS[kind](number),
            "login": f"{LEADS[kind]}{login}",
        }

    async def make(self, kind: str, fields: Fields) -> str:
        login = str(fields["login"])
        said = {NAMES[name]: str(value) for name, value in fields.items() if name in NAMES}
        if kind == "user":
            uac = "546" if fields.get("enabled") is False else "544"
            dn, own = f"CN={login},OU=5a,OU=Schueler,{self.server.layout.root}", {"userAccountControl": uac}
            own |= {"department": "5a", "sn": login}
        else:
            dn, own = f"CN={login},{self.server.layout.groups_ou}", {}
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
        try:
            (found,) = self.server.find(
                "(objectClass=*)", ("displayName", "userAccountControl", "member"), f"<GUID={anchor}>"
            )
        except (ValueError, LDAPNoSuchObjectResult):
            return None
        if found.dn.endswith(limbo_of(self.server)):
            return None  # retired: that is this side's recycle bin
        members = [self.found(dn.decode()) for dn in found.attributes.get("member", ())]
        return {
            "display_name": found.text("displayName"),
            "enabled": not int(found.text("userAccountControl") or 0) & 2,
            "members": frozenset(guid_text(one.attributes["objectGUID"][0]) for one in members),
        }

    async def settle(self) -> None:
        return None


class TestReadingActiveDirectory(Conformance):
    @pytest.fixture
    async def bench(self, samba_dc: Callable[..., SchoolServer]) -> AsyncIterator[Bench]:
        server = samba_dc(school=draw_school(1, SMALL))
        connector = await connect(options_of(server), context(server))
        yield DirectoryBench(connector, server)
        await connector.close()


class TestActiveDirectory(Conformance):
    """Writing too, with the rights that docs/connect/let_write.py gives and no others."""

    refuses_stale = True

    @pytest.fixture
    async def bench(self, samba_dc: Callable[..., SchoolServer]) -> AsyncIterator[Bench]:
        server = samba_dc(school=draw_school(1, SMALL))
        delegate(server)
        connector = await connect(writing_options(server), context(server, permit=LEASE))
        yield DirectoryBench(connector, server)
        await connector.close()
