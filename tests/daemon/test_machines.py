"""A school on one machine's disk, in a state that several may share: a warning, and nothing wrong with one machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.daemon.catalog import Catalog
from bridge.daemon.machines import tied
from bridge.settings import load
from tests.daemon.embedded import Embedded
from tests.daemon.folders import SHARES
from tests.daemon.sinks import until
from tests.daemon.test_service import daemon


def school(root: Path, url: str, *, shares: bool = True) -> Embedded:
    one = Embedded(root, more=SHARES.format(root=root) if shares else "")
    one.config.write_text(one.config.read_text().replace("sqlite:///state.db", url))
    return one


@pytest.mark.parametrize(
    ("url", "shares", "warned"),
    [
        ("postgresql://u@h/d", True, True),
        ("postgresql://u@h/d", False, False),
        ("sqlite:///state.db", True, False),
    ],
)
def test_only_a_folder_in_a_state_that_can_be_shared_is_told_of(
    tmp_path: Path, url: str, shares: bool, warned: bool
) -> None:
    one = school(tmp_path, url, shares=shares)
    settings = load(one.config, Catalog())
    assert (tied(settings, settings.schools[0]) is not None) is warned
    answer = one.run("check")
    assert answer.code == 0, answer.err
    assert ("several machines: share homes" in answer.out) is warned
    assert ("nothing where this is the only machine" in answer.out) is warned
    assert [row["ok"] for row in one.run("check", "--json").json["findings"]["0123"]] == [True, None][: 1 + warned]


@pytest.mark.postgresql
def test_the_log_and_the_status_say_so_and_the_health_does_not(tmp_path: Path, postgresql_url: str) -> None:
    one = school(tmp_path, postgresql_url.replace("postgresql+psycopg", "postgresql"))
    for name in ("homes", "drives"):
        (tmp_path / name).mkdir()
    with daemon(one):
        log = tmp_path / "log"
        until(lambda: '"running"' in log.read_text(), why=log.read_text)
        (row,) = (
            row for line in log.read_text().splitlines() if (row := json.loads(line))["event"] == "can't be shared"
        )
        assert (row["level"], row["school"]) == ("warning", "0123")
        until(lambda: one.run("status", "--json").json["health"] == "green", why=lambda: one.run("status").out)
        (told,) = one.run("status", "--json").json["schools"]
        assert "With one machine nothing is wrong" in told["notes"][0]
        assert "note: share homes" in one.run("status").out
