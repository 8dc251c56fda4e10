"""The proxy to a host: that of the options, or that of the environment, which is asked once for each host."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
import pytest
from yarl import URL

from connectors.graph.proxy import Proxies

GRAPH, NEAR = URL("https://graph.microsoft.com/v1.0"), URL("https://intern.schule.example/x")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own proxies."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_any_the_way_is_direct() -> None:
    assert Proxies(None).to(GRAPH) is None


def test_the_environment_names_a_proxy_and_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "schule.example")
    proxies = Proxies(None)
    assert proxies.to(GRAPH) == "http://proxy.example:3128"
    assert proxies.to(NEAR) is None


def test_the_option_counts_for_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "schule.example")
    assert Proxies("http://other.example:8080").to(NEAR) == "http://other.example:8080"


def test_each_host_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = Proxies(None)
    assert proxies.to(GRAPH) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert proxies.to(GRAPH / "users") is None
    assert proxies.to(NEAR) is not None


async def test_user_and_password_reach_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://us%40r:p%3Aw@127.0.0.1:{port}")
    target = URL("http://far.example/x")
    proxy_url = Proxies(None).to(target)
    async with server, aiohttp.ClientSession() as session, session.get(target, proxy=proxy_url) as answer:
        assert answer.status == 204
    assert b"GET http://far.example/x " in heard[0]
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"us@r:p:w") in heard[0]
