"""What is packed and unpacked by hand, against smbprotocol's own structures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbprotocol.file_info import FileIdFullDirectoryInformation, FileRenameInformation  # type: ignore[import-untyped]

from connectors.smb import errors
from connectors.smb.errors import ServerStatus, translated
from connectors.smb.wire import Rows, has_id, read_entries, renaming

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
entries = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\\"), min_size=1, max_size=60),
    st.integers(1, 2**63 - 1), st.tuples(moments, moments, moments), st.integers(0, 2**50),
    st.sampled_from([0x10, 0x20, 0x80]),
)  # fmt: skip


@given(st.lists(entries, max_size=6))
def test_entries_are_read_as_smbprotocol_packs_them(
    wanted: list[tuple[str, int, tuple[datetime, ...], int, int]],
) -> None:
    buffer = b""
    for place, (name, number, (born, wrote, changed), size, attributes) in enumerate(wanted):
        one = FileIdFullDirectoryInformation()
        one["creation_time"], one["last_write_time"], one["change_time"] = born, wrote, changed
        one["end_of_file"], one["file_attributes"], one["file_id"] = size, attributes, number
        one["file_name"] = name.encode("utf-16-le")
        packed = one.pack()
        padded = packed.ljust(-(-len(packed) // 8) * 8, b"\0")
        following = 0 if place == len(wanted) - 1 else len(padded)
        buffer += following.to_bytes(4, "little") + padded[4:]
    rows = Rows()
    read_entries(buffer, rows)
    told = [(name, node.ino, node.btime, node.mtime, node.ctime, node.size, node.attributes) for name, node in rows]

    def ns(moment: datetime) -> int:
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000

    assert told == [
        (name, number, *map(ns, times), size, attributes)
        for name, number, times, size, attributes in wanted
        if name not in (".", "..")
    ]


@pytest.mark.parametrize("number", [0, 2**64 - 1])
def test_no_id_is_none(number: int) -> None:
    assert not has_id(number)


def test_a_rename_is_packed_as_smbprotocol_does() -> None:
    one = FileRenameInformation()
    one["replace_if_exists"] = False
    one["file_name"] = "a\\Größe.txt".encode("utf-16-le")
    assert renaming("a/Größe.txt") == one.pack()
    assert len(renaming("a")) == 24


def test_a_single_status_is_no_end_of_everything() -> None:
    assert isinstance(translated(ServerStatus(errors.SHARING_VIOLATION), "here"), ServerStatus)
