"""From the shares of a school to its roots: one folder and one drive for each owner, ready to be mirrored.

A root is keyed by its owner's link, not by its path: a folder that moves with its owner's class stays the same root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.core.model import Side
from bridge.ports import Account
from bridge.settings import School
from bridge.settings.effective import ShareSettings, SideSettings
from bridge.state.database import Database
from bridge.state.owners import Owner, owners
from bridge.state.roots import BETWEEN

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
#: What would lead out of the folder that the share names, or can't be in a name at all.
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f]|^\.{1,2}$|^\s*$")


class Unfit(Exception):
    """An owner for whom no root can be made; ``str`` says why, without a name."""


@dataclass(frozen=True, slots=True)
class Root:
    """One mirrored folder. ``code`` is what the state keeps it under, ``cloud_id`` the owner's anchor in the cloud.

    ``filled``: what the placeholders of its place at the school stand for now. ``account``: for whom the bridge may
    make or move the folder; None where it may not.
    """

    code: str
    share: str
    owner: str
    sides: Mapping[Side, SideSettings]
    cloud_id: str
    filled: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Roots:
    """All roots of a school by code, and per share and owner's link why there is none."""

    roots: Mapping[str, Root]
    unfit: Mapping[tuple[str, str], str]


def is_root(code: str) -> bool:
    """Whether a code of the state is that of a root, not of a school."""
    return BETWEEN in code


def roots_of(school: School, database: Database) -> Roots:
    """The roots that the school has now, by what its people and groups are now."""
    found: dict[str, Root] = {}
    unfit: dict[tuple[str, str], str] = {}
    known: dict[str, Sequence[Owner]] = {}
    for share in school.shares:
        if share.owner not in known:
            known[share.owner] = owners(database, school.code, share.owner)
        for owner in _of(share, known[share.owner]):
            try:
                root = made(school, share, owner)
            except Unfit as reason:
                unfit[share.name, owner.link] = str(reason)
            else:
                found[root.code] = root
    return _apart(found, unfit)


def _apart(found: dict[str, Root], unfit: dict[tuple[str, str], str]) -> Roots:
    """Two owners of one folder (or one drive) would get each other's files: neither of them is mirrored."""
    for side in Side:
        places: dict[str, list[Root]] = {}
        for root in found.values():
            settings = root.sides[side]
            places.setdefault(f"{settings.connector} {settings.options.model_dump_json()}", []).append(root)
        for rivals in (several for several in places.values() if len(several) > 1):
            links = ", ".join(sorted(root.owner for root in rivals))
            for root in rivals:
                unfit[root.share, root.owner] = (
                    f"{root.share}: {links} would all be mirrored with the same {side} endpoint. Expected one owner "
                    f"for each. None of them is; use a placeholder that tells them apart, such as {{login}}"
                )
    return Roots({code: root for code, root in found.items() if (root.share, root.owner) not in unfit}, unfit)


def _of(share: ShareSettings, everybody: Iterable[Owner]) -> Iterable[Owner]:
    roles, names = set(share.roles), {name.casefold() for name in share.named}
    for owner in everybody:
        if (not roles or owner.role in roles) and (not names or owner.name.casefold() in names):
            yield owner


def made(school: School, share: ShareSettings, owner: Owner) -> Root:
    """The root of one owner; raises Unfit where a placeholder has no value or one that is no name of a folder."""
    values = {
        "login": owner.login,
        "name": owner.name,
        "class": owner.group,
        "role": owner.role,
        "source_anchor": owner.source_anchor,
        "cloud_id": owner.cloud_id,
    }
    sides = {}
    for side, settings in share.sides.items():
        try:
            sides[side] = _at(settings, values)
        except ValidationError as error:
            where = ".".join(str(step) for step in error.errors()[0]["loc"])
            raise Unfit(f"{share.name}: the option {where} of the {side} is not valid for this {owner.kind}") from None
    used = _PLACEHOLDER.findall(share.sides[Side.SCHOOL].options.model_dump_json())
    filled = {name: values[name] for name in sorted(set(used))}
    code = BETWEEN.join((school.code, share.name, owner.link))
    account = Account(owner.login, owner.sid) if share.make and owner.active else None
    return Root(code, share.name, owner.link, sides, owner.cloud_id, filled, owner.role, account)


def placed(school: School, root: Root, filled: Mapping[str, str]) -> SideSettings | None:
    """The school's side of a root at the place that other values of its placeholders lead to; None for no such place.

    The configuration may have changed since: then there is no value for a placeholder, or the place is another one.
    """
    share = next(one for one in school.shares if one.name == root.share)
    try:
        return _at(share.sides[Side.SCHOOL], filled)
    except (Unfit, ValidationError):
        return None


def _at(settings: SideSettings, values: Mapping[str, str]) -> SideSettings:
    tree = _filled(settings.options.model_dump(mode="python", by_alias=True), values)
    return SideSettings(settings.connector, type(settings.options).model_validate(tree))


def _filled(tree: Any, values: Mapping[str, str]) -> Any:
    if isinstance(tree, Mapping):
        return {key: _filled(value, values) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_filled(value, values) for value in tree]
    if isinstance(tree, Path):
        return Path(_filled(str(tree), values))
    if not isinstance(tree, str):
        return tree
    return _PLACEHOLDER.sub(lambda found: _value(found[1], values), tree)


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise Unfit(f"{{{name}}} is no placeholder; there are {', '.join(f'{{{one}}}' for one in sorted(values))}")
    if _FORBIDDEN.search(values[name]):
        raise Unfit(f"{{{name}}} is empty or no name of a folder here; correct it in the directory")
    return values[name]
