"""``check --online`` for one drive: probes that only read."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import BridgeError, Finding, Topic, Unreachable
from connectors.graph_drive.options import Options
from connectors.graph_drive.place import Locator
from connectors.graph_drive.shared import Shared

#: One of these has to be in the token; ``Sites.Selected`` only where an administrator granted ``write`` on the site.
WRITING = ("Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.FullControl.All")
READING = ("Files.Read.All", "Sites.Read.All", *WRITING)


async def findings(options: Options, shared: Shared, locator: Locator) -> Sequence[Finding]:
    """All findings. When the token can't be had, or the drive not found, there are fewer."""
    try:
        roles = await shared.client.tokens.roles()
        await shared.client.tokens.bearer()
    except BridgeError as error:
        return [Finding("sign-in", False, str(error), "Check tenant_id, client_id, the credential and the proxy.")]
    found = [_permissions(roles, options)]
    subject = options.drive.owner
    try:
        locator.forget()
        spot = await locator.spot()
        answer = await shared.client.call(f"{spot.path}?$select=id,driveType,quota,owner")
    except BridgeError as error:
        later = isinstance(error, Unreachable)
        remedy = "Wait, or provision it." if later else "Check `drive` and the permissions."
        return [*found, Finding(subject, None if later else False, str(error), remedy)]
    if answer.status == 423:
        return [*found, Finding(subject, False, "the site is locked", "Unlock it in the SharePoint admin centre.")]
    found.append(Finding(subject, answer.ok, f"drive {spot.drive}" if answer.ok else f"{answer.status} {answer.code}"))
    if options.folder is not None and not spot.folder:
        found.append(Finding(f"folder of {subject}", None, "not there yet", "It is made with the first file."))
    quota = answer.body.get("quota") or {}
    if quota:
        state, left = str(quota.get("state", "")), int(quota.get("remaining") or 0)
        good = {"normal": True, "nearing": None}.get(state, False)
        text = f"{left / 1e9:.1f} GB left of {int(quota.get('total') or 0) / 1e9:.1f} GB ({state})"
        remedy = "" if good else "Free space, or raise the quota."
        found.append(Finding(f"quota of {subject}", good, text, remedy, Topic.SPACE, {"free": left}))
    return found


def _permissions(roles: frozenset[str], options: Options) -> Finding:
    wanted = READING if options.read_only else WRITING
    if not roles:
        return Finding("permissions", None, "the token does not show its permissions", "")
    if roles & set(wanted):
        return Finding("permissions", True, ", ".join(sorted(roles & set(wanted))))
    if "Sites.Selected" in roles:
        return Finding(
            "permissions", None, "Sites.Selected", "Grant `write` on this drive's site (POST /sites/{id}/permissions)."
        )
    return Finding(
        "permissions", False, "no permission for files", f"Grant {wanted[0]} (application) and admin consent."
    )
