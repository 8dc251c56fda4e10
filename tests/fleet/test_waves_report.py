"""What is ahead, and the report for the council: out of a hub's database, on paper and as a page, in both languages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from bridge import cli
from bridge.hub import authority
from bridge.hub.settings import HubSettings, database, load_hub
from bridge.hub.wave_steps import Start, Waves
from bridge.letters import progress_pages
from bridge.state import hub_sites
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_event
from tests.fleet import told

YAML = """\
version: 1
kept: kept
state: {url: "sqlite:///hub.db"}
sites: {names: [hub.example]}
language: de
budgets: {tenant-1: {files: 100}}
blackouts: [{from: "2026-01-01", to: "2026-01-05", reason: holidays}]
waves:
  - {name: pilot, schools: ["0101", "0102"], owner: Amt 40, pause: 7 days}
  - {name: north, schools: ["0201", "0202", "0203"], owner: Amt 40, needs: [parents are told]}
  - {name: rest, schools: rest}
"""
#: Labels and words of people: none of them may stand in what the council gets.
SECRET = ("Anna-Lena", "Krause", "because Mrs. Muster said so")


@pytest.fixture
def hub(tmp_path: Path) -> HubSettings:
    """Seven schools: two through, one that failed, one silent, others on the way or never heard of."""
    file = tmp_path / "hub.yaml"
    file.write_text(YAML)
    settings = load_hub(file)
    authority.make(settings.kept, datetime.now(UTC))
    with database(settings, create=True) as opened:
        fill(settings, opened)
    return settings


def fill(settings: HubSettings, opened: Database) -> None:
    now = opened.clock()
    for code in ("0101", "0102", "0201", "0202", "0203", "0301", "0302"):
        silent = code in ("0203", "0302")
        told.site(opened, f"s-{code}", code, heard=now - timedelta(hours=5) if silent else now)
    for code in ("0101", "0102"):
        began = now - timedelta(days=9)
        past = [told.run(f"r{code}", began, ended=began + timedelta(hours=4), outcome="switched")]
        told.cutover(opened, code, stage="soaking", past=past)
        told.school(opened, code, name=f"Grundschule {code}", stage="soaking")
    ends = {"earliest_end": (now + timedelta(days=2)).isoformat(), "latest_end": (now + timedelta(days=6)).isoformat()}
    left = {"files": 1000, "files_total": 50_000, "complete": True, **ends}
    ready = {"files": 9, "files_total": 9}
    for code, more in {
        "0201": {"amounts": ready, "held": 3, "conflicts": 1},
        "0202": {"amounts": left},
        "0203": {"amounts": ready},
        "0301": {"stage": "observing"},
    }.items():
        told.school(opened, code, **{"name": f"Gesamtschule {code}", "stage": "hybrid", **more})
    notice = json.dumps({"severity": "critical", "text": "Anna-Lena Krause"})
    event = {"site": "s-0201", "epoch": 1, "seq": 1, "school": "0201", "kind": "notice", "at": now, "received": now}
    with opened.write() as connection:
        connection.execute(hub_event.insert(), {**event, "body": notice})
    waves = Waves(lambda: settings.hub, opened, authority.read(settings.kept).orders)
    waves.attest("north", "parents are told", actor=SECRET[0], reason=SECRET[2])
    waves.start("north", Start(now + timedelta(days=8)), actor=SECRET[0], reason=SECRET[2])
    failed = told.run("r0201", now + timedelta(seconds=1), ended=now + timedelta(minutes=30), outcome="aborted")
    told.cutover(opened, "0201", stage="hybrid", past=[failed])
    waves.look("north")


def typed(hub: HubSettings, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["hub", *words, "--json", "--config", str(hub.file)])
    assert ended.value.code in (0, None), capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def test_what_is_ahead(hub: HubSettings, capsys: pytest.CaptureFixture[str]) -> None:
    said = typed(hub, capsys, "simulate")
    waits = {code: one["waits_for"] for code, one in said["schools"].items()}
    assert waits == {
        "0101": "through",
        "0102": "through",
        "0201": "decisions of people",
        "0202": "line",
        "0203": "silent site",
        "0301": "not mirrored yet",
        "0302": "silent site",
    }
    assert said["cutovers_measured"] == 0
    assert said["schools"]["0203"]["latest"] is None
    assert [wave["last"] for wave in said["waves"]] == ["", "0203", "0301"]
    assert said["waves"][2]["ends"]["earliest"] is None
    with pytest.raises(SystemExit):
        cli.main(["hub", "simulate", "--config", str(hub.file)])
    drawn = capsys.readouterr().out
    assert "a cutover takes 1.0 to 24.0 hours (assumed, too few measured yet)" in drawn
    assert "0201: " in drawn
    assert "4 to be decided" in drawn


def test_neither_a_revoked_site_nor_what_a_site_says_makes_it_untrue(
    hub: HubSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_pages, "_DRAWN", 2)
    with database(hub) as opened:
        assert hub_sites.revoke(opened, "s-0302", actor="anna", reason="stolen")
        now = opened.clock()
        ended = told.run("r0202", now, ended=now + timedelta(minutes=30), outcome="Frau Krause pulled the plug")
        told.cutover(opened, "0202", stage="hybrid", past=[ended])
    page = tmp_path / "report.html"
    said = typed(hub, capsys, "report", "progress", "--html", str(page))
    assert (said["untold"], said["stages"]) == (1, {"observing": 1, "hybrid": 3, "soaking": 2})
    assert (said["schools"], said["silent"]) == (7, 2)  # the school of the stolen machine is still to be cut over
    assert {row["outcome"] for row in said["incidents"]["runs"]} == {"aborted", "ended otherwise"}
    text = page.read_text()
    assert "anders geendet als geplant" in text
    assert "Krause" not in text
    assert "Gezeigt sind 2 von 3." in text


def test_the_report_on_paper_and_as_a_page_without_a_name_of_a_person(
    hub: HubSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paper, page = tmp_path / "report.pdf", tmp_path / "report.html"
    said = typed(hub, capsys, "report", "progress", "--pdf", str(paper), "--html", str(page))
    assert (said["schools"], said["through"], said["silent"]) == (7, 2, 2)
    assert [wave["state"] for wave in said["waves"]] == ["through", "stopped", ""]
    assert {(row["school"], row["why"]) for row in said["delays"]} == {
        ("0201", "aborted"), ("0202", "kept back"), ("0203", "kept back"),
    }  # fmt: skip
    assert said["incidents"]["notices"] == {"critical": 1}
    text = re.sub(r"\s+", " ", " ".join(part.extract_text() for part in PdfReader(paper).pages))
    for words in ("2 von 7 Schulen sind umgestellt (29 %)", "Angehalten: north", "Grundschule", "abgebrochen"):
        assert words.replace("Grundschule", "Gesamtschule 0201") in text
    assert (page.stat().st_mode & 0o077, paper.stat().st_mode & 0o077) == (0, 0)
    for found in (json.dumps(said), text, page.read_text()):
        assert not [name for name in SECRET if name in found]
    english = tmp_path / "english.html"
    typed(hub, capsys, "report", "progress", "--html", str(english), "--language", "en")
    assert "2 of 7 schools are cut over (29 %)" in english.read_text()
    with pytest.raises(SystemExit):
        cli.main(["hub", "report", "progress", "--pdf", str(paper), "--config", str(hub.file)])
    assert "exists already; name another file" in capsys.readouterr().err
