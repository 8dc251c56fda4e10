"""Names at the directory: which login is valid, and the relative name that is always free."""

from __future__ import annotations

from connectors.active_directory import edits
from connectors.active_directory.edits import ENTRY_EXISTS, Rejected
from connectors.active_directory.session import Session
from connectors.active_directory.wire import Entry, escaped

_NOT_IN_LOGINS = frozenset('"/\\[]:;|=,+*?<>@')


def check_login(login: object, *, longest: int) -> None:
    """Rejected (``invalid``) where it can't be a sAMAccountName."""
    text = str(login or "")
    if 0 < len(text) <= longest and not set(text) & _NOT_IN_LOGINS and text[-1] != "." and text.isprintable():
        return
    raise Rejected(
        "invalid",
        f"expected a login of 1 to {longest} characters without any of "
        f"{' '.join(sorted(_NOT_IN_LOGINS))} and without a dot at its end, found one of {len(text)}. Correct the "
        f"naming rule",
    )


def login_name(entry: Entry) -> str:
    """A relative name that nobody else can have: the login is unique in the domain."""
    return f"CN={escaped(entry.text('sAMAccountName'))}"


def move_in(session: Session, entry: Entry, own: str, place: str) -> str:
    """Move an object under a relative name, or by its login where that is taken; the one that it got. Rejected."""
    try:
        edits.move(session, entry.dn, own, place)
    except Rejected as rejected:
        if rejected.code != ENTRY_EXISTS:
            raise
        own = login_name(entry)
        edits.move(session, entry.dn, own, place)
    return own
