"""Permissions as roles: written as bytes by hand and by Samba, told to a person where they can't be expressed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.unsaid import Cause
from connectors.rights import Ace, Descriptor, NotReadable, read_descriptor, roles_of

TEACHERS, PUPILS = "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"
FULL, CHANGE, READ, BELOW = 0x1F01FF, 0x1301BF, 0x1200A9, 0x3


def allow(sid: str, mask: int, flags: int = BELOW) -> Ace:
    return Ace(0, flags, mask, sid)


def packed(descriptor: Descriptor) -> bytes:
    """A self-relative descriptor of MS-DTYP 2.4.6, made independently of the code under test."""

    def sid(text: str) -> bytes:
        _, revision, authority, *parts = text.split("-")
        numbers = [int(one) for one in parts]
        head = struct.pack("<BB", int(revision), len(numbers)) + int(authority).to_bytes(6, "big")
        return head + b"".join(one.to_bytes(4, "little") for one in numbers)

    aces = b""
    for one in descriptor.aces or ():
        body = sid(one.sid)
        aces += struct.pack("<BBHI", one.kind, one.flags, 8 + len(body), one.mask) + body
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), len(descriptor.aces or ()), 0) + aces
    owner = sid(descriptor.owner)
    control = 0x8000 | (0x4 if descriptor.aces is not None else 0) | (0x1000 if descriptor.protected else 0)
    return struct.pack("<BBHIIII", 1, 0, control, 20, 0, 0, 20 + len(owner)) + owner + acl


@pytest.mark.parametrize(
    ("aces", "roles"),
    [
        ([allow(TEACHERS, FULL), allow(PUPILS, READ)], {TEACHERS: "write", PUPILS: "read"}),
        ([allow(TEACHERS, CHANGE)], {TEACHERS: "write"}),
        ([allow(TEACHERS, 0x10000000), allow(PUPILS, 0x80000000)], {TEACHERS: "write", PUPILS: "read"}),
        ([allow(PUPILS, READ), allow(PUPILS, 0x6)], {PUPILS: "write"}),
        ([allow("S-1-5-18", FULL), allow("S-1-5-32-544", FULL)], {}),
        ([], {}),
    ],
)
def test_what_can_be_expressed(aces: list[Ace], roles: dict[str, str]) -> None:
    assert roles_of(Descriptor("S-1-5-18", tuple(aces))) == (roles, ())


@pytest.mark.parametrize(
    ("descriptor", "top", "roles", "cause"),
    [
        (Descriptor("S-1-1", (Ace(1, BELOW, 0x2, PUPILS), allow(PUPILS, READ))), True, {PUPILS: "read"}, Cause.DENY),
        (Descriptor("S-1-1", (allow(PUPILS, READ, 0),)), True, {PUPILS: "read"}, Cause.NOT_BELOW),
        (Descriptor("S-1-1", (allow(PUPILS, READ, BELOW | 8),)), True, {}, Cause.BELOW_ONLY),
        (Descriptor("S-1-1", (allow(PUPILS, READ | 0x4),)), True, {PUPILS: "read"}, Cause.PARTLY),
        (Descriptor("S-1-1", (allow(PUPILS, 0x2),)), True, {}, Cause.NEITHER),
        (Descriptor("S-1-1", (Ace(9, 0, 1, ""),)), True, {}, Cause.OTHER_ENTRY),
        (Descriptor("S-1-1", (allow("S-1-3-0", FULL),)), True, {}, Cause.CREATOR),
        (Descriptor("S-1-1", None), True, {"S-1-1-0": "write"}, Cause.NO_LIST),
        (Descriptor("S-1-1", (allow(PUPILS, READ),), protected=True), False, {PUPILS: "read"}, Cause.BROKEN),
        (Descriptor("S-1-1", (allow(PUPILS, READ),)), False, {PUPILS: "read"}, Cause.OWN),
    ],
)
def test_what_can_not_is_told(descriptor: Descriptor, top: bool, roles: dict[str, str], cause: Cause) -> None:
    found, others = roles_of(descriptor, top=top)
    assert found == roles
    assert cause in [one.cause for one in others]


def test_what_is_inherited_needs_no_word() -> None:
    assert roles_of(Descriptor("S-1-1", (allow(PUPILS, READ, BELOW | 0x10),)), top=False) == ({PUPILS: "read"}, ())


sids = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15).map(
    lambda all_: "-".join(map(str, ["S-1-5", *all_]))
)
aces = st.builds(Ace, st.sampled_from([0, 1]), st.integers(0, 255), st.integers(0, 2**32 - 1), sids)


@given(st.builds(Descriptor, sids, st.none() | st.lists(aces, max_size=8).map(tuple), st.booleans()))
def test_bytes_are_read_as_they_were_written(descriptor: Descriptor) -> None:
    assert read_descriptor(packed(descriptor)) == descriptor


@given(st.lists(aces, max_size=6), st.booleans())
def test_nobody_is_denied_or_allowed_in_silence(entries: list[Ace], top: bool) -> None:
    roles, others = roles_of(Descriptor("S-1-1", tuple(entries)), top=top)
    allowed = {one.sid for one in entries if one.kind == 0}
    assert set(roles) <= allowed
    for one in entries:
        if one.kind == 1:
            assert (Cause.DENY, one.sid) in [(told.cause, told.who) for told in others]


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_nothing_else(raw: bytes) -> None:
    try:
        read_descriptor(raw)
    except NotReadable:
        return
    assert raw[:1] == b"\x01"
