"""One bound LDAPS connection to one domain controller. Blocking; `directory.py` gives it a thread.

1. TLS 1.2 or newer with the certificate's chain, validity and host name checked by OpenSSL; nothing else is offered.
2. ldap3 in its thread-safe strategy, without schema (`get_info=NONE`): values stay bytes and filters stay as written.
3. Vendor errors become Unreachable or Refused here; after one the connection is closed.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import search_operation

from bridge.ports import Refused, Unreachable, permitted
from connectors.active_directory import kerberos
from connectors.active_directory.options import Options
from connectors.active_directory.trust import CertificateRefused, VerifiedTls, bind_trouble, certificate_trouble
from connectors.active_directory.wire import (
    EXTENDED_NAMES,
    PAGED,
    Control,
    Entry,
    entry_of,
    extended_name,
    guid_base,
    guid_text,
    lean_decoder,
    read_time,
    sid_text,
)

#: How every connection is made: nothing is guessed, escaped again, decoded by a schema, followed elsewhere or written.
CAREFUL: dict[str, Any] = {
    "client_strategy": ldap3.SAFE_SYNC, "auto_bind": ldap3.AUTO_BIND_NONE, "auto_range": False, "auto_escape": False,
    "auto_encode": False, "auto_referrals": False, "check_names": False, "return_empty_attributes": False,
    "read_only": True,
}  # fmt: skip
NO_SUCH_OBJECT = 32
_UNSET_TOMBSTONE_LIFETIME = 60  # days, where the attribute has no value (MS-ADTS 6.1.1.2.4.1.1)
OVERLOADED = {3: "time limit", 11: "administrative limit", 51: "busy", 52: "unavailable"}


@dataclass(frozen=True, slots=True)
class Root:
    """What a domain controller says of itself: its host name, the domain, which database, how far it is."""

    host: str
    base: str
    configuration: str
    domain: str
    domain_sid: str
    tombstone_days: int
    invocation: str
    usn: int
    now: datetime
    account_sid: str


class Session:
    """A bound connection to ``server``. Blocking; used from one thread at a time."""

    def __init__(
        self, options: Options, server: str, password: Callable[[], str],
        *, writing: bool = False, permit: Callable[[], None] = permitted,
    ) -> None:  # fmt: skip
        address = urlsplit(server)
        self.server = server
        self.host = address.hostname or ""
        self.account = options.account or "the bridge"
        self._options, self._permit = options, permit
        self._tls = VerifiedTls(self.host, options.ca_file)
        self.requests = 0
        target = ldap3.Server(
            self.host, port=address.port or 636, use_ssl=True, tls=self._tls,
            get_info=ldap3.NONE, connect_timeout=options.connect_seconds,
        )  # fmt: skip
        self._connection = ldap3.Connection(
            target, **self._credentials(password), **{**CAREFUL, "read_only": not writing},
            receive_timeout=options.answer_seconds,
        )  # fmt: skip
        strategy = self._connection.strategy
        strategy.decode_response_fast = lean_decoder(strategy.decode_response_fast)
        self._bind()
        self._domain: tuple[str, str, int] | None = None
        self.root = self.read_root()

    def _credentials(self, password: Callable[[], str]) -> dict[str, Any]:
        if self._options.authentication == "simple":
            return {"user": self._options.account, "password": password(), "authentication": ldap3.SIMPLE}
        return {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.KERBEROS}

    def _bind(self) -> None:
        answer = self._log_in()
        if answer[0]:
            return
        self.close()
        code, message = answer[1]["result"], answer[1].get("message", "")
        if code in OVERLOADED:
            raise Unreachable(f"{self.server} is {OVERLOADED[code]}")
        trouble = bind_trouble(message, answer[1]["description"], code=code)
        raise Refused(f"{self.server} does not let {self.account} in: {trouble}")

    def _log_in(self) -> Any:
        """Open and bind; ldap3's answer to the bind."""
        try:
            self._connection.open(read_server_info=False)
            if self._options.authentication == "simple":
                return self._connection.bind(read_server_info=False)
            kerberos.check_binding(self.server, self._connection.socket.getpeercert(binary_form=True))
            with kerberos.ticket(self._options) as credentials:
                self._connection.sasl_credentials = (None, None, credentials)
                return self._connection.bind(read_server_info=False)
        except (LDAPException, OSError) as error:
            raise self._translated(error) from None
        except Exception as error:
            self.close()
            if self._options.authentication == "gssapi" and (
                told := kerberos.translated(self.server, self._options, error)
            ):
                raise told from None
            raise

    def _translated(self, error: Exception) -> Exception:
        self.close()
        if isinstance(self._tls.error, ssl.SSLCertVerificationError):
            return CertificateRefused(certificate_trouble(self.server, self.host, self._tls.error))
        return Unreachable(f"{self.server} does not answer: {_reason(self._tls.error or error)}")

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The server's certificate as `ssl` shows it."""
        return self._tls.certificate

    @property
    def protocol(self) -> str:
        """The TLS version in use."""
        return self._tls.protocol

    def search(
        self, base: str, condition: str, attributes: Sequence[str], *, scope: str = ldap3.BASE,
        controls: Sequence[Control] = (), cookie: bytes | None = None, page: int | None = None,
    ) -> tuple[list[Entry], bytes]:  # fmt: skip
        """One search request: what it found, and the cookie of the next page. LookupError where no base is."""
        self.requests += 1
        try:
            _, result, response, _ = self._connection.search(
                base, condition, search_scope=scope, attributes=list(attributes) or ["1.1"],
                controls=[EXTENDED_NAMES, *controls], paged_size=page, paged_cookie=cookie, paged_criticality=True,
            )  # fmt: skip
        except (LDAPException, OSError) as error:
            raise self._translated(error) from None
        code = result["result"]
        if code == NO_SUCH_OBJECT:
            raise LookupError(base)
        if code == 50:
            raise Refused(f"{self.server}: {self.account} may not read {base}. Grant it read rights there.")
        if code in OVERLOADED:
            raise Unreachable(f"{self.server}: {OVERLOADED[code]} while searching {base}")
        if code:
            self.close()
            raise Unreachable(f"{self.server} answered {result['description']} ({code}): {result.get('message', '')}")
        entries = [entry for one in response or () if (entry := entry_of(one))]
        if base and not all(entry.guid for entry in entries):
            raise Refused(
                f"{self.server} does not name objects by GUID (control {EXTENDED_NAMES[0]}); it can't be followed"
            )
        found = (result.get("controls") or {}).get(PAGED)
        return entries, found["value"]["cookie"] if found else b""

    def send(self, verb: str, *arguments: Any, **more: Any) -> tuple[int, str]:
        """One request that writes, by ldap3's name for it: its result code, and what the server says of it.

        Only on a session made with ``writing``; `edits.py` knows what the codes mean.
        Unreachable where it may have been done all the same.
        """
        self._permit()
        self.requests += 1
        try:
            _, result, _, _ = getattr(self._connection, verb)(*arguments, **more)
        except (LDAPException, OSError) as error:
            raise self._translated(error) from None
        return result["result"], result.get("message", "")

    def pages(
        self, base: str, condition: str, attributes: Sequence[str],
        *, controls: Sequence[Control] = (), page: int | None = None,
    ) -> Iterator[list[Entry]]:  # fmt: skip
        """A paged subtree search, with values that the server cut into ranges completed."""
        cookie: bytes | None = None
        while cookie != b"":
            entries, cookie = self.search(
                base, condition, attributes, scope=ldap3.SUBTREE, controls=controls,
                cookie=cookie, page=page or self._options.page_size,
            )  # fmt: skip
            yield [self.completed(entry) for entry in entries]

    def all(self, condition: str, attributes: Sequence[str]) -> list[Entry]:
        """Everything in the domain that a condition finds; for conditions that find little."""
        return [entry for page in self.pages(self.root.base, condition, attributes) for entry in page]

    def completed(self, entry: Entry) -> Entry:
        """Read the rest of attributes of which only a range came (Windows: 1,500 values; MS-ADTS 3.1.1.3.1.3.3)."""
        cut = {name: found for name in entry.values if (found := re.fullmatch(r"([^;]+);range=(\d+)-(\d+|\*)", name))}
        if not cut:
            return entry
        whole = {name: values for name, values in entry.values.items() if name not in cut}
        for name, first in cut.items():
            attribute, values, found = first[1], list(entry.values[name]), first
            while found[3] != "*":
                wanted = f"{attribute};range={int(found[3]) + 1}-*"
                ((again,), _) = self.search(guid_base(entry.guid), "(objectClass=*)", [wanted])
                part = next((one for one in again.values if one.startswith(f"{attribute};range=")), None)
                matched = re.fullmatch(r"([^;]+);range=(\d+)-(\d+|\*)", part) if part else None
                if part is None or matched is None or int(matched[2]) != int(found[3]) + 1:
                    # Anything else would make a shorter list of members look like the whole one.
                    raise Unreachable(f"{self.server}: {attribute} of {entry.guid} changed while it was read in parts")
                values += again.values[part]
                found = matched
            whole[attribute] = values
        return Entry(entry.guid, entry.sid, entry.dn, whole)

    def read_root(self) -> Root:
        """Read the rootDSE and the invocationId of the database behind it."""
        wanted = ["defaultNamingContext", "configurationNamingContext", "dsServiceName", "dnsHostName",
                  "highestCommittedUSN", "currentTime", "tokenGroups"]  # fmt: skip
        ((root,), _) = self.search("", "(objectClass=*)", wanted)
        service_dn = extended_name(root.text("dsServiceName"))[2]
        try:
            ((service,), _) = self.search(service_dn, "(objectClass=*)", ["invocationId"])
            invocation = guid_text(service.values["invocationid"][0])
        except (LookupError, KeyError):
            raise Refused(
                f"{self.server}: invocationId of {service_dn} can't be read. "
                f"Grant {self.account} the ordinary read right of authenticated users on the configuration"
            ) from None
        groups = root.values.get("tokengroups")
        base, configuration = (
            extended_name(root.text(f"{name}NamingContext"))[2] for name in ("default", "configuration")
        )
        self._domain = self._domain or self._read_domain(base, configuration)
        domain, domain_sid, days = self._domain
        return Root(
            host=root.text("dnsHostName"), base=base, configuration=configuration,
            domain=domain, domain_sid=domain_sid, tombstone_days=days,
            invocation=invocation, usn=root.number("highestCommittedUSN"), now=read_time(root.text("currentTime")),
            account_sid=sid_text(groups[0]) if groups else "",
        )  # fmt: skip

    def _read_domain(self, base: str, configuration: str) -> tuple[str, str, int]:
        ((head,), _) = self.search(base, "(objectClass=*)", ["objectSid"])
        service = f"CN=Directory Service,CN=Windows NT,CN=Services,{configuration}"
        try:
            ((found,), _) = self.search(service, "(objectClass=*)", ["tombstoneLifetime"])
            days = found.number("tombstoneLifetime")
        except LookupError:
            days = 0
        return head.guid, head.sid, days or _UNSET_TOMBSTONE_LIFETIME

    def usn(self) -> int:
        """highestCommittedUSN as of now."""
        ((root,), _) = self.search("", "(objectClass=*)", ["highestCommittedUSN"])
        return root.number("highestCommittedUSN")

    def send_search(self, base: str, condition: str, *, scope: str, controls: Sequence[Control]) -> ssl.SSLSocket:
        """Send a search without waiting for its answers, which the caller reads from the socket; ask nothing more here.

        The system notices a server that vanished without a word, within a minute and a half.
        """
        connection = self._connection
        request = search_operation(base, condition, scope, ldap3.DEREF_NEVER, ["1.1"], 0, 0, False, False, False)
        try:
            connection.strategy.send("searchRequest", request, list(controls))
            line: ssl.SSLSocket = connection.socket
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
                if hasattr(socket, name):
                    line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        except (LDAPException, OSError) as error:
            raise self._translated(error) from None
        return line

    def close(self) -> None:
        """Close the socket; nothing is sent."""
        with contextlib.suppress(LDAPException, OSError):
            self._connection.strategy.close()


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.sub(r"^.*?(?:error while opening|invalid server address|sending error|receiving): ?", "", text)
