"""Certificates of a fleet (RFC 5280): the hub's own authority, its server's certificate, and one for each site.

Keys are ECDSA P-256. A site's key is made where it is used and never leaves that machine: the hub gets a PKCS #10
request. Which site a certificate is for stands in its subject alternative name, as ``urn:schoolbridge:site:NAME``.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SITE = "urn:schoolbridge:site:"
_AUTHORITY_DAYS = 3650
#: Clocks differ: a certificate is good from a little before it was made.
_BEFORE = timedelta(hours=1)


class Refused(Exception):
    """A request or certificate is none that can be used; ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate in PEM. ``serial`` is hexadecimal, as ``serial_of`` gives it."""

    pem: str
    serial: str
    expires: datetime


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A key, and the same in PEM (PKCS #8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request_for(site: str) -> tuple[bytes, str]:
    """A new key for a site (PEM), and the request for its certificate (PEM)."""
    key, pem = new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(_named(site))
    return pem, builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def new_authority(now: datetime) -> tuple[bytes, bytes]:
    """An authority of its own: key and certificate in PEM."""
    key, pem = new_key()
    name = _named("schoolbridge hub")
    builder = _builder(name, name, key.public_key(), now=now, days=_AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return pem, builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


class Authority:
    """Issues certificates. Raises Refused where key and certificate are none."""

    def __init__(self, key: bytes, certificate: bytes) -> None:
        try:
            found = load_pem_private_key(key, password=None)
            self._certificate = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            raise Refused("the authority's key or certificate is not readable PEM") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise Refused("the authority's key is no ECDSA key")
        self._key = found
        self.pem = certificate.decode()

    def site(self, site: str, request: str, *, now: datetime, days: int) -> Issued:
        """A certificate for a site's own key; of the request nothing but the key is believed. Raises Refused."""
        try:
            asked = x509.load_pem_x509_csr(request.encode())
            proved = asked.is_signature_valid
        except (ValueError, InvalidSignature):
            proved = False
        if not proved or not isinstance(key := asked.public_key(), ec.EllipticCurvePublicKey):
            raise Refused("the certificate request is not readable, or not signed by its own ECDSA key")
        name = x509.UniformResourceIdentifier(f"{SITE}{site}")
        return self._issue(site, key, [name], ExtendedKeyUsageOID.CLIENT_AUTH, now=now, days=days)

    def server(self, names: Sequence[str], *, now: datetime, days: int) -> tuple[bytes, Issued]:
        """Key and certificate of the hub itself, under these names and addresses."""
        key, pem = new_key()
        under = [_general(one) for one in names]
        return pem, self._issue(names[0], key.public_key(), under, ExtendedKeyUsageOID.SERVER_AUTH, now=now, days=days)

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        under: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        *,
        now: datetime,
        days: int,
    ) -> Issued:
        builder = _builder(_named(name), self._certificate.subject, key, now=now, days=days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(under), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        made = builder.sign(self._key, SHA256())
        return Issued(
            made.public_bytes(Encoding.PEM).decode(), f"{made.serial_number:x}", made.not_valid_after_utc
        )  # fmt: skip


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)


def site_of(peer: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """(site, serial) of a connection's ``getpeercert()``; None where it is no site's."""
    for kind, value in (peer or {}).get("subjectAltName", ()):
        if kind == "URI" and value.startswith(SITE):
            return value.removeprefix(SITE), str((peer or {})["serialNumber"]).lower().lstrip("0")
    return None


def expiry(pem: str) -> datetime:
    """When a certificate ends. Raises Refused."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        raise Refused("not a certificate in PEM") from None


def client_context(
    authority: Path | str, *, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """A site's side of TLS: only the hub's own authority is believed. ``authority``: a file, or PEM. Raises OSError."""
    text = {"cadata": authority} if isinstance(authority, str) else {"cafile": str(authority)}
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, **text)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def server_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """The hub's side: a client may show a certificate of this authority; who needs one checks it. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(certificate, key)
    return context
