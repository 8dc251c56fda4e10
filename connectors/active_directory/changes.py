"""The token: up to where which domain controller was read, and for what it stands; and what makes it worthless.

USNs are a domain controller's own, so each is kept with the invocationId of its database (MS-ADTS 3.1.1.1.9). Going
back to one that was read before continues there, a little earlier than it was left: what it had been told last may not
have reached the one that was read in between.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bridge.ports import TokenLost
from connectors.active_directory.session import Root

_FORMAT = 1
_OVERLAP = timedelta(hours=1)
_MOST_CONTROLLERS = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one domain controller was read. ``back`` is where it was at least an hour before ``time``, -1 unknown."""

    host: str
    usn: int
    time: str
    back: int
    mark: int
    mark_time: str

    def advanced(self, root: Root, now: datetime) -> Mark:
        """The mark after reading up to ``root.usn``."""
        if now - datetime.fromisoformat(self.mark_time) >= _OVERLAP:
            return replace(
                self, host=root.host, usn=root.usn, time=now.isoformat(),
                back=self.mark, mark=root.usn, mark_time=now.isoformat(),
            )  # fmt: skip
        return replace(self, host=root.host, usn=root.usn, time=now.isoformat())


@dataclass(frozen=True, slots=True)
class Token:
    """What is handed to the engine with each complete observation, as JSON.

    ``at``: invocationId of the database read last. ``anchors``: configured place → objectGUID. ``privileged``: known
    privileged objects, to notice who stops being one. ``circles``: digest of the members of configured groups.
    ``expiry``: up to when expired accounts were looked for. ``moved``: the warnings about places that stand elsewhere
    than is configured, said again as long as nobody corrects the configuration.
    """

    domain: str
    at: str
    scope: str
    expiry: str
    circles: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    anchors: dict[str, str] = field(default_factory=dict)
    privileged: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def encode(self) -> str:
        """The token as the engine keeps it."""
        return json.dumps({"v": _FORMAT, **asdict(self)}, separators=(",", ":"), sort_keys=True)

    @property
    def now(self) -> Mark:
        """The mark of the domain controller that was read last."""
        return self.marks[self.at]

    def moved_on(self, root: Root, now: datetime, **changes: Any) -> Token:
        """The token after everything up to ``root.usn`` was read from that domain controller."""
        fresh = Mark(root.host, root.usn, now.isoformat(), -1, root.usn, now.isoformat())
        mark = self.marks[root.invocation].advanced(root, now) if root.invocation in self.marks else fresh
        others = {name: one for name, one in self.marks.items() if name != root.invocation}
        newest = sorted(others.items(), key=lambda pair: pair[1].time)[-(_MOST_CONTROLLERS - 1) :]
        return replace(self, at=root.invocation, marks={**dict(newest), root.invocation: mark}, **changes)

    def start(self, root: Root) -> int:
        """The USN after which to read this domain controller."""
        mark = self.marks[root.invocation]
        return mark.usn if root.invocation == self.at else mark.back


def decode(text: str) -> Token:
    """Read a token. Raises TokenLost when it is not one of ours."""
    try:
        said = json.loads(text)
        if said.pop("v") != _FORMAT:
            raise TokenLost("the token was written by another version of the bridge")
        marks = {name: Mark(**mark) for name, mark in said.pop("marks").items()}
        token = Token(marks=marks, **said)
        datetime.fromisoformat(token.now.time)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TokenLost(f"the token can't be read ({type(error).__name__})") from None
    return token


def anchors_of(text: str, domain: str) -> dict[str, str]:
    """Configured place → objectGUID as a token knew them that proves nothing else any more; empty for another domain.

    Also when the options are others now: what is written there as it was then still means the same OU.
    """
    try:
        token = decode(text)
    except TokenLost:
        return {}
    return dict(token.anchors) if token.domain == domain else {}


def verify(token: Token, root: Root, *, scope: str, now: datetime, longest: timedelta) -> None:
    """Raise TokenLost, with the reason, when the token proves nothing for this domain controller any more."""
    if token.domain != root.domain:
        raise TokenLost(f"the token is of another domain ({token.domain}) than {root.host} serves ({root.domain})")
    if token.scope != scope:
        raise TokenLost("the options that decide what is mirrored have changed")
    mark = token.marks.get(root.invocation)
    if mark is None:
        raise TokenLost(
            f"{root.host} has a database that was not read before ({root.invocation}): it is another domain controller "
            f"than {token.now.host}, or was restored from a backup"
        )
    if root.invocation != token.at and mark.back < 0:
        raise TokenLost(
            f"{root.host} was read less than an hour before {token.now.host}: what it said last may be unknown there"
        )
    if mark.usn > root.usn:
        raise TokenLost(
            f"{root.host} is at update {root.usn}, but {mark.usn} was read from it before: it was put back to an "
            f"earlier state without being told (a virtual machine's snapshot?)"
        )
    age = now - datetime.fromisoformat(mark.time)
    if age > longest:
        raise TokenLost(
            f"{root.host} was last read {age.days} days ago; it keeps records of deletions for so long that only "
            f"{longest.days} days are safe"
        )
