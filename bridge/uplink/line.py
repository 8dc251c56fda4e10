"""The line to the hub: HTTPS (RFC 9110) with this site's certificate, believing the hub's own authority alone.

Each thing that can be wrong with it has a text that says what to do.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from bridge.fleet import paths
from bridge.fleet.messages import Answer, Enrolled, Enrolment, Receipt, Report
from bridge.fleet.paths import SCHOOL
from bridge.ports import Unreachable

M = TypeVar("M", bound=BaseModel)

#: Seconds for a connection, for an answer, and beyond what the hub was asked to wait.
CONNECT, ANSWER, BEYOND = 15.0, 60.0, 20.0
#: Bytes of an answer that are read: a receipt may bring some orders of configuration.
_MOST = 16 << 20
#: What OpenSSL says of a certificate: expired, not good yet, another name.
_EXPIRED, _EARLY, _NAMES = 10, 9, (62, 64)


class Away(Unreachable):
    """The hub can't be reached, or not be talked to, now; ``str`` says why and what to do. It is tried again."""


class NotTaken(Away):
    """The hub will not take just this, however often it comes; ``schools``: those that it says are not this site's."""

    def __init__(self, text: str, schools: frozenset[str] = frozenset()) -> None:
        super().__init__(text)
        self.schools = schools


class Line:
    """A line to one hub."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.url = url
        timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=CONNECT)
        # A proxy of the environment is used as by every other program; what passes it is TLS with the hub alone.
        connector = aiohttp.TCPConnector(ssl=context, limit=8)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True)

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def report(self, report: Report) -> Receipt:
        """Tell. Raises Away."""
        return await self._ask("POST", paths.REPORT, Receipt, body=report)

    async def wait(self, seconds: int) -> Receipt:
        """Wait for orders, so long at most. Raises Away."""
        return await self._ask("GET", f"{paths.WAIT}?seconds={seconds}", Receipt, seconds=seconds + BEYOND)

    async def answer(self, answer: Answer) -> None:
        """Answer a question. Raises Away."""
        await self._ask("POST", paths.ANSWERS, None, body=answer)

    async def enrol(self, enrolment: Enrolment) -> Enrolled:
        """Ask for a certificate by a ticket. Raises Away."""
        return await self._ask("POST", paths.ENROL, Enrolled, body=enrolment)

    async def renew(self, enrolment: Enrolment) -> Enrolled:
        """Ask for a new certificate. Raises Away."""
        return await self._ask("POST", paths.RENEW, Enrolled, body=enrolment)

    async def _ask(
        self, method: str, path: str, model: type[M] | None, *, body: BaseModel | None = None, seconds: float = ANSWER
    ) -> M:
        content = body.model_dump_json().encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else {}
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)
        try:
            async with self._session.request(
                method, self.url + path, data=content, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                status, raw = response.status, await _content(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise trouble(self.url, error) from None
        if status not in {200, 204}:
            if path == paths.ENROL and status in {400, 403, 422}:
                raise Away(f"{self.url} took no ticket for this site; nothing was kept{_detail(raw)}")
            raise refusal(self.url, status, raw)
        if model is None:
            return None  # type: ignore[return-value]
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            raise Away(
                f"{self.url} answers, but not as a hub of this version ({error.error_count()} fields are wrong). See "
                f"that hub.url is the sites' door of the hub, and that both have versions that fit"
            ) from None


async def _content(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        raw += part
        if len(raw) > _MOST:
            raise ValueError("an answer without end")
    return bytes(raw)


def trouble(url: str, error: BaseException) -> Away:
    """What an error of the connection means."""
    if isinstance(error, TimeoutError):
        return Away(f"{url} does not answer in time. See that the hub runs and that a firewall lets this machine out")
    found = _tls(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        return _verified(url, found)
    if found is not None:
        return _alert(url, str(found.reason or found))
    if isinstance(error, aiohttp.ClientConnectorError | OSError):
        inner = getattr(error, "os_error", None) or error
        why = getattr(inner, "strerror", None) or "the connection was ended while it began"
        return Away(f"{url} can't be reached ({why}). See that the hub runs and hub.url is right")
    return Away(f"{url}: the connection broke off ({type(error).__name__})")


def _tls(error: BaseException | None) -> ssl.SSLError | None:
    """The error of TLS inside another one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        if inner is None and isinstance(error, ssl.SSLError):
            return error
        error = inner or error.__cause__ or error.__context__
    return None


