"""Active Directory as one side of a school: read, and with `writeback` written.

A full listing: USN → places and circles → people page by page → groups page by page, all from one domain controller.
What changed: USN → is the token still good → changed groups and OUs → changed and deleted people → whoever is moved by
a changed OU or group → groups. The USN is read before anything else, so what changes meanwhile comes again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from bridge.core.model import Action
from bridge.ports import (
    BridgeError,
    Capabilities,
    Context,
    Failed,
    Finding,
    Identity,
    Outcome,
    Page,
    Refused,
    Write,
)
from connectors.active_directory.changes import Mark, Token, anchors_of, decode, verify
from connectors.active_directory.devices import Computers
from connectors.active_directory.directory import Directory
from connectors.active_directory.findings import probe
from connectors.active_directory.mapping import FieldMapping
from connectors.active_directory.notifications import Notifications
from connectors.active_directory.observing import Observer
from connectors.active_directory.options import Options
from connectors.active_directory.passwords import PasswordSetter
from connectors.active_directory.scope import fingerprint
from connectors.active_directory.session import Root
from connectors.active_directory.writer import CHUNK, Writer

_MARGIN = timedelta(days=7)
_EXPIRY_EVERY = timedelta(minutes=10)
_TOKEN_AGES = timedelta(hours=1)
_AFTER_REFUSAL = 900.0  # seconds
_EACH = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.RESTORE})
_WRITES = {"user": _EACH | {Action.DISABLE}, "group": _EACH}


class ActiveDirectory:
    """The connector (see `bridge.ports.Connector`)."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._mapping = FieldMapping(options, context.school, context.attributes)
        self._directory = Directory(options, self._password, name=f"ad-{context.school}")
        self._observer = Observer(options, self._directory, self._mapping)
        self._listener: Directory | None = None
        self._notifications = Notifications(options, self._password, context)
        self._marks: dict[str, Mark] = {}
        self._writer: Writer | None = None
        if options.writeback:
            writing = Directory(
                options, self._password, name=f"ad-write-{context.school}", writing=True, permit=context.permit
            )
            self._writer = Writer(
                options, options.writeback, self._mapping, writing, school=context.school, extra=context.attributes
            )
        self._computers = Computers(self._directory, options)
        setting = Directory(options, self._password, name=f"ad-passwords-{context.school}", writing=True)
        self._passwords = PasswordSetter(
            options, setting, self._mapping, context=context, known=lambda: self._observer.known
        )

    @property
    def capabilities(self) -> Capabilities:
        """Reads; with `writeback`, unless that is `read_only`, writes too."""
        able = self._options.writeback is not None and not self._options.writeback.read_only
        return Capabilities(
            kinds=frozenset(_WRITES),
            writes=_WRITES if able else dict.fromkeys(_WRITES, frozenset[Action]()),
            chunk=CHUNK,
            hints=True,
            purge=self.purge if able else None,
            passwords=self._passwords,
            log_in=self._passwords,
            devices=self._computers,
        )

    def _password(self) -> str:
        return self._context.secret(self._options.password or "").decode().rstrip("\r\n")

    async def identify(self) -> Identity:
        """The domain by its objectGUID, which no other domain has and no restore changes."""
        root = await self._directory.begin()
        return Identity(root.domain, f"Active Directory domain {root.base}")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """See the port. TokenLost for all that `changes.verify` names; ConfigurationError when a place is gone.

        From ``recall`` come the objectGUIDs of the configured places and nothing else.
        """
        root = await self._directory.begin()
        now = self._context.clock()
        scope = fingerprint(self._options, self._context.school, self._context.attributes)
        if token is None:
            self._observer.recall("")
            if recall is not None:
                self._observer.known = anchors_of(recall, root.domain)
            # Other domain controllers may be gone back to later; this one is begun anew.
            marks = {name: mark for name, mark in self._marks.items() if name != root.invocation}
            fresh = Token(root.domain, at=root.invocation, scope=scope, expiry=now.isoformat(), marks=marks)
            async for page in self._observer.everything(fresh, root, now):
                yield page
            return
        held = decode(token)
        if (held.scope, held.domain) == (scope, root.domain):
            # Also for the full listing that follows a lost token.
            self._observer.known, self._marks = dict(held.anchors), dict(held.marks)
        verify(held, root, scope=scope, now=now, longest=self._longest_absence(root))
        if self._nothing_new(held, root, now):
            old = now - datetime.fromisoformat(held.now.time) >= _TOKEN_AGES
            if old:
                token = self._observer.renew(token, held.moved_on(root, now).encode())
            yield Page(token=token, warnings=(*self._directory.passed_over(), *held.moved))
            return
        self._observer.recall(token)
        async for page in self._observer.changed(held, root, now):
            yield page

    def _nothing_new(self, held: Token, root: Root, now: datetime) -> bool:
        looked = now - datetime.fromisoformat(held.expiry) < _EXPIRY_EVERY
        return looked and held.at == root.invocation and held.now.usn == root.usn

    def _longest_absence(self, root: Root) -> timedelta:
        if self._options.missing_days is not None:
            return timedelta(days=self._options.missing_days)
        return max(timedelta(days=root.tombstone_days) - _MARGIN, timedelta(days=1))

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See the port. Writes to the server that is read, and to no other."""
        can = self.capabilities.writes
        for write in writes:
            if write.action not in can.get(write.kind, frozenset()):
                yield Failed(write.id, "unsupported", f"{write.action} {write.kind}: {self._why_not()}")
        able = [write for write in writes if write.action in can.get(write.kind, frozenset())]
        if not able or self._writer is None:
            return
        if any(write.kind != able[0].kind for write in able):
            raise ValueError("apply takes writes of one kind")
        now, known = self._context.clock(), self._observer.known
        server = self._directory.server
        async for outcome in self._writer.apply(
            able, server=server, known=known, now=now, owners=lambda: self._observer.owners(now)
        ):
            yield outcome

    async def purge(self, anchors: Sequence[str]) -> AsyncIterator[Outcome]:
        """Really delete people and groups that lie in the limbo, and nothing else; one outcome for each anchor.

        What is not there any more counts as purged. Raises Unreachable or Refused when nothing more can be written.
        """
        if self._writer is None or not self.capabilities.writes["user"]:
            for anchor in anchors:
                yield Failed(anchor, "unsupported", f"{anchor} is not deleted: {self._why_not()}")
            return
        now, known = self._context.clock(), self._observer.known
        async for outcome in self._writer.purge(anchors, server=self._directory.server, known=known, now=now):
            yield outcome

    def _why_not(self) -> str:
        if self._writer is None:
            return "the school's directory is only read, as there is no `writeback` in its YAML"
        return "it is not written, as `writeback` is set to `read_only`"

    async def hints(self) -> AsyncIterator[None]:
        """Ask the server for its USN each ``poll_seconds`` on a connection of its own; yield when it moved.

        Where the server also tells of changes by itself it is asked as soon as it does.
        """
        if self._listener is None:
            self._listener = Directory(self._options, self._password, name=f"ad-hints-{self._context.school}")
        try:
            async for _ in self._moves(self._listener):
                yield None
        finally:
            await self._notifications.stop()

    async def _moves(self, listener: Directory) -> AsyncIterator[None]:
        last: tuple[str, int] | None = None
        answers = True
        while True:
            try:
                seen = await listener.run(lambda session: (session.root.invocation, session.usn()))
            except BridgeError as error:
                if answers:
                    # The next cycle meets the same trouble and says so: it must not wait for the schedule meanwhile.
                    answers = False
                    yield None
                # Here only the wait gets longer. Wrong credentials must not be tried often: the account would be
                # locked.
                if isinstance(error, Refused):
                    await self._context.sleep(_AFTER_REFUSAL)
                else:
                    await self._notifications.rest(10 * self._options.poll_seconds)
                continue
            answers = True
            if last is not None and seen != last:
                yield None
            last = seen
            # Only now: it is known that the credentials are good.
            self._notifications.start()
            await self._notifications.rest(self._options.poll_seconds)

    async def check(self) -> Sequence[Finding]:
        """See the port."""
        context = self._context
        return await probe(self._directory, self._options, self._mapping, context.attributes, now=context.clock())

    async def close(self) -> None:
        """See the port."""
        await self._notifications.stop()
        await self._directory.close()
        if self._writer is not None:
            await self._writer.close()
        await self._passwords.close()
        if self._listener is not None:
            await self._listener.close()
