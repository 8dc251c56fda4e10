"""Sets one person's password over LDAPS: the only thing that this connection may write (MS-ADTS 3.1.1.3.1.5.1).

1. Read the account by objectGUID and judge it as the mirror does: privileged or out of scope is never touched.
2. Read its rules: those of the domain, or of the fine-grained policy that holds for it (msDS-ResultantPSO).
3. Replace unicodePwd, and with `must_change` pwdLastSet by 0 in the same request: both or neither.

Needs the right "Reset password" on the OUs, and to write pwdLastSet; see docs/connect/active_directory.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException

from bridge.core.password_rules import Names, Rules, Words
from bridge.ports import Asked, BridgeError, Context, InDoubt, NotSet, Refused, Removal, Unreachable
from connectors.active_directory import edits
from connectors.active_directory.directory import Directory
from connectors.active_directory.mapping import FieldMapping, moment_of
from connectors.active_directory.options import Options
from connectors.active_directory.reader import PEOPLE, Reader
from connectors.active_directory.scope import Scope
from connectors.active_directory.session import CAREFUL, NO_SUCH_OBJECT, OVERLOADED, Session
from connectors.active_directory.trust import VerifiedTls
from connectors.active_directory.wire import Entry, equals_filter, guid_base

_ANY = "(objectClass=*)"
_LONGEST = 127  # what a Windows logon screen lets be typed; the directory itself takes 256
_COMPLEX = 0x1  # DOMAIN_PASSWORD_COMPLEX, MS-SAMR 2.2.1.7 PasswordProperties
_DOMAIN_RULES = ("minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge")
_FINE_RULES = ("msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled", "msDS-PasswordHistoryLength",
               "msDS-MinimumPasswordAge")  # fmt: skip
_OWN = ("sAMAccountName", "displayName", "givenName", "sn", "pwdLastSet", "msDS-ResultantPSO")
_SCOPE_HOLDS = 60.0  # seconds for which the privileged groups are not read again: a class is set within them
_POLICY = "0000052D"  # ERROR_PASSWORD_RESTRICTION, MS-ERREF 2.2


class PasswordSetter:
    """See ``bridge.ports.Passwords``. ``known``: configured place → objectGUID, as the observer learnt it."""

    def __init__(
        self, options: Options, directory: Directory, mapping: FieldMapping, *,
        context: Context, known: Callable[[], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._options = options
        self._directory = directory
        self._mapping = mapping
        self._context = context
        self._known = known
        self._scope: tuple[float, Scope] | None = None

    async def ask(self, anchor: str) -> Asked:
        """See the port."""
        await self._directory.begin()  # a connection that was idle for long is found closed here, not while writing
        return await self._directory.run(lambda session: self._ask(session, anchor))

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        """See the port. The account is judged again: it may have become privileged since it was asked for."""

        def job(session: Session) -> None:
            self._judged(session, anchor)
            _write(session, anchor, secret, must_change=must_change)

        await self._directory.begin()
        await self._directory.run(job)

    async def log_in(self, login: str, secret: str) -> str | None:
        """See ``bridge.ports.LogIn``: ``login`` is the sAMAccountName, or a userPrincipalName."""
        if not login.strip() or not secret:
            return None  # a bind without a password succeeds, and proves nothing (RFC 4513 5.1.2)
        await self._directory.begin()
        return await self._directory.run(lambda session: self._log_in(session, login.strip(), secret))

    def _log_in(self, session: Session, login: str, secret: str) -> str | None:
        name = "userPrincipalName" if "@" in login else "sAMAccountName"
        found = session.all(f"(&{PEOPLE}{equals_filter(name, login)})", ["1.1"])
        if len(found) != 1:
            return None
        try:
            entry = self._judged(session, found[0].guid)
        except NotSet:
            return None
        return entry.guid if _opens(session, self._options, entry.dn, secret) else None

    async def close(self) -> None:
        """Give the connection back."""
        await self._directory.close()

    def _ask(self, session: Session, anchor: str) -> Asked:
        entry = self._judged(session, anchor)
        names = Names(*(entry.text(name) for name in ("sAMAccountName", "displayName", "givenName", "sn")))
        return Asked(_rules(session, entry), names, moment_of(entry.number("pwdLastSet")))

    def _judged(self, session: Session, anchor: str) -> Entry:
        """The account as it stands now. Raises NotSet where the bridge may not touch it."""
        try:
            wanted = sorted({*self._mapping.user_attributes, *_OWN})
            ((entry,), _) = session.search(guid_base(anchor), _ANY, wanted)
        except LookupError:
            raise NotSet("gone", f"user {anchor} is not there in the school's directory") from None
        seen = Reader(self._mapping, self._present_scope(session)).person(entry)
        if seen is None:
            raise NotSet("privileged", f"user {anchor} is privileged at the school: the bridge never touches it")
        if isinstance(seen, Removal):
            raise NotSet(
                "gone", f"user {anchor} has left: the account at the school lies in the limbo. Restore it first"
            )
        if not seen.in_scope:
            raise NotSet("outside", f"user {anchor} is outside the scope of this school")
        return entry

    def _present_scope(self, session: Session) -> Scope:
        now = self._context.monotonic()
        if self._scope is None or now - self._scope[0] > _SCOPE_HOLDS:
            self._scope = now, Scope.read(session, self._options, self._known(), now=self._context.clock())
        return self._scope[1]


def _rules(session: Session, entry: Entry) -> Rules:
    """The rules for an account: the fine-grained policy's where there is one, else the domain's."""
    ((domain,), _) = session.search(session.root.base, _ANY, _DOMAIN_RULES)
    complex_ = bool(domain.number("pwdProperties") & _COMPLEX)
    shortest, history, wait = (domain.number(name) for name in ("minPwdLength", "pwdHistoryLength", "minPwdAge"))
    unread = False
    if fine := entry.text("msDS-ResultantPSO"):
        try:
            ((policy,), _) = session.search(fine.rpartition(";")[2], _ANY, _FINE_RULES)
        except (LookupError, Refused):
            policy = Entry("", "", "", {})
        unread = not policy.values  # whoever may not read it sees no attribute of it
        if not unread:
            shortest, history, wait = (policy.number(name) for name in (_FINE_RULES[0], _FINE_RULES[2], _FINE_RULES[3]))
            complex_ = policy.text(_FINE_RULES[1]).upper() == "TRUE"
    return Rules(
        shortest=max(shortest, 1),
        longest=_LONGEST,
        kinds=3 if complex_ else 0,
        words=Words.PARTS if complex_ else Words.ANY,
        history=history,
        wait=timedelta(microseconds=abs(wait) // 10),
        unread=unread,
    )


def _opens(session: Session, options: Options, dn: str, secret: str) -> bool:
    """Whether a bind as this person succeeds, on a connection of its own that is closed again."""
    tls = VerifiedTls(session.host, options.ca_file)
    port = urlsplit(session.server).port or 636
    host = ldap3.Server(session.host, port=port, use_ssl=True, tls=tls, get_info=ldap3.NONE,
                        connect_timeout=options.connect_seconds)  # fmt: skip
    own = ldap3.Connection(host, user=dn, password=secret, authentication=ldap3.SIMPLE, **CAREFUL,
                           receive_timeout=options.answer_seconds)  # fmt: skip
    try:
        own.open(read_server_info=False)
        answer = own.bind(read_server_info=False)
    except (LDAPException, OSError) as error:
        raise Unreachable(f"{session.server} did not answer ({type(error).__name__})") from None
    finally:
        with contextlib.suppress(LDAPException, OSError):
            own.strategy.close()
    if answer[1]["result"] in OVERLOADED:
        raise Unreachable(f"{session.server} is overloaded ({answer[1]['description']})")
    # 773: right, but to be changed first.
    return bool(answer[0]) or "data 773" in str(answer[1].get("message", ""))


def _write(session: Session, anchor: str, secret: str, *, must_change: bool) -> None:
    changes = {"unicodePwd": edits.reset(secret)}
    if must_change:
        changes["pwdLastSet"] = [(ldap3.MODIFY_REPLACE, [b"0"])]
    try:
        code, said = session.send("modify", guid_base(anchor), changes)
    except Unreachable as error:
        raise InDoubt(str(error)) from None
    if code:
        raise _refusal(session, anchor, code, said)


def _refusal(session: Session, anchor: str, code: int, said: str) -> NotSet | BridgeError:
    if _POLICY in said.upper():
        return NotSet("policy", f"the school's directory does not take this password for user {anchor} ({_POLICY})")
    if code == edits.INSUFFICIENT_RIGHTS:
        return Refused(
            f"{session.server}: {session.account} may not set the password of user {anchor}. Grant it the right "
            f"Reset password and write access to pwdLastSet on the OU, see docs/connect/active_directory.md"
        )
    if code == NO_SUCH_OBJECT:
        return NotSet("gone", f"user {anchor} is not there in the school's directory")
    if code in OVERLOADED:
        return Unreachable(f"{session.server} is overloaded ({OVERLOADED[code]})")
    return NotSet("refused", f"{session.server} refused the password of user {anchor} (LDAP result code {code})")
