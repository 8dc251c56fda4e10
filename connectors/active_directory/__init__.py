"""Active Directory, Windows or Samba, over LDAPS: a school's people and groups.

`connect(options, context)` makes the connector; it opens no connection before it is first asked something.
"""

from __future__ import annotations

from bridge.ports import Connector, Context
from connectors.active_directory.connector import ActiveDirectory
from connectors.active_directory.options import Options

__all__ = ["Options", "connect"]


async def connect(options: Options, context: Context) -> Connector:
    """The connector of one school. Raises ConfigurationError for expressions of the allow-list that are wrong."""
    return ActiveDirectory(options, context)
