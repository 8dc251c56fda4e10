"""Where the token goes and where not, what is repeated, and that no secret shows: against small servers of our own."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from pydantic import ValidationError

from bridge.ports import ConfigurationError, Refused, Unreachable
from connectors.graph import Options
from connectors.graph.budget import Budget
from connectors.graph.client import USER_AGENT, Client
from connectors.graph.connector import build
from connectors.sandbox import KeyPair
from tests.connectors.graph.kit import Timeline, application, connector, context, done, new_user, observe, options
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET, MakeSandbox

TOKEN = "canary-token"
Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


class Fixed:
    """Tokens without a login service; remembers what it was asked for."""

    def __init__(self) -> None:
        self.claims: list[str | None] = []

    async def bearer(self, claims: str | None = None) -> str:
        self.claims.append(claims)
        return TOKEN if claims is None else f"{TOKEN}-2"

    def forget(self) -> None:
        return None


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server on loopback; every request is given to the function."""
    runners = []

    async def start(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def client(url: str, tokens: Fixed | None = None, **more: Any) -> Client:
    found = Options.model_validate(
        {
            "tenant_id": "t", "client_id": "c", "client_secret": "env:S", "endpoint": url, "domains": ["x.example"],
            **more,
        }
    )  # fmt: skip
    doors = context(Timeline())
    budget = Budget(found.budgets, monotonic=doors.monotonic, sleep=doors.sleep)
    return Client(found, doors, budget=budget, tokens=tokens or Fixed())  # type: ignore[arg-type]


async def test_the_token_never_follows_a_redirect(serve: Serve) -> None:
    seen: list[str | None] = []

    async def thief(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    elsewhere = (await serve(thief)).replace("127.0.0.1", "localhost")

    async def redirecting(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(elsewhere + "/v1.0/users")

    async with client(await serve(redirecting)) as graph:
        with pytest.raises(Refused, match="redirects"):
            await graph.call("/users")
    assert seen == []


@pytest.mark.parametrize("target", ["http://localhost:1/v1.0/x", "https://evil.example/v1.0/x", "ftp://127.0.0.1/x",
                                    "http://127.0.0.1.evil.example/x", "https://127.0.0.1@evil.example/x"])  # fmt: skip
async def test_the_token_never_follows_a_link_to_another_host(serve: Serve, target: str) -> None:
    async def pointing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"value": [], "@odata.nextLink": target})

    tokens = Fixed()
    async with client(await serve(pointing), tokens) as graph:
        link = (await graph.call("/users/delta")).body["@odata.nextLink"]
        tokens.claims.clear()
        with pytest.raises(Refused, match="may not see our token"):
            await graph.call(link)
    assert tokens.claims == [], "not even asked for"


async def test_a_stored_token_that_points_elsewhere_is_not_followed(
    make_sandbox: MakeSandbox, timeline: Timeline
) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    graph = connector(sandbox, timeline)
    token = (await observe(graph))[-1].token
    assert token is not None
    with pytest.raises(Refused, match=r"evil\.example"):
        await observe(graph, token.replace("https://127.0.0.1", "https://evil.example"))
    await graph.close()


async def test_plain_http_only_on_this_machine() -> None:
    with pytest.raises(ValidationError, match="https"):
        client("http://graph.example")


async def test_requests_say_who_they_are(serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return web.json_response({})

    async with client(await serve(answer)) as graph:
        await graph.call("/a")
        await graph.call("/b")
    assert [one["User-Agent"] for one in seen] == [USER_AGENT] * 2
    assert [one["Authorization"] for one in seen] == [f"Bearer {TOKEN}"] * 2
    assert seen[0]["client-request-id"] != seen[1]["client-request-id"]


async def test_a_claims_challenge_is_answered_once(serve: Serve) -> None:
    wanted = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(wanted.encode()).decode()}"'

    async def revoked(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"].endswith("-2"):
            return web.json_response({"ok": True})
        return web.json_response({}, status=401, headers={"WWW-Authenticate": challenge})

    tokens = Fixed()
    async with client(await serve(revoked), tokens) as graph:
        assert (await graph.call("/users")).body == {"ok": True}
    assert tokens.claims == [None, wanted]


async def test_a_token_that_is_refused_twice_is_refused(serve: Serve) -> None:
    async def closed(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": "InvalidAuthenticationToken", "message": "no"}}, status=401)

    async with client(await serve(closed)) as graph:
        with pytest.raises(Refused, match="InvalidAuthenticationToken"):
            await graph.call("/users")
        assert graph.counters.requests == 2


async def test_the_proxy_of_the_environment_and_of_the_options_count(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.json_response({"by": "proxy"})

    url = await serve(proxy)
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("http_proxy", url)
    async with client("http://localhost:9") as graph:
        assert (await graph.call("/users")).body == {"by": "proxy"}
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with client("http://localhost:9", proxy=url) as graph:
        assert (await graph.call("/users")).body == {"by": "proxy"}
    assert seen == ["http://localhost:9/v1.0/users"] * 2


async def test_a_certificate_of_another_authority_is_refused(make_sandbox: MakeSandbox, timeline: Timeline) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    other = await make_sandbox(tls=True)
    graph = client(sandbox.base_url, ca_file=other.ca_file)
    with pytest.raises(Refused, match="not trusted"):
        await graph.call("/users")
    await graph.close()


async def test_nobody_listens(timeline: Timeline) -> None:
    async with client("http://127.0.0.1:9", timeouts={"retry": 5}) as graph:
        with pytest.raises(Unreachable, match="can't be reached"):
            await graph.call("/users")


async def test_a_server_that_hangs_is_lost_after_the_read_time_limit(serve: Serve) -> None:
    async def hanging(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.json_response({})

    async with client(await serve(hanging), timeouts={"read": 0.05, "retry": 2}) as graph:
        with pytest.raises(Unreachable, match="lost"):
            await graph.call("/users")


@pytest.mark.parametrize("one_file", [True, False])
async def test_signing_in_with_a_certificate(
    make_sandbox: MakeSandbox, client_certificate: KeyPair, one_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")  # must not override `ca_file`
    only = replace(application(certificates=(client_certificate.certificate,)), secrets=())
    sandbox = await make_sandbox(tls=True, applications=[only])
    secrets = {
        "file:both.pem": (client_certificate.private_key + client_certificate.certificate).encode(),
        "file:cert.pem": client_certificate.certificate.encode(),
        "file:key.pem": client_certificate.private_key.encode(),
    }
    how = (
        {"certificate": "file:both.pem"}
        if one_file
        else {"certificate": "file:cert.pem", "private_key": "file:key.pem"}
    )
    graph = build(options(sandbox, **how), context(Timeline(), secrets))
    assert (await graph.identify()).id == sandbox.tenant.id
    await graph.close()


async def test_tokens_are_kept_and_a_refused_one_is_replaced(make_sandbox: MakeSandbox, timeline: Timeline) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    graph = connector(sandbox, timeline)
    await graph.identify()
    before = sandbox.counters()["identity requests"]
    await graph.identify()
    assert sandbox.counters()["identity requests"] == before
    sandbox.clock.advance(7200)  # type: ignore[attr-defined]  # the service's clock: it refuses our token now
    await graph.identify()
    assert sandbox.counters()["status 401"] == 1
    await graph.close()


async def test_a_token_that_is_still_good_is_used_while_the_login_service_is_away(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    timeline, at = Timeline(1), [5000.0]
    clock = replace(context(timeline), monotonic=lambda: at[0] + timeline.now())
    graph = build(options(sandbox, timeouts={"retry": 0.1}), clock)
    await graph.identify()
    sandbox.faults.add("unavailable", path="oauth2")
    graph.client.tokens._application = None  # MSAL's own memory goes by the wall's clock
    at[0] += 3400  # it ends at 3,599 s
    await graph.identify()
    assert sandbox.faults.rules[0].fired, "it was to be renewed"
    at[0] += 190
    with pytest.raises(Unreachable):
        await graph.identify()
    await graph.close()


async def test_a_renewed_secret_is_taken_up_without_a_restart(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    secrets = {"env:SECRET": b"revoked"}
    graph = build(options(sandbox), context(Timeline(), secrets))
    with pytest.raises(Refused):
        await graph.identify()
    secrets["env:SECRET"] = CLIENT_SECRET.encode()
    assert (await graph.identify()).id == sandbox.tenant.id
    await graph.close()


async def test_no_secret_shows_anywhere(
    make_sandbox: MakeSandbox, client_certificate: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox = await make_sandbox(tls=True, applications=[application()])
    texts: list[str] = []
    with structlog.testing.capture_logs() as logs:
        graph = connector(sandbox)
        await done(graph, new_user(1))
        sandbox.faults.add("unavailable", path="organization", count=2, retry_after=1)
        await graph.identify()
        texts.append(repr(graph.client.tokens) + str(graph.client.tokens) + repr(graph.client.options))
        token = await graph.client.tokens.bearer()
        wrong = build(options(sandbox), context(Timeline(), {"env:SECRET": b"canary-secret"}))
        with pytest.raises(Refused) as refused:
            await wrong.identify()
        texts.append(str(refused.value))
        pem = client_certificate.private_key.replace("A", "B")  # a broken key
        broken = build(
            options(sandbox, certificate="file:x"),
            context(Timeline(), {"file:x": (pem + client_certificate.certificate).encode()}),
        )
        with pytest.raises(ConfigurationError) as unusable:
            await broken.identify()
        texts.append(str(unusable.value))
        for one in (graph, wrong, broken):
            await one.close()
    shown = "\n".join([*texts, caplog.text, str(logs)])
    lines = [line for line in pem.splitlines() if len(line) > 20 and "-----" not in line]
    for secret in (CLIENT_SECRET, "canary-secret", token, *lines[:3]):
        assert secret not in shown
    assert CLIENT_ID in texts[0]


async def test_a_certificate_without_its_key_says_what_is_missing(timeline: Timeline, tmp_path: Path) -> None:
    found = Options.model_validate(
        {"tenant_id": "t", "client_id": "c", "certificate": "file:x", "domains": ["x.example"],
         "endpoint": "https://127.0.0.1:9", "authority": "https://127.0.0.1:9"}
    )  # fmt: skip
    graph = build(found, context(timeline, {"file:x": b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}))
    with pytest.raises(ConfigurationError, match="PRIVATE KEY"):
        await graph.identify()
