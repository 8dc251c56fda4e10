"""Which proxy leads to a host: schools often have one."""

from __future__ import annotations

import urllib.request

from yarl import URL


class Proxies:
    """The configured proxy for everything, else what ``https_proxy`` and ``no_proxy`` say, looked up once a host.

    aiohttp can look it up itself (``trust_env``), but does so in a thread for each request, which costs as much as the
    request.
    """

    def __init__(self, fixed: str | None) -> None:
        self._fixed = fixed
        self._known: dict[str, str | None] = {}

    def to(self, url: URL) -> str | None:
        """The proxy's URL, with its credentials where it has some; None for a direct connection."""
        if self._fixed is not None:
            return self._fixed
        if url.raw_authority not in self._known:
            bypassed = urllib.request.proxy_bypass(url.authority)
            self._known[url.raw_authority] = None if bypassed else urllib.request.getproxies().get(url.scheme)
        return self._known[url.raw_authority]
