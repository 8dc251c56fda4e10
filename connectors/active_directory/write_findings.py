"""What `check --online` finds of the rights to write. Asks the server what the account may do; writes nothing.

``allowedChildClassesEffective`` and ``allowedAttributesEffective`` are worked out by the server for whoever asks
(MS-ADTS 3.1.1.4.5.22, 3.1.1.4.5.24), on Windows and Samba. Whether a password may be set and an object moved away can't
be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import ldap3

from bridge.ports import Finding
from connectors.active_directory import notes
from connectors.active_directory.desk import CONDITIONS
from connectors.active_directory.mapping import CONSISTENCY_GUID, untouchable
from connectors.active_directory.options import Options
from connectors.active_directory.reader import GROUP, USER
from connectors.active_directory.scope import Scope
from connectors.active_directory.session import Session
from connectors.active_directory.ways import Ways
from connectors.active_directory.wire import Entry
from connectors.active_directory.writeback import Writeback

_ANY = "(objectClass=*)"
_ALWAYS = {
    USER: ("userAccountControl", "pwdLastSet", "sAMAccountName", "cn", notes.ATTRIBUTE),
    GROUP: ("member", "groupType", "cn", notes.ATTRIBUTE),
}
_SAMPLE = 200  # objects that are looked at for one that is not privileged


def rights(
    session: Session, options: Options, extra: Mapping[str, Mapping[str, str]], *, now: datetime
) -> Iterator[Finding]:
    """One line for each OU and each kind; nothing where nothing is written. Raises ConfigurationError.

    ``extra`` as for `FieldMapping`.
    """
    back = options.writeback
    if back is None or back.read_only:
        return
    scope = Scope.read(session, options, {}, now=now)
    for written, classes in _wanted(back).items():
        yield _children(session, scope, written, classes)
    for kind in (USER, GROUP):
        yield _attributes(session, scope, kind, _needed(options, kind, extra.get(kind, {})))
    if not back.people:
        yield Finding("writeback", None, "no rule in `writeback.people`: no account is made", "Add one if needed.")


def _wanted(back: Writeback) -> dict[str, set[str]]:
    """OU → kinds of objects that are made or moved there."""
    wanted: dict[str, set[str]] = {back.limbo: {USER, GROUP}}
    for rule in back.people:
        wanted.setdefault(rule.ou, set()).add(USER)
    for place in back.groups:
        wanted.setdefault(place.ou, set()).add(GROUP)
    for home in back.members_of:
        wanted.setdefault(home.parent, set()).update({USER, "organizationalUnit"} if home.create else {USER})
    return wanted


def _needed(options: Options, kind: str, extra: Mapping[str, str]) -> tuple[str, ...]:
    names = (*_ALWAYS[kind], *Ways(options, kind, extra).attributes)
    reference = options.reference_attribute
    key = reference if reference and kind == USER else CONSISTENCY_GUID
    return tuple(dict.fromkeys((*names, key)))


def _children(session: Session, scope: Scope, written: str, classes: set[str]) -> Finding:
    place = scope.places[written]
    ((entry,), _) = session.search(place.dn, _ANY, ["allowedChildClassesEffective"])
    missing = sorted(classes - _told(entry, "allowedChildClassesEffective"))
    if not missing:
        return Finding(f"write {written}", True, f"may make and move there: {', '.join(sorted(classes))}")
    windows = ", ".join(f'dsacls "{place.dn}" /I:T /G "{session.account}:CCDC;{one}"' for one in missing)
    return Finding(
        f"write {written}", False, f"{session.account} may not make there: {', '.join(missing)}",
        f"Windows: {windows}. Samba: {_samba(session, scope)}, with --units where OUs are made.",
    )  # fmt: skip


def _attributes(session: Session, scope: Scope, kind: str, needed: Sequence[str]) -> Finding:
    entry = _sample(session, scope, kind)
    if entry is None:
        return Finding(f"write {kind}", None, f"there is no {kind} in scope to ask the rights of")
    allowed = {name.lower() for name in _told(entry, "allowedAttributesEffective")}
    missing = [name for name in needed if name.lower() not in allowed]
    if not missing:
        return Finding(f"write {kind}", True, f"may write all {len(needed)} attributes that are written")
    root = scope.roots(session.root.base)[0]
    return Finding(
        f"write {kind}", False, f"{session.account} may not write {', '.join(missing)} of a {kind}",
        f'Windows, for each: dsacls "{root}" /I:S /G "{session.account}:RPWP;{missing[0]};{kind}". '
        f"Samba: {_samba(session, scope)}, with --attribute for each that it does not know.",
    )  # fmt: skip


def _sample(session: Session, scope: Scope, kind: str) -> Entry | None:
    wanted = ["allowedAttributesEffective", "objectClass", "adminCount", "isCriticalSystemObject", "userAccountControl"]
    for root in scope.roots(session.root.base):
        found, _ = session.search(root, CONDITIONS[kind], wanted, scope=ldap3.SUBTREE, page=_SAMPLE)
        for entry in found:
            if scope.stands_inside(entry.dn) and not untouchable(entry, scope.surroundings):
                return entry
    return None


def _told(entry: Entry, name: str) -> set[str]:
    return {value.decode() for value in entry.values.get(name.lower(), ())}


def _samba(session: Session, scope: Scope) -> str:
    account = session.account.partition("@")[0].rpartition("\\")[2]
    return f'/usr/bin/python3 let_write.py {account} "{scope.roots(session.root.base)[0]}"'
