"""Who may get at a directory: by mode, by access control list, and by the descriptor that Samba keeps beside it."""

from __future__ import annotations

import grp
import os
import pwd
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from smbprotocol.open import SMB2SetInfoRequest  # type: ignore[import-untyped]

from bridge.core.access import Role
from bridge.core.unsaid import Cause
from bridge.ports import Rights
from connectors.folder import FolderConnector
from connectors.rights import Ace, Descriptor
from connectors.smb import SmbConnector
from connectors.smb.line import FOLDER, Line
from tests.connectors.folder.conftest import Mirrored
from tests.connectors.smb.conftest import options as smb_options
from tests.connectors.smb.conftest import smb_context, start
from tests.connectors.test_rights import packed

OWNER = pwd.getpwuid(1).pw_name
STAFF = grp.getgrgid(50).gr_name
TEACHERS, PUPILS = "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and write security.NTACL")


@pytest.fixture
async def mirrored(tmp_path: Path) -> AsyncIterator[Mirrored]:
    one = Mirrored(tmp_path)
    yield one
    await one.connector.close()


async def rights(connector: FolderConnector) -> Rights:
    told = connector.capabilities.rights
    assert told is not None
    return await told.rights()


def said(found: Rights) -> list[tuple[Cause, str, str]]:
    return [(one.cause, one.folder, one.who) for one in found.unsaid]


def access_list(path: Path, *entries: tuple[int, int, int]) -> None:
    """An access control list as acl(5) stores it (linux/posix_acl_xattr.h): tag, permissions, uid or gid."""
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in sorted(entries))
    os.setxattr(path, "system.posix_acl_access", raw)


@as_root
async def test_by_mode(mirrored: Mirrored) -> None:
    os.chown(mirrored.root, 1, 50)
    mirrored.root.chmod(0o750)
    found = await rights(mirrored.connector)
    assert found == Rights({OWNER: Role.WRITE, STAFF: Role.READ})
    mirrored.root.chmod(0o727)
    found = await rights(mirrored.connector)
    assert found.roles == {OWNER: Role.WRITE}
    assert said(found) == [(Cause.NEITHER, "", STAFF), (Cause.EVERYBODY, "", "other")]


async def test_the_owner_root_and_its_group_are_the_administrators(mirrored: Mirrored) -> None:
    if os.geteuid() == 0:
        mirrored.root.chmod(0o770)
        assert await rights(mirrored.connector) == Rights()


@as_root
async def test_by_access_control_list_and_its_mask(mirrored: Mirrored) -> None:
    os.chown(mirrored.root, 1, 0)
    access_list(
        mirrored.root, (_USER_OBJ, 7, _NOBODY), (_USER, 7, 2), (_GROUP_OBJ, 0, _NOBODY), (_GROUP, 7, 50),
        (_GROUP, 5, 54321), (_MASK, 5, _NOBODY), (_OTHER, 0, _NOBODY),
    )  # fmt: skip
    found = await rights(mirrored.connector)
    assert found.roles == {OWNER: Role.WRITE, pwd.getpwuid(2).pw_name: Role.READ, STAFF: Role.READ, "gid 54321": "read"}
    assert found.unsaid == ()


@as_root
async def test_folders_below_with_others_are_told(mirrored: Mirrored) -> None:
    mirrored.root.chmod(0o770)
    for path in ("gleich", "gleich/auch", "eigen", ".schoolbridge-trash/x", "gleich/auch/tiefer"):
        (mirrored.root / path).mkdir(parents=True)
        (mirrored.root / path).chmod(0o770)
    (mirrored.root / "eigen").chmod(0o700)
    (mirrored.root / ".schoolbridge-trash").chmod(0o700)
    (mirrored.root / "gleich" / "auch" / "tiefer").chmod(0o700)
    found = await rights(mirrored.connector)
    assert said(found) == [(Cause.OWN, "eigen", "")], "two levels are looked at"


@as_root
async def test_sambas_descriptor_goes_before_the_mode(mirrored: Mirrored) -> None:
    aces = (Ace(0, 3, 0x1301BF, TEACHERS), Ace(0, 3, 0x1200A9, PUPILS), Ace(1, 3, 0x2, PUPILS))
    # The wrapping of Samba's version 4 (librpc/idl/xattr.idl), in which the descriptor comes last.
    head = struct.pack("<HH", 4, 4) + struct.pack("<I", 1) + bytes(2 + 64 + 2 + 8 + 2 + 64 + 2)
    os.setxattr(mirrored.root, "security.NTACL", head + packed(Descriptor("S-1-5-32-544", aces)))
    found = await rights(mirrored.connector)
    assert found.roles == {TEACHERS: Role.WRITE, PUPILS: Role.READ}
    assert said(found) == [(Cause.DENY, "", PUPILS)]


def _write_descriptor(line: Line, path: str, *aces: Ace) -> None:
    """As the dialogue "Security" of Windows does (MS-SMB2 2.2.39, the DACL of SMB2_0_INFO_SECURITY)."""
    message = SMB2SetInfoRequest()
    message["info_type"], message["additional_information"] = 3, 0x4
    message["buffer"] = packed(Descriptor("S-1-5-32-544", aces))
    with line.opened(path, access=0x60000, options=FOLDER) as handle:
        message["file_id"] = handle.id
        line.good(message)


@as_root
async def test_a_real_samba_tells_over_smb_what_the_directory_tells(tmp_path: Path) -> None:
    """Written over the wire and kept by Samba; read over the wire, and from the disk beside the server."""
    with start(options={"vfs objects": "acl_xattr"}) as server:
        root = server.shares["daten"] / "klasse"
        (root / "innen").mkdir(parents=True)
        for path in (root, root / "innen"):
            path.chmod(0o777)
        over_smb = SmbConnector(smb_options(server, "klasse"), smb_context(tmp_path / "smb"))
        mirrored = Mirrored(tmp_path)
        mirrored.options = mirrored.options.model_copy(update={"base": server.shares["daten"], "root": "klasse"})
        await mirrored.restart()
        try:
            with over_smb.storage.lines.borrow() as line:  # type: ignore[attr-defined]
                everybody = Ace(0, 3, 0x1F01FF, "S-1-1-0")
                entries = (Ace(0, 3, 0x1301BF, TEACHERS), Ace(0, 3, 0x1200A9, PUPILS))
                _write_descriptor(line, "", everybody, *entries)
                _write_descriptor(line, "innen", Ace(1, 3, 0x2, PUPILS), everybody)
            told = over_smb.capabilities.rights
            assert told is not None
            wire, disk = await told.rights(), await rights(mirrored.connector)
        finally:
            await over_smb.close()
            await mirrored.connector.close()
    assert wire.roles == {TEACHERS: Role.WRITE, PUPILS: Role.READ, "S-1-1-0": Role.WRITE}
    assert (Cause.DENY, "innen", PUPILS) in said(wire)
    assert disk == wire
