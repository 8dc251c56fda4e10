"""The service's part of ``freeze: samba``: it asks root for a share of Samba, and waits for the answer.

1. a request is written while root does not read, again and again as long as it is waited for, and taken back at the end
2. root answers in a directory of its own: schoolbridge-samba.service, started by systemd when a request is written
3. what is frozen is what root keeps: to thaw that no configuration is needed, and no root where nothing is kept

A whole share of Samba is frozen, not root by root of the bridge's.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.core.model import Side
from bridge.daemon.roots import Root
from bridge.daemon.shares import Ground
from bridge.ports import ConfigurationError, Finding, Frozen, Refused, Unreachable, permitted
from bridge.samba.answering import ALLOWED, ANSWERS, KEPT
from bridge.samba.asked import REQUESTS, Answer, Kept, Request, alone, name_of, names, opened, read, read_named, write
from bridge.samba.judged import permitted as listed
from bridge.settings import School

#: How long root may give no sign, how often that is looked at, and how often a request is written again, in seconds.
#: One that comes while root's round ends starts none.
PATIENCE, LOOK, AGAIN = 30.0, 0.1, 2.0
UNIT = "schoolbridge-samba.path"
_ENABLE = (
    f"Expected an answer of root's part; enable it: systemctl enable --now {UNIT}; "
    "see: journalctl -u schoolbridge-samba"
)


@dataclass(frozen=True, slots=True)
class SambaShares:
    """Those of one school. ``requests`` is this service's directory, ``own`` root's. Freezes and thaws as
    ``bridge.ports.Freezing`` says."""

    school: str
    requests: Path
    own: Path
    paths: Mapping[str, str]
    """Share of Samba -> the folder that has to lie in it: those to be frozen."""
    permit: Callable[[], None] = permitted
    patience: float = PATIENCE

    async def freeze(self) -> Frozen:
        """Raises Unreachable where nobody answers, Refused where root does not do it."""
        return await self._ask(self.paths, "frozen")

    async def thaw(self) -> Frozen:
        """All that root keeps of this school. Raises as ``freeze``."""
        return await self._ask(dict.fromkeys(await self._kept(), ""), "writable")

    async def _ask(self, paths: Mapping[str, str], wanted: Literal["frozen", "writable"]) -> Frozen:
        asked = [
            Request(id=secrets.token_hex(16), share=share, school=self.school, wanted=wanted, path=path)
            for share, path in paths.items()
        ]
        if not asked:
            return Frozen(0, 0, {})
        self.permit()
        self.requests.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            answers = await self._answers(asked)
        finally:
            # Nobody waits any more: what root did not begin by now is not to be done.
            for one in asked:
                (self.requests / name_of(one.share)).unlink(missing_ok=True)
        refused = [one.text for one in answers if not one.done]
        if refused:
            raise Refused("; ".join(refused))
        return Frozen(len(asked), len(asked), {})

    async def _answers(self, asked: Iterable[Request]) -> list[Answer]:
        waiting, found = {one.share: one for one in asked}, list[Answer]()
        alive, written = time.monotonic(), float("-inf")
        while waiting:
            now = time.monotonic()
            if now - written > AGAIN:
                # While root reads and works it holds the directory: that is a sign of life, too.
                written, alive = (now, alive) if self._write(waiting.values()) else (written, now)
            for share in list(waiting):
                answer = read(self.own / ANSWERS, share, Answer)
                if answer is not None and answer.id == waiting[share].id:
                    found.append(answer)
                    del waiting[share]
                    alive = now
            if waiting and now - alive > self.patience:
                raise Unreachable(
                    f"{self.school}: nobody answers about the share {', '.join(waiting)} of Samba since "
                    f"{self.patience:.0f} seconds. {_ENABLE}"
                )
            await asyncio.sleep(LOOK if waiting else 0)
        return found

    def _write(self, asked: Iterable[Request]) -> bool:
        """Not in a thread: one that is cancelled would still write, after the request was taken back."""
        with opened(self.requests) as folder, alone(folder) as mine:
            if mine:
                for one in asked:
                    write(self.requests, one.share, one, mode=0o600)
            return mine

    async def _kept(self) -> list[str]:
        """The shares that root keeps something of for this school, while nothing more is asked for or under way."""
        end = time.monotonic() + self.patience
        while True:
            with ExitStack() as stack:
                folder = None
                with suppress(FileNotFoundError):
                    folder = stack.enter_context(opened(self.requests))
                if folder is None or stack.enter_context(alone(folder)):
                    for name in names(folder) if folder is not None else ():
                        if self._of_ours(name):
                            os.unlink(name, dir_fd=folder)
                    return self._remembered()
            if time.monotonic() > end:
                raise Unreachable(f"{self.school}: root's work at the shares of Samba does not end. {_ENABLE}")
            await asyncio.sleep(LOOK)

    def _of_ours(self, name: str) -> bool:
        """Whether a request that was left is this school's; one that makes no sense is nobody's."""
        with suppress(OSError, ValueError):
            return Request.model_validate_json((self.requests / name).read_bytes()).school == self.school
        return False

    def _remembered(self) -> list[str]:
        folder = self.own / KEPT
        found = [read_named(folder, name, Kept) for name in names(folder)]
        return [one.share for one in found if one is not None and one.school == self.school]


def findings(school: School, *, allowed: Path = ALLOWED) -> Iterator[Finding]:
    """For ``check``: whether root's part is set up for the shares that Samba freezes; warnings, for nothing is wrong
    before the day of a cutover."""
    named = [share for share in school.shares if share.samba_share]
    if not named:
        return
    known = frozenset(share.samba_share.lower() for share in named)
    try:
        known = listed(allowed)
    except ConfigurationError as error:
        yield Finding("freeze: samba", None, str(error), "see what the message says")
    for share in named:
        if share.samba_share.lower() not in known:
            found = f"{share.samba_share} is not on root's list {allowed}: it can't be frozen"
            yield Finding(f"share {share.name}", None, found, f"write a line `{share.samba_share}` there, as root")
    if not _active():
        yield Finding(
            "freeze: samba", None, f"{UNIT} is not active: nobody would answer", f"systemctl enable --now {UNIT}"
        )


def _active() -> bool:
    """Whether systemd waits for requests; where there is no systemd, nobody knows."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return True
    return subprocess.run([systemctl, "--quiet", "is-active", UNIT], capture_output=True, check=False).returncode == 0


def shares_of(ground: Ground, roots: Iterable[Root]) -> SambaShares:
    """The shares of Samba that show these roots; together, because several shares of the school may lie in one."""
    named = {share.name: share.samba_share for share in ground.school.shares if share.samba_share}
    folders: dict[str, list[str]] = {}
    for root in roots:
        path = getattr(root.sides[Side.SCHOOL].options, "path", None)
        folders.setdefault(named[root.share], []).append(str(path or ""))
    settings = ground.settings
    return SambaShares(
        school=ground.school.code,
        requests=settings.runtime / REQUESTS,
        own=settings.samba,
        paths={share: os.path.commonpath(paths) for share, paths in folders.items()},
        permit=ground.database.permit,
    )
