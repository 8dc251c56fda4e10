"""Security descriptors (MS-DTYP 2.4) as roles: who may read, who may write; and what can't be said so.

SharePoint knows no Deny and no rights of folders apart from those inherited; so a Deny, broken inheritance below the
root, a conditional entry, or rights that are neither "read" nor "change" are listed for a person instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bridge.core.access import Role
from bridge.core.unsaid import Cause, Unsaid
from bridge.ports import Rights

_ALLOW, _DENY = 0, 1
_INHERIT_ONLY, _INHERITED, _OBJECT, _CONTAINER = 0x08, 0x10, 0x01, 0x02
_DACL_PRESENT, _PROTECTED, _SELF_RELATIVE = 0x0004, 0x1000, 0x8000
#: Generic rights become what they mean for files (MS-DTYP 2.4.3; ntifs FILE_GENERIC_*).
_GENERIC = {0x80000000: 0x120089, 0x40000000: 0x120116, 0x20000000: 0x1200A0, 0x10000000: 0x1F01FF}
#: FILE_READ_DATA, and FILE_WRITE_DATA with FILE_APPEND_DATA.
_READING, _WRITING = 0x1, 0x2 | 0x4
_CREATOR = ("S-1-3-0", "S-1-3-1")
#: The system and its administrators: never members of a school's group.
_SYSTEM = ("S-1-5-18", "S-1-5-32-544")

#: Below the root so many levels of folders are looked at, and so many folders at most: each costs a round trip.
LEVELS, FOLDERS = 2, 200


class NotReadable(ValueError):
    """The bytes are no security descriptor."""


@dataclass(frozen=True, slots=True)
class Ace:
    """One entry: ``kind`` 0 allows, 1 denies; ``flags`` and ``mask`` as in MS-DTYP 2.4.4."""

    kind: int
    flags: int
    mask: int
    sid: str


@dataclass(frozen=True, slots=True)
class Descriptor:
    """``aces`` None: no list at all, which lets everybody do everything. ``protected``: inherits nothing."""

    owner: str
    aces: tuple[Ace, ...] | None
    protected: bool = False


def read_descriptor(raw: bytes) -> Descriptor:
    """A self-relative SECURITY_DESCRIPTOR (MS-DTYP 2.4.6); raises NotReadable."""
    try:
        revision, _, control, owner, _, _, start = struct.unpack_from("<BBHIIII", raw)
        if revision != 1 or not control & _SELF_RELATIVE:
            raise NotReadable("not a self-relative security descriptor")
        aces = tuple(_aces(raw, start)) if control & _DACL_PRESENT and start else None
        return Descriptor(_sid(raw, owner) if owner else "", aces, bool(control & _PROTECTED))
    except struct.error as error:
        raise NotReadable("the security descriptor is cut off") from error


def _aces(raw: bytes, start: int) -> Iterator[Ace]:
    _, _, _, count, _ = struct.unpack_from("<BBHHH", raw, start)
    start += 8
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", raw, start)
        if size < 8:
            raise NotReadable("an entry of the security descriptor has no length")
        # Entries of other kinds than allow and deny have something else before their SID.
        yield Ace(kind, flags, mask, _sid(raw, start + 8) if kind in (_ALLOW, _DENY) else "")
        start += size


def _sid(raw: bytes, start: int) -> str:
    """A SID as text (MS-DTYP 2.4.2.1)."""
    revision, count = struct.unpack_from("<BB", raw, start)
    authority = int.from_bytes(raw[start + 2 : start + 8], "big")
    parts = struct.unpack_from(f"<{count}I", raw, start + 8)
    return "-".join(map(str, (f"S-{revision}", authority, *parts)))


def roles_of(descriptor: Descriptor, *, top: bool = True) -> tuple[dict[str, Role], tuple[Unsaid, ...]]:
    """Roles by SID (``read`` or ``write``), and what can't be expressed.

    ``top``: it is the root's, where not inheriting from above is as it should be.
    """
    if descriptor.aces is None:
        return {"S-1-1-0": Role.WRITE}, (Unsaid(Cause.NO_LIST),)
    masks: dict[str, int] = {}
    denied: dict[str, int] = {}
    others: list[Unsaid] = []
    for ace in descriptor.aces:
        mask = _plain(ace.mask)
        if ace.kind == _DENY:
            denied[ace.sid] = denied.get(ace.sid, 0) | mask
            others.append(Unsaid(Cause.DENY, who=ace.sid, detail=f"0x{mask:X}"))
        elif ace.kind != _ALLOW:
            others.append(Unsaid(Cause.OTHER_ENTRY, detail=str(ace.kind)))
        elif ace.sid in _CREATOR:
            if ace.sid == _CREATOR[0] and mask & _WRITING:
                others.append(Unsaid(Cause.CREATOR))
        elif ace.flags & _INHERIT_ONLY:
            others.append(Unsaid(Cause.BELOW_ONLY, who=ace.sid, detail=f"0x{mask:X}"))
        else:
            masks[ace.sid] = masks.get(ace.sid, 0) | mask
            if not ace.flags & _INHERITED and ace.flags & (_OBJECT | _CONTAINER) != _OBJECT | _CONTAINER:
                others.append(Unsaid(Cause.NOT_BELOW, who=ace.sid, detail=f"0x{mask:X}"))
    if descriptor.protected and not top:
        others.append(Unsaid(Cause.BROKEN))
    roles = _roles({sid: mask & ~denied.get(sid, 0) for sid, mask in masks.items()}, others)
    if not top and any(ace.kind == _ALLOW and not ace.flags & _INHERITED for ace in descriptor.aces):
        others.append(Unsaid(Cause.OWN))
    return roles, tuple(dict.fromkeys(others))


def told(folders: Iterable[tuple[str, Descriptor | str]]) -> Rights:
    """The rights of a root from the descriptors of the folders that were looked at, the root (path ``""``) first.

    In place of a descriptor: why it could not be read. Raises NotReadable where the root's could not.
    """
    roles: dict[str, Role] = {}
    unsaid: list[Unsaid] = []
    for path, found in folders:
        if isinstance(found, str):
            if not path:
                raise NotReadable(found)
            unsaid.append(Unsaid(Cause.UNREADABLE, path, detail=found))
            continue
        said, others = roles_of(found, top=not path)
        roles = roles if path else said
        unsaid += [replace(one, folder=path) for one in others]
    return Rights(roles, tuple(unsaid))


def _roles(masks: dict[str, int], others: list[Unsaid]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for sid, mask in masks.items():
        if sid in _SYSTEM:
            continue
        if mask & _WRITING == _WRITING and mask & _READING:
            roles[sid] = Role.WRITE
        elif mask & _READING:
            roles[sid] = Role.READ
            if mask & _WRITING:
                others.append(Unsaid(Cause.PARTLY, who=sid, detail=f"0x{mask:X}"))
        elif mask:
            others.append(Unsaid(Cause.NEITHER, who=sid, detail=f"0x{mask:X}"))
    return roles


def _plain(mask: int) -> int:
    for generic, meaning in _GENERIC.items():
        if mask & generic:
            mask = mask & ~generic | meaning
    return mask
