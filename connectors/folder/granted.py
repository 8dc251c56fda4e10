"""Who may get at the root of a directory of this machine: Samba's Windows permissions, else those of Linux.

Samba's module acl_xattr keeps the security descriptor in ``security.NTACL``, which only root may read. Without one the
mode and the access control list count (acl(5)); their names of accounts and groups are those of this machine, which on
a member of the domain are those of the directory.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from collections.abc import Iterator

from bridge.core.access import Role
from bridge.core.unsaid import Cause, Unsaid
from bridge.ports import Refused, Rights
from connectors.folder.root import Root
from connectors.folder.storage import FolderStorage
from connectors.folder.system import open_beneath
from connectors.rights import FOLDERS, LEVELS, Descriptor, NotReadable, read_descriptor, told
from connectors.rights_of_homes import packed

NTACL, POSIX_DEFAULT, _POSIX = "security.NTACL", "system.posix_acl_default", "system.posix_acl_access"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: Tags of an access control list (linux/posix_acl.h) and the version of its stored form.
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER, _VERSION = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 2
_NOTHING = {errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM}


def granted(storage: FolderStorage) -> Rights:
    """The root's rights, and what can't be expressed in the first levels below it. Blocking.

    Raises Refused when they can't be read, Unreachable or Waiting when the root is not there.
    """
    storage.identity()
    root = storage.root
    try:
        first = descriptor_of(root.fd)
        if first is not None:
            return told(_descriptors(root, first, storage))
        return _linux(root, storage)
    except (OSError, NotReadable) as error:
        raise Refused(f"{storage.where}: its permissions can't be read ({error}): let the service read them") from None


# --- Samba's descriptors --------------------------------------------------------------------------------------------


def descriptor_of(opened: int) -> Descriptor | None:
    """What Samba keeps beside an open directory, None where there is none. Raises OSError, NotReadable."""
    try:
        raw = os.getxattr(opened, NTACL)
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise
    return _unpacked(raw)


def _unpacked(raw: bytes) -> Descriptor:
    """The descriptor in Samba's wrapping (librpc/idl/xattr.idl): it comes last, behind a header of changing length.

    What its offsets count from changed, too: from the descriptor, or (Samba 4.17, measured) from the whole attribute.
    Either way the first part follows the 20 bytes of its head at once.
    """
    return _found(raw)[0]


def wrapped(descriptor: Descriptor, *, like: bytes) -> bytes:
    """A descriptor as Samba takes it: version 1, without a hash of Linux' list; its offsets like another one's."""
    head = struct.pack("<HHI", 1, 1, 0x20000)
    return head + packed(descriptor, base=len(head) if _found(like)[1] else 0)


def _found(raw: bytes) -> tuple[Descriptor, bool]:
    """The descriptor, and whether its offsets count from the whole attribute."""
    for start in range(4, len(raw) - 19, 4):
        if raw[start : start + 2] != b"\x01\x00":
            continue
        head = struct.unpack_from("<BBHIIII", raw, start)
        first = min((one for one in head[3:] if one), default=0) - 20
        if first not in (0, start):
            continue
        shifted = struct.pack("<BBHIIII", *head[:3], *(one and one - first for one in head[3:]))
        try:
            found = read_descriptor(shifted + raw[start + 20 :])
        except (NotReadable, IndexError):
            continue
        if found.owner.startswith("S-1-") and found.aces is not None:
            return found, first == start
    raise NotReadable("the attribute security.NTACL holds no security descriptor that is known here")


def _descriptors(root: Root, first: Descriptor, storage: FolderStorage) -> Iterator[tuple[str, Descriptor | str]]:
    yield "", first
    for path, opened in _below(root, storage):
        try:
            found = descriptor_of(opened)
        except (OSError, NotReadable) as error:
            yield path, str(error)
            continue
        if found is not None:
            yield path, found


def _below(root: Root, storage: FolderStorage) -> Iterator[tuple[str, int]]:
    """Folders of the first levels, open."""
    level, looked = [""], 0
    for _ in range(LEVELS):
        below: list[str] = []
        for path in level:
            for name in _folders(root, path, storage):
                if looked == FOLDERS:
                    return
                looked += 1
                below.append(f"{path}/{name}" if path else name)
                try:
                    opened = open_beneath(root.fd, below[-1], _DIRECTORY)
                except OSError:
                    continue  # the scan says so
                try:
                    yield below[-1], opened
                finally:
                    os.close(opened)
        level = below


def _folders(root: Root, path: str, storage: FolderStorage) -> list[str]:
    try:
        opened = open_beneath(root.fd, path, _DIRECTORY)
    except OSError:
        return []
    try:
        with os.scandir(opened) as entries:
            return sorted(
                one.name for one in entries if one.is_dir(follow_symlinks=False) and not storage.excludes(one.name)
            )
    finally:
        os.close(opened)


# --- Linux ----------------------------------------------------------------------------------------------------------


def _linux(root: Root, storage: FolderStorage) -> Rights:
    roles, unsaid = _entries(root.fd)
    first = _list(root.fd)
    for path, opened in _below(root, storage):
        if _list(opened) != first:
            unsaid.append(Unsaid(Cause.OWN, path))
    return Rights(roles, tuple(unsaid))


def _list(opened: int) -> tuple[tuple[int, int, int], ...]:
    """(tag, permissions, uid or gid) of a directory; from its mode where it has no list."""
    state = os.fstat(opened)
    try:
        raw = os.getxattr(opened, _POSIX)
    except OSError as error:
        if error.errno not in _NOTHING:
            raise
        mode = state.st_mode
        return (
            (_USER_OBJ, mode >> 6 & 7, state.st_uid),
            (_GROUP_OBJ, mode >> 3 & 7, state.st_gid),
            (_OTHER, mode & 7, 0),
        )
    if struct.unpack_from("<I", raw)[0] != _VERSION:
        raise NotReadable("the access control list has a form that is not known here")
    owned = {_USER_OBJ: state.st_uid, _GROUP_OBJ: state.st_gid}
    return tuple((tag, may, owned.get(tag, of)) for tag, may, of in struct.iter_unpack("<HHI", raw[4:]))


def _entries(opened: int) -> tuple[dict[str, Role], list[Unsaid]]:
    found = _list(opened)
    most = next((may for tag, may, _ in found if tag == _MASK), 7)
    roles: dict[str, Role] = {}
    unsaid: list[Unsaid] = []
    for tag, may, of in found:
        may = may if tag in (_USER_OBJ, _OTHER) else may & most
        if tag == _MASK or (tag == _USER_OBJ and of == 0) or (tag in (_GROUP_OBJ, _GROUP) and of == 0):
            continue  # root's own: the administrators
        if tag == _OTHER:
            if may:
                unsaid.append(Unsaid(Cause.EVERYBODY, who="other", detail=f"{may:o}"))
            continue
        who = _account(of) if tag in (_USER_OBJ, _USER) else _group(of)
        # A folder is of use with the right to enter it only.
        if may & 5 == 5:
            role = Role.WRITE if may & 2 else Role.READ
            roles[who] = Role.WRITE if Role.WRITE in (role, roles.get(who)) else role
        elif may:
            unsaid.append(Unsaid(Cause.NEITHER, who=who, detail=f"{may:o}"))
    return roles, unsaid


def _account(uid: int) -> str:
    try:
        return _plain(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"uid {uid}"


def _group(gid: int) -> str:
    try:
        return _plain(grp.getgrgid(gid).gr_name)
    except KeyError:
        return f"gid {gid}"


def _plain(name: str) -> str:
    """The name without the domain that winbind or sssd puts before or behind it."""
    return name.rpartition("\\")[2].partition("@")[0]
