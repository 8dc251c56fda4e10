"""A folder of a share of another server (SMB 2.1 and later): listed, watched and written over the wire.

1. ``line`` is one connection, ``lines`` lends them: one for each worker, never shared
2. ``watch`` hints where something changed, ``scan`` lists, the index (of ``connectors.folder``) keeps what was
3. ``contents`` reads files; ``writing`` writes beside and renames; what is overwritten or deleted goes to the ``trash``
4. ``rights`` says what the share's permissions are as roles, and what can't be expressed so
"""

from __future__ import annotations

from bridge.ports import Connector, Context
from connectors.smb.connector import SmbConnector
from connectors.smb.options import Options

__all__ = ["Options", "SmbConnector", "connect"]


async def connect(options: Options, context: Context) -> Connector:
    """The connector of one root; it opens nothing before it is first asked something."""
    return SmbConnector(options, context)
