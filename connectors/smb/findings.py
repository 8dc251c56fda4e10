"""``check --online``: what has to be there for this share to be mirrored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.ports import BridgeError, ConfigurationError, Finding, Refused
from connectors.smb.errors import ServerStatus
from connectors.smb.line import FOLDER, LIST, READ_CONTROL, WRITE, Line
from connectors.smb.rights import NotReadable, read_descriptor, roles_of
from connectors.smb.sight import Sight

_LITTLE = 1 << 30


def probe(sight: Sight) -> Sequence[Finding]:
    """Look without writing. Blocking; never raises for what it finds wrong."""
    place = sight.options.place
    try:
        found = sight.verified()
        with sight.lines.borrow() as line:
            return [
                Finding(place, True, f"root {found}"), *_connection(sight, line), *_rights(sight, line),
                *_permissions(sight, line),
            ]  # fmt: skip
    except ConfigurationError as error:
        return [Finding(place, False, str(error), "correct server, share and root")]
    except Refused as error:
        return [Finding(place, False, str(error), "correct the account, or its rights on share and folder")]
    except BridgeError as error:
        return [Finding(place, False, str(error), "see whether the server is up and the port is open")]
    except ServerStatus as status:
        return [Finding(place, False, f"the server answered {status}", "see the server's log")]


def _connection(sight: Sight, line: Line) -> Iterator[Finding]:
    place, encrypt = sight.options.place, sight.options.encrypt
    version = f"SMB {line.dialect >> 8}.{line.dialect >> 4 & 15}.{line.dialect & 15}"
    yield Finding(f"{place} signing", line.signed, f"{version}, signed", "" if line.signed else "switch signing on")
    yield Finding(
        f"{place} encryption", True if line.encrypted or encrypt else None, "yes" if line.encrypted else "no",
        "" if line.encrypted else "set encrypt: true where others could listen on the line",
    )  # fmt: skip
    behind = abs(line.ahead)
    yield Finding(
        f"{place} clock", behind < 60 or None, f"{line.ahead:+.0f} s from ours",
        "" if behind < 60 else "let both clocks follow the same time server",
    )  # fmt: skip


def _rights(sight: Sight, line: Line) -> Iterator[Finding]:
    place = sight.options.place
    with line.opened("", access=LIST, options=FOLDER) as handle:
        free, total = line.room(handle)
    yield Finding(
        f"{place} space", free > _LITTLE or None, f"{free >> 20} MiB of {total >> 20} MiB free",
        "" if free > _LITTLE else "make room on the server's disk",
    )  # fmt: skip
    if sight.options.read_only:
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


def _permissions(sight: Sight, line: Line) -> Iterator[Finding]:
    """The permissions of the root and of its folders: what can't become a role is listed, never dropped in silence."""
    tops = [name for name, node in line.list("")[1] if node.is_folder and not node.is_link]
    for path in ("", *(one for one in sorted(tops) if not sight.rules.excludes_name(one))):
        place = f"{sight.options.place}\\{path}" if path else sight.options.place
        try:
            with line.opened(path, access=READ_CONTROL, options=FOLDER) as handle:
                roles, others = roles_of(read_descriptor(line.descriptor(handle)), top=not path)
        except (ServerStatus, NotReadable) as error:
            yield Finding(f"{place} permissions", None, f"can't be read ({error})", "give the account READ_CONTROL")
            continue
        told = ", ".join(f"{sid}: {role}" for sid, role in sorted(roles.items())) or "nobody"
        if not path or others:
            yield Finding(f"{place} permissions", None if others else True, told, "; ".join(others))
