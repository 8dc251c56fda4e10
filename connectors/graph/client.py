"""HTTP to Graph: who may be sent the token, how long anything may take, what is repeated.

There is one retry layer: ``call`` repeats a read, ``batch.Batches`` repeats the parts of writes; both around ``once``,
which sends a request exactly one time (plus once more with a fresh token on 401). Redirects are not followed: nothing
in the directory redirects, and the token must not travel to where an answer points.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
import tenacity
from yarl import URL

from bridge.ports import ConfigurationError, Context, Refused, Unreachable, permitted
from connectors.graph.answers import Answer, Busy, Lost, complain
from connectors.graph.auth import Tokens
from connectors.graph.budget import Budget, Cost, cost
from connectors.graph.options import Access, safe
from connectors.graph.proxy import Proxies
from connectors.graph.sockets import opened

USER_AGENT = "NONISV|schoolbridge|schoolbridge/0.1"
BACKOFF = 0.5  # seconds before the first repetition where the service names no time
BACKOFF_MOST = 15.0
ATTEMPTS = 300  # more can't fit into any patience; ends it where the clock stands still

#: ``Context.permit`` of the connector whose ``apply`` a task belongs to: all drives of an application share one client.
PERMIT: ContextVar[Callable[[], None]] = ContextVar("schoolbridge_graph_permit", default=permitted)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counters:
    """What was sent, for figures and tests."""

    requests: int = 0
    throttled: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)


class Patience:
    """How long something is repeated: counted from the first failure, so that waiting in the budget is no failure."""

    def __init__(self, limit: float, *, monotonic: Callable[[], float], random: Callable[[], float]) -> None:
        self._limit = limit
        self._now = monotonic
        self._random = random
        self._first: float | None = None

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Whether to give up: the time is over, or the service asks for more than is left of it."""
        now = self._now()
        self._first = now if self._first is None else self._first
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None) or 0.0
        return now + asked - self._first > self._limit or state.attempt_number >= ATTEMPTS

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds to wait. Retry-After is waited for by the budget, for all requests together."""
        error = state.outcome.exception() if state.outcome else None
        if getattr(error, "retry_after", None):
            return 0.0
        most = min(BACKOFF_MOST, BACKOFF * 2.0 ** min(state.attempt_number - 1, 10))
        return float(most * (0.5 + self._random() / 2))


class Client:
    """One school's connection to one tenant."""

    def __init__(
        self,
        options: Access,
        context: Context,
        *,
        budget: Budget,
        price: Callable[[str, str], Cost] = cost,
        tokens: Tokens | None = None,
    ) -> None:
        self.options = options
        self.root = options.graph_url
        self.tokens = tokens or Tokens(options, secret=context.secret, monotonic=context.monotonic)
        self.budget = budget
        self.price = price
        self.counters = Counters()
        self.proxies = Proxies(options.proxy)
        self.skew: float | None = None
        """Seconds that the service's clock is ahead of ours, as of the last answer."""
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections. May be called twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # --- one retry layer --------------------------------------------------------------------------------------------

    def retrying(self, *errors: type[Exception]) -> tenacity.AsyncRetrying:
        """The policy of all repetition: exponential with jitter, one total limit, Retry-After honoured."""
        patience = Patience(self.options.timeouts.retry, monotonic=self._context.monotonic, random=self._context.random)
        sleep: Callable[[float], Awaitable[None]] = self._context.sleep
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(errors or (Busy, Lost)),
            stop=patience.stop,
            wait=patience.wait,
            sleep=sleep,
            reraise=True,
        )

    async def call(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """GET something, repeated while the service is busy. Raises Unreachable or Refused; 4xx comes back."""
        async for attempt in self.retrying():
            with attempt:
                answer = await self.once("GET", path, headers=headers)
                if answer.throttled or answer.status >= 500:
                    raise Busy(str(complain(answer, "Reading")), retry_after=answer.retry_after)
                return answer
        raise AssertionError("tenacity ended without an outcome")

    # --- a single request -------------------------------------------------------------------------------------------

    async def once(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        price: Cost | None = None,
    ) -> Answer:
        """Send one request when the budget allows it. ``path`` is relative to the version, or a link that Graph gave.

        ``body`` is sent as JSON, ``raw`` as it is.

        Raises Busy where it was certainly not sent, Lost where nobody knows, Refused where we are not let in.
        """
        url = self.url(path)
        content = raw if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        extra = {"Content-Type": "application/json" if raw is None else "application/octet-stream", **(headers or {})}
        claims: str | None = None
        for last in (False, True):
            bearer = await self._bearer(claims)
            async with self.budget.spend(price or self.price(method, path)) as correct:
                if method != "GET":
                    PERMIT.get()()
                answer = await self._send(method, url, content=content, headers=self._headers(bearer, extra, content))
                correct(_whole(answer.headers.get("x-ms-resource-unit", "")))
            self.learn(answer)
            if answer.status != 401 or last:
                break
            claims = _challenge(answer.headers.get("www-authenticate", ""))
            self.tokens.forget()
        if answer.status == 401:
            raise complain(answer, f"{method} {url.path}")
        if 300 <= answer.status < 400:
            raise Refused(f"{method} {url.path}: Graph redirects us. Check `endpoint` and the proxy.")
        return answer

    async def _bearer(self, claims: str | None) -> str:
        try:
            return await self.tokens.bearer(claims)
        except Unreachable as error:
            raise Busy(str(error)) from None  # nothing was sent to Graph yet

    def url(self, path: str) -> URL:
        """The URL to send the token to. Raises Refused when it is not one of ours."""
        text = path if "://" in path else self.root + path
        parts = urlsplit(text)
        if (parts.hostname or "").lower() not in self.options.hosts or not safe(text):
            raise Refused(
                f"Graph pointed us to {parts.scheme}://{parts.hostname}, which may not see our token. "
                f"Allowed: {', '.join(sorted(self.options.hosts))} (`allowed_hosts`)."
            )
        return URL(text, encoded=True)

    def _headers(self, bearer: str, extra: Mapping[str, str], content: bytes | None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {bearer}",
            "User-Agent": USER_AGENT,
            "client-request-id": str(uuid.uuid4()),
            "Accept": "application/json",
            **extra,
        }
        if content is None:
            del headers["Content-Type"]
        return headers

    async def _send(self, method: str, url: URL, *, content: bytes | None, headers: dict[str, str]) -> Answer:
        session = self.session()
        self.counters.requests += 1
        try:
            async with session.request(
                method, url, data=content, headers=headers, allow_redirects=False, proxy=self.proxies.to(url)
            ) as response:
                raw = await response.read()
                return Answer(response.status, json_object(raw), response.headers)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Refused(
                f"The certificate of {url.host} is not trusted ({error.certificate_error}). Check `ca_file`."
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise Busy(f"{url.host} can't be reached ({type(error).__name__}). Check network and proxy.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # aiohttp reports a kept-alive connection that the server closed in the same way as one that was cut
            # in the middle: nobody knows.
            raise Lost(f"The answer of {url.host} was lost ({type(error).__name__}).") from None

    def session(self) -> aiohttp.ClientSession:
        """The connections, opened when they are first needed."""
        if self._session is None:
            self._session = self._connections()
        return self._session

    def _connections(self) -> aiohttp.ClientSession:
        limits = self.options.timeouts
        try:
            trusted = ssl.create_default_context(cafile=self.options.ca_file)
        except OSError as error:
            raise ConfigurationError(f"`ca_file` {self.options.ca_file} can't be read: {error}") from None
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=limits.connect, sock_read=limits.read),
            connector=aiohttp.TCPConnector(
                limit_per_host=self.options.parallel * 2,
                ssl=trusted,
                enable_cleanup_closed=True,
                socket_factory=lambda address: opened(address, self.options.congestion_control),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def learn(self, answer: Answer) -> None:
        """What an answer says about the service's limits and clock."""
        if answer.throttled or (answer.status == 503 and answer.retry_after):
            self.throttled(answer)
        with_limit = answer.headers.get("x-ms-throttle-limit-percentage", "")
        if with_limit.replace(".", "", 1).isdigit():
            self.budget.warned(float(with_limit))
        if date := answer.headers.get("date"):
            try:
                self.skew = (parsedate_to_datetime(date) - self._context.clock()).total_seconds()
            except (ValueError, TypeError):
                self.skew = None

    def throttled(self, answer: Answer) -> None:
        """The service asked for a rest, for the whole request or one part of it: everything of ours rests."""
        self.counters.throttled += answer.throttled
        seconds = answer.retry_after
        if seconds and self.budget.pause(seconds):
            log.info("graph throttled", status=answer.status, retry_after=seconds)


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty when there is none (204, or a proxy's HTML page)."""
    try:
        found = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _challenge(header: str) -> str | None:
    """The claims of a CAE challenge (RFC 6750 section 3; learn.microsoft.com/entra, claims challenge), decoded."""
    found = re.search(r'claims="([A-Za-z0-9+/=_-]+)"', header)
    if not found or "insufficient_claims" not in header:
        return None
    try:
        text = found[1].replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return None


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0
