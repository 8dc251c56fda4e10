"""Passwords: complexity as Entra demands it, kept as salted hashes and never given back."""

from __future__ import annotations

import hashlib
import hmac
import os

from connectors.sandbox.errors import bad_request

#: Low on purpose: 20,000 first passwords are set in one load, and a rehearsal's file must still hold no readable one.
_ROUNDS = 100


def check_password(password: object, policies: str = "") -> None:
    """Raise 400 unless 8 to 256 characters of three of four classes (a policy may switch classes off)."""
    strong = "DisableStrongPassword" not in policies
    classes = 4
    if isinstance(password, str):
        classes = sum(
            (
                any(letter.islower() for letter in password),
                any(letter.isupper() for letter in password),
                any(letter.isdigit() for letter in password),
                any(not letter.isalnum() for letter in password),
            )
        )
    if not isinstance(password, str) or not 8 <= len(password) <= 256 or (strong and classes < 3):
        message = (
            "The specified password does not comply with password complexity requirements. Please provide a different "
            "password."
        )
        raise bad_request(message, details=[{"code": "InvalidValue", "message": message, "target": "passwordProfile"}])


def hash_password(password: str) -> str:
    """Salted PBKDF2 as ``salt$digest`` in hex."""
    salt = os.urandom(8)
    return f"{salt.hex()}${hashlib.pbkdf2_hmac('sha256', password.encode(), salt, _ROUNDS).hex()}"


def password_matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was set."""
    if not kept:
        return False
    salt, _, digest = kept.partition("$")
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), _ROUNDS).hex()
    return hmac.compare_digest(found, digest)
