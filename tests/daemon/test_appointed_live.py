"""An appointment on the real daemon: gates are measured once more, the cutover begins, those who want it are told."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.daemon import wiring
from tests.daemon.sinks import MailSink, until
from tests.daemon.test_cutover import Cut
from tests.daemon.test_service import daemon
from tests.daemon.test_told import notify

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may write what is frozen")

_PEOPLE = {"configuration": "attest", "devices": "waive", "informed": "attest", "rollback-rehearsed": "waive"}
_PEOPLE |= {"permissions": "waive", "open-files": "attest"}


def _appointed(school: Cut) -> None:
    at = (wiring.now() + timedelta(seconds=5)).isoformat(timespec="seconds")
    answer = school.run("appoint", "0123", at, "--reason", "all are ready")
    assert answer.code == 0, answer.err
    until(lambda: school.run("appoint", "0123", "--json").json["appointment"] is None, seconds=240)


def test_an_appointment_is_kept_only_if_all_gates_hold(tmp_path: Path) -> None:
    school = Cut(tmp_path)
    with MailSink() as sink:
        notify(school, sink.url, ", at_least: notice")
        with daemon(school):
            until(lambda: school.run("status", "--json").json["schools"][0]["last_cycle"])
            _appointed(school)
            assert school.run("stage", "0123", "--json").json["stage"] == "hybrid"
            until(lambda: any("Bedingungen nicht erfüllt" in one for one in sink.subjects()))
            for gate, word in _PEOPLE.items():
                answer = school.run("gate", "0123", word, gate, "--reason", "all is well")
                assert answer.code == 0, answer.err
            _appointed(school)
            until(lambda: school.run("stage", "0123", "--json").json["stage"] == "soaking", seconds=240)
            until(lambda: any("freezing → soaking" in one for one in sink.subjects()))
    assert school.run("waves", "--json").json["others"][0]["through"] is True
