#!/usr/bin/python3
"""On a Samba domain controller, as root: let an account write people and groups below one OU, as the bridge needs it.

    /usr/bin/python3 let_write.py ACCOUNT OU [--attribute NAME]... [--units] [--smb-conf FILE]

ACCOUNT is a sAMAccountName, OU a distinguished name ("OU=Schule,DC=school,DC=example"). `--attribute` names one more
attribute that the bridge may write to people and groups; `--units` lets it make OUs (`create: true`).

Adds entries to the access list of that OU and changes nothing else; a second run changes nothing. The account can then
make, move and delete people and groups there, write the attributes below, and reset passwords; nothing outside.
"""

import argparse
import sys

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"  # noqa: S105 - control access right User-Force-Change-Password
BOTH = ("cn", "name", "sAMAccountName", "displayName", "description", "extensionName", "mS-DS-ConsistencyGuid")
WRITTEN = {
    "user": (*BOTH, "givenName", "sn", "userAccountControl", "pwdLastSet"),
    "group": (*BOTH, "member", "groupType"),
}


def main(wanted: argparse.Namespace) -> str:
    settings = LoadParm()
    if wanted.smb_conf:
        settings.load(wanted.smb_conf)
    else:
        settings.load_default()
    database = SamDB(lp=settings, session_info=system_session())
    (account,) = database.search(
        expression=f"(sAMAccountName={ldb.binary_encode(wanted.account)})", attrs=["objectSid"]
    )
    sid = database.schema_format_value("objectSid", account["objectSid"][0]).decode()
    domain = security.dom_sid(database.get_domain_sid())
    (place,) = database.search(wanted.ou, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])
    sddl = ndr_unpack(security.descriptor, place["nTSecurityDescriptor"][0]).as_sddl(domain)
    new = [one for one in entries(database, sid, wanted) if one not in sddl]
    if not new:
        return f"{wanted.account} may write there already"
    where = sddl.index("(", sddl.index("D:"))
    changed = security.descriptor.from_sddl(sddl[:where] + "".join(new) + sddl[where:], domain)
    message = ldb.Message(place.dn)
    message["nTSecurityDescriptor"] = ldb.MessageElement(
        ndr_pack(changed), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor"
    )
    database.modify(message)
    return f"{wanted.account} may now write there ({len(new)} entries)"


def entries(database: SamDB, sid: str, wanted: argparse.Namespace) -> list[str]:
    """The entries of the access list, in SDDL."""
    found = []
    for kind, attributes in WRITTEN.items():
        of = schema_guid(database, "classSchema", kind)
        found.append(f"(OA;CI;CCDC;{of};;{sid})")
        guids = (schema_guid(database, "attributeSchema", name) for name in (*attributes, *wanted.attribute))
        found += [f"(OA;CIIO;RPWP;{guid};{of};{sid})" for guid in guids]
        if kind == "user":
            found.append(f"(OA;CIIO;CR;{RESET_PASSWORD};{of};{sid})")
    if wanted.units:
        found.append(f"(OA;CI;CC;{schema_guid(database, 'classSchema', 'organizationalUnit')};;{sid})")
    return found


def schema_guid(database: SamDB, kind: str, name: str) -> str:
    """The schemaIDGUID of a class or attribute."""
    condition = f"(&(objectClass={kind})(lDAPDisplayName={ldb.binary_encode(name)}))"
    found = database.search(database.get_schema_basedn(), expression=condition, attrs=["schemaIDGUID"])
    if not found:
        sys.exit(f"there is no {name} in this directory")
    return database.schema_format_value("schemaIDGUID", found[0]["schemaIDGUID"][0]).decode()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Let an account write people and groups below one OU.")
    asked.add_argument("account")
    asked.add_argument("ou")
    asked.add_argument("--attribute", action="append", default=[])
    asked.add_argument("--units", action="store_true")
    asked.add_argument("--smb-conf")
    sys.stdout.write(main(asked.parse_args()) + "\n")
