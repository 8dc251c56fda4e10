"""What the login service does before it gives any token."""

from __future__ import annotations

from typing import Any

import msal
import pytest

from bridge.ports import Unreachable
from connectors.graph.auth import Tokens
from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import connector, observe


async def test_a_login_service_that_does_not_even_say_where_it_is_is_unreachable_and_asked_again(
    cloud: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MSAL repeats a 503 of its discovery out of its memory, as an error of its own."""
    graph = connector(cloud)
    assert isinstance(graph._desk.client.tokens, Tokens)

    def busy(*_: Any, **__: Any) -> Any:
        raise msal.exceptions.MsalServiceError(error="unavailable", error_description="HTTP Error: 503")

    with monkeypatch.context() as patch:
        patch.setattr(msal, "ConfidentialClientApplication", busy)
        with pytest.raises(Unreachable, match="does not answer"):
            await observe(graph)
    assert await observe(graph)
    await graph.close()
