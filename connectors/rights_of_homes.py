"""What a new home lets whom do, as a security descriptor (MS-DTYP 2.4): its owner everything, others what comes down.

A home is nobody's for being somebody at all: what the folder above would let Everyone, Domain Users and the like do is
left out. Where that would come back by inheritance, the home inherits nothing and has the rest as its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from connectors.rights import Ace, Descriptor, NotReadable

_ALLOW, _DENY = 0, 1
_OBJECT, _CONTAINER, _NOT_FURTHER, _INHERIT_ONLY, _INHERITED = 0x01, 0x02, 0x04, 0x08, 0x10
_FULL = 0x1F01FF
_SELF_RELATIVE, _PRESENT, _PROTECTED = 0x8000, 0x0004, 0x1000
#: The two together say that the entries marked as inherited really are (MS-DTYP 2.4.6: DI and DC).
_AS_INHERITED = 0x0500
_EVERYBODY = {"S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546", "S-1-5-7", "S-1-5-2", "S-1-5-4"}
#: Domain Users, Domain Guests, Domain Computers (MS-DTYP 2.4.2.4).
_OF_A_DOMAIN = ("-513", "-514", "-515")
_CREATOR = ("S-1-3-0", "S-1-3-1")


def is_everybody(sid: str) -> bool:
    """Whether a right of this SID is one of everybody who can log in."""
    return sid in _EVERYBODY or (sid.startswith("S-1-5-21-") and sid.endswith(_OF_A_DOMAIN))


def of_home(given: Iterable[Ace], owner: str) -> Descriptor:
    """The descriptor of a home whose folder was given these entries. Raises NotReadable for one of another sort."""
    known = list(given)
    strange = [one.kind for one in known if one.kind not in (_ALLOW, _DENY)]
    if strange:
        raise NotReadable(f"it has an entry of kind {strange[0]}, which can't be handed down")
    left_out = [one for one in known if one.kind == _ALLOW and (is_everybody(one.sid) or one.sid == owner)]
    protected = any(one.flags & _INHERITED and is_everybody(one.sid) for one in left_out)
    kept = [one for one in known if one not in left_out]
    if protected:
        kept = [replace(one, flags=one.flags & ~_INHERITED) for one in kept]
    own = [Ace(_ALLOW, _OBJECT | _CONTAINER, _FULL, owner), *(one for one in kept if not one.flags & _INHERITED)]
    own.sort(key=lambda one: one.kind != _DENY)
    return Descriptor(owner, (*own, *(one for one in kept if one.flags & _INHERITED)), protected)


def lets_in(found: Descriptor, owner: str) -> bool:
    """Whether the owner may do everything in it and below."""
    return found.aces is not None and any(
        one.kind == _ALLOW and one.sid == owner and one.mask & _FULL == _FULL and not one.flags & _INHERIT_ONLY
        for one in found.aces
    )


def handed_down(above: Descriptor) -> list[Ace]:
    """What a folder made in a folder with this descriptor is given (MS-DTYP 2.5.3.4.1), but for its own creator."""
    found: list[Ace] = []
    for one in above.aces or ():
        if not one.flags & (_CONTAINER | _OBJECT):
            continue
        flags = one.flags & (_CONTAINER | _OBJECT) | _INHERITED
        if not one.flags & _CONTAINER or one.sid in _CREATOR:
            if not one.flags & _NOT_FURTHER:
                found.append(replace(one, flags=flags | _INHERIT_ONLY))
        else:
            found.append(replace(one, flags=_INHERITED if one.flags & _NOT_FURTHER else flags))
    return found


def packed(descriptor: Descriptor, *, with_owner: bool = True, base: int = 0) -> bytes:
    """A self-relative SECURITY_DESCRIPTOR (MS-DTYP 2.4.6); ``base`` is what its offsets count from."""
    owner = _packed_sid(descriptor.owner) if with_owner else b""
    aces = b"".join(_packed_ace(one) for one in descriptor.aces or ())
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), len(descriptor.aces or ()), 0) + aces
    control = _SELF_RELATIVE | _PRESENT | (_PROTECTED if descriptor.protected else _AS_INHERITED)
    start = base + 20
    head = struct.pack("<BBHIIII", 1, 0, control, start if owner else 0, 0, 0, start + len(owner))
    return head + owner + acl


def _packed_ace(one: Ace) -> bytes:
    sid = _packed_sid(one.sid)
    return struct.pack("<BBHI", one.kind, one.flags, 8 + len(sid), one.mask) + sid


def _packed_sid(text: str) -> bytes:
    try:
        _, revision, authority, *parts = text.split("-")
        numbers = [int(one) for one in parts]
        head = struct.pack("<BB", int(revision), len(numbers)) + int(authority).to_bytes(6, "big")
        return head + struct.pack(f"<{len(numbers)}I", *numbers)
    except (ValueError, struct.error, OverflowError) as error:
        raise NotReadable("what the directory tells as the SID is none") from error
