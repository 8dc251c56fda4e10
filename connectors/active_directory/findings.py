"""What `check --online` finds at the school: certificate, bind, rights, clock, attributes, scope. Reads only."""

from __future__ import annotations

import difflib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bridge.core.model import Fields
from bridge.ports import BridgeError, Finding, Observation, Topic
from connectors.active_directory.devices import computers
from connectors.active_directory.directory import Directory
from connectors.active_directory.mapping import FieldMapping, Skipped
from connectors.active_directory.options import Options
from connectors.active_directory.reader import GROUPS, PEOPLE, Reader
from connectors.active_directory.scope import Scope, moved, ous_of
from connectors.active_directory.session import Root, Session
from connectors.active_directory.wire import SHOW_DELETED, Entry, equals_filter, name_parts
from connectors.active_directory.write_findings import rights

_DELETED_OBJECTS = "18E2EA80684F11D2B9AA00C04F79F805"  # GUID_DELETED_OBJECTS_CONTAINER, MS-ADTS 6.1.1.4
_SHORT, _SKEW, _WIDE_SKEW = timedelta(days=30), timedelta(seconds=60), timedelta(minutes=5)


async def probe(
    directory: Directory, options: Options, mapping: FieldMapping, extra: Mapping[str, Mapping[str, str]],
    *, now: datetime,
) -> Sequence[Finding]:  # fmt: skip
    """All findings; never raises for what it finds wrong. ``extra`` as for `FieldMapping`."""
    findings: list[Finding] = []
    try:
        root = await directory.begin()
        findings += [Finding("server", None, warning) for warning in directory.passed_over()]
        findings += await directory.run(lambda session: list(_channel(session, options, now)))
    except BridgeError as error:
        return [*findings, Finding("login", False, str(error))]
    findings.append(_clock(root, now))
    steps: tuple[Callable[[], Awaitable[list[Finding]]], ...] = (
        lambda: directory.run(lambda session: list(_deleted_objects(session, options))),
        lambda: directory.run(lambda session: list(_attributes(session, mapping))),
        lambda: directory.run(lambda session: list(_computers(session, options))),
        lambda: _population(directory, options, mapping, now),
        lambda: directory.run(lambda session: list(rights(session, options, extra, now=now))),
    )
    for step in steps:
        try:
            findings += await step()
        except BridgeError as error:
            findings.append(Finding("scope", False, str(error)))
    return findings


def _channel(session: Session, options: Options, now: datetime) -> Iterator[Finding]:
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(session.certificate["notAfter"])), UTC)
    left = expires - now
    remedy = "" if left > _SHORT else f"Renew the certificate of {session.host} before then."
    ok = True if left > _SHORT else None
    yield Finding("certificate", ok, f"expires in {left.days} days", remedy, numbers={"days_left": left.days})
    how = "password" if options.authentication == "simple" else "Kerberos"
    yield Finding(
        "login", True, f"{session.host}: {options.account or 'the keytab'} by {how} inside {session.protocol}, "
        "certificate and host name verified",
    )  # fmt: skip


def _clock(root: Root, now: datetime) -> Finding:
    skew = abs(root.now - now)
    ok = True if skew <= _SKEW else None if skew <= _WIDE_SKEW else False
    remedy = "" if ok else "Set both clocks by the same time server; Kerberos allows 5 minutes."
    seconds = round(skew.total_seconds())
    return Finding(
        "clock", ok, f"{seconds} s apart from {root.host}", remedy, topic=Topic.CLOCK, numbers={"seconds": seconds}
    )


def _deleted_objects(session: Session, options: Options) -> Iterator[Finding]:
    base = f"<WKGUID={_DELETED_OBJECTS},{session.root.base}>"
    try:
        found, _ = session.search(base, "(objectClass=*)", ["objectClass"], controls=[SHOW_DELETED])
    except (LookupError, BridgeError):
        found = []
    # Whoever may not read it sees the container itself (Samba) or nothing at all, but none of its attributes.
    if found and found[0].classes():
        yield Finding("deleted objects", True, "can be read: deletions are noticed at once")
        return
    container, account = f"CN=Deleted Objects,{session.root.base}", options.account or "ACCOUNT"
    yield Finding(
        "deleted objects", None,
        f"{account} may not read {container}: a deleted account is only noticed as missing, and then held",
        f'Windows, as a domain administrator: dsacls "{container}" /takeOwnership, then '
        f'dsacls "{container}" /G "{account}:LCRP". '
        f"Samba: the right (A;;RPLCLORC;;;{session.root.account_sid}), set as docs/connect/active_directory.md shows.",
    )  # fmt: skip


def _computers(session: Session, options: Options) -> Iterator[Finding]:
    """How many computers the school has: before the old server goes they have to be managed another way."""
    count = len(computers(session, options))
    place = "are in the OUs of `computers`" if options.computers else "belong to the domain"
    yield Finding(
        "devices", True, f"{count} computers {place}, domain controllers and disabled ones aside", topic=Topic.DEVICES,
        numbers={"computers": count},
    )  # fmt: skip


