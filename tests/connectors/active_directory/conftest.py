"""A small school on a real Samba, and connectors to it; what changes there is done by the lab's own connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.core.model import Evidence, Fields
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School, SchoolSize, draw_school
from bridge.ports import Connector, Context, Page
from connectors.active_directory import Options, connect
from connectors.active_directory.connector import ActiveDirectory

SMALL = SchoolSize(pupils=60, teachers=8, staff=3, leavers=2, newcomers=2, classes_per_year=1, groups=30)


def context(server: SchoolServer | None = None, *, clock: Callable[[], datetime] | None = None, **more: Any) -> Context:
    """A context whose secrets are the reading account's password, with the real clock."""
    password = server.reader_password if server else "not the password"
    return Context(
        school="ssg", secret=lambda reference: password.encode(), clock=clock or (lambda: datetime.now(UTC)),
        sleep=asyncio.sleep, monotonic=time.monotonic, random=lambda: 0.5, **more,
    )  # fmt: skip


def options_of(server: SchoolServer, **changes: Any) -> Options:
    """The options of a school laid out as the lab does it."""
    root = server.layout.root.removesuffix(f",{server.base}")
    said: dict[str, Any] = {
        "servers": [server.url],
        "account": server.reader_upn,
        "password": "credential:ad",
        "ca_file": str(server.authority_file),
        "scope": {"ous": [root]},
        "roles": [
            {"role": "teacher", "ou": f"OU=Lehrer,{root}", "licenses": ["TEACH"]},
            {"role": "staff", "ou": f"OU=Personal,{root}"},
            {"role": "pupil", "when": "attr.department", "licenses": ["LEARN"]},
        ],
        "groups": [
            {"role": "class", "when": "attr.cn | regex_match('^klasse-')", "unified": True},
            {"role": "working_group", "when": "attr.cn | regex_match('^ag-')"},
            {"role": "course", "when": "attr.cn | regex_match('^(kurs|fs)-')", "unified": True},
            {"role": "staff", "when": "true"},
        ],
        "consent": {"when": "attr.employeeType == 'Einwilligung'"},
        "reference_attribute": "employeeNumber",
    }
    return Options(**{**said, **changes})


@dataclass
class Watch:
    """A connector and what it showed so far, folded as the state folds it."""

    connector: Connector
    server: SchoolServer
    records: dict[str, Fields] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    gone: dict[str, Evidence] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    pages: list[Page] = field(default_factory=list)
    token: str | None = None

    async def look(self, token: str | None = "kept", *, recall: str | None = None) -> Watch:  # noqa: S107 - not a password
        """Observe to the end; ``shown`` and ``warnings`` are those of this time."""
        self.shown, self.warnings, self.pages = set(), [], []
        async for page in self.connector.observe(self.token if token == "kept" else token, recall=recall):
            self.pages.append(page)
            self.warnings += page.warnings
            for one in page.observations:
                self.shown.add(one.anchor)
                if one.in_scope:
                    self.records[one.anchor], self.versions[one.anchor] = one.fields, one.version
                    self.outside.discard(one.anchor)
                    self.gone.pop(one.anchor, None)
                elif self.records.pop(one.anchor, None) is not None:
                    self.outside.add(one.anchor)
            for removal in page.removals:
                self.shown.add(removal.anchor)
                if self.records.pop(removal.anchor, None) is not None:
                    self.gone[removal.anchor] = removal.evidence
        self.token = self.pages[-1].token
        return self

    def anchor(self, login: str) -> str:
        """The anchor of a person by login, of a group by name."""
        for anchor, fields in self.records.items():
            if fields.get("login") == login or fields.get("nickname_base") == f"ssg-{login}":
                return anchor
        raise LookupError(login)

    def of(self, login: str) -> Fields:
        """Fields of a person by login, of a group by name."""
        return self.records[self.anchor(login)]


@pytest.fixture(scope="session")
def small_school() -> School:
    return draw_school(1, SMALL)


@pytest.fixture
async def watch() -> AsyncIterator[Callable[..., Any]]:
    """`await watch(server, **options)`: a connector that has listed everything."""
    made: list[Connector] = []

    async def start(server: SchoolServer, *, clock: Any = None, attributes: Any = None, **changes: Any) -> Watch:
        more = {"attributes": attributes} if attributes else {}
        connector = await connect(options_of(server, **changes), context(server, clock=clock, **more))
        made.append(connector)
        return await Watch(connector, server).look(None)

    yield start
    for connector in made:
        await connector.close()


@pytest.fixture
async def reopened() -> AsyncIterator[Callable[..., Any]]:
    """`await reopened(watch)`: the same, as after a restart of the bridge."""
    made: list[Connector] = []

    async def start(before: Watch, **changes: Any) -> Watch:
        connector = await connect(options_of(before.server, **changes), context(before.server))
        made.append(connector)
        before.connector = connector
        return before

    yield start
    for connector in made:
        await connector.close()


@pytest.fixture
async def made(samba_dc: Callable[..., SchoolServer]) -> AsyncIterator[Callable[..., Any]]:
    """`await made(**options)`: a delegated school with a writing connector that has listed everything."""
    from tests.connectors.active_directory import writing  # it builds on this module

    connectors: list[Connector] = []

    async def start(server: SchoolServer | None = None, **changes: Any) -> writing.WrittenSchool:
        if server is None:
            server = samba_dc(school=draw_school(1, SMALL))
            writing.delegate(server, "--units")
        connector = ActiveDirectory(writing.writing_options(server, **changes), context(server))
        connectors.append(connector)
        return writing.WrittenSchool(connector, server, await Watch(connector, server).look(None))

    yield start
    for connector in connectors:
        await connector.close()
