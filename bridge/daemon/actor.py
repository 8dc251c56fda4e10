"""Who does what a command does: the account that typed it, also through sudo."""

from __future__ import annotations

import os
import pwd


def actor() -> str:
    """``name`` or ``name via account`` of the person at the keyboard, for the journal."""
    try:
        account = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        account = str(os.geteuid())
    person = os.environ.get("SUDO_USER", "")
    printable = "".join(letter for letter in person if letter.isprintable())[:64]
    return f"{printable} via {account}" if printable and printable != account else account
