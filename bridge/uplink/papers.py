"""What a site has of its hub, in the directory ``hub`` beside the state, readable by the bridge's account only.

site           the name of this site
site.key       its own key, made here, never sent
site.pem       its certificate
authority.pem  the certificate of the hub's authority: nobody else is believed to be the hub
hub.key        the key with which the hub signs orders (base64)

A new pair of key and certificate is written beside the old one first; the certificate, written last, makes it whole.
Whoever reads the papers puts a whole pair in place: a crash between any two steps leaves the old pair or the new one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import ssl
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bridge.fleet import certificates
from bridge.fleet.messages import Enrolled
from bridge.ports import ConfigurationError
from bridge.settings import Settings
from bridge.state.private import save, sync

FOLDER = "hub"
_SITE, _KEY, _PEM, _AUTHORITY, _HUB = "site", "site.key", "site.pem", "authority.pem", "hub.key"
_NEXT = "next."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_ENROL = "Enrol it: on the hub `schoolbridge hub enrol`, here `schoolbridge uplink enrol`"


class NotEnrolled(ConfigurationError):
    """This site has no papers of a hub."""


@dataclass(frozen=True, slots=True)
class Papers:
    """Those of an enrolled site. ``hub``: the public key of its orders, 32 bytes."""

    folder: Path
    site: str
    hub: bytes
    serial: str
    begins: datetime
    ends: datetime
    authority: str

    @property
    def renewal(self) -> datetime:
        """From when on a new certificate is asked for: two thirds of its time."""
        return self.begins + (self.ends - self.begins) * 2 / 3

    def context(self) -> ssl.SSLContext:
        """TLS with this certificate. Raises ConfigurationError."""
        try:
            return certificates.client_context(
                self.folder / _AUTHORITY, certificate=self.folder / _PEM, key=self.folder / _KEY
            )
        except (OSError, ssl.SSLError) as error:
            raise _damaged(self.folder, getattr(error, "reason", None) or str(error)) from None


def folder_of(settings: Settings) -> Path:
    """Where they lie."""
    return settings.kept / FOLDER


def read(folder: Path) -> Papers:
    """The papers. Raises NotEnrolled where there are none, ConfigurationError where they can't be used."""
    _finish(folder)
    try:
        if stat.S_IMODE((folder / _KEY).stat().st_mode) & 0o077:
            raise ConfigurationError(f"{folder / _KEY} may be read by others. chmod 600 {folder / _KEY}")
        site, authority = ((folder / name).read_text().strip() for name in (_SITE, _AUTHORITY))
        hub = base64.b64decode((folder / _HUB).read_text().strip(), validate=True)
        mine = x509.load_pem_x509_certificate((folder / _PEM).read_bytes())
        (folder / _KEY).read_bytes()
    except FileNotFoundError as error:
        missing = Path(error.filename or "").name
        raise NotEnrolled(f"this site is enrolled with no hub: {folder / missing} is not there. {_ENROL}") from None
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename} can't be read ({error.strerror}); run this as the bridge's account"
        ) from None
    except (ValueError, binascii.Error):
        raise _damaged(folder, "a file is not what it should be") from None
    if len(hub) != 32 or not _NAME.fullmatch(site):
        raise _damaged(folder, "a file is not what it should be")
    return Papers(
        folder, site, hub, f"{mine.serial_number:x}", mine.not_valid_before_utc, mine.not_valid_after_utc, authority
    )


def _damaged(folder: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"the papers of the hub in {folder} are damaged ({why}). Enrol this site anew")


def prepare(folder: Path) -> None:
    """See that papers can be kept there by this account. Raises ConfigurationError."""
    try:
        if folder.parent.stat().st_uid != os.geteuid():
            raise ConfigurationError(f"{folder.parent} belongs to another account; run this as that account (sudo -u)")
        folder.mkdir(mode=0o700, exist_ok=True)
        _write(folder / ".trial", b"")
        (folder / ".trial").unlink()
    except OSError as error:
        raise _unwritable(folder, error) from None


def enrol(folder: Path, site: str, key: bytes, enrolled: Enrolled) -> None:
    """Put all of them in place; what was there of another hub goes. Raises ConfigurationError where they don't fit."""
    _fit(site, key, enrolled)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / _PEM).unlink(missing_ok=True)  # half of two hubs' papers must never be a whole
        for name in (_NEXT + _PEM, _NEXT + _KEY):
            (folder / name).unlink(missing_ok=True)
        _write(folder / _AUTHORITY, enrolled.authority.encode())
        _write(folder / _HUB, enrolled.key.encode())
        _write(folder / _SITE, site.encode())
        _write(folder / _KEY, key)
        _write(folder / _PEM, enrolled.certificate.encode())
    except OSError as error:
        raise _unwritable(folder, error) from None


def renew(folder: Path, site: str, key: bytes, enrolled: Enrolled) -> None:
    """Take a new pair in place of the old one. Raises ConfigurationError where it does not fit."""
    _fit(site, key, enrolled)
    try:
        (folder / (_NEXT + _PEM)).unlink(missing_ok=True)
        _write(folder / (_NEXT + _KEY), key)
        _write(folder / (_NEXT + _PEM), enrolled.certificate.encode())
    except OSError as error:
        raise _unwritable(folder, error) from None
    _finish(folder)


def _finish(folder: Path) -> None:
    """Put a whole new pair in place, wherever that was cut off. Without its certificate it is none."""
    if not (folder / (_NEXT + _PEM)).exists():
        return
    try:
        for name in (_KEY, _PEM):
            if (folder / (_NEXT + name)).exists():
                (folder / (_NEXT + name)).replace(folder / name)
                sync(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _fit(site: str, key: bytes, enrolled: Enrolled) -> None:
    """What the hub gave is for this key and this site, and was made by the authority it names."""
    try:
        mine = x509.load_pem_x509_certificate(enrolled.certificate.encode())
        authority = x509.load_pem_x509_certificate(enrolled.authority.encode())
        mine.verify_directly_issued_by(authority)
        uris = mine.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = uris.get_values_for_type(x509.UniformResourceIdentifier)
        pairs = (mine.public_key(), load_pem_private_key(key, password=None).public_key())
        same = len({one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in pairs}) == 1
        whole = len(base64.b64decode(enrolled.key, validate=True)) == 32
    except Exception as error:  # noqa: BLE001 - whatever came over the line, and whatever reads it
        raise ConfigurationError(f"the hub gave no certificate that can be used ({type(error).__name__})") from None
    if not same or not whole or names != [f"{certificates.SITE}{site}"]:
        raise ConfigurationError(f"the hub gave a certificate that is not for the site {site} and its key; ask there")


def fingerprint(authority: str) -> str:
    """The SHA-256 of a certificate in PEM, hexadecimal: what a ticket names the hub by."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority)).hexdigest()


def _unwritable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{folder} can't be written ({error.strerror}); run this as the bridge's account")


def _write(path: Path, content: bytes) -> None:
    save(path, content.strip() + b"\n", replace=True)
