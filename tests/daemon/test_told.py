"""The daemon as a process of its own: a server breaks, one mail; it works again, one mail that says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

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
