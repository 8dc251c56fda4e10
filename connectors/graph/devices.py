"""Devices that the tenant knows: registered, joined or brought by Entra Connect.

learn.microsoft.com/graph/api/device-list (Device.Read.All). This resource has no serial number.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import Device
from connectors.graph.desk import Desk

_LIST = "/devices?$select=id,displayName,accountEnabled,onPremisesSecurityIdentifier&$top=999"


class Devices:
    """See ``bridge.ports.DevicesTold``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def devices(self) -> Sequence[Device]:
        """Those that are enabled, 999 a request."""
        rows = self._desk.rows(_LIST, "Reading devices, which takes Device.Read.All")
        return [
            Device(str(row.get("displayName") or ""), str(row.get("onPremisesSecurityIdentifier") or ""))
            async for row in rows
            if row.get("accountEnabled") is not False
        ]
