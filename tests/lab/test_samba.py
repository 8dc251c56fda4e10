"""A real Samba domain controller: starts, holds the school, changes, fails over, and leaves nothing behind."""

from __future__ import annotations

import ldap3
import pytest

from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import SchoolSize, draw_school
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
