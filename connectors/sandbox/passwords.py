"""Passwords: complexity as Entra demands it, kept as salted hashes and never given back."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable

from connectors.sandbox.errors import bad_request

#: Low on purpose: 20,000 first passwords are set in one load, and a rehearsal's file must still hold no readable one.
_ROUNDS = 100


#: Signs that the banned-password check reads as letters before it looks for names.
_NORMAL = str.maketrans("01$@", "olsa")


def check_password(password: object, policies: str = "", *, names: Iterable[str] = ()) -> None:
    """Raise 400 unless 8 to 256 ASCII characters of three of four classes, and none of ``names`` in it.

    The policy DisableStrongPassword leaves the length only. Names count from four letters on, login without domain.
    """
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
    weak = not isinstance(password, str) or not 8 <= len(password) <= 256
    if isinstance(password, str) and strong:
        text = password.lower().translate(_NORMAL)
        terms = [name.partition("@")[0].lower().translate(_NORMAL) for name in names]
        named = any(len(term) >= 4 and term in text for term in terms)
        weak = weak or classes < 3 or named or not all(" " <= letter <= "~" for letter in password)
    if weak:
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
