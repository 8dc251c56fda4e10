"""A real Samba AD domain controller for tests and the demo, each on its own 127.0.0.x (its LDAP ports are fixed).

1. A cached template (`samba_template`) is copied to a scratch directory.
2. An address is borrowed, a server certificate for it issued by the template's own authority, smb.conf written.
3. `samba --model=single` runs under a guardian; ready means: the reading account's LDAPS bind succeeds.
4. `stop` ends the process tree and removes the directory; `outage` and `restart` keep it.

The double shows what Samba does. It is kinder than Windows: unpaged searches and `member` come whole.
"""

from __future__ import annotations

import datetime
import json
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.formatters.formatters import format_sid
from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

from bridge.lab.certificates import KeyPair, issue
from bridge.lab.lent_server import LentServer, log_in_by_smb, wrapped
from bridge.lab.processes import Address
from bridge.lab.samba_conf import BASE, HOST, REALM, configuration
from bridge.lab.samba_template import (
    READER,
    Entry,
    copy_tree,
    default_cache,
    empty_template,
    run_step,
    school_template,
)

#: schemaIDGUIDs and a control access right, as SDDL names them (MS-ADSC 2; MS-ADTS 5.1.3.2.1).
_CLASSES = {
    "user": "bf967aba-0de6-11d0-a285-00aa003049e2",
    "group": "bf967a9c-0de6-11d0-a285-00aa003049e2",
    "organizationalUnit": "bf967aa5-0de6-11d0-a285-00aa003049e2",
}
_RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"  # noqa: S105 - no password
_PORTS = (389, 636, 3268, 3269, 135, 88, 445)


