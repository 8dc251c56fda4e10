"""The daemon as a process of its own: a server breaks, one mail; it works again, one mail that says so."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.settings import load
from bridge.state.appointments import appoint
from bridge.state.notices import gather
from tests.daemon.embedded import Embedded
from tests.daemon.sinks import MailSink, text_of, until
from tests.daemon.test_service import daemon


def notify(school: Embedded, url: str, more: str = "") -> None:
    text = school.config.read_text()
    school.config.write_text(f'{text}notify:\n  - {{name: it, url: "{url}", after: 2s, language: de{more}}}\n')


def test_a_server_breaks_and_is_repaired(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more="schedule: {school_poll: 1s, cloud_poll: 1s, jitter: 0s}\n")
    school.fill(2)
    school.run("sync")
    with MailSink() as sink:
        notify(school, sink.url)
        with daemon(school):
            log = tmp_path / "log"
            until(lambda: "running" in log.read_text())
            shutil.move(tmp_path / "cloud.json", tmp_path / "cloud.away")
            (tmp_path / "cloud.json").write_text("{ broken: Anna Lang")
            until(lambda: sink.mails, why=log.read_text)
            begun = sink.mails[0]
            assert "0123" in str(begun["Subject"])
            shutil.move(tmp_path / "cloud.away", tmp_path / "cloud.json")
            until(lambda: len(sink.mails) > 1, why=log.read_text)
        over = sink.mails[-1]
        assert len(sink.mails) == 2, sink.subjects()
        assert "behoben" in str(over["Subject"])
        assert over["X-Schoolbridge-Key"] == begun["X-Schoolbridge-Key"] != ""
        assert (begun["X-Schoolbridge-State"], over["X-Schoolbridge-State"]) == ("open", "over")
        assert "Anna" not in "".join(map(text_of, sink.mails))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert not [row for row in rows if row["event"] == "telling failed"]
    assert school.run("journal", "verify").code == 0


def test_an_appointment_that_was_missed_is_told(tmp_path: Path) -> None:
    """The daemon was down at that time: nothing begins late by itself."""
    school = Embedded(tmp_path)
    school.fill(1)
    school.run("sync")
    settings = load(school.config, Catalog())
    at = wiring.now() - timedelta(hours=1)
    with wiring.database(settings, create=False) as database:
        kinds = settings.schools[0].kinds()
        gather(database, {"0123": ["it"]})  # what happened before anybody was to be told is no news
        appoint(database, "0123", kinds, at, actor="Zacharias Quittenbaum", reason="Zacharias has time")
    with MailSink() as sink:
        notify(school, sink.url, ", at_least: warning")
        with daemon(school):
            until(lambda: sink.mails, why=(tmp_path / "log").read_text)
        assert "Umstellung verpasst" in str(sink.mails[0]["Subject"])
        assert "Zacharias" not in sink.mails[0].as_string() + text_of(sink.mails[0])
    assert school.run("stage", "0123", "--json").json["stage"] == "hybrid"
    assert school.run("appoint", "0123", "--json").json["appointment"] is None
