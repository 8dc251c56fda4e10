"""A small school on a real Samba whose OU is delegated to the bridge's account by the script of the docs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from bridge.lab.samba_template import READER
from bridge.lab.school_server import SchoolServer
from connectors.active_directory import Options
from tests.connectors.active_directory.conftest import options_of

LET_WRITE = Path(__file__).parents[3] / "docs" / "connect" / "let_write.py"
ATTRIBUTES = ("employeeNumber", "department", "employeeType")


def delegate(server: SchoolServer, *more: str) -> str:
    """Let the bridge's account write the school's OU, and make the limbo there."""
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
            {"when": "user.upn | regex_match('lehrer')", "ou": f"OU=Lehrer,{root}"},
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
