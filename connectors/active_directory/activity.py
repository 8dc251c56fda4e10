"""What makes an account or a group effective: one bit of userAccountControl, one of groupType, and a password.

An account is never enabled before it has a password: a new one gets one that nobody knows. Directories let an account
without a password be enabled (Samba 4.17 does, against its own policy).
"""

from __future__ import annotations

import secrets

import ldap3

from connectors.active_directory import edits, notes
from connectors.active_directory.desk import Desk, Job
from connectors.active_directory.edits import Change, Rejected, swapped
from connectors.active_directory.mapping import DISABLED
from connectors.active_directory.reader import GROUP
from connectors.active_directory.wire import Entry

_SECURITY = 0x80000000  # groupType, MS-ADTS 2.2.12: without it the group is in nobody's token


def is_active(kind: str, entry: Entry) -> bool:
    """Whether an account is enabled, whether a group gives access."""
    if kind == GROUP:
        return bool(entry.number("groupType") & _SECURITY)
    return not entry.number("userAccountControl") & DISABLED


def activity(kind: str, entry: Entry, *, on: bool) -> dict[str, list[Change]]:
    """The one bit, all others as they were read; in place of what was read."""
    if kind == GROUP:
        flags = entry.number("groupType") & 0xFFFFFFFF
        flags = flags | _SECURITY if on else flags & ~_SECURITY
        # It is a signed number.
        text = str(flags - (1 << 32) if flags & _SECURITY else flags)
        return {"groupType": swapped(entry, "groupType", [text.encode()])}
    flags = entry.number("userAccountControl")
    flags = flags & ~DISABLED if on else flags | DISABLED
    return {"userAccountControl": swapped(entry, "userAccountControl", [str(flags).encode()])}


def switch(desk: Desk, job: Job, entry: Entry, *, on: bool | None) -> None:
    """Enable or disable an account (None: as it is); a new one gets its password first, and all notes go. Rejected."""
    changes = activity(job.write.kind, entry, on=on) if on is not None else {}
    if gone := notes.ours(entry):
        changes[notes.ATTRIBUTE] = [(ldap3.MODIFY_DELETE, gone)]
    if notes.is_new(entry):
        edits.modify(desk.session, entry.guid, {"unicodePwd": edits.reset(f"{secrets.token_urlsafe(48)}aA1!")})
        # Nobody knows it: the first one that somebody gets has to be given, and the age counts from then.
        changes["pwdLastSet"] = [(ldap3.MODIFY_REPLACE, [b"0"])]
    try:
        edits.modify(desk.session, entry.guid, changes)
    except Rejected as rejected:
        if job.write.kind == GROUP or not on or rejected.cause != "invalid":
            raise
        job.refused["enabled"] = f"The account can't be enabled: {rejected}. Set a password for it first."
