#!/usr/bin/python3
"""Works on the database files of a stopped Samba domain controller; run by /usr/bin/python3, which has python3-samba.

Not imported by the rest of the lab (its Python has no `samba`), but started as a file: `samba_fill.py STEP DIRECTORY`.
The first line of standard input is a JSON object with the step's options, passwords among them, so that none appears in
a process list. `fill` reads one JSON object a line after it: `{"dn": ..., ATTRIBUTE: "value" or ["values"]}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ldb
import samba.provision
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import misc, security
from samba.dsdb import DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID
from samba.ndr import ndr_pack, ndr_unpack
from samba.netcmd.main import cmd_sambatool
from samba.param import LoadParm
from samba.samdb import SamDB

CHUNK = 1000  # entries a transaction: one big one gets slower and slower (20,000 users: 890 s against 43 s)
_RECYCLE_BIN = "766ddcd8-acd0-445e-f3b9-a7f9b6744f2a"  # MS-ADTS 6.1.1.4.4.1
_NT_HASH_GIVEN = f"local_oid:{DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"
_READ_DELETED = "(A;;RPLCLORC;;;{sid})"  # read property, list children, list object, read control


def open_directory(directory: Path, *, options: Iterable[str] = ()) -> SamDB:
    """The SamDB of the files below `directory`, as SYSTEM."""
    lp = LoadParm()
    lp.load(str(directory / "smb.conf"))
    return SamDB(
        url=str(directory / "private" / "sam.ldb"),
        lp=lp,
        session_info=system_session(lp),
        options=list(options),
    )


def provision(directory: Path, options: dict[str, Any]) -> None:
    """Make an empty domain, without the ACLs of sysvol: LDAP has no use for them, and only real root can set them."""
    samba.provision.setsysvolacl = lambda *_arguments, **_keywords: None
    (directory / "empty.conf").write_text("[global]\n")
    _samba_tool(
        "domain",
        "provision",
        f"--configfile={directory}/empty.conf",
        f"--targetdir={directory}",
        f"--realm={options['realm']}",
        f"--domain={options['domain']}",
        "--server-role=dc",
        "--dns-backend=NONE",
        f"--host-name={options['host']}",
        "--host-ip=127.0.0.1",
        f"--adminpass={options['administrator_password']}",
        "--option=ldb:nosync=true",
    )


def prepare(directory: Path, options: dict[str, Any]) -> None:
    """Passwords that never age, ldap/ service names (else GSSAPI fails), and the delegated reading account."""
    database = open_directory(directory)
    host, realm, domain = options["host"], options["realm"].lower(), options["domain"]
    names = [
        f"ldap/{host}.{realm}",
        f"ldap/{host}.{realm}/{realm}",
        f"ldap/{host.upper()}",
        f"ldap/{host}.{realm}/{domain}",
    ]
    computer = _only(database, f"(sAMAccountName={host}$)")
    _change(database, computer.dn, ldb.FLAG_MOD_ADD, servicePrincipalName=names)
    root = database.domain_dn()
    never = {"maxPwdAge": "0", "minPwdAge": "0", "pwdHistoryLength": "0"}
    _change(database, ldb.Dn(database, root), ldb.FLAG_MOD_REPLACE, **never)
    account = options["reader"]
    dn = f"CN={account},CN=Users,{root}"
    database.add({
        "dn": dn, "objectClass": "user", "sAMAccountName": account, "userPrincipalName": f"{account}@{realm}",
        "description": "schoolbridge reads the school with this account", "userAccountControl": "66048",
    })  # fmt: skip
    database.setpassword(f"(sAMAccountName={account})", options["reader_password"])
    _let_read_deleted(database, _only(database, f"(sAMAccountName={account})"))
    if options.get("recycle_bin"):
        message = ldb.Message(ldb.Dn(database, ""))
        feature = f"CN=Partitions,{database.get_config_basedn()}:{_RECYCLE_BIN}"
        message["enableOptionalFeature"] = ldb.MessageElement([feature], ldb.FLAG_MOD_REPLACE, "enableOptionalFeature")
        database.modify(message)


def _let_read_deleted(database: SamDB, account: ldb.Message) -> None:
    """Grant `account` what `dsacls "CN=Deleted Objects,DC=..." /G ACCOUNT:LCRP` grants on Windows."""
    sid = database.schema_format_value("objectSid", account["objectSid"][0]).decode()
    controls = ["show_deleted:1", "show_recycled:1"]
    dn = ldb.Dn(database, f"<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,{database.domain_dn()}>")
    (container,) = database.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=controls)
    domain_sid = security.dom_sid(database.get_domain_sid())
    descriptor = ndr_unpack(security.descriptor, container["nTSecurityDescriptor"][0])
    sddl = descriptor.as_sddl(domain_sid)
    where = sddl.index("(", sddl.index("D:"))
    changed = security.descriptor.from_sddl(sddl[:where] + _READ_DELETED.format(sid=sid) + sddl[where:], domain_sid)
    message = ldb.Message(container.dn)
    message["nTSecurityDescriptor"] = ldb.MessageElement(
        ndr_pack(changed), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor"
    )
    database.modify(message, controls=controls)


def fill(directory: Path, options: dict[str, Any], lines: Iterable[str]) -> None:
    """Add the entries of `lines`, CHUNK a transaction; accounts get the password of `options`, hashed once.

    Groups are not cut into smaller transactions: a user's memberOf is written once a transaction, so 200,000
    memberships take 32 s in two transactions and 45 s in ten.
    """
    database = open_directory(directory, options=["batch_mode:1"])
    nt_hash = _nt_hash(options["password"]) if options.get("password") else None
    now = str(samba.unix2nttime(int(time.time())))
    started, count = time.monotonic(), 0
    entries = map(json.loads, lines)
    while chunk := list(islice(entries, CHUNK)):
        database.transaction_start()
        for entry in chunk:
            if nt_hash and entry["objectClass"] == "user":
                # Without pwdLastSet the account would have to change its password first (error 773).
                database.add({**entry, "unicodePwd": nt_hash, "pwdLastSet": now}, controls=[_NT_HASH_GIVEN])
            else:
                database.add(entry)
        database.transaction_commit()
        count += len(chunk)
        sys.stderr.write(f"{count} entries after {time.monotonic() - started:.1f} s\n")
    del database
    _shrink(directory)


def _shrink(directory: Path) -> None:
    """Rewrite the databases without the free space that filling leaves (20,000 users: 718 MB become 358)."""
    for path in (directory / "private" / "sam.ldb.d").glob("*.ldb"):
        subprocess.run(["tdbbackup", "-s", ".small", str(path)], check=True)
        path.with_name(f"{path.name}.small").replace(path)


def _nt_hash(password: str) -> bytes:
    credentials = Credentials()
    credentials.set_password(password)
    return bytes(credentials.get_nt_hash())


def reinvoke(directory: Path, _options: dict[str, Any]) -> None:
    """Give the directory a new invocationId, as a restored or second DC has (MS-ADTS 6.1.1.2.2.1.2.1.1)."""
    database = open_directory(directory)
    message = ldb.Message(ldb.Dn(database, database.get_dsServiceName()))
    fresh = str(uuid.uuid4())
    message["invocationId"] = ldb.MessageElement(ndr_pack(misc.GUID(fresh)), ldb.FLAG_MOD_REPLACE, "invocationId")
    database.modify(message, controls=["relax:0"])
    sys.stdout.write(fresh)


def _samba_tool(*arguments: str) -> None:
    if result := cmd_sambatool()._run("samba-tool", *arguments):
        sys.exit(result)


def _only(database: SamDB, expression: str) -> ldb.Message:
    (found,) = database.search(expression=expression, scope=ldb.SCOPE_SUBTREE, attrs=["objectSid"])
    return found


def _change(database: SamDB, dn: ldb.Dn, flag: int, **attributes: str | list[str]) -> None:
    message = ldb.Message(dn)
    for name, values in attributes.items():
        message[name] = ldb.MessageElement(values, flag, name)
    database.modify(message)


def main(step: str, directory: Path, lines: Iterator[str]) -> None:
    options = json.loads(next(lines))
    if step == "fill":
        fill(directory, options, lines)
    else:
        {"provision": provision, "prepare": prepare, "reinvoke": reinvoke}[step](directory, options)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), iter(sys.stdin))
