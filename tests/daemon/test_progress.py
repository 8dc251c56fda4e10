"""How far the files of a share are: from the engine's count over the status file to what a person reads."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.daemon import wiring
from bridge.daemon.board import Board, SchoolRow, occupied
from bridge.daemon.progress import MOST, Meter, Standing, read
from bridge.daemon.root_states import away, sending
from bridge.daemon.share_rows import RootRow, ShareRow
from bridge.engine.load import NOTHING, Amount, Load
from bridge.settings.line import Calendar
from tests.daemon.embedded import Embedded
from tests.daemon.test_service import board, daemon
from tests.daemon.test_shares import HOMES, mirrored
from tests.waiting import until

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FREE = Calendar()


def at_work(*, known: bool = True, sent: int = 0, left: int = 0, error: str = "") -> RootRow:
    """A root with files of 1,000 bytes."""
    load = Load(known=known, ahead=Amount(left, 1000 * left, 0), sent=Amount(sent, 1000 * sent, 0))
    return RootRow(error=error, load=load)


def test_a_share_is_the_sum_of_its_roots_and_one_that_was_not_read_makes_it_a_lower_bound() -> None:
    share = ShareRow({"a": at_work(sent=3, left=1), "b": at_work(left=4, error="gone"), "c": at_work(sent=2)})
    told = share.meter.look(NOW, share.standing())
    assert (told["files"], told["files_total"], told["bytes"], told["bytes_total"]) == (5, 10, 5000, 10_000)
    assert told["complete"]
    assert told["still"] == [4, 4000, 0]
    share.roots["d"] = at_work(known=False)
    assert not share.standing().complete
    share.roots["a"] = at_work(sent=4)
    share.roots["b"] = at_work(sent=4)
    told = share.meter.look(NOW, share.standing())
    assert (told["files"], told["files_total"]) == (10, 10), "the next ones begin, and what was done is not forgotten"
    share.roots["d"].wait()
    assert share.standing().complete, "a folder that is not there sends nothing"


def test_what_a_root_sent_stays_counted_when_it_ends_until_nothing_is_left() -> None:
    share = ShareRow({"a": at_work(sent=3), "b": at_work(sent=1, left=1)})
    share.drop("a")
    told = share.meter.look(NOW, share.standing())
    assert (told["files"], told["files_total"]) == (4, 5)
    share.roots["b"].load = Load(known=True, sent=Amount(2, 2000, 0))
    told = share.meter.look(NOW, share.standing())
    assert (told["files"], told["files_total"], told["windows"]) == (0, 0, [])
    share.roots["b"].load = Load(known=True, sent=Amount(2, 2000, 0), ahead=Amount(1, 10, 0))
    told = share.meter.look(NOW, share.standing())
    assert (told["files"], told["files_total"], told["bytes_total"]) == (0, 1, 10)


def test_windows_are_few_however_long_it_takes_and_lose_nothing() -> None:
    meter, standing = Meter(), Standing()
    for number in range(2000):
        standing = Standing(moved=Amount(number, 10 * number, 0), left=Amount(1, 1, 0))
        told = meter.look(NOW + timedelta(seconds=10 * number), standing)
    assert len(told["windows"]) <= MOST
    assert sum(files for _, _, files, *_ in told["windows"]) == 1998
    assert sum(seconds for _, seconds, *_ in told["windows"]) == 19_980
    assert told["windows"][-1][1] == 30, "the last ones stay short"
    begun = [datetime.fromisoformat(one[0]) for one in told["windows"]]
    assert begun == sorted(begun)


def test_a_clock_that_was_put_back_and_a_root_that_went_away_harm_nothing() -> None:
    meter, left = Meter(), Amount(1, 1, 0)
    meter.look(NOW, Standing(moved=Amount(9, 9, 0), left=left))
    assert meter.look(NOW - timedelta(hours=1), Standing(moved=Amount(9, 9, 0), left=left))["windows"] == []
    (window,) = meter.look(NOW, Standing(moved=NOTHING, left=left))["windows"]
    assert window[2:] == [0, 0, 0]


def test_the_status_file_stays_small_with_thousands_of_roots_and_holds_no_other_key(tmp_path: Path) -> None:
    one = Board(tmp_path / "status.json", pid=1, started=NOW.isoformat())
    row = one.schools["0123"] = SchoolRow()
    row.shares["homes"] = ShareRow({f"{number:032x}": at_work(left=1) for number in range(5000)})
    for beat in range(100):
        row.shares["homes"].meter.look(NOW + timedelta(seconds=30 * beat), row.shares["homes"].standing())
    one.write(NOW)
    told = json.loads(one.path.read_text())["schools"]["0123"]
    assert "meter" not in told
    assert told["progress"]["files_total"] == told["shares"]["homes"]["progress"]["files_total"] == 5000
    assert len(json.dumps(told["shares"]["homes"]["progress"])) < 3000
    assert one.path.stat().st_size < 5000 * 120, "two lines a root: that it was not read to its end, and its numbers"


def test_what_is_read_of_it_is_a_range_or_says_why_not() -> None:
    meter = Meter()
    for beat in range(5):
        standing = Standing(moved=Amount(30 * beat, 0, 30_000 * beat), left=Amount(3600, 0, 3_600_000))
        told = meter.look(NOW + timedelta(seconds=30 * beat), standing)
    found = read(told, NOW, FREE)
    assert found.text(NOW) == "sent 0 of 3,600 files, 0 bytes of 3.6 MB; time left: 1 to 2 hours"
    tree = found.tree(NOW)
    assert (tree["earliest"], tree["latest"]) == ("2026-11-23T11:00:00+00:00", "2026-11-23T11:01:00+00:00")
    least = read(told, NOW, FREE, complete=False)
    assert least.tree(NOW)["latest"] is None
    assert "at least 3,600 files" in least.text(NOW)
    assert "at least 1 hour (not everything is read yet)" in least.text(NOW)
    nobody = read(None, NOW, FREE)
    assert (nobody.complete, nobody.text(NOW), nobody.tree(NOW)["earliest"]) == (False, "", None)


def test_each_root_has_its_own_numbers() -> None:
    share = ShareRow({"busy": at_work(sent=3, left=1), "new": at_work(known=False), "rest": at_work(sent=2)})
    for side in wiring.Side:
        share.roots["rest"].complete[side.value] = NOW.isoformat()
    told = {"away": away(share)}
    assert sending(told, "busy") == {"files": 3, "files_total": 4, "bytes": 3000, "bytes_total": 4000, "complete": True}
    assert not sending(told, "new")["complete"]
    assert sending(told, "rest") == {"files": 0, "files_total": 0, "bytes": 0, "bytes_total": 0, "complete": True}
    assert not sending({}, "rest")["complete"], "without a daemon nobody knows"


def told_by_a_daemon(school: Embedded, left: Amount, *, complete: bool = True) -> dict[str, Any]:
    """Write the status file of a daemon that has mirrored homes for two minutes."""
    now = wiring.now()
    one = Board(school.root / "run" / "status.json", os.getpid(), started=now.isoformat())
    row = one.schools["0123"] = SchoolRow(since=now.isoformat())
    root = RootRow(load=Load(known=True, ahead=left))
    share = row.shares["homes"] = ShareRow({"somebody": root})
    if not complete:
        share.roots["other"] = RootRow()
    for beat in range(5):
        root.load.moved = root.load.sent = Amount(30 * beat, 30_000 * beat, 0)
        one.write(now - timedelta(seconds=30 * (4 - beat)))
    return board(school.root)["0123"]


def test_status_and_shares_show_it_in_words_and_as_numbers(tmp_path: Path) -> None:
    school = mirrored(tmp_path)
    (tmp_path / "run").mkdir(exist_ok=True)
    with occupied(tmp_path / "run"):
        told_by_a_daemon(school, Amount(10_800, 10_800_000, 0))
        line = "sent 120 of 10,920 files, 120.0 kB of 10.9 MB; time left: 2 to 4 hours"
        assert line in school.run("status").out
        assert line in school.run("shares").out
        (status,) = school.run("status", "--json").json["schools"]
        for tree in (status["progress"], status["shares"]["homes"]["progress"]):
            assert (tree["files"], tree["files_total"], tree["bytes"], tree["bytes_total"]) == (
                120, 10_920, 120_000, 10_920_000,
            )  # fmt: skip
            assert tree["complete"]
            assert tree["earliest"] < tree["latest"]
            assert "windows" not in tree
        (share,) = school.run("shares", "--json").json["shares"]
        assert (share["share"], share["progress"]["files_total"]) == ("homes", 10_920)
        told_by_a_daemon(school, Amount(10_800, 10_800_000, 0), complete=False)
        assert "of at least 10,920 files" in school.run("status").out
        (share,) = school.run("shares", "--json").json["shares"]
        assert (share["progress"]["complete"], share["progress"]["latest"]) == (False, None)
        assert share["progress"]["reason"] == "not everything is read yet"


def test_without_a_daemon_nothing_is_made_up(tmp_path: Path) -> None:
    school = mirrored(tmp_path)
    answer = school.run("shares", "--json").json
    assert [one["progress"]["complete"] for one in answer["shares"]] == [False]
    assert all(not row["progress"]["complete"] for row in answer["roots"])
    assert "sent" not in school.run("shares").out
    assert school.run("status", "--json").json["schools"][0]["progress"]["complete"] is False


def test_the_real_daemon_is_done_and_says_so(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more=HOMES.format(root=tmp_path, key="login") + "schedule: {school_poll: 1s}\n")
    school.fill(2)
    with daemon(school):
        until((tmp_path / "run" / "status.json").exists)
        until(lambda: board(tmp_path)["0123"].get("shares", {}).get("homes", {}).get("complete") == 2)
        (status,) = school.run("status", "--json").json["schools"]
        done = {"files": 0, "files_total": 0, "bytes": 0, "bytes_total": 0, "complete": True}
        assert status["progress"].items() >= {**done, "earliest": None, "latest": None, "reason": ""}.items()
        assert status["shares"]["homes"]["progress"].items() >= done.items()
