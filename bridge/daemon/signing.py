"""Reports that nobody can change unnoticed: signed with Ed25519 (RFC 8032) by a key that never leaves the machine."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bridge.ports import ConfigurationError
from bridge.state.private import save

FILE = "verify.key"
ALGORITHM = "Ed25519"
#: No report is larger.
LARGEST = 256 << 20


class Signer:
    """The key of this bridge, made at first use, in a file that only its account can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, path: Path) -> Signer:
        """Read the key, or make it. Raises ConfigurationError where it can't be, or others may read it."""
        if not path.exists():
            _make(path)
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigurationError(f"{path} may be read by others; only then is a signature worth anything if "
                                         f"it has mode 0600. Remove it, and a new one is made")  # fmt: skip
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no key"
            raise ConfigurationError(
                f"the key {path} can't be read ({why}); run this as the bridge's account"
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(f"{path} is no Ed25519 key; remove it, and a new one is made")
        return cls(key)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def fingerprint(self) -> str:
        """Tells keys apart for people."""
        return fingerprint(self.public)

    @property
    def sample_key(self) -> bytes:
        """Keys the choice of a sample, so that nobody can foresee which files a night looks at."""
        raw = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return hashlib.blake2b(raw, digest_size=32, person=b"sample").digest()

    def sign(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The report with its signature beside it."""
        return _signed(report, self.public, self._key.sign(_bytes(report)))


def fingerprint(public: bytes) -> str:
    """The first 16 bytes of the key's SHA-256, in groups."""
    text = hashlib.sha256(public).hexdigest()[:32]
    return ":".join(text[place : place + 4] for place in range(0, len(text), 4))


def written(signed: Mapping[str, Any]) -> bytes:
    """A signed report as it stands in its file."""
    return (json.dumps(signed, ensure_ascii=False, indent=1) + "\n").encode()


def checked(path: Path) -> tuple[dict[str, Any], str]:
    """The report in a file and the fingerprint of who signed it. Raises ConfigurationError when it was changed.

    The whole file has to be as it was written, byte by byte: a name given twice, another spelling of the key or of a
    letter would leave the signature as it is and show a reader something else.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(path)
        content = path.read_bytes()
        tree = json.loads(content.decode())
        report, signature = tree["report"], tree["signature"]
        public = base64.b64decode(signature["key"], validate=True)
        key = Ed25519PublicKey.from_public_bytes(public)
        value = base64.b64decode(signature["value"], validate=True)
        message = _bytes(report)
        if not isinstance(report, dict):
            raise TypeError(path)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError(f"{path} is no signed report of this program, or was damaged") from None
    try:
        key.verify(value, message)
    except InvalidSignature:
        raise ConfigurationError(f"{path} was changed after it was signed: don't believe it") from None
    if written(_signed(report, public, value)) != content:
        raise ConfigurationError(
            f"{path} is not as it was written: what was signed is in it, but the file around it was changed. "
            f"Don't believe it; ask for the file itself, not for a copy that a program has opened and saved"
        )
    return report, fingerprint(public)


def _signed(report: Mapping[str, Any], public: bytes, value: bytes) -> dict[str, Any]:
    key, text = (base64.b64encode(one).decode() for one in (public, value))
    return {"report": report, "signature": {"algorithm": ALGORITHM, "key": key, "value": text}}


def _bytes(report: Mapping[str, Any]) -> bytes:
    """What is signed: JSON with sorted keys, no blanks, ASCII."""
    return json.dumps(report, sort_keys=True, separators=(",", ":")).encode()


def _make(path: Path) -> None:
    """Write a whole key under the name or none: two that begin at once agree on the first."""
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with suppress(FileExistsError):
            save(path, text)
    except OSError as error:
        raise ConfigurationError(
            f"the key {path} can't be made ({error.strerror}); run this as the bridge's account (sudo -u ...)"
        ) from None
