"""Whose passwords: accounts, a class; and how old they are on each side. Reads the state only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bridge.core.model import Link, Side
from bridge.daemon import handout
from bridge.daemon.passwords import Account
from bridge.ports import ConfigurationError
from bridge.state import passwords as books
from bridge.state.passwords import Holds, Kept
from bridge.state.store import SchoolStore

#: Two that were set within this time of each other were set together.
TOGETHER = timedelta(minutes=5)
_ALL = 1_000_000
_SET = {Side.SCHOOL: "school_password_set", Side.CLOUD: "cloud_password_set"}


@dataclass(frozen=True, slots=True)
class Age:
    """When the password of a person was set on each side, as the sides tell, and what the bridge knows of its own."""

    link: str
    login: str
    set_at: Mapping[Side, datetime]
    kept: Kept | None = None

    @property
    def older(self) -> Side | None:
        """The side whose password is older by more than the two of one operation can be apart; None where none is."""
        if len(self.set_at) < len(Side):
            return None
        school, cloud = self.set_at[Side.SCHOOL], self.set_at[Side.CLOUD]
        if abs(school - cloud) <= TOGETHER:
            return None
        return Side.SCHOOL if school < cloud else Side.CLOUD

    @property
    def differs(self) -> bool:
        """Whether the bridge itself left the two different, or does not know."""
        return self.kept is not None and self.kept.differs


def account_of(link: Link, writable: Iterable[Side]) -> Account:
    """The accounts of a person that are there; ConfigurationError when none is."""
    ends = {side: link.end(side) for side in Side if side in set(writable)}
    anchors = {side: end.anchor for side, end in ends.items() if end.anchor is not None and end.record is not None}
    if not anchors:
        raise ConfigurationError(f"{link.id} has no account where the bridge may write now; see: schoolbridge explain")
    return Account(link.id, anchors)


def apart(one: Kept) -> str:
    """What holds where, for a person, and what to do."""
    said = {
        Holds.NEW: "has the new password",
        Holds.OLD: "still has the old password",
        Holds.UNKNOWN: "has the new password or the old one, nobody knows",
    }
    sides = ", ".join(f"the {side} {said[holds]}" for side, (holds, _) in sorted(one.sides.items()) if holds in said)
    return f"{sides}, since {one.since:%Y-%m-%d %H:%M} UTC. Set it again: schoolbridge password SCHOOL {one.link}"


def differing(store: SchoolStore) -> Sequence[Kept]:
    """Everybody whose password the bridge left different on the two sides, or does not know."""
    return [one for one in books.kept(store.database, store.code) if one.differs]


def members(store: SchoolStore, group: str) -> Sequence[tuple[handout.Person, Link]]:
    """Everybody of a class who has an account on both sides, with the link; ConfigurationError: no such class."""
    people = {person.link: person for person in handout.choose(store, group=group, again=True)}
    return [(replace(people[link.id], login=_logins(link)), link) for link in store.links(people)]


def _logins(link: Link) -> str:
    """What is typed at the school and in the cloud; once where it is the same."""
    found = [end.record.fields.get(name) for end, name in ((link.school, "login"), (link.cloud, "upn")) if end.record]
    return " / ".join(dict.fromkeys(str(one) for one in found if one))


def ages(store: SchoolStore, link: Link | None = None) -> Sequence[Age]:
    """How old passwords are, of one person or of everybody who has an account on both sides."""
    if link is not None:
        links: Sequence[Link] = [link]
    else:
        sightings = store.find("", limit=_ALL)
        links = store.links({one.link for one in sightings if one.kind == "user" and one.link and one.gone is None})
        links = [one for one in links if one.school.record is not None and one.cloud.record is not None]
    known = {one.link: one for one in books.kept(store.database, store.code, [one.id for one in links])}
    return [Age(one.id, _login(one), _set_at(one), known.get(one.id)) for one in links]


def _login(link: Link) -> str:
    for end, name in ((link.school, "login"), (link.cloud, "upn")):
        if end.record and (value := end.record.fields.get(name)):
            return str(value)
    return link.id


def _set_at(link: Link) -> dict[Side, datetime]:
    found: dict[Side, datetime] = {}
    for side, name in _SET.items():
        record = link.end(side).record
        text = record.fields.get(name) if record else None
        if isinstance(text, str) and text:
            moment = datetime.fromisoformat(text)
            found[side] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return found
