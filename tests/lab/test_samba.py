"""A real Samba domain controller: starts, holds the school, changes, fails over, and leaves nothing behind."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from pathlib import Path

import ldap3
import pytest
from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from bridge.lab.school_server import Found, SchoolServer
from bridge.lab.seed import SchoolSize, draw_school
from tests.lab.test_processes import all_below, eventually, running
from tests.servers import SambaFactory

pytestmark = pytest.mark.samba
SMALL = draw_school(3, SchoolSize(pupils=60, teachers=8, staff=3, leavers=2, newcomers=3, groups=50))


def test_the_school_is_all_there(samba_school: SchoolServer) -> None:
    school = samba_school.school
    people = samba_school.find("(&(objectCategory=person)(employeeNumber=*))", ("employeeNumber", "sAMAccountName"))
    shown = {one.text("employeeNumber"): one.text("sAMAccountName") for one in people}
    assert shown.pop("R0000001") == "adm-schule"
    assert shown == {person.reference: person.login for person in school.people}
    groups = {
        one.text("sAMAccountName"): one
        for one in samba_school.find("(objectClass=group)", ("member", "sAMAccountName"))
    }
    for group in school.groups():
        assert len(groups[group.name].attributes.get("member", ())) == len(group.members) + len(group.subgroups), (
            group.name
        )


def test_the_reading_account_cannot_write(samba_school: SchoolServer) -> None:
    reader = samba_school.connect(samba_school.reader_upn, samba_school.reader_password)
    with pytest.raises(ldap3.core.exceptions.LDAPInsufficientAccessRightsResult):
        reader.modify(samba_school.dn_of(samba_school.school.people[0].login), {"sn": [(ldap3.MODIFY_REPLACE, ["X"])]})


def test_a_year_of_changes(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL)
    newcomer = server.school.newcomers[0]
    dn = server.enrol(newcomer, ["klasse-5a"])
    dn = server.rename(dn, "CN=Anna\\, Weiß")
    dn = server.move(dn, f"OU=Abgaenger,{server.layout.root}")
    assert server.dn_of(newcomer.login) == dn
    server.modify(dn, department="6a", description=None)
    server.set_password(dn, "Kurz.und.gut1")
    server.enable(dn)
    (found,) = server.find(f"(sAMAccountName={newcomer.login})", ("*",))
    assert (found.text("department"), found.text("description"), found.text("userAccountControl")) == (
        "6a",
        None,
        "512",
    )
    server.connect(f"{newcomer.login}@schule.lab", "Kurz.und.gut1").unbind()
    server.disable(dn)
    server.remove_members(server.layout.group_dn("klasse-5a"), dn)
    server.delete(dn)
    ou = server.rename(f"OU=5a,OU=Schueler,{server.layout.root}", "OU=5a-alt")
    assert server.find("(objectClass=user)", ("cn",), ou)
    server.delete_tree(ou)
    with pytest.raises(LookupError):
        server.dn_of(newcomer.login)


def test_deleted_people_are_shown_to_the_reading_account_and_to_no_other(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL)
    first, second = (server.dn_of(person.login) for person in server.school.people[:2])
    server.set_password(second, "Kurz.und.gut1")
    (guid,) = server.find(f"(sAMAccountName={server.school.people[0].login})", ("objectGUID",))
    server.delete(first)
    reader = server.connect(server.reader_upn, server.reader_password)
    assert deleted(reader, server.base) == [guid.attributes["objectGUID"]]
    pupil = server.connect(f"{server.school.people[1].login}@schule.lab", "Kurz.und.gut1")
    assert deleted(pupil, server.base) == [], "without the right the answer is empty, not an error"


def test_the_recycle_bin_keeps_what_the_deleted_were(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL, recycle_bin=True)
    server.delete(server.dn_of(server.school.people[0].login))
    reader = server.connect(server.reader_upn, server.reader_password)
    reference = server.school.people[0].reference.encode()
    assert deleted(reader, server.base, "employeeNumber") == [[reference]]


def test_members_come_with_their_guids(samba_school: SchoolServer) -> None:
    reader = samba_school.connect(samba_school.reader_upn, samba_school.reader_password)
    extended = (
        "1.2.840.113556.1.4.529",
        True,
        b"\x30\x03\x02\x01\x01",
    )  # GUIDs and SIDs as text, MS-ADTS 3.1.1.3.4.1.5
    group = samba_school.layout.group_dn("klasse-5a")
    reader.search(group, "(objectClass=*)", ldap3.BASE, attributes=["member"], controls=[extended])
    members = reader.response[0]["raw_attributes"]["member"]
    assert len(members) > 20
    assert all(member.startswith(b"<GUID=") and b">;<SID=S-1-5-21-" in member for member in members)


def test_an_outage_keeps_the_contents(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL)
    dn = server.dn_of(server.school.people[0].login)
    server.modify(dn, department="9z")
    before = state_of(server)
    server.outage()
    assert not server.alive()
    with pytest.raises(ldap3.core.exceptions.LDAPSocketOpenError):
        server.connect()
    server.restart()
    assert (
        server.find(f"(sAMAccountName={server.school.people[0].login})", ("department",))[0].text("department") == "9z"
    )
    assert state_of(server) == before


def test_a_restored_server_is_older_and_has_another_invocation_id(samba_dc: SambaFactory, tmp_path: Path) -> None:
    server = samba_dc(school=SMALL)
    server.backup(tmp_path / "backup")
    dn = server.dn_of(server.school.people[0].login)
    for number in range(20):
        server.modify(dn, department=f"9{number}")
    invocation, usn = state_of(server)
    server.restore(tmp_path / "backup")
    restored, restored_usn = state_of(server)
    assert restored != invocation
    assert restored_usn < usn
    assert (
        server.find(f"(sAMAccountName={server.school.people[0].login})", ("department",))[0].text("department") == "5a"
    )


def test_a_second_server_has_the_same_people_and_is_another(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL)
    second = server.second()
    try:
        assert second.ip != server.ip
        assert state_of(second)[0] != state_of(server)[0]
        query = ("(employeeNumber=*)", ("objectGUID", "employeeNumber"))
        assert by_dn(second.find(*query)) == by_dn(server.find(*query))
    finally:
        second.stop()


def test_a_killed_parent_leaves_neither_server_nor_directory(samba_school: SchoolServer) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        guardian, directory, ip = parent.stdout.readline().split()
        pids = all_below(int(guardian))
        assert len(pids) > 1
        parent.kill()
    assert eventually(lambda: not running(pids)), running(pids)
    assert eventually(lambda: not Path(directory).exists())
    assert ip != samba_school.ip, "two at once have two addresses"
    assert eventually(lambda: not listens(ip)), "nothing listens there any more"


def listens(ip: str) -> bool:
    """Whether something on this machine still listens on the LDAPS port of this address."""
    with socket.socket() as probe:
        return probe.connect_ex((ip, 636)) == 0


_PARENT = """
import time
from bridge.lab.samba import DomainController
server = DomainController.start()
print(server._tree.pid, server.directory, server.ip, flush=True)
time.sleep(1000)
"""


def test_the_full_server_shares_files_with_a_pupils_password(samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL, smb=True, password="Kurz.und.gut1")
    login = f"{server.school.people[0].login}@schule.lab"
    assert share_opens(server.ip, login, "Kurz.und.gut1")
    server.connect(login, "Kurz.und.gut1").unbind()
    with pytest.raises(SMBResponseException):
        share_opens(server.ip, login, "Falsch.und.laenger1")


def share_opens(ip: str, user: str, password: str) -> bool:
    connection = Connection(uuid.uuid4(), ip, 445)
    connection.connect(timeout=10)
    try:
        session = Session(connection, user, password)
        session.connect()
        tree = TreeConnect(session, rf"\\{ip}\daten")
        tree.connect()
        return tree.is_ca_share is False
    finally:
        connection.disconnect(close=True)


def deleted(connection: ldap3.Connection, base: str, attribute: str = "objectGUID") -> list[list[bytes]]:
    show = [("1.2.840.113556.1.4.417", True, None)]
    connection.search(
        base, "(&(isDeleted=TRUE)(sAMAccountName=*))", ldap3.SUBTREE, attributes=[attribute], controls=show
    )
    found = [one for one in connection.response if one["type"] == "searchResEntry"]
    return [one["raw_attributes"][attribute] for one in found]


def state_of(server: SchoolServer) -> tuple[bytes, int]:
    """invocationId and highestCommittedUSN, as the reading account sees them."""
    reader = server.connect(server.reader_upn, server.reader_password)
    reader.search("", "(objectClass=*)", ldap3.BASE, attributes=["dsServiceName", "highestCommittedUSN"])
    root = reader.response[0]["raw_attributes"]
    reader.search(root["dsServiceName"][0].decode(), "(objectClass=*)", ldap3.BASE, attributes=["invocationId"])
    return reader.response[0]["raw_attributes"]["invocationId"][0], int(root["highestCommittedUSN"][0])


def by_dn(found: list[Found]) -> dict[str, dict[str, list[bytes]]]:
    return {one.dn: one.attributes for one in found}
