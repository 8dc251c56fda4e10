"""A directory of this machine: its folders and files, watched, scanned and written.

1. ``root`` proves to be the same directory; nothing outside it is ever opened
2. ``watch`` hints where something changed, ``scan`` finds out what, ``index`` keeps what was seen
3. ``observing`` tells the index as pages; ``contents`` reads files
4. ``writing`` writes beside and renames; what is overwritten or deleted goes to the ``trash``
"""

from __future__ import annotations

from bridge.ports import Connector, Context
from connectors.folder.connector import FolderConnector
from connectors.folder.options import Options

__all__ = ["FolderConnector", "Options", "connect"]


async def connect(options: Options, context: Context) -> Connector:
    """The connector of one root; it opens nothing before it is first asked something."""
    return FolderConnector(options, context)
