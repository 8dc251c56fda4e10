"""Content on its way down: from the URL that Graph gives for one file, in ranges when the line breaks, and verified.

The hash that the drive showed when the download began is compared with that of the bytes that came. Where the drive
shows none, the eTag is read once more at the end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from bridge.core.model import Digest
from bridge.ports import QUICKXOR, ContentChanged, Context, Source, Unreachable, chunks
from connectors.bandwidth import Limiter
from connectors.graph.answers import Answer, Busy, Lost, complain
from connectors.graph.batch import MOST, Part
from connectors.graph.client import ATTEMPTS, BACKOFF, BACKOFF_MOST
from connectors.graph_drive.options import Options
from connectors.graph_drive.place import Locator
from connectors.graph_drive.ranges import Ranges
from connectors.graph_drive.shape import Entry, digest_of, version_of
from connectors.graph_drive.shared import Shared
from connectors.quickxor import QuickXor

CHUNK = 256 * 1024
DOWNLOAD = "@microsoft.graph.downloadUrl"
_SELECT = f"id,eTag,cTag,size,file,{DOWNLOAD}"


class DriveContents:
    """See ``bridge.ports.Contents``."""

    def __init__(self, options: Options, context: Context, *, shared: Shared, locator: Locator, line: Limiter) -> None:
        self.options = options
        self.context = context
        self.shared = shared
        self.locator = locator
        self.line = line

    def source(self, anchor: str, version: str) -> DriveSource:
        """See ``Contents.source``."""
        return DriveSource(self, anchor, version)

    async def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        """See ``Contents.digests``: the drive tells its hashes, 20 files a request; only what has none is read."""
        spot = await self.locator.spot()
        for lot in chunks(anchors, MOST):
            parts = [Part(anchor, "GET", f"{spot.entry(anchor)}?$select={_SELECT}") for anchor, _ in lot]
            answers = await self.shared.batches.run(parts)
            for anchor, version in lot:
                answer = answers[anchor]
                if not answer.ok:
                    if answer.in_doubt or answer.throttled:
                        raise Unreachable("The drive is busy.", retry_after=answer.retry_after)
                    continue
                if version and version_of(answer.body) != version:
                    continue
                content = digest_of(answer.body)
                if content.algorithm != QUICKXOR:
                    found = await self._read(anchor, version)
                    if found is None:
                        continue
                    content = found
                yield anchor, content

    async def _read(self, anchor: str, version: str) -> Digest | None:
        source = self.source(anchor, version)
        try:
            async for _ in source.chunks():
                pass
        except ContentChanged:
            return None
        return source.digest


class DriveSource(Source):
    """One file of the drive in one version."""

    def __init__(self, contents: DriveContents, anchor: str, version: str) -> None:
        self._contents = contents
        self._anchor = anchor
        self._version = version
        self._shown: Digest | None = None
        self._size = 0
        self._entry: Entry = {}
        self._read: Digest | None = None

    @property
    def size(self) -> int:
        """Bytes, once ``look`` was called or the first chunk came."""
        return self._size

    @property
    def digest(self) -> Digest | None:
        """What was read, or what the drive shows."""
        return self._read or (self._shown if self._shown and self._shown.algorithm == QUICKXOR else None)

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """See ``Source.chunks``. A download holds a lane, as an upload does; a large one holds one for each range."""
        running = None if start else QuickXor()
        async with aclosing(self._bytes(start)) as stream:
            async for chunk in stream:
                if running is not None:
                    running.update(chunk)
                yield chunk
        await self._verify(running)

    async def _bytes(self, start: int) -> AsyncGenerator[bytes, None]:
        shared, drive = self._contents.shared, self._contents.options.drive.path
        async with shared.lanes.lane(drive):
            self._entry = await self._look()
            if not shared.widths.splits(self._size - start):
                async with aclosing(self._range(start, self._size)) as stream:
                    async for chunk in stream:
                        yield chunk
                shared.lanes.well()
                return
        widths, lanes = shared.widths, shared.lanes
        ranges = Ranges(self._range, start=start, size=self._size, widths=widths, lanes=lanes, drive=drive)
        async with aclosing(ranges.chunks()) as stream:
            async for chunk in stream:
                yield chunk

    async def _range(self, at: int, end: int) -> AsyncGenerator[bytes, None]:
        """From ``at`` to before ``end``, again and again while the line breaks."""
        failed: list[float] = []
        while at < end:
            before = at
            try:
                async with aclosing(self._part(at, end)) as stream:
                    async for chunk in stream:
                        at += len(chunk)
                        yield chunk
            except (Busy, Lost) as error:
                failed = [] if at > before else failed
                await self._pause(failed, error)
            except _Expired:
                failed = [] if at > before else failed
                await self._pause(failed, Busy("the drive gives no content"))
                self._entry = await self._look()
        if at > end:
            raise ContentChanged(f"{self._anchor}: more bytes came than the drive shows.")

    async def _part(self, at: int, end: int) -> AsyncGenerator[bytes, None]:
        """From ``at`` to before ``end``, or to where the line breaks."""
        contents = self._contents
        client, whole = contents.shared.client, end == self._size
        url = client.content_url(self._entry.get(DOWNLOAD), contents.options.content_hosts)
        headers = {"Accept-Encoding": "identity"}
        if at or not whole:
            headers["Range"] = f"bytes={at}-" if whole else f"bytes={at}-{end - 1}"
        large = contents.shared.widths.splits(self._size)
        async with client.content("GET", url, headers=headers, large=large) as response:
            if response.status in (401, 403, 404, 410, 416):
                raise _Expired
            if response.status not in (200, 206):
                answer = Answer(response.status, {}, {name.lower(): text for name, text in response.headers.items()})
                if answer.retry_after:
                    client.throttled(answer)
                raise Busy(f"the drive answered {response.status}", retry_after=answer.retry_after)
            skip, left = 0, end - at
            if response.status == 200 and "Range" in headers:  # it was not honoured
                skip, contents.shared.widths.ranged = at, False
            async for chunk in response.content.iter_chunked(CHUNK):
                await contents.line.take("down", len(chunk))
                piece = chunk[skip:] if skip < len(chunk) else b""
                skip = max(0, skip - len(chunk))
                if not whole and len(piece) >= left:
                    if left:
                        yield piece[:left]
                    return
                left -= len(piece)
                if piece:
                    yield piece

    async def _look(self) -> Entry:
        """What the drive shows of the file now; raises ContentChanged when that is another version."""
        contents = self._contents
        spot = await contents.locator.spot()
        answer = await contents.shared.client.call(f"{spot.entry(self._anchor)}?$select={_SELECT}")
        if answer.status == 404:
            raise ContentChanged(f"{self._anchor} is not in the drive any more.")
        if not answer.ok:
            raise complain(answer, f"Reading file {self._anchor}")
        found = version_of(answer.body)
        if self._version and found != self._version:
            raise ContentChanged(f"{self._anchor} has version {found}; expected was {self._version}.")
        self._version, self._shown = found, digest_of(answer.body)
        self._size = self._shown.size
        return answer.body

    async def _verify(self, running: QuickXor | None) -> None:
        """Whether what came is what the drive shows."""
        shown = self._shown
        if running is not None:
            self._read = Digest(QUICKXOR, running.hexdigest(), self._size)
        if shown is not None and shown.algorithm == QUICKXOR and self._read is not None:
            if self._read == shown:
                return
            if not self._contents.options.trust_delivery:
                raise ContentChanged(
                    f"{self._anchor}: the bytes that came do not have the hash that the drive shows. It was changed "
                    "meanwhile, or it is protected (AIP, IRM): then `trust_delivery` takes it as it comes."
                )
        await self._look()  # nothing to compare with: at least it is still the same version

    async def _pause(self, failed: list[float], error: Busy | Lost) -> None:
        """Wait before going on; raises the error when there was no progress for too long."""
        context, client = self._contents.context, self._contents.shared.client
        client.lanes.slower()
        failed.append(context.monotonic())
        if failed[-1] - failed[0] > client.options.timeouts.retry or len(failed) > ATTEMPTS:
            raise error
        await context.sleep(min(BACKOFF_MOST, BACKOFF * 2.0 ** min(len(failed) - 1, 10)))
        await client.budget.rest()


class _Expired(Exception):
    """The URL is of no use any more."""
