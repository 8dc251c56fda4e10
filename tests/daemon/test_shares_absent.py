"""A home that is not there yet waits; one that was there and is gone, or a base that is missing, is an error."""

from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Side
from bridge.daemon.health import Colour, judge
from bridge.daemon.share_rows import RootRow, ShareRow
from tests.daemon.embedded import Embedded
from tests.daemon.test_health import NOW, tree
from tests.daemon.test_service import board, daemon
from tests.waiting import until

_HOMES = """\
shares:
  - name: homes
    for: user
    school: {{connector: folder, base: {root}/homes, root: '{{login}}'}}
    cloud: {{connector: memory, name: drive, path: '{root}/drive-{{cloud_id}}.json', kinds: [folder, file]}}
schedule: {{school_poll: 1s, jitter: 0s}}
"""


@pytest.fixture
def school(tmp_path: Path) -> Embedded:
    """Two pupils; anna0 has a home."""
    made = Embedded(tmp_path, more=_HOMES.format(root=tmp_path))
    made.fill(2)
    (tmp_path / "homes" / "anna0").mkdir(parents=True)
    return made


def row(school: Embedded) -> dict[str, Any]:
    try:
        found: dict[str, Any] = board(school.root)["0123"]["shares"].get("homes", {})
    except FileNotFoundError:
        return {}
    return found


def causes(school: Embedded) -> list[str]:
    return [
        one["text"] for one in school.run("status", "--json").json["schools"][0]["causes"] if "homes" in one["text"]
    ]


def test_a_home_that_was_never_there_is_counted_and_nothing_is_wrong(school: Embedded) -> None:
    with daemon(school):
        until(lambda: (row(school).get("waiting"), row(school).get("complete")) == (1, 1))
        assert causes(school) == []
        assert "1 of 2 folders in step, 1 not there yet" in school.run("status").out
        (school.root / "homes" / "anna1").mkdir()
        until(lambda: (row(school)["waiting"], row(school)["complete"]) == (0, 2))
    assert school.run("sync").code == 0


def test_a_home_that_is_gone_is_an_error_also_after_a_restart(school: Embedded) -> None:
    with daemon(school):
        until(lambda: row(school).get("complete") == 1)
    (school.root / "homes" / "anna0").rmdir()
    with daemon(school):
        until(lambda: row(school).get("stopped") == 1)
        (cause,) = causes(school)
        assert "It was there before" in cause
    answer = school.run("sync")
    assert answer.code == 1, answer.out


def test_a_share_that_is_not_mounted_is_an_error_of_all_its_folders(school: Embedded) -> None:
    (school.root / "homes").rename(school.root / "elsewhere")
    with daemon(school):
        until(lambda: row(school).get("stopped") == 2)
        assert "2 of 2 folders stand still" in causes(school)[0]


def test_not_one_folder_of_a_share_is_not_healthy() -> None:
    share = ShareRow({"anna0": RootRow(), "anna1": RootRow()})
    share.roots["anna0"].fail("gone", NOW)
    for one in share.roots.values():
        one.wait()
    health = judge(tree(shares={"homes": share.summary()}), "0123", NOW)
    assert health.colour is Colour.AMBER
    assert "none of 2 folders is there yet" in health.causes[0].text
    share.roots["anna0"].note({}, frozenset(Side), NOW)
    assert judge(tree(shares={"homes": share.summary()}), "0123", NOW).colour is Colour.GREEN
    share.roots["anna0"].fail("gone", NOW)
    assert judge(tree(shares={"homes": share.summary()}), "0123", NOW).colour is Colour.RED
