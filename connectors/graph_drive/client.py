"""HTTP to Graph and to the hosts that hold file content.

Content travels between us and URLs that Graph hands out (``uploadUrl``, ``downloadUrl``). They are as good as a
password for one file: they never get our token, are used for allow-listed hosts only, and stand in no log and no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridge.ports import Context, Refused
from connectors.graph.answers import Answer, Busy, Lost
from connectors.graph.auth import Tokens
from connectors.graph.client import PERMIT, USER_AGENT, Client, json_object
from connectors.graph.options import LOOPBACK, Access, safe
from connectors.graph_drive.budget import FileBudget, price
from connectors.graph_drive.lanes import Lanes

#: Where SharePoint and OneDrive keep content: all clouds, and the hosts that large downloads come from.
CONTENT_DOMAINS = (
    ".sharepoint.com", ".sharepoint.us", ".sharepoint-mil.us", ".sharepoint.cn", ".sharepoint.de", ".svc.ms",
)  # fmt: skip

#: The body of a request: a small one as it is, else given a function to call when bytes moved, or (``waiting=True``)
#: when we are the ones to wait.
Body = bytes | Callable[[Callable[..., None]], AsyncIterator[memoryview]]


class FilesClient(Client):
    """One application's connection to one tenant, for all its drives together."""

    budget: FileBudget

    def __init__(
        self, options: Access, context: Context, *, budget: FileBudget, lanes: Lanes, tokens: Tokens | None = None
    ) -> None:
        super().__init__(options, context, budget=budget, price=price, tokens=tokens)
        self.lanes = lanes
        self._trusted: set[tuple[str, str, tuple[str, ...]]] = set()
        self._large: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Give back the connections. May be called twice."""
        await super().close()
        if self._large is not None:
            await self._large.close()
            self._large = None

    def large(self) -> aiohttp.ClientSession:
        """Connections of their own for the parts of large files: what one has learned of the line holds for the next.

        A connection forgets what it carries while small files go by it (BBR, draft-ietf-ccwg-bbr: ten round trips),
        and takes ten seconds and more of a slow line to find out.
        """
        if self._large is None:
            self._large = self._connections()
        return self._large

    def learn(self, answer: Answer) -> None:
        """As for the directory, and the RateLimit headers of SharePoint."""
        super().learn(answer)
        self.budget.limited(answer.headers)

    def throttled(self, answer: Answer) -> None:
        """Everything rests, and fewer transfers run afterwards."""
        super().throttled(answer)
        self.lanes.slower()

    def content_url(self, text: object, more: tuple[str, ...]) -> URL:
        """A URL that Graph gave for content, if it is one that may be used. Raises Refused, without the URL."""
        try:
            url = URL(str(text), encoded=True)
        except ValueError:
            raise Refused("Graph pointed us to something that is no URL for file content. Check the proxy.") from None
        host = (url.host or "").lower()
        asked = (url.scheme, host, more)
        if asked not in self._trusted:
            local = host in LOOPBACK and (urlsplit(self.root).hostname or "").lower() in LOOPBACK
            known = host.endswith(CONTENT_DOMAINS) or host in self.options.hosts or host in more
            if not (known or local) or not safe(str(text)):
                raise Refused(
                    f"Graph pointed us to {url.scheme}://{host} for file content, which is no host of SharePoint. "
                    "Check the proxy, or allow it in `content_hosts`."
                )
            self._trusted.add(asked)
        return url

    @asynccontextmanager
    async def content(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes | memoryview] | None = None,
        large: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request without our token. Raises Busy or Lost; Lost also when no byte came for ``timeouts.read``."""
        self.counters.requests += 1
        try:
            async with (self.large() if large else self.session()).request(
                method, url, data=body, allow_redirects=False, headers={"User-Agent": USER_AGENT, **headers},
                proxy=self.proxies.to(url),
            ) as response:  # fmt: skip
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise Busy(f"{url.host} can't be reached ({type(error).__name__}). Check network and proxy.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Lost(f"The line to {url.host} broke ({type(error).__name__}).") from None

    async def content_answer(
        self, method: str, url: URL, *, headers: Mapping[str, str], body: Body | None = None, large: bool = False
    ) -> Answer:
        """One request without our token, and its answer as a whole. Raises Busy or Lost.

        ``body`` is given a function to call whenever bytes got on their way: Lost is raised, too, when none did for
        ``timeouts.read``. The operating system would not see for many minutes that a line is dead.
        """
        if method != "GET":
            PERMIT.get()()
        limit, loop = self.options.timeouts.read, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit) as watch:

                def moved(*, waiting: bool = False) -> None:
                    watch.reschedule(None if waiting else loop.time() + limit)

                sent = body(moved) if callable(body) else None if body is None else _once(body)
                async with self.content(method, url, headers=headers, body=sent, large=large) as response:
                    raw = await response.read()
        except TimeoutError:
            raise Lost(f"The line to {url.host} is dead.") from None
        answer = Answer(response.status, json_object(raw), response.headers)
        if answer.throttled or (answer.status == 503 and answer.retry_after):
            self.throttled(answer)
        return answer


async def _once(body: bytes) -> AsyncIterator[bytes]:
    """A body that the HTTP library can't send a second time by itself when an answer is lost: that is for us to say."""
    yield body
