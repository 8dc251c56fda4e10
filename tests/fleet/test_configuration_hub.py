"""A school's configuration at the hub: judged, kept, asked of the site, and what the site answers; the site is real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.daemon.catalog import Catalog
from bridge.fleet.configure import Checked
from bridge.fleet.messages import Message, Report
from bridge.fleet.orders import checked
from bridge.hub.configurations import Configurations
from bridge.ports import ConfigurationError
from bridge.settings import SettingsError
from bridge.state import Database, hub_configurations, hub_orders, hub_sites, open_database
from bridge.state.hub_inbox import Posted, apply
from bridge.uplink.configuration import Configuration
from tests.fleet.site import Site, until

WHY = "as agreed with the head teacher"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: Any, tmp_path: Path) -> Iterator[Database]:
    """That of a hub."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/hub.db"
    else:
        url = request.getfixturevalue("postgresql_server").create_database(f"hub_{tmp_path.name}"[:40].casefold())
    opened = open_database(url)
    hub_sites.invite(opened, "s1", schools=["0123"], label="", actor="test")
    yield opened
    opened.close()


#: For what is the same on every database.
ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Hub:
    """The hub, and the line to its site without the network: orders are signed and checked, answers applied once."""

    def __init__(self, database: Database) -> None:
        self.database, self.key, self.seq = database, Ed25519PrivateKey.generate(), 0
        self.mine = Configurations(database, self.key, actor="chief")

    async def pass_on(self, site: Configuration) -> list[str]:
        """All orders that wait go to the site, its answers come back; in which states."""
        states: list[str] = []
        for signed in hub_orders.take(self.database, ["s1"]).get("s1", hub_orders.Orders()).commands:
            order = checked(signed, self.key.public_key().public_bytes_raw(), site="s1", now=datetime.now(UTC))
            state, text = await site.configure(order)
            self.tell("answer", {"command": order.id, "state": state, "text": text, "stage": ""})
            states.append(state)
        return states

    def tell(self, kind: Any, body: dict[str, Any]) -> None:
        """A message of the site."""
        self.seq, now = self.seq + 1, datetime.now(UTC)
        message = Message(seq=self.seq, at=now, school="0123", kind=kind, body=body)
        report = Report(epoch=1, last=self.seq, oldest=self.seq, now=now, messages=[message])
        assert apply(self.database, [Posted("s1", "", report, now)])[0].refused == ""

    def state(self, version: int) -> str:
        return self.mine.version("0123", version).state


def propose(hub: Hub, site: Site, text: str) -> int:
    return hub.mine.propose("0123", text, file="new.yaml", reason=WHY, catalog=Catalog()).version


def test_a_file_goes_to_its_site_in_two_steps_and_back_again(tmp_path: Path, database: Database) -> None:
    site, hub = Site(tmp_path), Hub(database)
    new = site.text.replace("Ölberg", "Anger")

    async def play() -> None:
        async with site.daemon() as (service, here):
            assert propose(hub, site, new) == 1
            assert hub.state(1) == "draft"
            with pytest.raises(ConfigurationError, match="version 1 is draft, only one that its site has checked"):
                hub.mine.apply("0123", 1, reason=WHY)
            assert await hub.pass_on(here) == ["done"]
            found = Checked.model_validate_json(hub.mine.version("0123", 1).checked)
            assert "+name: Gymnasium am Anger" in found.diff
            assert service.settings.schools[0].name.endswith("Ölberg"), "nothing took effect"
            assert hub.mine.apply("0123", 1, reason=WHY).state == "asked"
            assert await hub.pass_on(here) == ["done"]
            assert hub.state(1) == "in force"
            assert service.settings.schools[0].name.endswith("Anger")
            # An old one is a new version, and checked like any other.
            propose(hub, site, site.text)
            await hub.pass_on(here)
            hub.mine.apply("0123", 2, reason=WHY)
            await hub.pass_on(here)
            assert hub.mine.back("0123", 1, reason="it was better").version == 3
            await hub.pass_on(here)
            hub.mine.apply("0123", 3, reason=WHY)
            await hub.pass_on(here)
            assert [(one.version, one.state) for one in hub.mine.versions("0123")] == [
                (3, "in force"), (2, "replaced"), (1, "replaced"),
            ]  # fmt: skip
            assert here.standing("0123")["version"] == 3

    asyncio.run(play())
    rows = [one.entry for one in database.school("0123", {}).journal() if one.entry.action == "configure"]
    assert [(one.actor, one.outcome) for one in rows[:3]] == [
        ("chief", "draft"), ("bridge", "checked"), ("bridge", "in force"),
    ]  # fmt: skip
    everything = [str(one.entry) for one in database.school("0123", {}).journal()]
    assert not any("school_side" in one for one in everything), "a journal holds digests of files"
    assert database.school("0123", {}).verify().ok


@ONE
def test_what_can_be_seen_at_the_hub_is_refused_there(tmp_path: Path, database: Database) -> None:
    site, hub = Site(tmp_path), Hub(database)
    secret = site.text.replace("naming:", "token: hunter2\nnaming:")
    with pytest.raises(SettingsError) as found:
        propose(hub, site, secret)
    assert "new.yaml:7:8: token: a secret stands in the file" in str(found.value)
    assert "hunter2" not in str(found.value)
    with pytest.raises(SettingsError, match='the file is of the school "0456"'):
        propose(hub, site, site.text.replace("0123", "0456"))
    with pytest.raises(ConfigurationError, match='no site looks after a school "0999"'):
        hub.mine.propose("0999", site.text, file="new.yaml", reason=WHY, catalog=Catalog())
    with pytest.raises(ConfigurationError, match="longer than 128 KiB"):
        propose(hub, site, site.text + "#" * 200_000)
    with pytest.raises(ConfigurationError, match="type"):
        hub.mine.remove("0123", typed="0132", reason=WHY)
    assert hub.mine.versions("0123") == []
    assert hub_orders.take(database, ["s1"]) == {}