class DomainController(LentServer):
    """One running (or, during an outage, stopped) domain controller with its scratch directory; LDAPS on port 636."""

    name = "Samba"
    patience = 60.0  # it takes under a second, but other tests may be using the machine

    def __init__(self, directory: Path, address: Address, *, smb: bool = False) -> None:
        super().__init__(directory, address)
        private = json.loads((directory / "secrets.json").read_text())
        self.base = BASE
        self.authority_file = directory / "ca.pem"
        self.reader_dn = f"CN={READER},CN=Users,{BASE}"
        self.reader_upn = f"{READER}@{REALM.lower()}"
        self.reader_password: str = private["reader_password"]
        self.administrator_upn = f"Administrator@{REALM.lower()}"
        self.administrator_password: str = private["administrator_password"]
        self._smb = smb

    @classmethod
    def start(
        cls,
        entries: Callable[[], Iterable[Entry]] | None = None,
        *,
        key: str = "",
        cache: Path | None = None,
        scratch: Path | None = None,
        recycle_bin: bool = False,
        smb: bool = False,
        password: str | None = None,
    ) -> Self:
        """A new domain controller, holding `entries()` where given (`key` names them in the cache).

        `scratch`: where its directory is made (default: the system's temporary one). `password`: that of all accounts
        filled in. Raises Unavailable where Samba cannot be had, RuntimeError with the log when it does not start.
        """
        cache = cache or default_cache()
        if entries is None:
            template = empty_template(cache, recycle_bin=recycle_bin)
        else:
            template = school_template(cache, entries, key=key, recycle_bin=recycle_bin, password=password)
        return cls._copy_of(template, scratch=scratch, smb=smb)

    @classmethod
    def _copy_of(cls, template: Path, *, scratch: Path | None, smb: bool, reinvoke: bool = False) -> Self:
        address = Address.borrow(_PORTS)
        # Short: the paths of UNIX sockets below it must stay under 108 bytes.
        directory = Path(tempfile.mkdtemp(prefix="sb-dc-", dir=scratch))
        try:
            copy_tree(template, directory)
            directory.chmod(0o755)
            server = cls(directory, address, smb=smb)
            server._configure()
            if reinvoke:
                server._reinvoke()
            server.restart()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            address.give_back()
            raise
        return server

    @property
    def url(self) -> str:
        """For example ldaps://127.0.0.64."""
        return f"ldaps://{self.ip}"

    def connect(self, user: str | None = None, password: str | None = None) -> ldap3.Connection:
        """A bound LDAPS connection, certificate verified; as the Administrator unless `user` is given."""
        # The name too: from Python 3.12 on ldap3 2.9.1 compares with code of its own, which knows no IP addresses.
        tls = ldap3.Tls(
            validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.authority_file), valid_names=[f"{HOST}.{REALM.lower()}"]
        )
        host = ldap3.Server(self.ip, port=636, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
        user = user or self.administrator_upn
        return ldap3.Connection(
            host, user=user, password=password or self.administrator_password, auto_bind=ldap3.AUTO_BIND_NO_TLS,
            raise_exceptions=True, auto_range=False, return_empty_attributes=False, receive_timeout=60,
        )  # fmt: skip

    def let_write(self, ou: str) -> None:
        """Delegate an OU to the reading account, as docs/connect/let_write.py does, but with every attribute."""
        connection = self.connect()
        connection.search(self.reader_dn, "(objectClass=*)", ldap3.BASE, attributes=["objectSid"])
        sid = format_sid(connection.response[0]["raw_attributes"]["objectSid"][0])
        connection.unbind()
        entries = [f"(OA;CI;CC;{_CLASSES['organizationalUnit']};;{sid})"]
        for kind in (_CLASSES["user"], _CLASSES["group"]):
            entries += [f"(OA;CI;CCDC;{kind};;{sid})", f"(OA;CIIO;RPWP;;{kind};{sid})"]
        entries.append(f"(OA;CIIO;CR;{_RESET_PASSWORD};{_CLASSES['user']};{sid})")
        where = ["-H", f"{self.directory}/private/sam.ldb", f"--configfile={self.directory}/smb.conf"]
        rights = [f"--objectdn={ou}", "--action=allow", f"--sddl={''.join(entries)}"]
        subprocess.run(["samba-tool", "dsacl", "set", *rights, *where], check=True, capture_output=True)

    def backup(self, target: Path) -> None:
        """Copy the directory to `target` (made new), as a backup taken while the server is down for a moment."""
        self.outage()
        target.mkdir(mode=0o700, parents=True)
        copy_tree(self.directory, target)
        self.restart()

    def restore(self, backup: Path) -> None:
        """Go back to `backup`: older contents, lower USNs and a new invocationId, as Windows' restore gives.

        A Samba restored by `samba-tool domain backup restore` gets a new DC object too; here only the invocationId of
        its NTDS Settings changes, which is what a client can see and must react to (MS-ADTS 3.1.1.1.4).
        """
        self.outage()
        shutil.rmtree(self.directory / "private")
        (self.directory / "private").mkdir(mode=0o700)
        copy_tree(backup / "private", self.directory / "private")
        self._reinvoke()
        self.restart()

    def second(self) -> Self:
        """A second DC of the same domain: a copy of the files on another address, with an invocationId of its own.

        Nothing replicates between the two: what is written to one afterwards is unknown to the other. Enough to test
        failover (same objectGUIDs, other invocationId, other USNs), not to test replication. The first is down
        for a moment.
        """
        self.outage()
        try:
            return type(self)._copy_of(self.directory, scratch=self.directory.parent, smb=self._smb, reinvoke=True)
        finally:
            self.restart()

    def _reinvoke(self) -> None:
        run_step("reinvoke", self.directory, {})

    def _command(self) -> list[str]:
        configuration = f"--configfile={self.directory}/smb.conf"
        return ["samba", configuration, "--foreground", "--debug-stdout", "--no-process-group", "--model=single"]

    def _environment(self) -> dict[str, str]:
        if not self._smb:
            return wrapped({})
        # libwbclient ignores "winbindd socket directory"; only the self-test's variable moves it, with nss_wrapper.
        environment = {"SELFTEST_WINBINDD_SOCKET_DIR": f"{self.directory}/run/wb"}
        for name in ("passwd", "group"):  # smbd looks up nobody, its guest
            shutil.copy(Path("/etc", name), self.directory / name)
            environment[f"NSS_WRAPPER_{name.upper()}"] = f"{self.directory}/{name}"
        return wrapped(environment, "libnss_wrapper.so")

    def _refusal(self) -> Exception | None:
        try:
            self.connect(self.reader_upn, self.reader_password).unbind()
            if self._smb:  # winbindd answers last
                log_in_by_smb(self.ip, 445, user=self.reader_upn, password=self.reader_password)
        except (LDAPException, OSError, SMBException, ValueError) as error:
            return error
        return None

    def _configure(self) -> None:
        directory = self.directory
        for name in ("lock", "cache", "run/ncalrpc", "run/wb", "run/ntp", "log", "tls", "bind-dns", "shares/daten"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "run/wb").chmod(0o755)
        names = [f"{HOST}.{REALM.lower()}", "localhost"]
        authority = KeyPair.read(directory / "ca.pem", directory / "ca.key")
        now = datetime.datetime.now(datetime.UTC)
        pair = issue(authority, names=names, addresses=[self.ip], now=now)
        pair.write(directory / "tls/cert.pem", directory / "tls/key.pem")
        (directory / "smb.conf").write_text(configuration(directory, ip=self.ip, smb=self._smb))
