"""A new root: made under a name of ours beside its place, given its rights, and only then renamed to its place.

1. whose it is: the account of this machine (winbind, sssd), and for Samba's descriptor the SID
2. what is missing above it is made like the folder that it is in
3. made with no right for anybody, then rights, then owner; a crash leaves an empty folder that only root may enter
4. renamed so that nothing is ever replaced
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
import struct
from collections.abc import Callable, Iterator, Sequence

from bridge.ports import Account, Refused, Unreachable, Waiting
from connectors.folder.granted import NTACL, POSIX_DEFAULT, descriptor_of, wrapped
from connectors.folder.options import Options
from connectors.folder.parts import inherit
from connectors.folder.system import look, open_beneath, rename
from connectors.rights import Descriptor, NotReadable
from connectors.rights_of_homes import handed_down, of_home
from connectors.tree.foundation import under_way

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_POSIX = "system.posix_acl_access"
_OTHER = 0x20
#: Below this are the accounts of the system itself (login.defs(5), UID_MIN): no pupil's, whatever the login.
_FIRST_UID = 1000


def make(options: Options, owner: Account, beside: Sequence[Options]) -> None:
    """See ``bridge.ports.Foundation.make``. Blocking."""
    with _translated(options):
        _nowhere_else(options, beside)
        uid = _uid(options, owner)
        with _above(options) as (parent, name):
            above = descriptor_of(parent)
            if above is not None and not owner.sid:
                raise Waiting(f"{_where(options)}: the directory does not tell the SID of its owner (yet)")

            def give(made: int) -> None:
                _let_in(made, parent)
                if above is not None:
                    given = of_home(handed_down(above), owner.sid)
                    os.setxattr(made, NTACL, wrapped(given, like=os.getxattr(parent, NTACL)))
                os.fchown(made, uid, -1)

            _placed(parent, name, give)


def move(options: Options, old: Options, identity: str) -> None:
    """See ``bridge.ports.Foundation.move``. Blocking."""
    with _translated(options):
        *above, name = old.root.split("/")
        base = os.open(options.base, _DIRECTORY | os.O_CLOEXEC)
        try:
            source = open_beneath(base, "/".join(above), _DIRECTORY)
        except FileNotFoundError:
            raise Waiting(f"directory {old.path} is not there any more") from None
        finally:
            os.close(base)
        try:
            if look(source, name).anchor != identity:
                raise Waiting(f"directory {old.path} is not the known folder")
            with _above(options) as (target, new):
                rename(source, name, target, new)
                if look(target, new).anchor != identity:
                    rename(target, new, source, name)
                    raise Waiting(f"directory {old.path} was exchanged while it was to be moved")
                os.fsync(target)
                os.fsync(source)
        except FileExistsError:
            raise Waiting(f"{_where(options)}: something is there by now") from None
        except FileNotFoundError:
            raise Waiting(f"directory {old.path} is not there any more") from None
        finally:
            os.close(source)


def _where(options: Options) -> str:
    return f"directory {options.path}"


@contextlib.contextmanager
def _translated(options: Options) -> Iterator[None]:
    where = _where(options)
    try:
        yield
    except NotReadable as error:
        raise Refused(
            f"{where} can't be made: the permissions of the folder above can't be handed down ({error})"
        ) from None
    except PermissionError as error:
        raise Refused(
            f"{where} can't be made or moved ({os.strerror(error.errno or 0)}): run the service as root, or give it "
            f"CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER, for Samba's permissions CAP_SYS_ADMIN too"
        ) from None
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise Refused(
                f"{where} can't be made: beside it lies {under_way(options.path.name)}, which the bridge left when it "
                f"was interrupted and in which somebody put something since. See what it is, and remove it"
            ) from None
        raise Unreachable(f"{where} can't be made or moved ({os.strerror(error.errno or 0)}): see the disk") from None


def _nowhere_else(options: Options, beside: Sequence[Options]) -> None:
    lying = [one for one in beside if os.path.lexists(one.path)]
    if lying:
        raise Waiting(
            f"{_where(options)} is not made: a folder of this name lies at {lying[0].path}. If it is the same "
            f"person's, move it here; if not, make this one by hand"
        )


def _uid(options: Options, owner: Account) -> int:
    name = f"{options.domain}\\{owner.login}" if options.domain else owner.login
    try:
        uid = pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        raise Waiting(
            f"{_where(options)} is not made yet: this machine does not know its owner's account. Expected: `getent "
            f"passwd` finds it; see winbind or sssd, and the option domain"
        ) from None
    if uid < _FIRST_UID:
        raise Refused(
            f"{_where(options)} is not made: its owner is called like an account of the system (uid {uid}). Rename one "
            f"of them"
        )
    return uid


@contextlib.contextmanager
def _above(options: Options) -> Iterator[tuple[int, str]]:
    """The folder that the root is in, open, and the root's name; what is missing on the way is made."""
    if not options.root:
        raise Refused(f"{_where(options)}: the base itself is never made; create or mount it")
    here = os.open(options.base, _DIRECTORY | os.O_CLOEXEC)
    *above, name = options.root.split("/")
    try:
        for step in above:
            try:
                below = open_beneath(here, step, _DIRECTORY)
            except FileNotFoundError:
                _placed(here, step, lambda made, parent=here: _like_above(made, parent))  # type: ignore[misc]
                below = open_beneath(here, step, _DIRECTORY)
            os.close(here)
            here = below
        yield here, name
    finally:
        os.close(here)


def _like_above(made: int, parent: int) -> None:
    """A folder of a class: owner, group, mode and lists like those of the folder that it is in."""
    inherit(made, parent, None, is_folder=True)
    with contextlib.suppress(OSError):
        os.setxattr(made, _POSIX, os.getxattr(parent, POSIX_DEFAULT))
    above = descriptor_of(parent)
    if above is not None:
        given = Descriptor(above.owner, tuple(handed_down(above)))
        os.setxattr(made, NTACL, wrapped(given, like=os.getxattr(parent, NTACL)))


def _placed(parent: int, name: str, give: Callable[[int], None]) -> None:
    """Make a folder whole or not at all; one that is there meanwhile is left as it is."""
    temporary = under_way(name)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(temporary, dir_fd=parent)  # of a crash; empty, or it is not removed
    os.mkdir(temporary, 0o700, dir_fd=parent)
    try:
        made = os.open(temporary, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            give(made)
            os.fsync(made)
        finally:
            os.close(made)
        rename(parent, temporary, parent, name)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.rmdir(temporary, dir_fd=parent)
        if not isinstance(error, FileExistsError):
            raise
    os.fsync(parent)


def _let_in(made: int, parent: int) -> None:
    """Whom a default list of the folder above lets in; without one nobody but the owner. Never "others"."""
    mode = 0o700 | (stat.S_IMODE(os.fstat(parent).st_mode) & stat.S_ISGID)
    try:
        raw = os.getxattr(parent, POSIX_DEFAULT)
    except OSError:
        os.fchmod(made, mode)
        return
    entries = [
        (tag, 0 if tag == _OTHER else 7 if tag == 0x01 else may, of)
        for tag, may, of in struct.iter_unpack("<HHI", raw[4:])
    ]
    os.setxattr(made, _POSIX, raw[:4] + b"".join(struct.pack("<HHI", *one) for one in entries))
