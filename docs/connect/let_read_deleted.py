#!/usr/bin/python3
"""On a Samba domain controller, as root: let an account read deleted objects, as the bridge needs it.

    /usr/bin/python3 let_read_deleted.py ACCOUNT [SMB.CONF]

samba-tool has no way to do this: its `dsacl set` (4.17) does not find objects that count as deleted themselves. Adds
one entry to the access list of the container and changes nothing else; a second run changes nothing.
"""

import sys

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

CONTAINER = "<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,{domain}>"  # GUID_DELETED_OBJECTS_CONTAINER
CONTROLS = ["show_deleted:1", "show_recycled:1"]


def main(account: str, config: str | None = None) -> str:
    settings = LoadParm()
    if config:
        settings.load(config)
    else:
        settings.load_default()
    database = SamDB(lp=settings, session_info=system_session())
    (found,) = database.search(expression=f"(sAMAccountName={ldb.binary_encode(account)})", attrs=["objectSid"])
    sid = database.schema_format_value("objectSid", found["objectSid"][0]).decode()
    domain = security.dom_sid(database.get_domain_sid())
    place = ldb.Dn(database, CONTAINER.format(domain=database.domain_dn()))
    (container,) = database.search(place, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=CONTROLS)
    sddl = ndr_unpack(security.descriptor, container["nTSecurityDescriptor"][0]).as_sddl(domain)
    entry = f"(A;;RPLCLORC;;;{sid})"
    if entry in sddl:
        return f"{account} may read deleted objects already"
    where = sddl.index("(", sddl.index("D:"))
    changed = security.descriptor.from_sddl(sddl[:where] + entry + sddl[where:], domain)
    message = ldb.Message(container.dn)
    message["nTSecurityDescriptor"] = ldb.MessageElement(
        ndr_pack(changed), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor"
    )
    database.modify(message, controls=CONTROLS)
    return f"{account} may now read deleted objects"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
