"""Computers of the school's directory: all but domain controllers, and those that are disabled."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import ConfigurationError, Device
from connectors.active_directory.directory import Directory
from connectors.active_directory.options import Options
from connectors.active_directory.scope import base_of
from connectors.active_directory.session import Session

#: Accounts of computers, without SERVER_TRUST_ACCOUNT and ACCOUNTDISABLE (MS-ADTS 2.2.16).
COMPUTERS = (
    "(&(objectClass=computer)(!(userAccountControl:1.2.840.113556.1.4.803:=8192))"
    "(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
)
_READ = ("objectClass", "cn", "serialNumber")


class Computers:
    """See ``bridge.ports.DevicesTold``."""

    def __init__(self, directory: Directory, options: Options) -> None:
        self._directory, self._options = directory, options

    async def devices(self) -> Sequence[Device]:
        """Those below ``computers``; without any, those of the whole domain."""
        await self._directory.begin()
        return await self._directory.run(lambda session: computers(session, self._options))


def computers(session: Session, options: Options) -> list[Device]:
    """Each once. Raises ConfigurationError where an OU can't be found."""
    found: dict[str, Device] = {}
    domain = session.root.base
    places = {written: base_of(written, domain) for written in options.computers} or {"": domain}
    for written, base in places.items():
        try:
            for page in session.pages(base, COMPUTERS, _READ):
                for one in page:
                    found[one.guid] = Device(one.text("cn"), one.sid, one.text("serialNumber"))
        except LookupError:
            raise ConfigurationError(
                f"expected the OU {written} of `computers` in the directory of {session.host}, found nothing there "
                f"that the account may read. Write its present name"
            ) from None
    return list(found.values())
