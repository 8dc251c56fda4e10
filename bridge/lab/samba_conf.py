"""The smb.conf of a lab domain controller, and the names of its domain (smb.conf(5))."""

from __future__ import annotations

from pathlib import Path

REALM, DOMAIN, HOST = "SCHULE.LAB", "SCHULE", "dc1"
BASE = "DC=schule,DC=lab"


def offline_configuration(directory: Path) -> str:
    """The least smb.conf with which the database files below `directory` can be worked on."""
    return (
        "[global]\n"
        f"  netbios name = {HOST.upper()}\n  workgroup = {DOMAIN}\n  realm = {REALM}\n"
        "  server role = active directory domain controller\n  ldb:nosync = true\n"
        f"  private dir = {directory}/private\n  lock directory = {directory}/lock\n"
        f"  state directory = {directory}/state\n  cache directory = {directory}/cache\n"
    )


def configuration(directory: Path, *, ip: str, smb: bool) -> str:
    """The smb.conf of a server that listens on `ip` only: LDAP, Kerberos and RPC; with `smb` files too."""
    services = "s3fs, rpc, ldap, cldap, kdc, winbindd" if smb else "ldap, cldap, kdc, rpc"
    options = {
        "server services": services,
        "dcerpc endpoint servers": "epmapper, wkssvc, samr, netlogon, lsarpc, drsuapi, dssetup",
        "interfaces": f"{ip}/8",
        "bind interfaces only": "yes",
        "pid directory": f"{directory}/run",
        "ncalrpc dir": f"{directory}/run/ncalrpc",
        "winbindd socket directory": f"{directory}/run/wb",
        "ntp signd socket directory": f"{directory}/run/ntp",
        "binddns dir": f"{directory}/bind-dns",
        "log file": f"{directory}/log/log.%m",
        "load printers": "no",
        "printcap name": "/dev/null",
        "disable spoolss": "yes",
        "usershare max shares": "0",
        "panic action": "/bin/true",
        # ldap3 has no SASL signing: GSSAPI inside TLS must do (channel encrypted and verified by the certificate)
        "ldap server require strong auth": "allow_sasl_over_tls",
        "vfs objects": "dfs_samba4 acl_xattr",
        "acl_xattr:ignore system acls": "yes",
        "tls keyfile": f"{directory}/tls/key.pem",
        "tls certfile": f"{directory}/tls/cert.pem",
        "tls cafile": f"{directory}/ca.pem",
    }
    lines = [offline_configuration(directory), *(f"  {name} = {value}\n" for name, value in options.items())]
    for share, path in (("sysvol", "state/sysvol"), ("daten", "shares/daten")):
        lines.append(f"[{share}]\n  path = {directory}/{path}\n  read only = no\n")
    return "".join(lines)
