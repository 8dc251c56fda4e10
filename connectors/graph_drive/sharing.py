"""Permissions of the mirrored root (Graph: driveItem ``permissions`` and ``invite``).

Only ever at the root: Graph allows 300 such calls in five minutes for all drives of a tenant, and 5 units each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.core.access import Role, Standing
from bridge.ports import Refused, Unreachable
from connectors.graph.answers import Answer, complain
from connectors.graph.batch import Part
from connectors.graph_drive.place import Locator, Spot
from connectors.graph_drive.shared import Shared

_KNOWN = frozenset({"read", "write"})


class DriveSharing:
    """See ``bridge.ports.Sharing``."""

    def __init__(self, *, owner: str, shared: Shared, locator: Locator) -> None:
        self._owner, self._shared, self._locator = owner, shared, locator

    async def standing(self) -> Sequence[Standing]:
        spot = await self._locator.made()
        found: list[Standing] = []
        path: str | None = f"{_root(spot)}/permissions"
        while path:
            self._shared.permissions.take()
            answer = await self._shared.client.call(path)
            if not answer.ok:
                raise self._failed(answer, "Reading")
            found += [one for entry in answer.body.get("value", ()) if (one := _standing(entry)) is not None]
            path = answer.body.get("@odata.nextLink")
        return found

    async def give(self, principal: str, role: Role) -> Standing:
        body = {
            "recipients": [{"objectId": principal}],
            "roles": [role.value],
            "requireSignIn": True,
            "sendInvitation": False,
        }
        answer = await self._sent("POST", "/invite", body)
        given = [_standing(entry) for entry in answer.body.get("value", ())]
        for one in given:
            if one is not None and one.principal == principal:
                return one
        raise Unreachable(f"{self._owner}: the drive did not say which permission it gave; tried again")

    async def change(self, id: str, role: Role) -> None:  # noqa: A002
        await self._sent("PATCH", f"/permissions/{id}", {"roles": [role.value]})

    async def take_back(self, id: str) -> None:  # noqa: A002
        await self._sent("DELETE", f"/permissions/{id}", None)

    async def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        spot = await self._locator.made()
        self._shared.permissions.take()
        part = Part("permission", method, f"{_root(spot)}{path}", body)
        answer = (await self._shared.batches.run([part]))["permission"]
        if not answer.ok and not (answer.status == 404 and method != "POST"):
            raise self._failed(answer, "Changing")
        return answer

    def _failed(self, answer: Answer, doing: str) -> Unreachable | Refused:
        return complain(answer, f"{doing} the permissions of {self._owner}")


def _root(spot: Spot) -> str:
    return spot.entry(spot.folder)


def _standing(entry: Mapping[str, Any]) -> Standing | None:
    """None for the owner's permission and for links: both are left alone."""
    granted = entry.get("grantedToV2") or {}
    who = granted.get("user") or granted.get("group") or {}
    roles = [role for role in entry.get("roles", ()) if role in _KNOWN]
    if not who.get("id") or not roles or "link" in entry or "inheritedFrom" in entry:
        return None
    return Standing(str(entry["id"]), str(who["id"]), "write" if "write" in roles else "read")
