"""Hands out first passwords: set in the cloud, printed, and only then marked as handed out.

choose   whose account the bridge made, and is enabled and not handed out yet, with their class; asked to print again,
         also the others: an account that was there before has a password already, which is not to be lost unasked
reset    a few at a time; the journal says so before and after, without the passwords
print    the document is on the disk before anybody counts as handed out: a crash in between only means once more
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import and_, or_, select

from bridge.core.model import Action, Link, Side
from bridge.daemon.actor import actor
from bridge.engine.bridged import Progress
from bridge.letters import Letter, document
from bridge.ports import BridgeError, ConfigurationError, Failed, chunks
from bridge.settings.render import guess
from bridge.state import journal, tables
from bridge.state.private import save
from bridge.state.store import SchoolStore
from bridge.state.transaction import writing

_CHUNK = 20
_ALL = 1_000_000
CLASS = "class"


class Given(Protocol):
    """What a connector answers: new passwords by anchor, and a failure for each anchor that got none."""

    @property
    def given(self) -> Mapping[str, str]: ...

    @property
    def failed(self) -> tuple[Failed, ...]: ...


class Resetter(Protocol):
    """A connector that can set first passwords."""

    async def reset_passwords(self, anchors: Sequence[str]) -> Given:
        """Give each account a new readable password that has to be changed at the first login."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is to get a letter. ``anchor`` is that of the cloud."""

    link: str
    anchor: str
    group: str
    surname: str
    given_name: str
    login: str


@dataclass(slots=True)
class HandOut:
    """What came of it. ``error`` ended it early; those printed so far are printed and marked."""

    printed: list[Person] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    error: str = ""


def choose(store: SchoolStore, *, group: str | None = None, again: bool = False) -> list[Person]:
    """Everybody who is to get a letter; ConfigurationError when there is no such group."""
    sightings = store.find("", limit=_ALL)
    here = [one for one in sightings if one.link and one.gone is None]
    groups = store.links({one.link for one in here if one.kind == "group" and one.link})
    classes = _wanted(groups, group) if group is not None else [one for one in groups if _text(one, "role") == CLASS]
    belongs: dict[str, str] = {}
    for one in sorted(classes, key=lambda link: _text(link, "display_name")):
        for member in _members(one):
            belongs.setdefault(member, _text(one, "display_name"))
    people = store.links({one.link for one in here if one.kind == "user" and one.side is Side.CLOUD and one.link})
    chosen = [person for link in people if (person := _person(link, belongs.get(link.id, ""))) is not None]
    if group is not None:
        chosen = [person for person in chosen if person.link in belongs]
    if again:
        return chosen
    handed, made = store.handed_out(person.link for person in chosen), _made_here(store)
    return [person for person in chosen if person.link in made and person.link not in handed]


def _made_here(store: SchoolStore) -> frozenset[str]:
    """Links of the accounts that the bridge created, by the journal; those that it only linked are not among them."""
    rows = tables.journal.c
    mine = and_(rows.school == store.code, rows.kind == "user", rows.side == Side.CLOUD.value)
    made = and_(rows.action == Action.CREATE.value, or_(rows.outcome.like("written%"), rows.outcome.like("adopted%")))
    with store.database.read() as connection:
        return frozenset(connection.execute(select(rows.link).where(mine, made)).scalars())


def _wanted(groups: Sequence[Link], name: str) -> list[Link]:
    names = {one.id: {_text(one, "display_name"), _text(one, "mail_nickname"), _text(one, "login")} for one in groups}
    found = [one for one in groups if name.casefold() in {text.casefold() for text in names[one.id]}]
    if not found:
        near = guess(name, {text for texts in names.values() for text in texts if text})
        raise ConfigurationError(f'no group is called "{name}"; {near}')
    return found


def _members(group: Link) -> frozenset[str]:
    members: frozenset[str] = frozenset()
    for end in (group.school, group.cloud):
        value = end.record.fields.get("members") if end.record else None
        if isinstance(value, frozenset):
            members |= value
    return members


def _person(link: Link, group: str) -> Person | None:
    cloud = link.cloud
    if cloud.record is None or cloud.anchor is None or link.school.record is None or link.agreed is None:
        return None
    if cloud.record.fields.get("enabled") is False or not cloud.record.fields.get("upn"):
        return None
    surname, given = _text(link, "surname"), _text(link, "given_name")
    if not surname and not given:
        surname = _text(link, "display_name")
    return Person(link.id, cloud.anchor, group, surname, given, str(cloud.record.fields["upn"]))


def _text(link: Link, name: str) -> str:
    for end in (link.school, link.cloud):
        value = end.record.fields.get(name) if end.record else None
        if isinstance(value, str) and value:
            return value
    return ""


async def hand_out(
    store: SchoolStore,
    resetter: Resetter,
    people: Sequence[Person],
    *,
    out: Path,
    school: str,
    language: str,
    now: datetime,
    progress: Progress,
) -> HandOut:
    """Set, print and mark; raises OSError when the document can't be written, after which nobody is marked."""
    result, letters = HandOut(), []
    for chunk in chunks(people, _CHUNK):
        by_anchor = {person.anchor: person for person in chunk}
        _note(store, [_entry(person, outcome="intended") for person in chunk])
        try:
            answer = await resetter.reset_passwords(list(by_anchor))
        except BridgeError as error:
            result.error = str(error)
            break
        for failed in answer.failed:
            result.failed[by_anchor[failed.id].link] = failed.message
        done = [(by_anchor[anchor], password) for anchor, password in answer.given.items()]
        _note(store, [_entry(person, outcome="done") for person, _ in done])
        letters += [Letter(one.group, one.surname, one.given_name, one.login, secret) for one, secret in done]
        result.printed += [person for person, _ in done]
        progress("first passwords", len(result.printed) + len(result.failed), len(people))
    if letters:
        save(out, document(letters, school=school, language=language, printed=now.date()))
        store.mark_handed_out([person.link for person in result.printed])
    return result


def _entry(person: Person, *, outcome: str) -> journal.Entry:
    return journal.Entry(
        action="first password",
        actor=actor(),
        side=Side.CLOUD.value,
        kind="user",
        link=person.link,
        anchor=person.anchor,
        reason="letters",
        outcome=outcome,
    )


def _note(store: SchoolStore, entries: Sequence[journal.Entry]) -> None:
    """Journal what only the command line does."""
    with writing(store.database, store.code, store.kinds) as tx:
        journal.append(tx, entries)