@ONE
def test_what_only_the_site_can_see_comes_back_from_there(tmp_path: Path, database: Database) -> None:
    site, hub = Site(tmp_path), Hub(database)

    async def play() -> None:
        async with site.daemon() as (service, here):
            await until(lambda: service.board.schools["0123"].stage)
            hub.mine.remove("0123", typed="0123", reason=WHY)
            assert await hub.pass_on(here) == ["refused"]

    asyncio.run(play())
    one = hub.mine.version("0123", 1)
    assert one.state == "refused"
    assert "0123: the school is hybrid. Expected: classic or retired" in one.answer
    with pytest.raises(ConfigurationError, match="version 1 is refused"):
        hub.mine.apply("0123", 1, reason=WHY)


@ONE
def test_a_change_at_the_site_since_the_check_is_found_there_and_checked_anew(
    tmp_path: Path, database: Database
) -> None:
    site, hub = Site(tmp_path), Hub(database)
    new = site.text.replace("Ölberg", "Anger")

    async def play() -> None:
        async with site.daemon() as (service, here):
            propose(hub, site, new)
            await hub.pass_on(here)
            site.config.write_text(site.config.read_text() + "language: de\n")
            assert await service.reload() == ""
            hub.mine.apply("0123", 1, reason=WHY)
            assert await hub.pass_on(here) == ["refused"]
            assert "changed since version 1 was checked" in hub.mine.version("0123", 1).answer
            assert hub.mine.check("0123", 1).state == "draft"
            await hub.pass_on(here)
            hub.mine.apply("0123", 1, reason=WHY)
            await hub.pass_on(here)
            assert hub.state(1) == "in force"

    asyncio.run(play())


def test_an_answer_that_was_lost_is_known_by_what_the_site_runs(tmp_path: Path, database: Database) -> None:
    """The site applied it and died before it answered: it says that it does not know, and tells what it runs."""
    site, hub = Site(tmp_path), Hub(database)

    async def play() -> None:
        async with site.daemon() as (_, here):
            propose(hub, site, site.text.replace("Ölberg", "Anger"))
            await hub.pass_on(here)
            one = hub.mine.apply("0123", 1, reason=WHY)
            for signed in hub_orders.take(database, ["s1"])["s1"].commands:
                order = checked(signed, hub.key.public_key().public_bytes_raw(), site="s1", now=datetime.now(UTC))
                assert (await here.configure(order))[0] == "done"
            hub.tell("configuration", here.standing("0123"))
            hub.tell("answer", {"command": one.command, "state": "refused", "text": "not known", "stage": ""})
            assert hub.state(1) == "in force"

    asyncio.run(play())


@ONE
def test_an_order_that_expired_here_but_was_carried_out_there_counts(tmp_path: Path, database: Database) -> None:
    site, hub = Site(tmp_path), Hub(database)
    propose(hub, site, site.text)
    command = hub.mine.version("0123", 1).command
    with database.write() as connection:
        hub_orders.take_back(connection, [command], at=database.clock(), actor="chief", reason="too slow")
    assert hub.state(1) == "refused"
    assert hub.mine.version("0123", 1).answer == "withdrawn: too slow"

    async def play() -> None:
        async with site.daemon() as (_, here):
            assert hub.mine.check("0123", 1).state == "draft"
            await hub.pass_on(here)

    asyncio.run(play())
    assert hub.state(1) == "checked"


@ONE
def test_a_crash_between_the_version_and_its_command_asks_nothing_and_can_be_taken_up(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, hub = Site(tmp_path), Hub(database)

    async def play() -> None:
        async with site.daemon() as (_, here):
            for step in ("check", "apply"):
                with monkeypatch.context() as broken:
                    broken.setattr("bridge.hub.orders_out.ask", None)
                    with pytest.raises(TypeError):
                        propose(hub, site, site.text) if step == "check" else hub.mine.apply("0123", 1, reason=WHY)
                assert await hub.pass_on(here) == []
                hub.mine.check("0123", 1) if step == "check" else hub.mine.apply("0123", 1, reason=WHY)
                assert await hub.pass_on(here) == ["done"]
            assert hub.state(1) == "in force"

    asyncio.run(play())


def test_two_who_apply_at_once_ask_once(tmp_path: Path, database: Database) -> None:
    site, hub = Site(tmp_path), Hub(database)

    async def play() -> None:
        async with site.daemon() as (_, here):
            propose(hub, site, site.text)
            await hub.pass_on(here)
            one = hub.mine.version("0123", 1)
            assert hub_configurations.asked(database, one, "first-command", state="asked")
            assert not hub_configurations.asked(database, one, "second-command", state="asked")

    asyncio.run(play())


def test_so_many_versions_are_kept_and_the_one_in_force(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_configurations, "MOST", 3)
    for number in range(6):
        hub_configurations.draft(database, "0123", f"text {number}", digest="", actor="chief", reason=WHY)
    assert [one.version for one in hub_configurations.versions(database, "0123")] == [6, 5, 4]
