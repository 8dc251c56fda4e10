"""Fixtures of the sandbox for the whole suite; every answer is checked against the OpenAPI subset.

``make_sandbox(**options)`` starts a sandbox (options of :class:`connectors.sandbox.Sandbox`; an application is
registered unless ``applications`` is given), ``sandbox`` is one over plain http, ``tls_sandbox`` one over https. A test
fails when any answer that it caused, a part of a batch included, is not as described.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from connectors.sandbox import Application, KeyPair, Sandbox, application_certificate
from tests.sandbox.client import Client, connected
from tests.sandbox.openapi_check import Checker

CLIENT_ID = "0f1e2d3c-4b5a-4968-8776-655443322110"
CLIENT_SECRET = "not-a-secret~but.looks-like_one"
MakeSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture(scope="session")
def client_certificate() -> KeyPair:
    """The certificate that the tests' application has registered, with its key."""
    return application_certificate()


@pytest.fixture
async def make_sandbox(client_certificate: KeyPair) -> AsyncIterator[MakeSandbox]:
    """Start sandboxes; all are stopped and judged when the test ends."""
    started: list[tuple[Sandbox, Checker]] = []

    async def make(**options: Any) -> Sandbox:
        known = Application(CLIENT_ID, secrets=(CLIENT_SECRET,), certificates=(client_certificate.certificate,))
        sandbox = Sandbox(**{"applications": [known], "seed": 1, **options})
        started.append((sandbox, Checker().attach(sandbox)))
        return await sandbox.start()

    yield make
    for sandbox, _ in started:
        await sandbox.stop()
    for _, checker in started:
        checker.verify()


@pytest.fixture
async def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """A sandbox over plain http."""
    return await make_sandbox()


@pytest.fixture
async def tls_sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """A sandbox over https; ``ca_file`` is what clients must trust."""
    return await make_sandbox(tls=True)


@pytest.fixture
async def graph(sandbox: Sandbox) -> AsyncIterator[Client]:
    """A plain client of ``sandbox``."""
    async with connected(sandbox) as client:
        yield client
