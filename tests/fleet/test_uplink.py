"""A site reports to a hub over real TLS: what it tells, when, and what becomes of it when the line is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.fleet import Mark, Verdict
from bridge.daemon import wiring
from bridge.state import outbox
from tests.api.kit import NAMES, _trouble
from tests.fleet.fake_hub import FakeHub
from tests.fleet.kit import Site, configured, enrolled, site_of


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub(tmp_path / "hub") as it:
        yield it


@pytest.fixture
def site(tmp_path: Path, hub: FakeHub) -> Iterator[Site]:
    place = tmp_path / "site"
    place.mkdir()
    school = configured(place, hub)
    enrolled(school, hub)
    with site_of(school) as it:
        yield it


def test_states_come_once_and_a_stage_at_once_and_no_name_of_anybody(hub: FakeHub, site: Site) -> None:
    _trouble(site.database, site.settings)
    with site.up():
        hub.until(lambda: len(hub.states()) == 4)
        view = hub.states()["0123", "school"]["view"]
        assert (view["stage"], view["records"]["cloud:user"], "events" in view) == ("hybrid", 3, False)
        assert {one["event"] for one in hub.states()["0123", "cutover"]["events"]} >= {"freeze", "pause"}
        assert hub.states()["0123", "configuration"]["source"] == "site"
        head = hub.states()["0123", "head"]
        with site.database.read() as connection:
            assert (
                head["seq"] == connection.exec_driver_sql("SELECT journal_seq FROM school WHERE code='0123'").scalar()
            )
        told = len(hub.messages)
        hub.until(lambda: len(hub.reports) > 4)
        assert len(hub.messages) == told, "nothing changed, so nothing is told"
        store = site.database.school("0123", site.settings.schools[0].kinds())
        from bridge.state.stages import move
        from bridge.state.transaction import writing

        with writing(site.database, "0123") as tx:
            move(tx, "paused-hybrid", event="pause", actor="Anna Lang", reason="of Anna Lang")
        assert store.stage() == "paused-hybrid"
        hub.until(lambda: hub.events("stage") == [{"stage": "paused-hybrid", "before": "hybrid"}])
        hub.until(lambda: hub.states()["0123", "school"]["view"]["stage"] == "paused-hybrid")
    everything = "".join(one.model_dump_json() for one in hub.reports)
    assert not [name for name in NAMES if name in everything]
    assert site.hub["error"] == ""
    assert site.hub["waiting"] == 0
    assert site.hub["site"] == "s1"


def test_what_happens_while_the_site_is_down_or_the_hub_away_comes_in_order_and_once(hub: FakeHub, site: Site) -> None:
    from bridge.state.stages import move
    from bridge.state.transaction import writing

    def to(stage: str) -> None:
        with writing(site.database, "0123") as tx:
            move(tx, stage, event="x", actor="test", reason="y")

    with site.up():
        hub.until(lambda: hub.states()["0123", "head"])
        hub.stop()
        to("paused-hybrid")
        hub.until(lambda: "can't be reached" in site.hub["error"])
        to("hybrid")
        hub.until(lambda: outbox.waiting(site.database) > 2)
    to("paused-hybrid")
    hub.start()
    hub.deaf = True
    with site.up():
        hub.until(lambda: site.hub["error"] and hub.verdicts[-1] is Verdict.REPEATED)
        to("hybrid")
        hub.deaf = False
        hub.until(lambda: len(hub.events("stage")) == 4)
        hub.until(lambda: not site.hub["error"] and not outbox.waiting(site.database))
    stages = [one["stage"] for one in hub.events("stage")]
    assert stages == ["paused-hybrid", "hybrid", "paused-hybrid", "hybrid"]
    assert hub.missing == 0


def test_a_state_that_was_put_back_begins_a_new_epoch_and_tells_all_anew(hub: FakeHub, site: Site) -> None:
    with site.up():
        hub.until(lambda: len(hub.states()) == 4)
    before = hub.mark
    with site.database.write() as connection:  # one message fewer: as many again would hide it
        connection.exec_driver_sql("DELETE FROM outbox")
        connection.exec_driver_sql("UPDATE uplink SET last = last - 1 WHERE school = ''")
    hub.messages.clear()
    with site.up():
        hub.until(lambda: len(hub.states()) == 4)
    assert (before.epoch, hub.mark.epoch) == (1, 2)
    assert Verdict.BEHIND in hub.verdicts


def test_a_hub_that_was_put_back_is_told_all_states_again(hub: FakeHub, site: Site) -> None:
    with site.up():
        hub.until(lambda: len(hub.states()) == 4)
        hub.messages.clear()
        hub.deaf = True  # the receipt that says so is lost
        hub.mark = Mark(1, 1)
        hub.until(lambda: hub.missing > 0)
        hub.deaf = False
        hub.until(lambda: len(hub.states()) == 4)


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "refuses this site: revoked"), (426, "Update schoolbridge"), (401, "enrol it again"), (503, "busy or in")],
)
def test_a_refusal_says_what_to_do(hub: FakeHub, site: Site, status: int, words: str) -> None:
    hub.status = status
    with site.up():
        hub.until(lambda: words in site.hub["error"])
        assert "not today" in site.hub["error"]
        hub.status = None
        hub.until(lambda: site.hub["confirmed"] and not site.hub["error"])


def test_a_clock_that_is_wrong_is_told_and_a_certificate_is_renewed(hub: FakeHub, site: Site, tmp_path: Path) -> None:
    from datetime import timedelta

    hub.ahead = timedelta(minutes=47)
    with site.up():
        hub.until(lambda: "47 minutes behind the hub's" in site.hub["clock"])
        hub.ahead = timedelta(0)
        hub.until(lambda: site.hub["confirmed"] and not site.hub["clock"])
        first = hub.serials[-1]
        key = (tmp_path / "site" / "hub" / "site.key").read_bytes()
        hub.renew = True
        hub.until(lambda: hub.serials[-1] != first)
        hub.renew = False
        assert (tmp_path / "site" / "hub" / "site.key").read_bytes() != key
        assert wiring.now().isoformat() < site.hub["certificate"]


def test_an_expired_certificate_of_the_site_is_said(hub: FakeHub, site: Site) -> None:
    hub.days = 0
    enrolled(site.school, hub)
    with site.up():
        hub.until(lambda: "enrol this site again: schoolbridge uplink enrol" in site.hub["error"])
        hub.days = 9
        enrolled(site.school, hub)
    with site.up():
        hub.until(lambda: site.hub["confirmed"] and not site.hub["error"])


def test_of_two_daemons_on_one_state_one_reports_and_the_other_takes_over(
    hub: FakeHub, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.uplink.site.AGAIN", 0.1)
    with site_of(site.school) as other, other.up():
        hub.until(lambda: other.hub["confirmed"])
        with site.up():
            hub.until(lambda: site.hub["error"])
            assert site.hub["confirmed"] is None
            assert "another daemon of the same state reports to the hub" in site.hub["error"]
            other.database.leases._held[""].end()  # as if it had slept for too long
            hub.until(lambda: "stands by" in other.hub["error"] or site.hub["confirmed"])
            hub.until(lambda: site.hub["confirmed"] or not other.hub["error"])
    assert {one.epoch for one in hub.reports} == {1}
    assert Verdict.BEHIND not in hub.verdicts


def test_notices_begin_and_end(hub: FakeHub, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from bridge.uplink import happened, tell

    monkeypatch.setattr(happened, "LASTS", timedelta(seconds=0.1))
    monkeypatch.setattr(tell, "_CONCERNS", timedelta(0))
    with site.up():
        hub.until(lambda: hub.states())
        site.board.schools["0123"].error = "the school's server does not answer"
        site.board.schools["0123"].error_since = wiring.now().isoformat()
        site.beat()
        (begun,) = hub.until(lambda: hub.events("notice"))
        site.board.schools["0123"].error = ""
        site.beat()
        _, ended = hub.until(lambda: len(found := hub.events("notice")) == 2 and found)
    assert (begun["over"], ended["over"], begun["severity"]) == (False, True, "warning")
    assert begun["key"] == ended["key"]
    assert "stands still" in begun["text"]
    assert json.dumps(hub.states()["0123", "school"]).count("does not answer") <= 2
