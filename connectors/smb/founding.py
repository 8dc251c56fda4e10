"""A new root on a share: made under a name of ours beside its place, given its rights, and renamed to its place.

1. the folder above hands down what it hands down: the server does that when the folder is made
2. owner and rights of the person are set, and read back: the server may not know the SID
3. the bridge's own account must still get in, or nothing would ever be mirrored
4. renamed so that nothing is ever replaced; a crash leaves an empty folder under our name, which the next try removes
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from bridge.ports import Account, Refused, Unreachable, Waiting
from connectors.rights import Descriptor, NotReadable, read_descriptor
from connectors.rights_of_homes import lets_in, of_home, packed
from connectors.smb import errors
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.line import (
    CREATE,
    DACL,
    DELETE,
    FOLDER,
    LIST,
    OWNER,
    READ_CONTROL,
    WRITE,
    WRITE_DAC,
    WRITE_OWNER,
    Handle,
    Line,
)
from connectors.smb.lines import Lines
from connectors.smb.options import Options
from connectors.smb.storage import ShareStorage
from connectors.smb.trash import delete, make_folder, remove, rename
from connectors.tree.foundation import under_way

_NOT_OURS_TO_GIVE = {errors.ACCESS_DENIED, errors.INVALID_OWNER, errors.PRIVILEGE_NOT_HELD}
_SETTING = DELETE | READ_CONTROL | WRITE_DAC | LIST


def make(storage: ShareStorage, owner: Account, beside: Sequence[Options]) -> None:
    """See ``bridge.ports.Foundation.make``. Blocking."""
    if not owner.sid:
        raise Waiting(f"{storage.where}: the directory does not tell the SID of its owner (yet)")
    with _share(storage) as line:
        _nowhere_else(line, storage, beside)
        path = storage.options.root
        _make_above(line, path)
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/{under_way(name)}".removeprefix("/")
        _remove_left(line, storage, temporary)
        with _made(line, temporary) as handle:
            _give(line, storage, handle, owner.sid)
            with contextlib.suppress(_Taken):
                _rename(line, handle, path)
                return
            delete(line, handle)


def move(storage: ShareStorage, old: Options, identity: str) -> None:
    """See ``bridge.ports.Foundation.move``. Blocking."""
    with _share(storage) as line:
        try:
            held = line.open(old.root, access=DELETE | LIST, options=FOLDER)
        except ServerStatus as status:
            if status.code in ABSENT:
                raise Waiting(f"share {old.place} is not there any more") from None
            raise
        try:
            if f"{line.volume(held):08x}-{held.node.ino}" != identity:
                raise Waiting(f"share {old.place} is not the known folder")
            _make_above(line, storage.options.root)
            _rename(line, held, storage.options.root)
        except _Taken:
            raise Waiting(f"{storage.where}: something is there by now") from None
        finally:
            line.close_handle(held)


class _Taken(Exception):
    """Something has the name already."""


@contextlib.contextmanager
def _share(storage: ShareStorage) -> Iterator[Line]:
    """A line to the share itself, whose paths don't begin at the root: that is not there."""
    options, where = storage.options.model_copy(update={"root": ""}), storage.where
    if not storage.options.root:
        raise Refused(f"{where}: the share itself is never made")
    lines = Lines(options, storage.password)
    try:
        with lines.borrow() as line:
            yield line
    except NotReadable as error:
        raise Refused(f"{where} can't be made: its permissions can't be set ({error})") from None
    except ServerStatus as status:
        if status.code in (errors.SHARING_VIOLATION, errors.DIRECTORY_NOT_EMPTY):
            raise Waiting(f"{where} can't be made or moved now: a program has something in it open") from None
        if status.code == errors.ACCESS_DENIED:
            raise Refused(
                f"{where} can't be made or moved (access denied): give {options.username} Modify on the folder above, "
                f"for this folder, subfolders and files; a folder in which a program has something open can't be moved"
            ) from None
        raise Unreachable(f"{where} can't be made or moved ({status}): see the server") from None
    finally:
        lines.close()


def _nowhere_else(line: Line, storage: ShareStorage, beside: Sequence[Options]) -> None:
    for one in beside:
        with contextlib.suppress(ServerStatus), line.opened(one.root):
            raise Waiting(
                f"{storage.where} is not made: a folder of this name lies at {one.place}. If it is the same person's, "
                f"move it here; if not, make this one by hand"
            )


def _make_above(line: Line, path: str) -> None:
    """Make what is missing above a path, with what is handed down there."""
    above = path.split("/")[:-1]
    for count in range(1, len(above) + 1):
        step = "/".join(above[:count])
        try:
            line.close_handle(line.open(step, options=FOLDER))
        except ServerStatus as status:
            if status.code not in ABSENT:
                raise
            make_folder(line, step)


def _remove_left(line: Line, storage: ShareStorage, temporary: str) -> None:
    """Remove what a crash left; it is empty, or it stays."""
    try:
        remove(line, temporary, folder=True)
    except ServerStatus as status:
        if status.code == errors.DIRECTORY_NOT_EMPTY:
            raise Refused(
                f"{storage.where} can't be made: beside it lies {temporary.rpartition('/')[2]}, which the bridge left "
                f"when it was interrupted and in which somebody put something since. See what it is, and remove it"
            ) from None
        if status.code not in ABSENT:
            raise


@contextlib.contextmanager
def _made(line: Line, path: str) -> Iterator[Handle]:
    """Make a folder and hold it; removed again where what is done with it fails."""
    try:
        handle = line.open(path, access=_SETTING | WRITE_OWNER, disposition=CREATE, options=FOLDER)
    except ServerStatus as status:
        if status.code != errors.ACCESS_DENIED:
            raise
        handle = line.open(path, access=_SETTING, disposition=CREATE, options=FOLDER)
    try:
        yield handle
    except BaseException:
        with contextlib.suppress(Exception):
            delete(line, handle)
        raise
    finally:
        line.close_handle(handle)


def _give(line: Line, storage: ShareStorage, handle: Handle, sid: str) -> None:
    """Set owner and rights, and make sure of them."""
    given = read_descriptor(line.descriptor(handle))
    wanted = of_home(given.aces or (), sid)
    try:
        line.set_descriptor(handle, OWNER | DACL, packed(wanted))
    except ServerStatus as status:
        if status.code not in _NOT_OURS_TO_GIVE:
            raise
        # Without the privilege to give files away the owner stays the bridge's account; the rights are the same.
        line.set_descriptor(handle, DACL, packed(wanted, with_owner=False))
    if not lets_in(_read_back(line, handle.path), sid):
        raise Waiting(
            f"{storage.where} is not made yet: the server does not take the rights of its owner's account. Expected: "
            f"it knows the account by its SID; see whether it is a member of the domain"
        )
    try:
        line.close_handle(line.open(handle.path, access=LIST | WRITE | DELETE, options=FOLDER))
    except ServerStatus as status:
        if status.code != errors.ACCESS_DENIED:
            raise
        raise Refused(
            f"{storage.where} is not made: {storage.options.username} could not get into it. Give it Modify on the "
            f"folder above, for this folder, subfolders and files"
        ) from None


def _read_back(line: Line, path: str) -> Descriptor:
    with line.opened(path, access=READ_CONTROL, options=FOLDER) as handle:
        return read_descriptor(line.descriptor(handle))


def _rename(line: Line, handle: Handle, path: str) -> None:
    try:
        rename(line, handle, path)
    except ServerStatus as status:
        if status.code == errors.NAME_COLLISION:
            raise _Taken from None
        raise
