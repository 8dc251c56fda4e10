"""The domain controllers as one directory: one thread for what blocks, one connection, failover in order, sticky."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bridge.ports import Refused, Unreachable, permitted
from connectors.active_directory.options import Options
from connectors.active_directory.session import Root, Session
from connectors.active_directory.trust import CertificateRefused
from connectors.active_directory.wire import Control, Entry, guid_filter

Result = TypeVar("Result")
_GUIDS_A_SEARCH = 100
#: Seconds for which a password that was refused is not tried again: Windows counts bad logins for 30 minutes, and locks
#: accounts after 10 of them where the security baseline is followed.
REFUSED_FOR = 900.0


class Directory:
    """Connects when first asked. ``password`` is called at each bind, so that a changed secret is picked up."""

    def __init__(
        self, options: Options, password: Callable[[], str], *, name: str = "directory",
        monotonic: Callable[[], float] = time.monotonic, writing: bool = False,
        permit: Callable[[], None] = permitted,
    ) -> None:  # fmt: skip
        self._monotonic = monotonic
        self._salt = os.urandom(16)
        self._options = options
        self._password = password
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._session: Session | None = None
        self._writing, self._permit = writing, permit
        self._only = False
        self._server = options.servers[0]
        self._warnings: list[str] = []
        self._refusal: tuple[bytes, float, Refused] | None = None

    @property
    def server(self) -> str:
        """The server in use, or the one that is tried first."""
        return self._server

    async def hold(self, server: str) -> None:
        """From now on only this server: what is written to another one would be read much later."""
        self._only = True
        if server != self._server:
            session, self._session, self._server = self._session, None, server
            if session is not None:
                await asyncio.get_running_loop().run_in_executor(self._thread, session.close)

    async def run(self, job: Callable[[Session], Result]) -> Result:
        """Run ``job`` with the connection in the thread; after Unreachable the next call connects anew."""

        def work() -> Result:
            session = self._session = self._session or self._connect()
            try:
                return job(session)
            except Unreachable:
                self._session = None
                session.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self) -> Root:
        """What the domain controller says of itself now; connects anew where the connection was closed meanwhile.

        Servers close connections that were idle for some minutes: that alone is no trouble to report.
        """
        try:
            return await self.run(Session.read_root)
        except Unreachable:
            return await self.run(Session.read_root)

    async def base(self) -> str:
        """The domain's distinguished name."""
        return await self.run(lambda session: session.root.base)

    def passed_over(self) -> tuple[str, ...]:
        """Warnings of the last connect, each once: servers that could not be used, and why."""
        warnings, self._warnings = tuple(self._warnings), []
        return warnings

    def _connect(self) -> Session:
        if self._options.authentication != "simple":
            return self._connect_anywhere()
        # Each try with a wrong password counts towards the account's lockout: the same one is not tried again at once.
        secret = hashlib.sha256(self._salt + self._password().encode()).digest()
        if self._refusal and self._refusal[0] == secret and self._monotonic() < self._refusal[1]:
            raise self._refusal[2]
        try:
            session = self._connect_anywhere()
        except CertificateRefused:
            raise
        except Refused as refused:
            self._refusal = (secret, self._monotonic() + REFUSED_FOR, refused)
            raise
        self._refusal = None
        return session

    def _connect_anywhere(self) -> Session:
        others = [] if self._only else [one for one in self._options.servers if one != self._server]
        reasons: list[str] = []
        untrusted = False
        for server in (self._server, *others):
            try:
                session = Session(self._options, server, self._password, writing=self._writing, permit=self._permit)
            except (Unreachable, CertificateRefused) as error:
                # Wrong credentials are not tried elsewhere: each try counts towards the account's lockout.
                untrusted |= isinstance(error, CertificateRefused)
                reasons.append(str(error))
                continue
            self._server = server
            self._warnings = [f"{reason} Using {server} instead." for reason in reasons]
            return session
        raise (Refused if untrusted else Unreachable)(" ".join(reasons))

    async def pages(
        self, base: str, condition: str, attributes: Sequence[str],
        *, controls: Sequence[Control] = (), page: int | None = None,
    ) -> AsyncIterator[list[Entry]]:  # fmt: skip
        """Pages of a subtree search, all of one connection; one is read ahead while the caller works on the last."""
        started: list[tuple[Session, Iterator[list[Entry]]]] = []

        def step(session: Session) -> list[Entry] | None:
            if not started:
                started.append((session, session.pages(base, condition, attributes, controls=controls, page=page)))
            if session is not started[0][0]:
                raise Unreachable(f"{session.server}: the connection was lost in the middle of a search")
            try:
                return next(started[0][1], None)
            except LookupError:
                raise Unreachable(f"{base} was moved or deleted while it was read") from None

        ahead = asyncio.ensure_future(self.run(step))
        try:
            while (found := await ahead) is not None:
                ahead = asyncio.ensure_future(self.run(step))
                yield found
        finally:
            # A caller that stops early asks nobody why the page that it never wanted could not be read.
            ahead.add_done_callback(lambda one: one.cancelled() or one.exception())
            ahead.cancel()

    async def read(self, guids: Sequence[str], condition: str, attributes: Sequence[str]) -> list[Entry]:
        """Living objects by objectGUID, wherever they stand in the domain; those that are not there are left out."""
        found: list[Entry] = []
        for start in range(0, len(guids), _GUIDS_A_SEARCH):
            which = f"(&{condition}{guid_filter(*guids[start : start + _GUIDS_A_SEARCH])})"
            found += await self.find(which, attributes)
        return found

    async def find(self, condition: str, attributes: Sequence[str] = ("1.1",)) -> list[Entry]:
        """Everything in the domain that a condition finds; for conditions that find little."""
        return await self.run(lambda session: session.all(condition, attributes))

    async def close(self) -> None:
        """Close the connection and end the thread; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
