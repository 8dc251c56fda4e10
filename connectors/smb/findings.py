"""``check --online``: what has to be there for this share to be mirrored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.ports import BridgeError, ConfigurationError, Finding, Refused, Topic
from connectors.smb.errors import ServerStatus
from connectors.smb.granted import granted
from connectors.smb.line import FOLDER, LIST, WRITE, Line
from connectors.smb.storage import ShareStorage

_LITTLE = 1 << 30


def probe(storage: ShareStorage) -> Sequence[Finding]:
    """Look without writing. Blocking; never raises for what it finds wrong."""
    place = storage.options.place
    try:
        found = storage.identity()
        with storage.lines.borrow() as line:
            return [
                Finding(place, True, f"root {found}"), *_connection(storage, line), *_rights(storage, line),
                *_permissions(storage),
            ]  # fmt: skip
    except ConfigurationError as error:
        return [Finding(place, False, str(error), "correct server, share and root")]
    except Refused as error:
        return [Finding(place, False, str(error), "correct the account, or its rights on share and folder")]
    except BridgeError as error:
        return [Finding(place, False, str(error), "see whether the server is up and the port is open")]
    except ServerStatus as status:
        return [Finding(place, False, f"the server answered {status}", "see the server's log")]


def _connection(storage: ShareStorage, line: Line) -> Iterator[Finding]:
    place, encrypt = storage.options.place, storage.options.encrypt
    version = f"SMB {line.dialect >> 8}.{line.dialect >> 4 & 15}.{line.dialect & 15}"
    yield Finding(f"{place} signing", line.signed, f"{version}, signed", "" if line.signed else "switch signing on")
    yield Finding(
        f"{place} encryption", True if line.encrypted or encrypt else None, "yes" if line.encrypted else "no",
        "" if line.encrypted else "set encrypt: true where others could listen on the line",
    )  # fmt: skip
    behind = abs(line.ahead)
    yield Finding(
        f"{place} clock", behind < 60 or None, f"{line.ahead:+.0f} s from ours",
        "" if behind < 60 else "let both clocks follow the same time server", Topic.CLOCK, {"seconds": behind},
    )  # fmt: skip


def _rights(storage: ShareStorage, line: Line) -> Iterator[Finding]:
    place = storage.options.place
    with line.opened("", access=LIST, options=FOLDER) as handle:
        free, total = line.room(handle)
    yield Finding(
        f"{place} space", free > _LITTLE or None, f"{free >> 20} MiB of {total >> 20} MiB free",
        "" if free > _LITTLE else "make room on the server's disk", Topic.SPACE, {"free": free},
    )  # fmt: skip
    if storage.options.read_only:
        return
    try:
        # Opening asks for the rights and changes nothing.
        with line.opened("", access=LIST | WRITE | 0x4, options=FOLDER):
            pass
        yield Finding(f"{place} rights", True, "the bridge may make files and folders")
    except ServerStatus as status:
        yield Finding(
            f"{place} rights", False, f"the bridge may not make files or folders ({status})",
            "give its account the right to change on share and folder, or set read_only: true",
        )  # fmt: skip


def _permissions(storage: ShareStorage) -> Iterator[Finding]:
    """The rights of the root, and what can't become a role: it is listed, never dropped in silence."""
    place = f"{storage.options.place} permissions"
    try:
        found = granted(storage)
    except BridgeError as error:
        yield Finding(place, None, str(error), "without it nobody is let in at the cloud's side")
        return
    said = ", ".join(f"{trustee}: {role}" for trustee, role in sorted(found.roles.items())) or "nobody"
    yield Finding(place, None if found.unsaid else True, said, "; ".join(one.say() for one in found.unsaid))
