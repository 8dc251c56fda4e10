"""The keys of a hub, in files: its authority, and the key with which it signs orders.

``authority.key``  ECDSA P-256; whoever has it can speak as any site
``authority.pem``  the certificate that sites trust, for ten years
``orders.key``     Ed25519; whoever has it can ask any site for anything that the site allows

They are made once by ``schoolbridge hub init``, mode 0600, and never overwritten. Every process of one hub has the same
content. The server's own certificate is made at each start, lies on no disk, and is renewed while the hub runs.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bridge.fleet.certificates import Authority, Refused, expiry, new_authority, server_context
from bridge.ports import ConfigurationError
from bridge.settings.secrets import in_memory
from bridge.state.private import save

KEY, CERTIFICATE, ORDERS = "authority.key", "authority.pem", "orders.key"
#: How long the server's certificate is good, and how long before its end a new one takes its place.
SERVER_DAYS, BEFORE = 90, timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a hub signs with. ``fingerprint``: SHA-256 of the authority's certificate (DER), hexadecimal."""

    authority: Authority
    orders: Ed25519PrivateKey
    folder: Path
    fingerprint: str

    @property
    def public(self) -> str:
        """The key by which sites know orders, base64."""
        return base64.b64encode(self.orders.public_key().public_bytes_raw()).decode()

    @property
    def expires(self) -> datetime:
        """When the authority ends, and with it every certificate."""
        return expiry(self.authority.pem)


def make(folder: Path, now: datetime) -> bool:
    """Make what is missing; whether something was. Two that begin at once agree on the first.

    Raises ConfigurationError where it can't be written, or where only the certificate is missing.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(
            f"the hub's keys can't be made in {folder} ({error.strerror}). Create it, owned by the hub's account, "
            f"mode 0700, or name another directory as `kept`"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _make(folder, now)
    except OSError as error:
        raise ConfigurationError(
            f"the hub's keys can't be made in {folder} ({error.strerror}); run this as the hub's account (sudo -u ...)"
        ) from None
    finally:
        os.close(lock)


def _make(folder: Path, now: datetime) -> bool:
    made = False
    if not (folder / ORDERS).exists():
        key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        save(folder / ORDERS, key)
        made = True
    if not (folder / KEY).exists():
        # The certificate first: without its key nothing was issued by it, and it can be made again.
        authority, certificate = new_authority(now)
        (folder / CERTIFICATE).unlink(missing_ok=True)
        save(folder / CERTIFICATE, certificate)
        save(folder / KEY, authority)
        made = True
    elif not (folder / CERTIFICATE).exists():
        raise ConfigurationError(
            f"{folder / CERTIFICATE} is missing, its key is there. Sites trust exactly that certificate: put it back "
            f"from a backup; nothing was changed"
        )
    return made


def read(folder: Path) -> Keys:
    """The keys. Raises ConfigurationError where one is missing, can be read by others or does not fit to the others."""
    texts = {name: _read(folder / name) for name in (KEY, CERTIFICATE, ORDERS)}
    try:
        orders = load_pem_private_key(texts[ORDERS], password=None)
        authority = Authority(texts[KEY], texts[CERTIFICATE])
        certificate = x509.load_pem_x509_certificate(texts[CERTIFICATE])
        key = load_pem_private_key(texts[KEY], password=None)
    except (ValueError, Refused) as error:
        why = str(error) if isinstance(error, Refused) else f"{ORDERS} is no key in PEM"
        raise ConfigurationError(
            f"the hub's keys in {folder} can't be used: {why}. Put them back from a backup"
        ) from None
    if not isinstance(orders, Ed25519PrivateKey):
        raise ConfigurationError(f"{folder / ORDERS} is no Ed25519 key. Put it back from a backup")
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise ConfigurationError(
            f"{folder / KEY} is not the key of {folder / CERTIFICATE}. Put both back from the same backup"
        )
    fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return Keys(authority, orders, folder, fingerprint)


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigurationError(
                    f"others may read {path} (mode {mode:04o}): whoever did can speak as this hub. Expected: 0600. "
                    f"Where nobody else can have read it: chmod 600 {path}"
                )
            return stream.read(1 << 20)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} is missing. Run: schoolbridge hub init, or put it back from a backup"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read ({error.strerror}); run this as the hub's account") from None


class ServerCertificate:
    """The certificate of the sites' door: ``context`` is used by the socket, and given a new one in time."""

    def __init__(self, keys: Keys, names: Sequence[str], now: datetime) -> None:
        self._keys, self.names = keys, tuple(names)
        self.context, self.expires = self._issued(now, None)

    def renew(self, now: datetime) -> bool:
        """A new certificate where the old one ends soon; connections that are open keep theirs."""
        if now < self.expires - BEFORE:
            return False
        self.context, self.expires = self._issued(now, self.context)
        return True

    def rename(self, names: Sequence[str], now: datetime) -> None:
        """A new certificate under other names."""
        self.names = tuple(names)
        self.context, self.expires = self._issued(now, self.context)

    def _issued(self, now: datetime, context: ssl.SSLContext | None) -> tuple[ssl.SSLContext, datetime]:
        key, issued = self._keys.authority.server(self.names, now=now, days=SERVER_DAYS)
        chain = issued.pem + self._keys.authority.pem  # a site that enrols compares the authority's fingerprint
        files = [in_memory(chain.encode()), in_memory(key)]
        certificate, private = (Path(f"/proc/self/fd/{one}") for one in files)
        try:
            if context is None:
                context = server_context(certificate, private, self._keys.folder / CERTIFICATE)
            else:
                context.load_cert_chain(certificate, private)
        finally:
            for one in files:
                os.close(one)
        return context, issued.expires
