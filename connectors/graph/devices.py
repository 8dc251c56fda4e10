"""Devices that the tenant knows: registered, joined or brought by Entra Connect.

learn.microsoft.com/graph/api/device-list (Device.Read.All). This resource has no serial number.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import Device, Refused
from connectors.graph.answers import complain
from connectors.graph.desk import Desk
from connectors.graph.permissions import DEVICES

_LIST = "/devices?$select=id,displayName,accountEnabled,onPremisesSecurityIdentifier&$top=999"


class Devices:
    """See ``bridge.ports.DevicesTold``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def devices(self) -> Sequence[Device]:
        """Those that are enabled, 999 a request."""
        found = []
        async for answer in self._desk.pages(_LIST):
            if answer.status == 403:
                raise Refused(f"the tenant's devices can't be read: grant {DEVICES} (application) and admin consent")
            if not answer.ok:
                raise complain(answer, "Reading devices")
            found += [
                Device(str(row.get("displayName") or ""), str(row.get("onPremisesSecurityIdentifier") or ""))
                for row in answer.body.get("value", ())
                if row.get("accountEnabled") is not False
            ]
        return found
