"""What Graph answers, and what an error means for the caller. Branch on the code; on the message only where the
code is too coarse (``Request_BadRequest`` stands for a dozen different things).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.ports import Refused, Unreachable

Body = Mapping[str, Any]


class Busy(Unreachable):
    """The service did not carry the request out: overloaded, or never reached. Safe to send again."""


class Lost(Unreachable):
    """The answer never came: nobody knows whether the request was carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers, which are asked for in lower case. Status 0: the answer was lost."""

    status: int
    body: Body = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def throttled(self) -> bool:
        """Refused by a limit: certainly not carried out."""
        return self.status == 429

    @property
    def in_doubt(self) -> bool:
        """Nobody knows whether it was carried out: no answer, or an error of a server on the way.

        507 is an answer of the drive itself: it is full.
        """
        return self.status == 0 or (self.status >= 500 and self.status != 507)

    @property
    def error(self) -> Body:
        """The error object, empty when there is none."""
        found = self.body.get("error")
        return found if isinstance(found, Mapping) else {}

    @property
    def code(self) -> str:
        """``error.code``."""
        return str(self.error.get("code", ""))

    @property
    def message(self) -> str:
        """``error.message``: for a person, and for the cases where the code does not tell."""
        return str(self.error.get("message", "")) or f"HTTP status {self.status}"

    @property
    def codes(self) -> frozenset[str]:
        """The code, those of the details, and those of the nested inner errors."""
        found = {self.code}
        found |= {str(detail.get("code", "")) for detail in self.error.get("details") or () if isinstance(detail, dict)}
        inner = self.error.get("innerError") or self.error.get("innererror")
        while isinstance(inner, Mapping):
            found.add(str(inner.get("code", "")))
            inner = inner.get("innerError") or inner.get("innererror")
        return frozenset(found - {""})

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait; the larger one where several headers say so."""
        found = [
            float(value)
            for name in ("retry-after", "ratelimit-reset")
            if (value := self.headers.get(name, "")).replace(".", "", 1).isdigit()
            and (name == "retry-after" or self.status in (429, 503))
        ]
        return max(found, default=None)

    # what the message of a coarse code means

    @property
    def taken(self) -> bool:
        """Another object holds a name that has to be unique."""
        return "ObjectConflict" in self.codes or "Another object with the same value" in self.message

    @property
    def synced(self) -> bool:
        """The object is mastered on premises by somebody else's synchronisation."""
        return "on-premises mastered" in self.message

    @property
    def missing(self) -> bool:
        """The object, or one that it refers to, is not there or not visible yet."""
        return self.status == 404 or (self.status == 400 and "Not a valid reference" in self.message)

    @property
    def named(self) -> str | None:
        """The object that the message says is not there."""
        found = re.search(r"Resource '([^']+)'", self.message)
        return found[1] if found else None

    @property
    def already(self) -> bool:
        """A reference to be added is there already."""
        return self.status == 400 and "already exist" in self.message and "reference" in self.message

    @property
    def last_owner(self) -> bool:
        """A group must keep an owner."""
        text = self.message.lower()
        return self.status == 400 and "owner" in text and ("at least one" in text or "last" in text)


def complain(answer: Answer, subject: str) -> Unreachable | Refused:
    """The error for a read that failed: what was asked for, what came, what to do."""
    if answer.status == 401:
        return Refused(f"{subject}: Graph does not accept our token ({answer.code}). Check the app registration.")
    if answer.status == 403:
        return Refused(
            f"{subject}: Graph refuses it ({answer.code}: {answer.message}). Grant the permission, consent to it."
        )
    if answer.status >= 500 or answer.status in (0, 408, 429):
        return Unreachable(f"{subject}: Graph is busy (HTTP {answer.status})", retry_after=answer.retry_after)
    return Refused(f"{subject}: Graph answered {answer.status} {answer.code}: {answer.message}")
