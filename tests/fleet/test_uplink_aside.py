"""What a hub does not take is found and set aside, and holds up nothing else: over real TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.fleet.messages import Report
from bridge.state import outbox
from bridge.state.aside import BARE
from bridge.state.outbox import News
from tests.fleet.fake_hub import FakeHub
from tests.fleet.kit import Site, configured, enrolled, site_of


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeHub, Site]]:
    place = tmp_path_factory.mktemp("aside")
    (place / "site").mkdir()
    with FakeHub(place / "hub") as hub:
        school = configured(place / "site", hub)
        enrolled(school, hub)
        with site_of(school) as site, site.up():
            hub.until(lambda: len(hub.states()) == 4 and not outbox.waiting(site.database))
            yield hub, site


@pytest.fixture(autouse=True)
def _good_again(both: tuple[FakeHub, Site]) -> Iterator[None]:
    yield
    both[0].refuses = lambda report: None


def keep(site: Site, *news: News) -> None:
    with outbox.opened(site.database) as tx:
        outbox.tell(tx, news)


def refuse_bodies(report: Report) -> tuple[int, list[str]] | None:
    return (422, []) if any(one.body.get("text") == "bad" for one in report.messages) else None


def test_a_message_that_is_never_taken_is_set_aside_and_all_others_arrive_in_order(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    hub.refuses = refuse_bodies
    hub.messages.clear()
    texts = ["a", "bad", "b", "c", "d", "bad", "e"]
    answer = {"command": "x" * 8, "state": "done", "text": "bad", "stage": "hybrid"}
    keep(site, *(News("notice", {"text": text}, "0123") for text in texts), News("answer", answer, "0123", "answer:x"))
    hub.until(lambda: not outbox.waiting(site.database))
    told = [one.body["text"] for one in hub.messages if one.kind == "notice"]
    assert [one for one in told if len(one) == 1] == list("abcde")
    aside = [one for one in told if "was set aside" in one]
    assert len(aside) == 2
    assert "notice of 0123" in aside[0]
    assert "not this" in aside[0], "it says what the hub said"
    assert hub.events("answer")[-1] == {**answer, "text": BARE}, "the outcome arrives all the same"
    assert hub.missing == 0
    hub.until(lambda: not site.hub["error"])
    assert site.hub["aside"] == 3
    assert "answer of 0123" in site.hub["aside_last"]


def test_where_no_message_is_at_fault_nothing_is_set_aside(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    before = site.hub["aside"]
    hub.refuses = lambda report: (422, [])
    keep(site, News("notice", {"text": "good"}, "0123"))
    hub.until(lambda: "can't take what this site tells (HTTP 422)" in site.hub["error"])
    assert outbox.waiting(site.database) == 1
    hub.refuses = lambda report: None
    hub.until(lambda: not outbox.waiting(site.database))
    assert site.hub["aside"] == before
    assert hub.events("notice")[-1] == {"text": "good"}


def test_what_is_left_of_a_school_that_went_holds_up_nothing_but_a_school_that_is_here_waits_for_people(
    both: tuple[FakeHub, Site],
) -> None:
    hub, site = both

    def refuse(report: Report) -> tuple[int, list[str]] | None:
        found = sorted({f"school/{one.school}" for one in report.messages if one.school in foreign})
        return (403, found) if found else None

    hub.refuses, foreign = refuse, {"0777", "0123"}
    keep(site, News("notice", {"text": "of one that went"}, "0777"), News("notice", {"text": "of ours"}, "0123"))
    hub.until(lambda: "a school is another site's" in site.hub["error"] and "0777" in site.hub["aside_last"])
    assert outbox.waiting(site.database) >= 2, "whose school it is people have to say"
    foreign.remove("0123")  # it was assigned
    hub.until(lambda: not outbox.waiting(site.database))
    assert hub.events("notice")[-1] == {"text": "of ours"}
    assert "notice of 0777" in hub.events("notice")[-2]["text"]
