"""What has to be written for a school year, in the fields of the kinds; pure, carried out elsewhere.

| of the plan | at the school (a roster told the year) | in the cloud |
|---|---|---|
| a class goes on | renamed, who came is added, who went is taken out | – (mirrored) |
| a new class | made, with its members | – (mirrored) |
| dissolved, archived | renamed: the school year before its name; members stay | the same; members and files stay |
| new | made, with a login | – (mirrored) |
| another name | renamed | – (mirrored) |
| leaves | disabled | – (mirrored) |

Members are named by source anchor, because a newcomer has no other yet. Whom no roster brought, and who is no pupil, is
never taken out of a class; what is open is not planned at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.core.model import Action, Fields, Side
from bridge.core.naming import LONGEST_LOGIN, local_part, nickname, numbered
from bridge.core.units import renamed, unit
from bridge.core.year import CLASS, Certainty, GroupChange, GroupTurn, PersonTurn, YearPlan

NAMES = ("given_name", "surname", "display_name")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One write. ``anchor`` is None for what has to be made, ``key`` its source anchor.

    ``added`` and ``removed`` are source anchors of people in ``members``.
    """

    side: Side
    kind: str
    action: Action
    anchor: str | None
    key: str
    before: Fields = field(default_factory=dict)
    after: Fields = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A person or group as it is at the school: where, and in which fields."""

    anchor: str
    fields: Fields


def for_school(
    plan: YearPlan,
    told: Mapping[str, Fields],
    present: Mapping[str, Found],
    *,
    called: Callable[[str], str],
    logins: Iterable[str] = (),
    of_groups: Mapping[str, str] = {},
) -> list[Wanted]:
    """What makes the directory look as a roster says: people first, then groups, in an order in which no name is taken.

    ``told``: source anchor -> the roster's fields of a person. ``present``: source anchor -> what the directory has of
    a person. ``called`` makes the name of what ended. ``logins``: every login that was ever given; nobody else gets it.
    ``of_groups``: name -> login of the directory's groups, by which new ones are called alike.
    """
    taken = {login.casefold() for login in logins}
    wanted: list[Wanted] = []
    for change in plan.people:
        key = change.person.key
        if change.certainty is Certainty.OPEN or change.turn is PersonTurn.MANUAL:
            continue
        there = present.get(key)
        if change.turn is PersonTurn.LEAVES:
            wanted += _leaves(key, there)
        elif there is None and key in told:
            wanted.append(_made(key, told[key], taken))
        elif there is not None and key in told:
            wanted += _kept(key, told[key], there)
    settled = {one.person.key for one in plan.people if one.certainty is not Certainty.OPEN}
    settled -= {one.person.key for one in plan.people if one.turn is PersonTurn.MANUAL}
    groups = [one for change in plan.groups if (one := _group(change, settled, called)) is not None]
    style = sorted(one.before.name for one in plan.groups if one.before and one.before.role == CLASS)
    groups = [_called(one, style, of_groups, taken) if one.action is Action.CREATE else one for one in groups]
    return wanted + _in_turn(groups)


def _in_turn(groups: list[Wanted]) -> list[Wanted]:
    """6a becomes 7a before 5a becomes 6a: whoever needs a name comes after whoever bears it."""
    ordered: list[Wanted] = []
    left = list(groups)
    while left:
        borne = {str(one.before.get("display_name")) for one in left if "display_name" in one.before}
        free = [one for one in left if one.after.get("display_name") not in borne] or left
        ordered += free
        left = [one for one in left if one not in free]
    return ordered


def _leaves(key: str, there: Found | None) -> list[Wanted]:
    if there is None or there.fields.get("enabled") is False:
        return []
    on, off = {"enabled": True}, {"enabled": False}
    return [Wanted(Side.SCHOOL, "user", Action.DISABLE, there.anchor, key, on, off, reason="leaves")]


def _made(key: str, told: Fields, taken: set[str]) -> Wanted:
    base = local_part(f"{told.get('given_name')}.{told.get('surname')}") or local_part(key) or "person"
    login = _free(base, taken)
    fields = {name: told.get(name) for name in ("source_anchor", *NAMES, "role")}
    after = {**fields, "enabled": True, "login": login}
    return Wanted(Side.SCHOOL, "user", Action.CREATE, None, key, after=after, reason="new")


def _free(base: str, taken: set[str]) -> str:
    number = 1
    while (login := numbered(base, number, longest=LONGEST_LOGIN)).casefold() in taken:
        number += 1
    taken.add(login.casefold())
    return login


def _called(one: Wanted, style: Sequence[str], of_groups: Mapping[str, str], taken: set[str]) -> Wanted:
    """A new class is called as the others are: Klasse 5b where there is a Klasse 5a; so is its login."""
    name = str(one.after["display_name"])
    told = next((told for told in style if unit(told)), "") if one.after.get("role") == CLASS else ""
    name = renamed(told, name) if told and unit(name) else name
    return replace(one, after={**one.after, "display_name": name, "login": _free(login_of(name, of_groups), taken)})


def login_of(name: str, of_groups: Mapping[str, str]) -> str:
    """The login of a new group, made as those of the others are: ``klasse-5b`` where ``Klasse 5a`` is ``klasse-5a``."""
    if name in of_groups:
        return of_groups[name]
    for other, login in sorted(of_groups.items()):
        for old, new in ((other, name), (other.split()[-1], name.split()[-1])):
            end = nickname(old).casefold()
            if end and login.casefold().endswith(end) and other.split()[:-1] == name.split()[:-1]:
                return login[: len(login) - len(end)] + nickname(new).casefold()
    return nickname(name).casefold() or "group"


def _kept(key: str, told: Fields, there: Found) -> list[Wanted]:
    """Another name, or an account of somebody who came back."""
    after = {name: told.get(name) for name in NAMES if told.get(name) not in (None, there.fields.get(name))}
    if there.fields.get("enabled") is False:
        after["enabled"] = True
    if not after:
        return []
    before = {name: there.fields.get(name) for name in after}
    return [Wanted(Side.SCHOOL, "user", Action.UPDATE, there.anchor, key, before, after, reason="name or return")]


def _group(change: GroupChange, settled: set[str], called: Callable[[str], str]) -> Wanted | None:
    old, new = change.before, change.after
    if change.certainty is Certainty.OPEN:
        return None
    if old is not None and new is None:
        was, then = {"display_name": old.name}, {"display_name": called(old.name)}
        if was == then:
            return None
        return Wanted(Side.SCHOOL, "group", Action.UPDATE, old.anchor, old.id, was, then, reason=change.turn.value)
    if new is None:
        return None
    if old is None:
        after: Fields = {"source_anchor": new.id, "display_name": new.name, "role": new.role}
        added = new.members & settled
        return Wanted(Side.SCHOOL, "group", Action.CREATE, None, new.id, after=after, added=added, reason="new")
    name = renamed(old.name, new.name)
    before = {"display_name": old.name} if name != old.name else {}
    named = {"display_name": name} if name != old.name else {}
    added, removed = (new.members - old.members) & settled, (old.members - new.members) & settled
    if not (named or added or removed):
        return None
    return Wanted(
        Side.SCHOOL, "group", Action.UPDATE, old.anchor, old.id, before, named, added, removed, change.turn.value
    )  # fmt: skip


def archives(plan: YearPlan, clouds: Mapping[str, Found], called: Callable[[str], str]) -> list[Wanted]:
    """Groups that ended get the school year before their names; nobody is taken out and nothing deleted.

    ``clouds``: id of a group of last year -> what the cloud has; those that are gone there are left out. ``called``
    makes the name. Doing it twice is doing it once.
    """
    ended = [one.before for one in plan.groups if one.turn in {GroupTurn.DISSOLVED, GroupTurn.ARCHIVED} and one.before]
    wanted: list[Wanted] = []
    for group in ended:
        there, name = clouds.get(group.id), called(group.name)
        if there is not None and there.fields.get("display_name") != name:
            before = {"display_name": there.fields.get("display_name")}
            after = {"display_name": name}
            wanted.append(
                Wanted(Side.CLOUD, "group", Action.UPDATE, there.anchor, group.id, before, after, reason="archived")
            )
    return wanted
