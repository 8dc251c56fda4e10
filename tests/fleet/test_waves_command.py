"""``schoolbridge hub wave``, typed by a person; and the hub's process that looks after waves and tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge import cli
from bridge.core.fair import tenant_key
from bridge.core.notices import Severity
from bridge.daemon.notice_text import Message
from bridge.fleet.messages import Demand, Report
from bridge.hub import authority
from bridge.hub import wave_rows as rows
from bridge.hub.run import Hub
from bridge.hub.settings import HubSettings, database, load_hub
from bridge.hub.telling import concerns, teller
from bridge.hub.waves import Conductor
from bridge.state import Database
from bridge.state.fleet_tables import hub_command
from bridge.state.hub_inbox import Posted
from tests.fleet import told
from tests.fleet.site import until

YAML = """\
version: 1
kept: kept
state: {url: "sqlite:///hub.db"}
sites: {names: [hub.example]}
waves:
  - name: pilot
    schools: ["0101"]
    owner: office 40
    needs: [parents are told]
  - name: rest
    schools: rest
notify:
  - {name: it, url: "mailto://mail.example?from=a@b.example&to=c@d.example", after: 1s}
"""


@pytest.fixture
def hub(tmp_path: Path) -> HubSettings:
    """A hub of two sites, both heard."""
    file = tmp_path / "hub.yaml"
    file.write_text(YAML)
    settings = load_hub(file)
    authority.make(settings.kept, datetime.now(UTC))
    with database(settings, create=True) as opened:
        for code in ("0101", "0201"):
            told.site(opened, f"s-{code}", code, heard=opened.clock())
            told.school(opened, code, stage="hybrid")
    return settings


def typed(hub: HubSettings, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["hub", "wave", *words, "--json", "--config", str(hub.file)])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_a_wave_by_hand(hub: HubSettings, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = typed(hub, capsys, "start", "pilot")
    assert (code, said["error"]) == (1, "say why with --reason: it goes into the journals and to the sites")
    code, said = typed(hub, capsys, "start", "pilot", "--reason", "as planned")
    assert code == 1
    assert said["error"] == (
        'the wave pilot can\'t begin: "parents are told" is not attested: schoolbridge hub wave attest "pilot" '
        '"parents are told" --reason WHY. Nothing was asked'
    )
    attest = ("attest", "pilot", "parents are told", "--reason", "letter sent")
    assert typed(hub, capsys, *attest)[0] == 0
    assert typed(hub, capsys, *attest, "--back")[1]["attested"] is False
    assert "nobody attested" in typed(hub, capsys, *attest, "--back")[1]["error"]
    assert "is not attested" in typed(hub, capsys, "start", "pilot", "--reason", "as planned")[1]["error"]
    assert typed(hub, capsys, *attest)[0] == 0
    code, said = typed(hub, capsys, "start", "rest", "--reason", "as planned")
    assert "0201: the wave pilot is not through yet" in said["error"]
    code, said = typed(hub, capsys, "start", "pilot", "--at", "2039-02-30 18:00", "--reason", "as planned")
    assert said["error"] == '--at 2039-02-30 18:00: not a time; write day and hour like "2026-11-23 18:00"'
    tomorrow = f"{datetime.now(hub.zone) + timedelta(days=1):%Y-%m-%d} 18:00"
    code, said = typed(hub, capsys, "start", "pilot", "--at", tomorrow, "--every", "10m", "--reason", "as planned")
    assert (code, said["state"]) == (0, "running")
    assert [row["stand"] for row in said["waves"][0]["schools"]] == ["asked"]
    assert typed(hub, capsys, "stop", "pilot", "--reason", "the line is cut")[1]["state"] == "stopped"
    code, said = typed(hub, capsys, "show")
    assert code == 2
    assert said["waves"][0]["owner"] == "office 40"
    assert said["waves"][0]["needs"][0]["reason"] == "letter sent"
    assert said["waves"][0]["schools"][0]["stand"] == "kept back"
    assert typed(hub, capsys, "resume", "pilot", "--at", tomorrow, "--reason", "mended")[1]["state"] == "running"
    assert typed(hub, capsys, "cancel", "pilot", "--reason", "next year")[1]["state"] == "cancelled"
    assert typed(hub, capsys, "show", "south")[1]["error"].startswith('no wave is called "south"')


def test_it_is_drawn_for_people(hub: HubSettings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["hub", "wave", "show", "--config", str(hub.file)])
    drawn = capsys.readouterr().out
    assert "pilot not begun: stops after 1, in charge: office 40" in drawn
    assert "needs: parents are told (not attested yet)" in drawn
    assert "0201 School 0201: hybrid, not begun" in drawn


async def test_the_process_stops_a_wave_and_people_are_told(
    hub: HubSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(typed, hub, capsys, "attest", "pilot", "parents are told", "--reason", "letter sent")
    await asyncio.to_thread(typed, hub, capsys, "start", "pilot", "--reason", "as planned")
    sent: list[Message] = []

    async def send(_: object, __: object, message: Message) -> None:
        sent.append(message)

    with database(hub) as opened:

        class Process:
            settings, keys, database = hub, authority.read(hub.kept), opened

        conductor = Conductor(Process())
        conductor.look()
        with opened.read() as connection:
            order = connection.execute(select(hub_command)).one()
        assert json.loads(order.action) == {"action": "freeze", "reason": "wave pilot: as planned"}
        told.answer(opened, order.id, "refused", "its gates do not hold")
        conductor.look()
        found = concerns(hub.hub, opened, opened.clock())
        assert [(one.kind, one.subject, one.count, one.severity) for one in found] == [
            ("wave", "pilot", 1, Severity.CRITICAL)
        ]
        first, second = (teller(lambda: hub, opened, send=send) for _ in range(2))
        now = opened.clock()
        for seconds in (0, 5, 10):
            await _look([first, second], now + timedelta(seconds=seconds))
        # One of the two processes told it, once.
        assert [("critical" in one.title, "wave pilot is stopped; not cut over: 1" in one.title) for one in sent] == [
            (True, True)
        ]
        assert "schoolbridge hub wave show" in sent[0].body
        told.site(opened, "s-0201", "0201", heard=now - timedelta(hours=1))
        for seconds in (20, 30):
            await _look([first, second], now + timedelta(seconds=seconds))
        assert "nothing is heard of the site s-0201" in sent[1].title
        await first.stop()
        await second.stop()


async def _look(tellers: Sequence[Any], now: datetime) -> None:
    for one in tellers:
        await one.look(now)
        await one.settled()


async def test_a_running_hub_shares_budgets_and_looks_after_waves(
    hub: HubSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The process itself, with all its parts: a demand is met, a refusal stops the wave, without anybody's help."""
    text = hub.file.read_text().replace("sites: {", 'budgets: {t-1: {files: 100}}\nsites: {listen: "127.0.0.1:0", ')
    hub.file.write_text(text + "api: {enabled: false}\n")
    settings = load_hub(hub.file)
    await asyncio.to_thread(typed, hub, capsys, "attest", "pilot", "parents are told", "--reason", "letter sent")
    await asyncio.to_thread(typed, hub, capsys, "start", "pilot", "--reason", "as planned")
    with database(settings) as opened:
        process = Hub(settings, authority.read(settings.kept), opened)
        await process.start()
        try:
            demand = Demand(tenant=tenant_key("t-1"), budget="files", wanted=70)
            report = Report(epoch=1, last=0, oldest=1, now=opened.clock(), demands=[demand])
            assert not (await process.inbox.put(Posted("s-0201", "ab", report, opened.clock()))).refused
            with opened.read() as connection:
                order = connection.execute(select(hub_command)).one()
            await asyncio.to_thread(told.answer, opened, order.id, "refused", "its gates do not hold")
            await until(lambda: process.given("s-0201"))
            assert [(one.given, one.tenant) for one in process.given("s-0201")] == [(70, tenant_key("t-1"))]
            await until(lambda: stands(opened) == {"pilot": "stopped"})
        finally:
            await process.stop()


def stands(opened: Database) -> dict[str, str]:
    with opened.read() as connection:
        return {name: one.wave.state for name, one in rows.all_begun(connection).items()}
