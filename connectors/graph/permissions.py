"""Application permissions: what each need takes, and the three bundles that an administrator consents to.

Least privilege as of the Graph permissions reference; wider ones that include it are accepted. ``User.Create`` and
``User.ReadUpdate.All`` are documented but not offered in every tenant yet, so ``User.ReadWrite.All`` stands first.
"""

from __future__ import annotations

from collections.abc import Set

#: Need -> alternatives, the narrowest that is offered everywhere first.
NEEDS: dict[str, tuple[str, ...]] = {
    "read users": ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    "read groups": ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    "read organization, domains and licences": (
        "Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All",
    ),
    "create and change users": ("User.ReadWrite.All", "Directory.ReadWrite.All"),
    "enable and disable users": ("User.EnableDisableAccount.All", "User.ReadWrite.All", "Directory.ReadWrite.All"),
    "delete and restore users": ("User.DeleteRestore.All", "User.ReadWrite.All"),
    "set passwords": ("User-PasswordProfile.ReadWrite.All", "Directory.ReadWrite.All"),
    "assign licences": ("LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"),
    "write groups": ("Group.ReadWrite.All", "Directory.ReadWrite.All"),
    "write members": ("GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"),
}  # fmt: skip

#: Kind -> what switching its source of authority takes; only a cutover of what Entra Connect made needs it.
AUTHORITY: dict[str, str] = {
    "user": "User-OnPremisesSyncBehavior.ReadWrite.All",
    "group": "Group-OnPremisesSyncBehavior.ReadWrite.All",
}
#: For counting what still hangs on the school's directory.
DEVICES = "Device.Read.All"

READING = ("read users", "read groups", "read organization, domains and licences")

#: Bundle -> permissions to consent to. ``roster`` includes ``read_only``.
BUNDLES: dict[str, tuple[str, ...]] = {
    "read_only": ("User.Read.All", "Group.Read.All", "Organization.Read.All"),
    "roster": (
        "User.Read.All", "Organization.Read.All", "User.ReadWrite.All", "User.EnableDisableAccount.All",
        "User.DeleteRestore.All", "User-PasswordProfile.ReadWrite.All", "LicenseAssignment.ReadWrite.All",
        "Group.ReadWrite.All", "GroupMember.ReadWrite.All",
    ),
    "authority": tuple(AUTHORITY.values()),
    "devices": (DEVICES,),
    "files": ("Files.ReadWrite.All", "Sites.ReadWrite.All"),
}  # fmt: skip


def missing(roles: Set[str], *, reading_only: bool) -> dict[str, str]:
    """Need -> the permission to grant, for every need that the token's roles don't cover."""
    return {
        need: alternatives[0]
        for need, alternatives in NEEDS.items()
        if (not reading_only or need in READING) and not roles & set(alternatives)
    }
