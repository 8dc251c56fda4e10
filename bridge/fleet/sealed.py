"""What only one process may read: sealed for its X25519 key (RFC 7748, HKDF RFC 5869, ChaCha20-Poly1305 RFC 8439).

The sender makes a key of its own for each message and sends its public half along; nothing is ever used twice. A sealed
answer lies in the hub's database until it is fetched: whoever reads it there reads nothing.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PUBLIC = 32
_NONCE = bytes(12)  # each message has a key of its own


class Unsealable(Exception):
    """It was sealed for another key, for another purpose, or was changed."""


class Opener:
    """The key of one process, in its memory only."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()

    @property
    def public(self) -> str:
        """The public key, base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def open(self, sealed: str, *, purpose: str) -> bytes:
        """What was sealed for this key; ``purpose`` binds it to what was asked. Raises Unsealable."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(raw[:_PUBLIC]))
            cipher = _cipher(shared, raw[:_PUBLIC] + self._key.public_key().public_bytes_raw())
            return cipher.decrypt(_NONCE, raw[_PUBLIC:], purpose.encode())
        except (ValueError, binascii.Error, InvalidTag) as error:
            raise Unsealable(purpose) from error


def seal(content: bytes, public: str, *, purpose: str) -> str:
    """Seal for a public key (base64). Raises ValueError where it is none."""
    recipient = X25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    own = X25519PrivateKey.generate()
    head = own.public_key().public_bytes_raw()
    cipher = _cipher(own.exchange(recipient), head + recipient.public_bytes_raw())
    return base64.b64encode(head + cipher.encrypt(_NONCE, content, purpose.encode())).decode()


def _cipher(shared: bytes, both: bytes) -> ChaCha20Poly1305:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"schoolbridge sealed answer" + both).derive(shared)
    return ChaCha20Poly1305(key)