def _verified(url: str, error: ssl.SSLCertVerificationError) -> Away:
    code = error.verify_code
    if code == _EXPIRED:
        return Away(f"{url}: the hub's certificate is expired. See the hub, and the clocks of both machines")
    if code == _EARLY:
        return Away(f"{url}: the hub's certificate is not good yet: the clock of this machine may be behind. See: date")
    if code in _NAMES:
        return Away(
            f"{url}: the hub's certificate is for another name. Write into hub.url one of `sites.names` of hub.yaml"
        )
    return Away(
        f"{url} shows a certificate of an authority that is not this site's hub ({error.verify_message}). If the hub "
        f"was made anew, enrol this site again; if not, somebody stands in between"
    )


def _alert(url: str, reason: str) -> Away:
    """What the hub says of this site's certificate while the connection is made (RFC 8446, section 6.2)."""
    text = reason.upper()
    if "EXPIRED" in text:
        return Away(
            f"{url}: the hub says that this site's certificate is expired. See this machine's clock, or enrol it again"
        )
    if any(word in text for word in ("UNKNOWN_CA", "CERTIFICATE", "UNKNOWN CA", "DECRYPT_ERROR")):
        return Away(f"{url}: the hub does not know this site's certificate. Enrol it again: schoolbridge uplink enrol")
    return Away(f"{url}: no TLS connection ({reason}). See that hub.url is the sites' door of the hub")


def refusal(url: str, status: int, raw: bytes) -> Away:
    """What a status means (``bridge.fleet.paths``)."""
    detail = _detail(raw)
    if status == 426:
        return Away(f"{url}: the hub speaks another version. Update schoolbridge at this site, or the hub{detail}")
    if status == 401:
        return Away(f"{url}: the hub takes this site's certificate no more: enrol it again{detail}")
    if status == 403:
        text = f"{url}: the hub refuses this site: revoked, or a school is another site's. Ask there{detail}"
        return NotTaken(text, schools) if (schools := _schools(raw)) else Away(text)
    if status in {413, 422}:
        return NotTaken(f"{url}: the hub can't take what this site tells (HTTP {status}){detail}")
    if status in {429, 502, 503, 504} or status >= 500:
        return Away(f"{url}: the hub is busy or in trouble (HTTP {status}){detail}")
    return Away(f"{url}: the hub refuses (HTTP {status}). See that hub.url is the sites' door of the hub{detail}")


def _detail(raw: bytes) -> str:
    """What a problem (RFC 9457) says, in one line of printable letters."""
    tree = _problem(raw)
    text = str(tree.get("detail") or tree.get("title") or "")
    line = "".join(letter if letter.isprintable() else " " for letter in text)[:300].strip()
    return f". It says: {line}" if line else ""


def _schools(raw: bytes) -> frozenset[str]:
    """The schools that a problem is about: faults at ``school/CODE``."""
    faults = _problem(raw).get("faults")
    places = [one.get("where") for one in faults if isinstance(one, Mapping)] if isinstance(faults, list) else []
    return frozenset(one.removeprefix(SCHOOL) for one in places if isinstance(one, str) and one.startswith(SCHOOL))


def _problem(raw: bytes) -> Mapping[str, Any]:
    try:
        tree: Any = json.loads(raw[: 64 << 10])
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, Mapping) else {}
