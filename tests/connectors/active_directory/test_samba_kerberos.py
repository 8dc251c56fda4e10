"""Logging in with Kerberos at a real domain controller, which is its own KDC, and what is told where that fails."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from bridge.lab.processes import Address
from bridge.lab.samba_conf import REALM
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School
from bridge.ports import ConfigurationError, Refused, Unreachable
from connectors.active_directory import connect
from connectors.active_directory.kerberos import check_binding, principal_of
from tests.connectors.active_directory.conftest import context, options_of

gssapi = pytest.importorskip("gssapi", reason="extra `kerberos`: needs Debian's gcc, python3-dev and libkrb5-dev")
pytestmark = pytest.mark.samba
HOST = f"dc1.{REALM.lower()}"


def configure(directory: Path, monkeypatch: pytest.MonkeyPatch, *, kdc: str) -> None:
    """A krb5.conf for the lab's realm, and no tickets or keytabs but those of this directory."""
    (directory / "krb5.conf").write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
        f" dns_canonicalize_hostname = false\n rdns = false\n"
        f"[realms]\n {REALM} = {{\n  kdc = {kdc}\n }}\n[domain_realm]\n .{REALM.lower()} = {REALM}\n"
    )
    monkeypatch.setenv("KRB5_CONFIG", str(directory / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{directory}/tickets")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", f"FILE:{directory}/no-default-keytab")


@pytest.fixture
def server(
    samba_dc: Callable[..., SchoolServer], small_school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SchoolServer:
    """A domain controller that answers to the name in its certificate, and the machine's Kerberos set to it."""
    started = samba_dc(school=small_school)
    configure(tmp_path, monkeypatch, kdc=started.ip)
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo",
        lambda host, *more, **named: resolve(started.ip if host == HOST else host, *more, **named),
    )  # fmt: skip
    return started


def keytab_of(server: SchoolServer, path: Path) -> str:
    """The reading account's keytab, exported as an administrator of Samba does it."""
    account = server.reader_upn.partition("@")[0]
    command = ["samba-tool", "domain", "exportkeytab", str(path), f"--principal={account}"]
    subprocess.run([*command, f"--configfile={server.directory}/smb.conf"], check=True, capture_output=True)
    return str(path)


def get_ticket(server: SchoolServer, cache: Path) -> None:
    """What kinit does: a ticket for the reading account's password, in a cache."""
    name = gssapi.Name(principal_of(server.reader_upn), gssapi.NameType.kerberos_principal)
    got = gssapi.raw.acquire_cred_with_password(name, server.reader_password.encode(), usage="initiate")
    gssapi.Credentials(got.creds).store(store={"ccache": f"FILE:{cache}"}, usage="initiate", overwrite=True)


def said(server: SchoolServer, **changes: Any) -> Any:
    wanted = {"servers": [f"ldaps://{HOST}"], "authentication": "gssapi", "password": None}
    return options_of(server, **{**wanted, **changes})


async def people_seen(server: SchoolServer, **changes: Any) -> int:
    """Log in and read the scope: how many pupils, teachers and staff were shown."""
    connector = await connect(said(server, **changes), context())
    try:
        return sum([one.kind == "user" async for page in connector.observe(None) for one in page.observations])
    finally:
        await connector.close()


async def refused(server: SchoolServer, kind: type[Exception] = Refused, **changes: Any) -> str:
    """What a person is told when there is no way in."""
    with pytest.raises(kind) as error:
        await people_seen(server, **changes)
    assert "Traceback" not in str(error.value)
    assert "Major" not in str(error.value)
    return str(error.value)


async def test_with_a_keytab_the_scope_is_read_and_no_ticket_stays(server: SchoolServer, tmp_path: Path) -> None:
    keytab = keytab_of(server, tmp_path / "keytab")
    expected = await by_password(server)
    assert expected > len(server.school.people) // 2
    for account in (server.reader_upn, principal_of(server.reader_upn), None):
        assert await people_seen(server, account=account, keytab=keytab) == expected
    assert not (tmp_path / "tickets").exists()


async def by_password(server: SchoolServer) -> int:
    connector = await connect(options_of(server), context(server))
    try:
        return sum([one.kind == "user" async for page in connector.observe(None) for one in page.observations])
    finally:
        await connector.close()


async def test_with_a_ticket_from_kinit(server: SchoolServer, tmp_path: Path) -> None:
    get_ticket(server, tmp_path / "tickets")
    assert await people_seen(server) > 0
    assert await people_seen(server, account=None) > 0


async def test_the_login_is_bound_to_the_certificate(
    server: SchoolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samba 4.17 ignores the binding; Windows with LdapEnforceChannelBinding asks for it (RFC 5929 section 4)."""
    bindings: list[Any] = []
    begin = gssapi.SecurityContext

    def spy(**named: Any) -> Any:
        bindings.append(named["channel_bindings"].application_data)
        return begin(**named)

    monkeypatch.setattr(gssapi, "SecurityContext", spy)
    await people_seen(server, keytab=keytab_of(server, tmp_path / "keytab"))
    certificate = ssl.PEM_cert_to_DER_cert((server.directory / "tls/cert.pem").read_text())
    assert bindings == [b"tls-server-end-point:" + hashlib.sha256(certificate).digest()]


async def test_without_a_ticket(server: SchoolServer) -> None:
    for account in (server.reader_upn, None):
        message = await refused(server, account=account)
        assert "there is no Kerberos ticket" in message
        assert "kinit" in message


async def test_with_an_expired_ticket(server: SchoolServer, tmp_path: Path) -> None:
    get_ticket(server, tmp_path / "tickets")
    cache = (tmp_path / "tickets").read_bytes()
    ends = int(time.time()) + gssapi.Credentials(usage="initiate").lifetime
    written = [struct.pack(">I", second) for second in range(ends - 5, ends + 6)]
    assert any(cache.count(one) for one in written)
    for one in written:
        cache = cache.replace(one, struct.pack(">I", ends - 86400))
    (tmp_path / "tickets").write_bytes(cache)
    for account in (server.reader_upn, None):
        message = await refused(server, account=account)
        assert "has expired" in message
        assert "kinit" in message


async def test_a_keytab_of_before_the_password_was_changed(server: SchoolServer, tmp_path: Path) -> None:
    keytab = keytab_of(server, tmp_path / "keytab")
    server.disable(server.reader_dn)
    assert "disabled" in await refused(server, keytab=keytab)
    server.enable(server.reader_dn)
    server.set_password(server.reader_dn, "Anders.123456")
    assert "password was changed since" in await refused(server, keytab=keytab)


async def test_a_keytab_that_is_missing_or_of_somebody_else(server: SchoolServer, tmp_path: Path) -> None:
    missing = await refused(server, ConfigurationError, keytab=str(tmp_path / "nothing"))
    assert "No such file" in missing
    keytab = keytab_of(server, tmp_path / "keytab")
    assert "no key for this account" in await refused(server, account=f"nobody@{REALM}", keytab=keytab)
    (tmp_path / "keytab").write_text("no keytab")
    assert await refused(server, keytab=keytab)


async def test_an_account_or_server_that_the_domain_does_not_know(server: SchoolServer, tmp_path: Path) -> None:
    keytab = keytab_of(server, tmp_path / "keytab")
    by_address = await refused(server, servers=[server.url], keytab=keytab)
    assert "full DNS name" in by_address
    elsewhere = await refused(server, account="svc-schoolbridge@elsewhere.lab", keytab=keytab)
    assert "can't log in with Kerberos" in elsewhere


async def test_no_kdc_is_an_outage(server: SchoolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keytab = keytab_of(server, tmp_path / "keytab")
    silent = Address.borrow((88,))
    try:
        configure(tmp_path, monkeypatch, kdc=silent.ip)
        assert "port 88" in await refused(server, Unreachable, keytab=keytab)
    finally:
        silent.give_back()


async def test_a_server_that_wants_signing_inside_tls(server: SchoolServer, tmp_path: Path) -> None:
    keytab = keytab_of(server, tmp_path / "keytab")
    server.outage()
    settings = server.directory / "smb.conf"
    settings.write_text(settings.read_text().replace("allow_sasl_over_tls", "yes"))
    server.restart()
    assert "ldap server require strong auth" in await refused(server, keytab=keytab)


def test_a_certificate_that_no_login_can_be_bound_to() -> None:
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    with pytest.raises(Refused, match="Ed25519"):
        check_binding("ldaps://dc1", builder.sign(key, None).public_bytes(Encoding.DER))


def test_accounts_that_kerberos_does_not_know(tmp_path: Path) -> None:
    class Layout:
        root = "OU=Schule,DC=schule,DC=lab"

    class Server:
        layout, base, url, reader_upn, authority_file = Layout, "DC=schule,DC=lab", "ldaps://dc1", "a@b", tmp_path

    for account in ("SCHULE\\bridge", "CN=bridge,CN=Users,DC=schule,DC=lab"):
        with pytest.raises(ValidationError, match="name@domain"):
            said(Server, account=account)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="is for authentication `gssapi`"):
        options_of(Server, keytab="/etc/keytab")  # type: ignore[arg-type]
