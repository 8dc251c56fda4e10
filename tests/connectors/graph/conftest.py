"""A sandbox over TLS with our application, and a connector to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors.graph import GraphConnector
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import FACULTY, STUDENT, Timeline, application, connector, trapped
from tests.sandbox.plugin import MakeSandbox


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
async def cloud(make_sandbox: MakeSandbox) -> AsyncIterator[Sandbox]:
    """A tenant with licences; at the end of every test nobody was deleted through a group."""
    sandbox = await make_sandbox(tls=True, applications=[application()])
    sandbox.load({"skus": [{**STUDENT, "enabled": 100}, {**FACULTY, "enabled": 5}]})
    yield sandbox
    assert trapped(sandbox) == 0


@pytest.fixture
async def graph(cloud: Sandbox, timeline: Timeline) -> AsyncIterator[GraphConnector]:
    found = connector(cloud, timeline)
    yield found
    await found.close()
