"""Writes as the port asks for them: contents stream side by side, commits follow one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import date

from bridge.core.model import Action, Digest
from bridge.ports import Busy, ContentChanged, Context, Failed, Outcome, Source, Write, Written
from connectors.smb import errors
from connectors.smb.errors import ServerStatus
from connectors.smb.parts import Part
from connectors.smb.places import Places, Rejected
from connectors.smb.sight import Sight
from connectors.smb.trash import Trash, recover
from connectors.smb.write_files import FileWrites
from connectors.smb.write_folders import FolderWrites

_OPEN = "a program has it open; it is written when it is closed"
_DENIED = "access is denied: give the bridge's account the right to change this, and see that nobody has it open"
_FULL = "the server's disk is full, or the quota is used up: make room"
_NAME = "the server refuses the name: rename it on the other side"
_CAUSES: dict[int, tuple[str, str, bool]] = {
    errors.SHARING_VIOLATION: ("busy", _OPEN, True),
    errors.FILE_LOCK_CONFLICT: ("busy", _OPEN, True),
    errors.OPLOCK_BREAK: ("busy", _OPEN, True),
    errors.ACCESS_DENIED: ("denied", _DENIED, True),
    errors.CANNOT_DELETE: ("denied", "it is read-only: take the attribute away", True),
    errors.MEDIA_WRITE_PROTECTED: ("denied", "the share is read-only", True),
    errors.DISK_FULL: ("quota", _FULL, True),
    errors.QUOTA_EXCEEDED: ("quota", _FULL, True),
    errors.NAME_COLLISION: ("name_taken", "the name is taken already by something else", False),
    errors.IS_A_DIRECTORY: ("name_taken", "the name is taken already by a folder", False),
    errors.NAME_INVALID: ("name_refused", _NAME, False),
    errors.PATH_SYNTAX_BAD: ("name_refused", _NAME, False),
    errors.PATH_INVALID: ("name_refused", _NAME, False),
    errors.NAME_TOO_LONG: ("path_too_long", "the name or path is too long for the server: shorten it", False),
    errors.INVALID_PARAMETER: ("invalid", "the server refuses this (a folder into itself)", False),
}
_GONE = ("stale", "it is not there any more; the next observation tells", True)


class Writing:
    """``apply`` of the connector. ``lock`` is held while the index is used."""

    def __init__(self, sight: Sight, context: Context, *, lock: asyncio.Lock) -> None:
        self._sight, self._context, self._lock = sight, context, lock
        self._expired: date | None = None

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See the port. Raises Unreachable or Refused when the root is not there any more."""
        if not writes:
            return
        async with self._lock:
            await asyncio.to_thread(self._prepare)
        queue = list(reversed(writes))
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while queue or running:
                while queue and len(running) < self._sight.options.connections:
                    running.add(asyncio.create_task(self._one(queue.pop())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _prepare(self) -> None:
        self._sight.begin_writing()
        with self._sight.lines.borrow() as line:
            recover(line)
            today = self._context.clock().date()
            if self._expired != today:
                with suppress(ServerStatus):
                    Trash(line).expire(today, self._sight.options.trash_days)
                self._expired = today

    async def _one(self, write: Write) -> Outcome:
        try:
            if write.kind == "folder":
                return await self._locked(lambda places: FolderWrites(places, self._context.clock).carry_out(write))
            if write.content is None:
                _refuse_unknown_content(write)
                return await self._locked(lambda places: self._files(places).carry_out(write, None))
            return await self._streamed(write, write.content)
        except Rejected as refusal:
            return Failed(write.id, refusal.cause, str(refusal), transient=refusal.transient)
        except ContentChanged as error:
            return Failed(write.id, "changed", str(error), transient=True)
        except Busy as error:
            return Failed(write.id, "busy", str(error), transient=True)
        except ServerStatus as status:
            return await self._failed(write, status)

    def _files(self, places: Places) -> FileWrites:
        return FileWrites(places, self._context.clock)

    async def _failed(self, write: Write, status: ServerStatus) -> Outcome:
        # A root that went away looks like many errors of single files: it tells which it is.
        async with self._lock:
            await asyncio.to_thread(self._sight.verified)
        known = _GONE if status.code in errors.ABSENT else ("failed", f"the server answered {status}", True)
        cause, why, transient = _CAUSES.get(status.code, known)
        what = f"{write.kind} {write.anchor or write.fields.get('name', '')}"
        return Failed(write.id, cause, f"{what} in {self._sight.options.place}: {why}", transient=transient)

    async def _locked(self, act: Callable[[Places], Written]) -> Written:
        async with self._lock:
            return await asyncio.to_thread(self._within, act)

    def _within(self, act: Callable[[Places], Written]) -> Written:
        index = self._sight.index
        with self._sight.lines.borrow() as line:
            # A look in the middle of a write ends this transaction and begins its own: each is whole by itself.
            index.begin()
            try:
                return act(Places(self._sight, line))
            finally:
                # What a failed write has already done on the server (a rename before its content) the next look finds.
                index.commit()

    async def _streamed(self, write: Write, source: Source) -> Written:
        """Write the content beside its place, then commit it."""
        async with self._lock:
            part = await asyncio.to_thread(self._begin_part, write)
        try:
            async for piece in source.chunks():
                await asyncio.to_thread(part.write, piece)
            _verify(write, part.digest)
            return await self._locked(lambda places: self._files(places).carry_out(write, part))
        finally:
            await asyncio.to_thread(part.end)

    def _begin_part(self, write: Write) -> Part:
        """A temporary file in the folder in which the content will lie."""
        with self._sight.lines.borrow() as line:
            places = Places(self._sight, line)
            self._files(places).check(write)
            parent, name = write.fields.get("parent"), write.fields.get("name", "x")
            if "parent" not in write.fields and write.action is not Action.CREATE:
                found = self._sight.index.find(write.anchor or "")
                folder = self._sight.index.directory(found[0]) if found else None
                parent = folder.anchor if folder else None
            path = places.target(parent, name).path
        return Part.begin(self._sight.lines, path)


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
