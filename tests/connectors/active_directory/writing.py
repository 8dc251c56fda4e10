"""A small school on a real Samba whose OU is delegated to the bridge's account by the script of the docs."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.core.model import Action, Fields
from bridge.lab.samba_template import READER
from bridge.lab.school_server import SchoolServer
from bridge.ports import Failed, Outcome, Write, Written
from connectors.active_directory import Options
from connectors.active_directory.connector import ActiveDirectory
from tests.connectors.active_directory.conftest import Watch, options_of

LET_WRITE = Path(__file__).parents[3] / "docs" / "connect" / "let_write.py"
ATTRIBUTES = ("employeeNumber", "department", "employeeType")


def delegate(server: SchoolServer, *more: str) -> str:
    """Let the bridge's account write the school's OU, where the limbo is."""
    if not server.find("(ou=Ausgeschieden)", ("ou",)):
        server.add({"dn": limbo_of(server), "objectClass": "organizationalUnit"})
    names = [word for name in ATTRIBUTES for word in ("--attribute", name)]
    command = ["/usr/bin/python3", str(LET_WRITE), READER, server.layout.root, *names, *more]
    config = f"--smb-conf={server.directory}/smb.conf"
    return subprocess.run([*command, config], check=True, capture_output=True, text=True).stdout


def limbo_of(server: SchoolServer) -> str:
    return f"OU=Ausgeschieden,{server.layout.root}"


def writeback(server: SchoolServer, **changes: Any) -> dict[str, Any]:
    """The block `writeback` of a school laid out as the lab does it."""
    root = server.layout.root.removesuffix(f",{server.base}")
    pupils = {"department": "'neu'", "employeeType": "'Einwilligung'"}
    said = {
        "limbo": f"OU=Ausgeschieden,{root}",
        "people": [
            {"when": "user.upn | regex_match('.*@lehrer')", "ou": f"OU=Lehrer,{root}"},
            {"ou": f"OU=Schueler,{root}", "attributes": pupils},
        ],
        "groups": [{"ou": f"OU=Gruppen,{root}"}],
        "members_of": [
            {"parent": f"OU=Schueler,{root}", "name": "group.display_name | regex_replace('^Klasse ', '')"},
        ],
    }
    return {**said, **changes}


def writing_options(server: SchoolServer, **changes: Any) -> Options:
    """The options of a school that is written."""
    back = writeback(server, **changes.pop("writeback", {}))
    return options_of(server, **{"writeback": back, **changes})


@dataclass
class WrittenSchool:
    """A writing connector, what it observed, and the server."""

    connector: ActiveDirectory
    server: SchoolServer
    watch: Watch

    async def write(self, action: Action, anchor: str | None, fields: Fields | None = None, **more: Any) -> Outcome:
        kind = more.pop("kind", "user")
        (outcome,) = [
            one async for one in self.connector.apply([Write("w", kind, action, anchor, fields or {}, **more)])
        ]
        return outcome

    async def create(self, login: str, *, key: str = "", **fields: Any) -> Outcome:
        said = {"display_name": f"Neu {login}", "given_name": "Neu", "surname": login, "enabled": True, "login": login}
        more = {"upn": f"{login}@cloud.example", **said, **fields}
        return await self.write(Action.CREATE, None, more, key=key or f"K-{login}")

    def text(self, anchor: str, name: str) -> str | None:
        (found,) = self.server.find("(objectClass=*)", (name,), f"<GUID={anchor}>")
        return found.text(name)

    def dn(self, anchor: str) -> str:
        (found,) = self.server.find("(objectClass=*)", ("cn",), f"<GUID={anchor}>")
        return found.dn


def failed(outcome: Outcome, cause: str) -> str:
    assert isinstance(outcome, Failed), outcome
    assert outcome.cause == cause, outcome
    return outcome.message


def done(outcome: Outcome) -> Written:
    assert isinstance(outcome, Written), outcome
    return outcome


def pupil(school: WrittenSchool, number: int = 0) -> tuple[str, Any]:
    """A living pupil and the anchor."""
    person = [one for one in school.server.school.people if one.role == "pupil" and one.standing == "present"][number]
    return school.watch.anchor(person.login), person


async def group(
    school: WrittenSchool, action: Action, anchor: str | None, fields: Fields | None = None, **more: Any
) -> Outcome:
    return await school.write(action, anchor, fields, kind="group", **more)


async def new_group(school: WrittenSchool, login: str, name: str, *members: str, **fields: Any) -> Outcome:
    said = {"display_name": name, "description": "Neu", "login": login, **fields}
    key = str(uuid.uuid5(uuid.NAMESPACE_DNS, login))
    return await group(school, Action.CREATE, None, said, key=key, added={"members": frozenset(members)})


def a_class(school: WrittenSchool, number: int = 0) -> str:
    """The anchor of a class."""
    classes = sorted(key for key, fields in school.watch.records.items() if fields.get("role") == "class")
    return classes[number]


def members(school: WrittenSchool, anchor: str) -> set[str]:
    (found,) = school.server.find("(objectClass=*)", ("member",), f"<GUID={anchor}>")
    return {dn.decode() for dn in found.attributes.get("member", ())}


def around(school: WrittenSchool, anchor: str) -> set[str]:
    (found,) = school.server.find("(objectClass=*)", ("memberOf",), f"<GUID={anchor}>")
    return {dn.decode() for dn in found.attributes.get("memberOf", ())}
