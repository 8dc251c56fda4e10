"""Devices of the tenant, against a sandbox."""

from __future__ import annotations

import pytest

from bridge.ports import Refused
from connectors.graph.permissions import BUNDLES
from tests.connectors.graph.kit import application, connector
from tests.sandbox.plugin import MakeSandbox


async def test_all_that_are_enabled_are_told_page_by_page(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application(*BUNDLES["devices"])])
    sandbox.load({"devices": [
        {"displayName": f"PC-{number}", "accountEnabled": number != 7, "trustType": "AzureAd",
         "onPremisesSecurityIdentifier": f"S-1-5-21-{number}" if number % 2 else None}
        for number in range(1005)
    ]})  # fmt: skip
    graph = connector(sandbox)
    port = graph.capabilities.devices
    assert port is not None
    found = await port.devices()
    await graph.close()
    assert len(found) == 1004
    assert "PC-7" not in {one.name for one in found}
    assert {one.name: one.sid for one in found}["PC-1003"] == "S-1-5-21-1003"
    assert {one.name: one.sid for one in found}["PC-1004"] == ""


async def test_without_the_right_it_says_which_one(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    graph = connector(sandbox)
    port = graph.capabilities.devices
    assert port is not None
    with pytest.raises(Refused, match=r"grant Device\.Read\.All .*admin consent"):
        await port.devices()
    await graph.close()
