"""A site enrols: it looks whether the hub is the one of the ticket, makes a key, and gets a certificate for it.

look    a TLS connection that believes nobody, only to see whether the chain holds the ticket's authority
ask     a second one that believes this authority alone; only now the ticket leaves this machine
keep    key, certificate, authority and the hub's key are put in place together
"""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bridge.fleet import certificates, paths
from bridge.fleet.messages import Enrolled, Enrolment
from bridge.ports import ConfigurationError
from bridge.uplink import papers
from bridge.uplink.line import ANSWER, CONNECT, Line, trouble

_TICKET = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,31})\.([A-Za-z0-9_-]{8,90})\.([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What ``hub enrol`` printed: for which site, its secret, and the SHA-256 of the hub authority's certificate."""

    site: str
    secret: str
    fingerprint: str

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Raises ConfigurationError; what was typed is not repeated."""
        found = _TICKET.fullmatch("".join(text.split()))
        if found is None:
            raise ConfigurationError(
                "this is no ticket. Expected: the one line that `schoolbridge hub enrol` printed: "
                "SITE.SECRET.FINGERPRINT"
            )
        return cls(found[1], found[2], found[3].lower())


async def enrol(url: str, ticket: Ticket, folder: Path) -> Sequence[str]:
    """Get the papers; the codes of the schools that are this site's. Raises Away or ConfigurationError."""
    authority = await authority_of(url, ticket.fingerprint)
    key, request = certificates.request_for(ticket.site)
    async with Line(url, certificates.client_context(authority)) as line:
        enrolled = await line.enrol(Enrolment(site=ticket.site, ticket=ticket.secret, request=request))
    if not _same(papers.fingerprint(enrolled.authority), ticket.fingerprint):
        raise ConfigurationError(f"{url} gave the certificate of another authority than its own; nothing was kept")
    papers.enrol(folder, ticket.site, key, enrolled)
    return enrolled.schools


async def renew(line: Line, known: papers.Papers) -> Enrolled:
    """Get a new certificate for a new key, and put both in place. Raises Away or ConfigurationError."""
    key, request = certificates.request_for(known.site)
    enrolled = await line.renew(Enrolment(site=known.site, ticket="", request=request))
    if not _same(papers.fingerprint(enrolled.authority), papers.fingerprint(known.authority)):
        raise ConfigurationError("the hub renewed with another authority than that of this site; nothing was kept")
    papers.renew(known.folder, known.site, key, enrolled)
    return enrolled


async def authority_of(url: str, fingerprint: str) -> str:
    """The authority's certificate (PEM) out of the chain that the hub shows. Raises Away or ConfigurationError."""
    context = _Blind(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=CONNECT)
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session,
            session.get(url + paths.ENROL, allow_redirects=False),
        ):
            pass  # what it answers is nobody's word
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if not context.chain:
            raise trouble(url, error) from None
    for one in context.chain:
        if _same(hashlib.sha256(one).hexdigest(), fingerprint):
            return ssl.DER_cert_to_PEM_cert(one)
    raise ConfigurationError(
        f"{url} is not the hub that this ticket is from: its certificates have other fingerprints. See that hub.url is "
        f"right. If it is, somebody stands in between: the ticket was not sent, and nothing was kept"
    )


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.lower(), other.lower())


class _Seen(ssl.SSLObject):
    """Notes the chain that the other end shows, believed or not."""

    def do_handshake(self) -> None:
        super().do_handshake()
        shown: Any = getattr(self, "get_unverified_chain", None)  # Python 3.13 has it in public
        chain = shown() if shown is not None else getattr(self, "_sslobj").get_unverified_chain()  # noqa: B009
        ders = [one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain or ()]
        if isinstance(self.context, _Blind):
            self.context.chain = ders


class _Blind(ssl.SSLContext):
    """Believes everybody, to look only."""

    sslobject_class = _Seen
    chain: Sequence[bytes] = ()
