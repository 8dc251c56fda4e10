"""The domain controllers as one directory: one thread for what blocks, one connection, failover in order, sticky."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bridge.ports import Refused, Unreachable
from connectors.active_directory.options import Options
from connectors.active_directory.session import Session
from connectors.active_directory.trust import CertificateRefused
from connectors.active_directory.wire import Entry, guid_filter

Result = TypeVar("Result")
_GUIDS_A_SEARCH = 100


class Directory:
    """Connects when first asked. ``password`` is called at each bind, so that a changed secret is picked up."""

    def __init__(self, options: Options, password: Callable[[], str], *, name: str = "directory") -> None:
        self._options = options
        self._password = password
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._session: Session | None = None
        self._server = options.servers[0]
        self.warnings: list[str] = []
        """Domain controllers that were passed over at the last connect, with the reason."""

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

    def _connect(self) -> Session:
        servers = [self._server, *(one for one in self._options.servers if one != self._server)]
        reasons: list[str] = []
        untrusted = False
        for server in servers:
            try:
                session = Session(self._options, server, self._password)
            except (Unreachable, CertificateRefused) as error:
                # Wrong credentials are not tried elsewhere: each try counts towards the account's lockout.
                untrusted |= isinstance(error, CertificateRefused)
                reasons.append(str(error))
                continue
            self._server = server
            self.warnings = [f"{reason} Using {server} instead." for reason in reasons]
            return session
        raise (Refused if untrusted else Unreachable)(" ".join(reasons))

    async def pages(self, start: Callable[[Session], Iterator[list[Entry]]]) -> AsyncIterator[list[Entry]]:
        """Pages of a search, each read in the thread when it is asked for; all of one connection."""
        pages: list[Iterator[list[Entry]]] = []
        first: list[Session] = []

        def step(session: Session) -> list[Entry] | None:
            if not pages:
                first.append(session)
                pages.append(start(session))
            elif session is not first[0]:
                raise Unreachable(f"{session.server}: the connection was lost in the middle of a search")
            return next(pages[0], None)

        while (page := await self.run(step)) is not None:
            yield page

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
