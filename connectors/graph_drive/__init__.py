"""A OneDrive or a SharePoint library through Microsoft Graph v1.0, app-only, as the cloud side of a share of files.

``observing`` reads the drive's delta, ``writing`` makes, moves and deletes in batches, ``uploading`` and ``contents``
move the bytes. ``shared`` is what all drives of one application have in common: connections, token (from the connector
``graph``), budget, number of transfers. ``file_names`` maps names that SharePoint refuses.
"""

from connectors.graph_drive.connector import DriveConnector, connect
from connectors.graph_drive.options import Options

__all__ = ["DriveConnector", "Options", "connect"]
