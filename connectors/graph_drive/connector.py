"""The connector: one drive, or a folder in it, as the cloud side of a share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bridge.core.model import Action
from bridge.ports import Capabilities, Connector, Context, Failed, Finding, Identity, Outcome, Page, Write
from connectors.bandwidth import LINE, Limiter
from connectors.graph.client import PERMIT
from connectors.graph_drive import shared as registry
from connectors.graph_drive.check import findings
from connectors.graph_drive.contents import DriveContents
from connectors.graph_drive.ledger import Ledger
from connectors.graph_drive.observing import Observer
from connectors.graph_drive.options import Options
from connectors.graph_drive.place import Locator
from connectors.graph_drive.shared import Shared
from connectors.graph_drive.sharing import DriveSharing
from connectors.graph_drive.uploading import Uploads
from connectors.graph_drive.writing import Writer

CHUNK = 500  # each is a transaction and a row of the journal
WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DETACH, Action.DELETE, Action.RESTORE})


class DriveConnector:
    """See ``bridge.ports.Connector``. ``shared`` is what it has in common with the other drives, for figures."""

    def __init__(self, options: Options, context: Context, *, shared: Shared, line: Limiter) -> None:
        self._options = options
        self._context = context
        self.shared = shared
        self._closed = False
        self._ledger = Ledger(context.directory)
        self._locator = locator = Locator(options, context, shared, self._ledger)
        self._observer = Observer(options, context, shared=shared, locator=locator, ledger=self._ledger)
        line = shared.volumes.metered(options.drive.path, line)
        self._uploads = uploads = Uploads(
            options, shared=shared, ledger=self._ledger, line=line, monotonic=context.monotonic
        )
        self._writer = Writer(shared=shared, locator=locator, uploads=uploads)
        self._sharing = DriveSharing(owner=options.drive.owner, shared=shared, locator=locator)
        self._contents = DriveContents(options, context, shared=shared, locator=locator, line=line)

    @property
    def capabilities(self) -> Capabilities:
        """Folders and files; nothing in read-only mode."""
        kinds = frozenset({"folder", "file"})
        writes = {} if self._options.read_only else dict.fromkeys(kinds, WRITES)
        return Capabilities(
            kinds,
            writes,
            chunk=CHUNK,
            hints=True,
            contents=self._contents,
            sharing=self._sharing,
            most_files=self._options.file_budgets.most_files,
        )

    async def identify(self) -> Identity:
        """The drive's id: that of the user's OneDrive or the group's library, for ever."""
        spot = await self._locator.spot()
        name = f", folder {self._options.folder}" if self._options.folder else ""
        suffix = f"/{self._options.folder}" if self._options.folder else ""
        return Identity(f"{spot.drive}{suffix}", f"{self._options.drive.owner}{name}")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """See ``Connector.observe``; from ``recall`` only the id of the mirrored folder is taken."""
        async for page in self._observer.observe(token, recall):
            yield page

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See ``Connector.apply``."""
        PERMIT.set(self._context.permit)
        able = self.capabilities.writes
        taken = []
        for write in writes:
            if write.action in able.get(write.kind, frozenset()):
                taken.append(write)
            elif self._options.read_only:
                yield Failed(write.id, "read_only", "The cloud side of this share is set to `read_only`.")
            else:
                yield Failed(write.id, "invalid", f"A drive can't {write.action.value} a {write.kind}.")
        if taken:
            async for outcome in self._writer.apply(taken):
                yield outcome

    async def hints(self) -> AsyncIterator[None]:
        """App-only access gets no change notifications behind NAT: the drive is asked every ``poll_seconds``."""
        while True:
            await self._context.sleep(self._options.poll_seconds)
            yield None

    async def check(self) -> Sequence[Finding]:
        """See ``Connector.check``."""
        return await findings(self._options, self.shared, self._locator)

    async def close(self) -> None:
        """Give back connections and files."""
        if not self._closed:
            self._closed = True
            await self._uploads.close()
            self._ledger.close()
            await registry.leave(self._options, self.shared)


async def connect(options: Options, context: Context) -> Connector:
    """Open one drive. No request is sent yet; raises ConfigurationError."""
    return DriveConnector(options, context, shared=registry.enter(options, context), line=LINE)