def _attributes(session: Session, mapping: FieldMapping) -> Iterator[Finding]:
    wanted = sorted({*mapping.user_attributes, *mapping.group_attributes})
    condition = f"(|{''.join(equals_filter('lDAPDisplayName', name) for name in wanted)})"
    schema = f"CN=Schema,{session.root.configuration}"
    pages = session.pages(schema, f"(&(objectClass=attributeSchema){condition})", ["lDAPDisplayName"])
    known = {entry.text("lDAPDisplayName").lower() for page in pages for entry in page}
    if not known:
        return  # the schema can't be read; that is unusual, but nothing needs it
    unknown = [name for name in wanted if name.lower() not in known]
    if not unknown:
        yield Finding("attributes", True, f"all {len(wanted)} exist in the directory")
        return
    every = session.pages(schema, "(objectClass=attributeSchema)", ["lDAPDisplayName"])
    names = [entry.text("lDAPDisplayName") for page in every for entry in page]
    for name in unknown:
        close = difflib.get_close_matches(name, names, n=1)
        yield Finding(
            "attributes", False, f"{name} does not exist in this directory",
            f"Did you mean {close[0]}?" if close else "Correct the expression that names it.",
        )  # fmt: skip


async def _population(directory: Directory, options: Options, mapping: FieldMapping, now: datetime) -> list[Finding]:
    scope = await directory.run(lambda session: Scope.read(session, options, {}, now=now))
    reader = Reader(mapping, scope)
    tally = _Tally()
    base = await directory.base()
    for root in scope.roots(base):
        async for page in directory.pages(root, PEOPLE, mapping.user_attributes):
            for entry in page:
                seen = reader.person(entry)
                if isinstance(seen, Observation) and seen.in_scope:
                    tally.person(entry, seen.fields, scope)
        wanted = (*mapping.group_attributes, "member")
        async for page in directory.pages(root, GROUPS, wanted):
            for entry in page:
                seen = reader.group(entry)
                if isinstance(seen, Observation) and seen.in_scope:
                    tally.group(seen.fields)
    found = [Finding("scope", None, warning) for warning in moved(scope.places.values(), base)]
    return [*found, *tally.findings(options, reader)]


class _Tally:
    """Counts what is in scope; holds no names."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self.roles: Counter[str] = Counter()
        self.groups: Counter[str] = Counter()
        self.anchors: Counter[str] = Counter()
        self.own_anchors = self.without_consent = self.members = 0

    def person(self, entry: Entry, fields: Fields, scope: Scope) -> None:
        parts = name_parts(entry.dn)
        for written in ous_of(scope.options):
            place = scope.places[written].parts
            self.places[written] += parts[: len(place)] == place
        self.roles[str(fields["role"])] += 1
        self.anchors[str(fields["source_anchor"])] += 1
        self.own_anchors += fields["source_anchor"] == entry.guid
        self.without_consent += fields["consent"] is False

    def group(self, fields: Fields) -> None:
        self.groups[str(fields["role"])] += 1
        members = fields["members"]
        self.members += len(members) if isinstance(members, frozenset) else 0

    def findings(self, options: Options, reader: Reader) -> Iterator[Finding]:
        for written in ous_of(options):
            count = self.places[written]
            remedy = "" if count else "Is it the right OU, and may the account read it?"
            yield Finding(f"scope {written}", True if count else None, f"{count} people", remedy)
        for name, counted in (("people", self.roles), ("groups", self.groups)):
            told = ", ".join(f"{count} {role}" for role, count in sorted(counted.items())) or "none"
            yield Finding(name, True if counted else None, told)
        if self.groups and not self.members:
            yield Finding("members", None, "no group shows a member", "Grant the account `Read members` on the groups.")
        if unmatched := reader.skipped[Skipped.UNMATCHED]:
            yield Finding(
                "people", None, f"{unmatched} match no role and are not mirrored", "Add a rule if they should be."
            )
        if privileged := reader.skipped[Skipped.PRIVILEGED]:
            yield Finding("privileged", True, f"{privileged} privileged accounts and groups are never touched")
        yield from (Finding("expressions", False, warning, "Correct the expression.") for warning in reader.warnings)
        if options.reference_attribute and self.own_anchors:
            yield Finding(
                "source anchor", None, f"{self.own_anchors} people have no {options.reference_attribute}",
                "Their objectGUID is used; fill it in before they are mirrored, so that a return is recognised.",
            )  # fmt: skip
        if doubles := sum(count > 1 for count in self.anchors.values()):
            yield Finding(
                "source anchor", False, f"{doubles} reference ids are used by more than one person",
                "Give each person one of their own; until then they are held.",
            )  # fmt: skip
        if self.without_consent:
            yield Finding("consent", None, f"{self.without_consent} people without consent get no account")
