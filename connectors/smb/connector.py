"""The connector of a share of another server."""

from __future__ import annotations

from bridge.ports import Context
from connectors.smb import founding
from connectors.smb.findings import probe
from connectors.smb.granted import granted
from connectors.smb.notice import ShareNotice
from connectors.smb.options import Options
from connectors.smb.restoring import opened
from connectors.smb.storage import ShareStorage
from connectors.tree.connector import TreeConnector
from connectors.tree.restoring import TreeTrash


class SmbConnector(TreeConnector):
    """A tree on a share."""

    def __init__(self, options: Options, context: Context) -> None:
        def password() -> str:
            return context.secret(options.password).decode()

        storage = ShareStorage(options, password)
        super().__init__(
            options,
            context,
            index_file="smb.sqlite",
            storage=storage,
            probe=lambda: probe(storage),
            trash=TreeTrash(lambda: opened(options, password), context.clock),
            granted=lambda: granted(storage),
            make=lambda owner, beside: founding.make(storage, owner, beside),
            freezing=lambda turns: ShareNotice(storage, turns),
            move=lambda old, identity: founding.move(storage, old, identity),
        )
