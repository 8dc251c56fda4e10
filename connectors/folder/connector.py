"""The connector of a directory of this machine."""

from __future__ import annotations

from bridge.ports import Context
from connectors.folder import founding, open_files
from connectors.folder.findings import probe
from connectors.folder.freezing import FolderFreezing
from connectors.folder.granted import granted
from connectors.folder.options import Options
from connectors.folder.restoring import opened
from connectors.folder.storage import FolderStorage
from connectors.tree.connector import TreeConnector
from connectors.tree.open_files import TreeOpenFiles
from connectors.tree.restoring import TreeTrash


class FolderConnector(TreeConnector):
    """A tree in a directory."""

    def __init__(self, options: Options, context: Context) -> None:
        storage, modes = FolderStorage(options, context.modes), context.modes
        super().__init__(
            options,
            context,
            index_file="folder.sqlite",
            storage=storage,
            probe=lambda: probe(options, storage),
            trash=TreeTrash(lambda: opened(options), context.clock),
            granted=lambda: granted(storage),
            make=lambda owner, beside: founding.make(options, owner, beside),
            move=lambda old, identity: founding.move(options, old, identity),
            freezing=lambda turns: FolderFreezing(storage, turns, modes) if modes is not None else None,
            open_files=TreeOpenFiles(
                open_files.look, lambda whole: open_files.opened(whole, options.path, storage.root.node.mount)
            ),
        )
