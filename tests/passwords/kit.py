"""A person with an account on a real Samba and one in the sandbox, and what really signs in there."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass, field

import ldap3
from ldap3.core.exceptions import LDAPInvalidCredentialsResult

from bridge.core.model import Side
from bridge.daemon.passwords import Account, Desk
from bridge.lab.school_server import SchoolServer
from bridge.ports import Asked, InDoubt, NotSet, Passwords, Unreachable
from bridge.state.database import Database
from connectors.active_directory.wire import guid_text
from connectors.sandbox import Sandbox
from connectors.sandbox.passwords import password_matches

FIRST = "Start-Wort-77"
#: Reset Password, and read and write of pwdLastSet, on user objects below (MS-ADTS 5.1.3.2.1 and 6.1.1).
RESET = "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})"
LAST_SET = "(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})"


def let_reset(server: SchoolServer, ou: str, *entries: str) -> None:
    """What docs/connect/active_directory.md tells a school to do, on the files of the running server."""
    (reader,) = server.find("(objectClass=user)", ("objectSid",), server.reader_dn)
    sid = ldap3.protocol.formatters.formatters.format_sid(reader.attributes["objectSid"][0])
    for entry in entries or (RESET, LAST_SET):
        command = ["samba-tool", "dsacl", "set", f"--configfile={server.directory}/smb.conf",
                   "-H", f"{server.directory}/private/sam.ldb", f"--objectdn={ou}",
                   f"--sddl={entry.format(sid=sid)}"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)


@dataclass
class Pupil:
    """One person on both sides."""

    server: SchoolServer
    sandbox: Sandbox
    dn: str
    login: str
    anchor: str
    user: str

    def account(self) -> Account:
        return Account("L1", {Side.SCHOOL: self.anchor, Side.CLOUD: self.user})

    def at_school(self, password: str) -> bool:
        """Whether a real LDAPS bind takes it; also where it must be changed first (773)."""
        try:
            self.server.connect(f"{self.login}@schule.lab", password).unbind()
        except LDAPInvalidCredentialsResult as refused:
            return "data 773" in str(refused.message)
        return True

    def in_cloud(self, password: str) -> bool:
        return password_matches(password, self.sandbox.tenant.entries[self.user].password)

    def holds(self, side: Side, password: str) -> bool:
        return self.at_school(password) if side is Side.SCHOOL else self.in_cloud(password)


def pupil_of(server: SchoolServer, sandbox: Sandbox, *, number: int = 0, password: str = FIRST) -> Pupil:
    person = [one for one in server.school.people if one.role == "pupil"][number]
    (found,) = server.find(f"(sAMAccountName={person.login})", ("objectGUID",))
    server.set_password(found.dn, password)
    server.modify(found.dn, userAccountControl="512")
    domain = sandbox.tenant.domains[0]
    user = f"00000000-0000-4000-8000-{number:012}"
    sandbox.load({"users": [{
        "id": user, "userPrincipalName": f"kind{number}@{domain}", "displayName": "Kind Beispiel", "userType": "Member",
        "givenName": "Kind", "surname": "Beispiel", "mailNickname": f"kind{number}", "accountEnabled": True,
        "password": password,
    }]})  # fmt: skip
    return Pupil(server, sandbox, found.dn, person.login, guid_text(found.attributes["objectGUID"][0]), user)


def desk_of(database: Database, sides: dict[Side, Passwords], *, patience: float = 2.0, speed: float = 50.0) -> Desk:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / speed)

    return Desk(database, "0123", sides, actor="test", reason="test", sleep=sleep, patience=patience)


@dataclass
class Flaky:
    """The real thing, with what a line and a server do to it: one of ``troubles`` for each next call."""

    real: Passwords
    troubles: list[str] = field(default_factory=list)
    calls: int = 0

    async def ask(self, anchor: str) -> Asked:
        return await self.real.ask(anchor)

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        self.calls += 1
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "unreachable":
            raise Unreachable("not reached")
        if trouble == "refused":
            raise NotSet("policy", "a filter of the school's own")
        if trouble == "lost before":
            raise InDoubt("the answer was lost")
        await self.real.set(anchor, secret, must_change=must_change)
        if trouble == "lost after":
            raise InDoubt("the answer was lost")
