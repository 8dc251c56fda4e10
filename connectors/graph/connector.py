"""The connector: Microsoft 365 as one side of a school."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

import structlog

from bridge.core.model import Action
from bridge.ports import (
    Capabilities,
    ConfigurationError,
    Connector,
    Context,
    Failed,
    Finding,
    Identity,
    Outcome,
    Page,
    Unreachable,
    Write,
)
from connectors.graph import directory_url
from connectors.graph.answers import Answer, complain
from connectors.graph.authority import Authority
from connectors.graph.batch import Batches, Part
from connectors.graph.budget import Budget
from connectors.graph.check import Checks
from connectors.graph.client import PERMIT, Client
from connectors.graph.desk import BARS, Desk, Ghosts, Job, Recent
from connectors.graph.devices import Devices
from connectors.graph.licences import Licences
from connectors.graph.mapping import Names
from connectors.graph.observe import Observer
from connectors.graph.options import Options
from connectors.graph.passwords import Passwords, PasswordSetter, readable
from connectors.graph.write_groups import GroupWriter
from connectors.graph.write_users import UserWriter

CHUNK = 200  # ten batches: enough for several in flight, little to lose

log = structlog.get_logger(__name__)


class GraphConnector:
    """See ``bridge.ports.Connector``; in addition ``reset_passwords`` for the hand-out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._observer = Observer(desk)
        self._passwords = PasswordSetter(desk)
        self._authority = Authority(desk)
        self._devices = Devices(desk)
        self._writers: dict[str, UserWriter | GroupWriter] = {"user": UserWriter(desk), "group": GroupWriter(desk)}

    @property
    def client(self) -> Client:
        """The connection, for figures."""
        return self._desk.client

    @property
    def capabilities(self) -> Capabilities:
        """Users and groups; nothing in read-only mode."""
        each = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.RESTORE})
        writes = {"user": each | {Action.DISABLE}, "group": each}
        return Capabilities(
            kinds=frozenset(writes),
            writes={} if self._desk.options.read_only else writes,
            chunk=CHUNK,
            hints=True,
            passwords=self._passwords,
            authority=self._authority,
            devices=self._devices,
        )

    async def identify(self) -> Identity:
        """The tenant that the token is for."""
        answer = await self._desk.client.call("/organization?$select=id,displayName")
        rows = answer.body.get("value") or ()
        if not answer.ok or not rows:
            raise complain(answer, "Reading the organization")
        return Identity(str(rows[0]["id"]), f"Microsoft 365 tenant {rows[0].get('displayName') or rows[0]['id']}")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """See ``Connector.observe``; the token is the JSON of both delta links. ``recall`` tells nothing here."""
        async for page in self._observer.observe(token):
            yield page

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See ``Connector.apply``; best with ``capabilities.chunk`` writes a call."""
        PERMIT.set(self._desk.context.permit)
        if not writes:
            return
        kind = writes[0].kind
        able = self.capabilities.writes.get(kind, frozenset())
        refused = [write for write in writes if write.action not in able]
        for write in refused:
            if self._desk.options.read_only:
                yield Failed(write.id, "read_only", "The cloud side of this school is set to `read_only`.")
            else:
                yield Failed(write.id, "invalid", f"The cloud can't {write.action.value} a {kind}.")
        writes = [write for write in writes if write.action in able]
        if not writes:
            return
        if any(write.kind != kind for write in writes):
            raise ValueError("apply takes writes of one kind")
        self._desk.recent.prune()
        open_: list[Answer] = []
        async for outcome in self._writers[kind].apply(writes):
            if isinstance(outcome, Job):
                open_.append(outcome.open or Answer(0))
            else:
                yield outcome
        if open_:
            waits = [answer.retry_after for answer in open_ if answer.retry_after]
            raise Unreachable(
                f"Graph is busy or not reachable: {len(open_)} of {len(writes)} writes are not known to be done.",
                retry_after=max(waits, default=None),
            )

    async def reset_passwords(self, anchors: Sequence[str]) -> Passwords:
        """Give each user a new readable password, to be changed at the first sign-in; the only copy is the answer.

        Needs ``User-PasswordProfile.ReadWrite.All`` and the role User Administrator. Separate from other changes: a
        refused password rejects the whole PATCH. Raises Unreachable when nothing can be said of some of them.
        """
        if self._desk.options.read_only:
            return Passwords({}, tuple(Failed(key, "read_only", "The cloud side is `read_only`.") for key in anchors))
        jobs = {key: Job(Write(key, "user", Action.UPDATE, key), key) for key in dict.fromkeys(anchors)}
        new: dict[str, str] = {}
        parts = []
        for key, job in jobs.items():
            if cause := self._desk.barred.get(key):
                job.fail(cause, f"user {key} is never written: {BARS[cause]}.")
                continue
            new[key] = readable(self._desk.options.password_length)
            profile = {"password": new[key], "forceChangePasswordNextSignIn": True}
            fresh = key in self._desk.recent
            path = directory_url.entity("users", key)
            parts.append(Part(key, "PATCH", path, {"passwordProfile": profile}, fresh=fresh))
        for key, answer in (await self._desk.batches.run(parts)).items():
            if not jobs[key].judge(answer):
                del new[key]
        open_ = [job for job in jobs.values() if job.open is not None]
        failed = [job.failed for job in jobs.values() if job.failed is not None]
        failed += [
            Failed(job.anchor, "unknown_outcome", "Graph did not answer; reset it again.", transient=True)
            for job in open_
        ]
        log.info("passwords reset", users=len(new), failed=len(failed))
        return Passwords(new, tuple(failed))

    async def hints(self) -> AsyncIterator[None]:
        """The cloud does not call us (a school is behind NAT): ask it every ``poll_seconds``."""
        while True:
            await self._desk.context.sleep(self._desk.options.poll_seconds)
            yield None

    async def check(self) -> Sequence[Finding]:
        """See ``Connector.check``."""
        return await Checks(self._desk).run()

    async def close(self) -> None:
        """Give back connections."""
        await self._desk.client.close()


def build(options: Options, context: Context) -> GraphConnector:
    """Put a connector together. ConfigurationError for an attribute that can't be mapped."""
    attributes: Iterable[str] = context.attributes.get("user", {})
    if context.attributes.get("group"):
        raise ConfigurationError(
            f"School {context.school}: groups in Microsoft 365 take no further attributes; found "
            f"{', '.join(sorted(context.attributes['group']))}. Remove them under `attributes`."
        )
    try:
        names = Names(options, context.school, attributes)
    except ValueError as error:
        raise ConfigurationError(f"School {context.school}: {error}") from None
    purse, tenant = context.purse, options.tenant_id
    purses = (purse(tenant, "directory"), purse(tenant, "writes")) if purse is not None else (None, None)
    budget = Budget(options.budgets, monotonic=context.monotonic, sleep=context.sleep, purses=purses)
    client = Client(options, context, budget=budget)
    desk = Desk(
        options=options,
        context=context,
        client=client,
        batches=Batches(client, context),
        names=names,
        licences=Licences(client, options.licenses, context.monotonic),
        recent=Recent(context.monotonic),
        ghosts=Ghosts(context.monotonic),
    )
    return GraphConnector(desk)


async def connect(options: Options, context: Context) -> Connector:
    """Open the cloud side of a school. No request is sent yet; raises ConfigurationError."""
    return build(options, context)
