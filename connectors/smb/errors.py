"""What the server answers (MS-ERREF 2.3.1 NTSTATUS), turned into what the caller does next."""

from __future__ import annotations

from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    SMBAuthenticationError,
    SMBException,
    SMBResponseException,
)

from bridge.ports import BridgeError, ConfigurationError, Refused, Unreachable

NO_MORE_FILES, NO_SUCH_FILE = 0x80000006, 0xC000000F
BUFFER_OVERFLOW, NOTIFY_ENUM_DIR, STOPPED_ON_SYMLINK = 0x80000005, 0x0000010C, 0x8000002D
END_OF_FILE = 0xC0000011
ACCESS_DENIED, MEDIA_WRITE_PROTECTED, CANNOT_DELETE = 0xC0000022, 0xC00000A2, 0xC0000121
NAME_INVALID, NAME_NOT_FOUND, NAME_COLLISION = 0xC0000033, 0xC0000034, 0xC0000035
PATH_INVALID, PATH_NOT_FOUND, PATH_SYNTAX_BAD = 0xC0000039, 0xC000003A, 0xC000003B
SHARING_VIOLATION, FILE_LOCK_CONFLICT, DELETE_PENDING = 0xC0000043, 0xC0000054, 0xC0000056
DISK_FULL, QUOTA_EXCEEDED = 0xC000007F, 0xC0000044
DIRECTORY_NOT_EMPTY, NOT_A_DIRECTORY, IS_A_DIRECTORY = 0xC0000101, 0xC0000103, 0xC00000BA
NAME_TOO_LONG, BAD_NETWORK_NAME, INVALID_PARAMETER = 0xC0000106, 0xC00000CC, 0xC000000D
INVALID_OWNER, PRIVILEGE_NOT_HELD = 0xC000005A, 0xC0000061
OPLOCK_BREAK, NOT_SUPPORTED = 0xC0000908, 0xC00000BB

#: Nothing is there (any more).
ABSENT = frozenset({NAME_NOT_FOUND, PATH_NOT_FOUND, NO_SUCH_FILE, DELETE_PENDING, NOT_A_DIRECTORY, STOPPED_ON_SYMLINK})
_LOGIN = {
    0xC000006D: "user name or password is wrong",
    0xC000006A: "the password is wrong",
    0xC0000064: "the user is not known",
    0xC000006E: "the account is restricted",
    0xC000006F: "the account may not log in at this hour",
    0xC0000070: "the account may not log in from here",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled",
    0xC0000193: "the account has expired",
    0xC0000224: "the password has to be changed",
    0xC0000234: "the account is locked out",
    0xC000015B: "the account may not log in over the network",
    0xC0000133: "the clocks differ too much",
}
_AWAY = frozenset({
    0xC00000C9, 0xC0000203, 0xC000035C, 0xC0000205, 0xC000009A, 0xC00000B5, 0xC0000466, 0xC000020C, 0xC000020D,
    0xC00000C4, 0xC00000D0, 0xC0000128, 0xC0000008, 0xC00000E5, 0xC000026E, 0xC0000185, 0xC0000120,
})  # fmt: skip


class ServerStatus(Exception):
    """The server answered something else than success to one request; only that one object is affected."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NTSTATUS 0x{code:08X}")
        self.code = code


def translated(error: Exception, place: str) -> Exception:
    """An error of smbprotocol or the socket as one of ours; ``place`` names the share for a person."""
    if isinstance(error, BridgeError | ServerStatus):
        return error
    if isinstance(error, SMBResponseException):
        return _of_status(int(error.status), place)
    if isinstance(error, SMBAuthenticationError):
        return Refused(f"{place}: logging in failed: see user name, password and kind of authentication")
    if isinstance(error, SMBException) and "ncrypt" in str(error):
        return Refused(f"{place}: the server can't encrypt: switch SMB 3 encryption on there, or set encrypt to false")
    if isinstance(error, SMBException) and "igning" in str(error):
        return Refused(f"{place}: the server does not sign what it sends: switch SMB signing on there")
    return Unreachable(f"{place} does not answer ({type(error).__name__}): see whether the server and the line are up")


def _of_status(code: int, place: str) -> Exception:
    if code in _LOGIN:
        return Refused(f"{place}: the login is refused, {_LOGIN[code]}: see the account of the bridge")
    if code == BAD_NETWORK_NAME:
        return ConfigurationError(f"{place}: the server has no such share: correct share (and server)")
    if code in _AWAY:
        return Unreachable(f"{place}: the server ended the connection (0x{code:08X}): see whether it is up")
    return ServerStatus(code)
