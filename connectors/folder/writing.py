"""Writes as the port asks for them: contents stream side by side, commits follow one another."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence

from bridge.core.model import Action, Digest
from bridge.ports import Busy, ContentChanged, Context, Failed, Outcome, Source, Write, Written
from connectors.folder.parts import Part
from connectors.folder.places import Places, Rejected
from connectors.folder.sight import Sight
from connectors.folder.write_files import FileWrites
from connectors.folder.write_folders import FolderWrites

#: Contents that stream at the same time.
_PARALLEL = 8
_CAUSES: dict[int, tuple[str, str, bool]] = {
    errno.ENOSPC: ("quota", "the disk is full: make room", True),
    errno.EDQUOT: ("quota", "the owner's quota is used up: raise it or make room", True),
    errno.EACCES: ("denied", "access is denied: give the service the right to write here", True),
    errno.EPERM: ("denied", "access is denied: give the service the right to write here", True),
    errno.EROFS: ("denied", "the file system is read-only: see why it was mounted so", True),
    errno.EEXIST: ("name_taken", "the name is taken already by something else", False),
    errno.ENOTEMPTY: ("name_taken", "the name is taken already by something else", False),
    errno.ENAMETOOLONG: ("path_too_long", "the name or path is too long here: shorten it", False),
    errno.EINVAL: ("invalid", "the file system refuses this (a folder into itself, or a name it can't keep)", False),
    errno.ENOENT: ("stale", "it is not there any more; the next observation tells", True),
    errno.ENOTDIR: ("stale", "a folder on the way is none any more; the next observation tells", True),
    errno.ELOOP: ("stale", "a link is on the way, which is not followed", True),
    errno.EXDEV: ("denied", "it would lead to another mount, which is not mirrored", False),
    errno.ETXTBSY: ("busy", "it is being run", True),
    errno.EBUSY: ("busy", "it is in use by the system", True),
}


class Writing:
    """``apply`` of the connector. ``lock`` is held while the index is used."""

    def __init__(self, sight: Sight, context: Context, *, lock: asyncio.Lock) -> None:
        self._sight, self._lock = sight, lock
        self._places = Places(sight)
        self._files = FileWrites(self._places, context.clock)
        self._folders = FolderWrites(self._places, context.clock)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See the port. Raises Unreachable or Refused when the root is not there any more."""
        async with self._lock:
            await asyncio.to_thread(self._sight.begin_writing)
        queue = list(reversed(writes))
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while queue or running:
                while queue and len(running) < _PARALLEL:
                    running.add(asyncio.create_task(self._one(queue.pop())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, write: Write) -> Outcome:
        try:
            if write.kind == "folder":
                return await self._locked(lambda: self._folders.carry_out(write))
            if write.content is None:
                _refuse_unknown_content(write)
                return await self._locked(lambda: self._files.carry_out(write, None))
            return await self._streamed(write, write.content)
        except Rejected as refusal:
            return Failed(write.id, refusal.cause, str(refusal), transient=refusal.transient)
        except ContentChanged as error:
            return Failed(write.id, "changed", str(error), transient=True)
        except Busy as error:
            return Failed(write.id, "busy", str(error), transient=True)
        except OSError as error:
            return await self._failed(write, error)

    async def _failed(self, write: Write, error: OSError) -> Outcome:
        # A disk that went away looks like many errors of single files: the root tells which it is.
        async with self._lock:
            await asyncio.to_thread(self._sight.verified)
        number = error.errno or 0
        cause, why, transient = _CAUSES.get(number, ("failed", os.strerror(number), True))
        what = f"{write.kind} {write.anchor or write.fields.get('name', '')}"
        return Failed(write.id, cause, f"{what} in {self._sight.options.path}: {why}", transient=transient)

    async def _locked(self, act: Callable[[], Written]) -> Written:
        async with self._lock:
            return await asyncio.to_thread(self._within, act)

    def _within(self, act: Callable[[], Written]) -> Written:
        index = self._sight.index
        index.begin()
        try:
            done = act()
        except BaseException:
            # What a failed write has already done on the disk (a rename before its content) the next look finds.
            index.commit()
            raise
        index.commit()
        return done

    async def _streamed(self, write: Write, source: Source) -> Written:
        """Write the content beside its place, then commit it."""
        part = await self._locked_part(write)
        try:
            async for piece in source.chunks():
                await asyncio.to_thread(part.write, piece)
            _verify(write, part.digest)
            return await self._locked(lambda: self._files.carry_out(write, part))
        finally:
            await asyncio.to_thread(part.end)

    async def _locked_part(self, write: Write) -> Part:
        async with self._lock:
            return await asyncio.to_thread(self._begin_part, write)

    def _begin_part(self, write: Write) -> Part:
        """A temporary file in the folder in which the content will lie."""
        self._files.check(write)
        parent, name = write.fields.get("parent"), write.fields.get("name", "x")
        if "parent" not in write.fields and write.action is not Action.CREATE:
            found = self._sight.index.find(write.anchor or "")
            folder = self._sight.index.directory(found[0]) if found else None
            parent = folder.anchor if folder else None
        with self._places.target(parent, name) as place:
            return Part.begin(place.fd)


def _refuse_unknown_content(write: Write) -> None:
    content = write.fields.get("content")
    if isinstance(content, Digest) and content.size and write.action is not Action.DELETE:
        raise Rejected("invalid", "a content was named but not sent")


def _verify(write: Write, digest: Digest) -> None:
    """What came has to be what was meant; raises ContentChanged."""
    wanted = write.fields.get("content")
    known = wanted if isinstance(wanted, Digest) and wanted.algorithm == digest.algorithm else None
    source = write.content
    if source is not None and source.size != digest.size:
        raise ContentChanged(f"{source.size} bytes were expected and {digest.size} came: nothing was written")
    if known is not None and known != digest:
        raise ContentChanged(f"the content that came is not the one that was meant ({known.value[:8]}…)")
