"""Security descriptors (MS-DTYP 2.4) as roles: who may read, who may write; and what can't be said so.

SharePoint knows no Deny and no rights of folders apart from those inherited; so a Deny, broken inheritance below the
root, a conditional entry, or rights that are neither "read" nor "change" are listed for a person instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

READ_ROLE, WRITE_ROLE = "read", "write"
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


def roles_of(descriptor: Descriptor, *, top: bool = True) -> tuple[dict[str, str], tuple[str, ...]]:
    """Roles by SID (``read`` or ``write``), and what can't be expressed, for a person.

    ``top``: it is the root's, where not inheriting from above is as it should be.
    """
    if descriptor.aces is None:
        return {"S-1-1-0": WRITE_ROLE}, ("there are no permissions at all: everybody may do everything",)
    masks: dict[str, int] = {}
    others: list[str] = []
    for ace in descriptor.aces:
        mask = _plain(ace.mask)
        if ace.kind == _DENY:
            others.append(f"Deny for {ace.sid} (rights 0x{mask:X}): the cloud knows no Deny")
        elif ace.kind != _ALLOW:
            others.append(f"an entry of type {ace.kind} (a condition or an audit) can't be expressed")
        elif ace.sid in _CREATOR:
            if ace.sid == _CREATOR[0] and mask & _WRITING:
                others.append("owners may do more with what they made (CREATOR OWNER): the cloud knows no such rule")
        elif ace.flags & _INHERIT_ONLY:
            others.append(f"{ace.sid} has rights below only, not here (0x{mask:X})")
        else:
            masks[ace.sid] = masks.get(ace.sid, 0) | mask
            if not ace.flags & _INHERITED and ace.flags & (_OBJECT | _CONTAINER) != _OBJECT | _CONTAINER:
                others.append(f"{ace.sid} has rights here (0x{mask:X}) that do not reach everything below")
    if descriptor.protected and not top:
        others.append("inheritance is broken here: this folder does not have the permissions of the one above")
    roles = _roles(masks, others)
    if not top and any(ace.kind == _ALLOW and not ace.flags & _INHERITED for ace in descriptor.aces):
        others.append("this folder has permissions of its own")
    return roles, tuple(dict.fromkeys(others))


def _roles(masks: dict[str, int], others: list[str]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for sid, mask in masks.items():
        if sid in _SYSTEM:
            continue
        if mask & _WRITING == _WRITING and mask & _READING:
            roles[sid] = WRITE_ROLE
        elif mask & _READING:
            roles[sid] = READ_ROLE
            if mask & _WRITING:
                others.append(f"{sid} may read and a part of writing (0x{mask:X}): only read is taken over")
        elif mask:
            others.append(f"{sid} has rights that are neither read nor change (0x{mask:X})")
    return roles


def _plain(mask: int) -> int:
    for generic, meaning in _GENERIC.items():
        if mask & generic:
            mask = mask & ~generic | meaning
    return mask
