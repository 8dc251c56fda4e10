"""Who somebody is and whose passwords that person may reset, by the state as last observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.model import Link, Side
from bridge.state.store import SchoolStore

TEACHER, PUPIL, CLASS = "teacher", "pupil", "class"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a page."""

    link: str
    name: str
    login: str


@dataclass(frozen=True, slots=True)
class Class:
    """One of the own classes with its pupils, by name."""

    name: str
    pupils: tuple[Person, ...]


def by_anchor(store: SchoolStore, anchor: str) -> Link | None:
    """The person with this anchor at the school; None where the bridge knows none that is alive there."""
    links = store.links(store.linked(Side.SCHOOL, [anchor]).values())
    return next((one for one in links if one.kind == "user" and one.school.record is not None), None)


def person_of(link: Link) -> Person:
    """How a person is shown."""
    return Person(link.id, _text(link, "display_name") or link.id, _text(link, "login") or _text(link, "upn"))


def is_teacher(link: Link) -> bool:
    """Whether the school says so."""
    return _text(link, "role") == TEACHER


def classes_of(store: SchoolStore, teacher: Link) -> Sequence[Class]:
    """The classes that a teacher belongs to, with their pupils; nobody's but a teacher's."""
    if not is_teacher(teacher) or teacher.school.anchor is None:
        return []
    groups = store.links(store.groups_of(Side.SCHOOL, teacher.school.anchor))
    mine = [one for one in groups if _text(one, "role") == CLASS and teacher.id in _members(one)]
    wanted = frozenset[str]().union(*(_members(one) for one in mine))
    people: Mapping[str, Link] = {one.id: one for one in store.links(wanted)}
    return [
        Class(_text(one, "display_name"), tuple(sorted(_pupils(one, people), key=lambda found: found.name)))
        for one in sorted(mine, key=lambda found: _text(found, "display_name"))
    ]


def pupil_of(store: SchoolStore, teacher: Link, link: str) -> Link | None:
    """A pupil of the own classes by link; None for everybody else."""
    if not any(link == pupil.link for one in classes_of(store, teacher) for pupil in one.pupils):
        return None
    return next(iter(store.links([link])), None)


def _pupils(group: Link, people: Mapping[str, Link]) -> Sequence[Person]:
    members = [people[one] for one in _members(group) if one in people]
    return [person_of(one) for one in members if _text(one, "role") == PUPIL and one.school.record is not None]


def _members(group: Link) -> frozenset[str]:
    """By the school's word only: whoever is added to the team in the cloud gets no power over passwords."""
    value = group.school.record.fields.get("members") if group.school.record else None
    return value if isinstance(value, frozenset) else frozenset()


def _text(link: Link, name: str) -> str:
    for end in (link.school, link.cloud):
        value = end.record.fields.get(name) if end.record else None
        if isinstance(value, str) and value:
            return value
    return ""
