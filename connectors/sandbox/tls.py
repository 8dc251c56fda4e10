"""An own certificate authority and a server certificate for loopback, and client certificates for applications."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = (
    "localhost",
    "127.0.0.1",
    "::1",
    "graph.microsoft.com",
    "login.microsoftonline.com",
    "contoso-my.sharepoint.com",
)
_PRIVATE = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: str
    private_key: str

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key`` (readable by the owner only); gives both paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(self.certificate)
        key.touch(mode=0o600)
        key.write_text(self.private_key)
        return certificate, key


def _pem(certificate: x509.Certificate, key: _PRIVATE) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def _builder(subject: str, issuer: str, key: _PRIVATE, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


class Authority:
    """A throw-away certificate authority; ``certificate`` is its PEM for clients' trust."""

    NAME = "schoolbridge sandbox CA"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            _builder(self.NAME, self.NAME, self._key, 365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, hosts: tuple[str, ...] = HOSTS) -> KeyPair:
        """A server certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in hosts]
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        certificate = (
            _builder(hosts[0], self.NAME, key, 365)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate, key)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def application_certificate(name: str = "schoolbridge") -> KeyPair:
    """A self-signed RSA certificate such as an application registers for its assertions."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _pem(_builder(name, name, key, 365).sign(key, hashes.SHA256()), key)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The TLS settings of the server's socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
