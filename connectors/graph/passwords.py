"""Passwords: one nobody ever sees at creation, a readable one to hand out, and one that a person chose.

Not from the injected randomness: a password must come from the operating system's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.core import password_rules
from bridge.core.password_rules import Names, Rules, Words
from bridge.ports import Asked, Failed, InDoubt, NotSet, Unreachable, chunks
from connectors.graph import directory_url
from connectors.graph.answers import Answer, Busy, Lost, complain
from connectors.graph.desk import BARS, Desk

#: What every account that the cloud masters has to keep to (see ``password_rules`` for the sources).
RULES = Rules(shortest=8, longest=256, kinds=3, ascii_only=True, words=Words.PLAIN, history=1, unread=True)
_ASKED = ("passwordPolicies", "lastPasswordChangeDateTime")


@dataclass(frozen=True, slots=True)
class Passwords:
    """New passwords by anchor, for the one who asked; never shown by ``repr``, never logged, stored nowhere."""

    given: Mapping[str, str] = field(repr=False)
    failed: tuple[Failed, ...] = ()
    """One for each anchor whose password was not changed; ``id`` is the anchor."""


def unseen() -> str:
    """A password that nobody ever sees, for an account that is handed out later. Meets every complexity rule.

    Never more than three letters in a row: now and then one would hold the person's own name by chance, which is
    refused from four letters on.
    """
    letters = secrets.token_urlsafe(32)
    return "+".join([*("".join(some) for some in chunks(letters, 3)), "aA1"])


def readable(length: int = 16) -> str:
    """A password to hand out, see ``password_rules.readable``; random by the operating system."""
    return password_rules.readable(length, choose=secrets.choice)


class PasswordSetter:
    """Sets one user's password, see ``bridge.ports.Passwords``.

    Needs ``User-PasswordProfile.ReadWrite.All`` and the role User Administrator. Separate from other changes: a
    refused password rejects the whole PATCH.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ask(self, anchor: str) -> Asked:
        """Read the user: whether it may be touched, its names, when the password was set."""
        if self._desk.options.read_only:
            raise NotSet("read_only", f"user {anchor}: the cloud side of this school is set to `read_only`")
        select = ",".join((*self._desk.names.user_select, *_ASKED))
        answer = await self._desk.client.call(f"{directory_url.entity('users', anchor)}?$select={select}")
        if answer.status == 404:
            raise NotSet("gone", f"user {anchor} is not there in the cloud")
        if not answer.ok:
            raise complain(answer, f"Reading user {anchor}")
        user = answer.body
        if cause := self._desk.names.user_bar(user):
            raise NotSet(cause, f"user {anchor} is never written: {BARS[cause]}")
        weak = "DisableStrongPassword" in str(user.get("passwordPolicies") or "")
        rules = Rules(shortest=RULES.shortest, unread=True) if weak else RULES
        return Asked(rules, _names(user), _time(user.get("lastPasswordChangeDateTime")))

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        """One PATCH. Who is barred by now is refused by ``ask``, which comes first."""
        profile = {"password": secret, "forceChangePasswordNextSignIn": must_change}
        path = directory_url.entity("users", anchor)
        try:
            answer = await self._desk.client.once("PATCH", path, body={"passwordProfile": profile})
        except Busy:
            raise
        except Lost as lost:
            raise InDoubt(str(lost)) from None
        if not answer.ok:
            raise _refusal(anchor, answer)


def _refusal(anchor: str, answer: Answer) -> Exception:
    if answer.throttled or answer.in_doubt:
        kind = Unreachable if answer.throttled else InDoubt
        return kind(f"Graph is busy (HTTP {answer.status})", retry_after=answer.retry_after)
    if answer.status == 401:
        return complain(answer, f"Setting the password of user {anchor}")
    if answer.status == 403:
        return NotSet(
            "privileged",
            f"the tenant does not let the bridge set the password of user {anchor}: an administrator's account, or a "
            f"missing permission (`check --online` tells). Graph says: {answer.message}",
        )
    if answer.synced:
        return NotSet("synced", f"user {anchor} can't be written: {BARS['synced']}")
    if answer.status == 404:
        return NotSet("gone", f"user {anchor} is not there in the cloud")
    if answer.status in (409, 412, 423):
        return Unreachable(f"user {anchor} is being changed by somebody else")
    # Graph's text about a password names rules, never the password.
    return NotSet("policy", f"the cloud does not take this password for user {anchor}: {answer.message}")


def _names(user: Mapping[str, Any]) -> Names:
    def text(name: str) -> str:
        return str(user.get(name) or "")

    return Names(text("userPrincipalName"), text("displayName"), text("givenName"), text("surname"))


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
